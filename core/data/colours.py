"""CIFAR-10 and CIFAR-100 from the binary files of their makers: bytes, where other versions are pickles."""

from pathlib import Path

import numpy as np
import torch

from core.data.archives import fetch
from core.data.facts import DATASET_FACTS
from core.data.pictures import to_unit
from core.data.sources import data_folder
from core.errors import LabError
from core.types import MultiViewDataset

SIDE = 32
PIXELS = 3 * SIDE * SIDE
ADDRESS = "https://www.cs.toronto.edu/~kriz/"
ARCHIVES = {  # name, MD5 as the makers give it, folder inside
    "cifar10": ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin"),
    "cifar100": ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary"),
}
FILES = {  # with the pictures in each
    "cifar10": {**{f"data_batch_{i}.bin": 10_000 for i in range(1, 6)}, "test_batch.bin": 10_000},
    "cifar100": {"train.bin": 50_000, "test.bin": 10_000},
}
LABEL_BYTES = {"cifar10": 1, "cifar100": 2}  # CIFAR-100: the coarse class, then the class
MEGABYTES = {"cifar10": 162, "cifar100": 161}  # of the archive


def cifar10(root: Path | None = None) -> MultiViewDataset:
    """60,000 photographs of CIFAR-10. Raises :class:`LabError` if the files are neither there nor to be had."""
    return _read("cifar10", root)


def cifar100(root: Path | None = None) -> MultiViewDataset:
    """60,000 photographs of CIFAR-100. Raises :class:`LabError` if the files are neither there nor to be had."""
    return _read("cifar100", root)


def are_here(name: str, root: Path | None = None) -> bool:
    """Whether the files of a data set are in the data folder."""
    folder = data_folder(root) / ARCHIVES[name][2]
    return all((folder / file).is_file() for file in FILES[name])


def _read(name: str, root: Path | None) -> MultiViewDataset:
    if not are_here(name, root):
        _download(name, data_folder(root))
    folder, facts = data_folder(root) / ARCHIVES[name][2], DATASET_FACTS[name]
    rows = np.concatenate([_rows(folder / file, count, LABEL_BYTES[name]) for file, count in FILES[name].items()])
    labels = rows[:, LABEL_BYTES[name] - 1].astype(np.int64)
    if labels.max() >= len(facts.class_names):
        raise LabError(f"A label in {folder} is {labels.max()}: delete the folder, and it is downloaded again.")
    pixels = rows[:, LABEL_BYTES[name] :].reshape(-1, 3, SIDE, SIDE)
    return MultiViewDataset(name, (torch.from_numpy(to_unit(pixels)),), torch.from_numpy(labels), facts.class_names)


def _rows(path: Path, count: int, label_bytes: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The bytes of a file, a row a picture, its size checked first."""
    size = count * (label_bytes + PIXELS)
    if path.stat().st_size != size:
        raise LabError(f"{path} has not the {size:,} bytes that are expected: delete it, and it is downloaded again.")
    return np.fromfile(path, dtype=np.uint8).reshape(count, label_bytes + PIXELS)


def _download(name: str, folder: Path) -> None:
    """Fetch and unpack an archive."""
    archive, md5, inside = ARCHIVES[name]
    sentence = (
        f"{DATASET_FACTS[name].title} is not in {folder} and could not be downloaded: connect to the internet once and "
        f"retry, or put the makers' binary version there, unpacked ({inside}/{next(iter(FILES[name]))} and so on)."
    )
    fetch({ADDRESS + archive: md5}, [inside], folder, sentence)
