"""SVHN and STL-10 in torchvision's layout: house numbers from MATLAB's files, photographs of 96 pixels from bytes.

A MATLAB file is read by SciPy, which makes arrays of it and runs nothing: what the file says it holds is checked before
any of it is unpacked, and only the two arrays that are wanted are read.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.archives import fetch
from core.data.facts import DATASET_FACTS
from core.data.pictures import to_unit
from core.data.sources import Bytes, data_folder
from core.errors import LabError
from core.records import Integers
from core.types import MultiViewDataset, Views

SVHN_ADDRESS = "http://ufldl.stanford.edu/housenumbers/"
SVHN_FILES = {  # with the pictures in each, and MD5 as torchvision gives it
    "train_32x32.mat": (73_257, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test_32x32.mat": (26_032, "eb5a983be6a315427106f1b164d9cef3"),
}
STL10_ADDRESS = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
STL10_MD5 = "91f7769df0f17e558f3565bffb0c7dfb"
STL10_FOLDER = "stl10_binary"
STL10_PARTS = {"train": 5_000, "test": 8_000}  # pictures with a label, in the order they are joined
STL10_UNLABELLED = 100_000
SIDES = {"svhn": 32, "stl10": 96}
MEGABYTES = {"svhn": 247, "stl10": 2_640}  # to download
WHOLE_NUMBERS = ("uint8", "double")  # classes of MATLAB that the labels come in


def svhn(root: Path | None = None) -> MultiViewDataset:
    """99,289 house numbers of SVHN, train then test part; the digit 0 is label 0, where the files say 10.

    Raises :class:`LabError` if the files are neither there nor to be had, or damaged.
    """
    folder = data_folder(root)
    if not are_here("svhn", root):
        downloads = {SVHN_ADDRESS + name: md5 for name, (_, md5) in SVHN_FILES.items()}
        fetch(downloads, list(SVHN_FILES), folder, _missing("svhn", folder, "train_32x32.mat and test_32x32.mat"))
    parts = [_read_mat(folder / name, count) for name, (count, _) in SVHN_FILES.items()]
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _pictures("svhn", pixels, labels)


def stl10(root: Path | None = None) -> MultiViewDataset:
    """13,000 photographs of STL-10 that have a label, train then test part.

    Raises :class:`LabError` if the files are neither there nor to be had, or damaged.
    """
    folder = data_folder(root) / STL10_FOLDER
    if not are_here("stl10", root):
        where = f"{STL10_FOLDER}/train_X.bin and so on"
        sentence = _missing("stl10", data_folder(root), where)
        fetch({STL10_ADDRESS: STL10_MD5}, [STL10_FOLDER], data_folder(root), sentence)
    pixels = np.concatenate([_photographs(folder / f"{part}_X.bin", n) for part, n in STL10_PARTS.items()])
    labels = np.concatenate([_bytes(folder / f"{part}_y.bin", n) for part, n in STL10_PARTS.items()])
    return _pictures("stl10", pixels, labels.astype(np.int64) - 1)


def stl10_unlabelled(root: Path | None = None) -> Views:
    """The 100,000 photographs of STL-10 without a label, 1 x (100000, 3, 96, 96): 11 GB. They come with the others.

    Raises :class:`LabError` if the file is not there, or damaged.
    """
    path = data_folder(root) / STL10_FOLDER / "unlabeled_X.bin"
    if not path.is_file():
        raise LabError(f"{path} is not there, and pre-training uses its photographs: take it from STL-10's archive.")
    return (torch.from_numpy(to_unit(_photographs(path, STL10_UNLABELLED))),)


def are_here(name: str, root: Path | None = None) -> bool:
    """Whether the files of a data set are in the data folder."""
    folder = data_folder(root)
    files = list(SVHN_FILES)
    if name == "stl10":
        files = [f"{STL10_FOLDER}/{part}_{kind}.bin" for part in STL10_PARTS for kind in "Xy"]
    return all((folder / file).is_file() for file in files)


def _missing(name: str, folder: Path, files: str) -> str:
    return (
        f"{DATASET_FACTS[name].title} is not in {folder} and could not be downloaded: connect to the internet once and "
        f"retry, or put torchvision's files there ({files})."
    )


def _pictures(name: str, pixels: Bytes, labels: Integers) -> MultiViewDataset:
    classes = DATASET_FACTS[name].class_names
    if labels.min() < 0 or labels.max() >= len(classes):
        raise LabError(f"The files of {DATASET_FACTS[name].title} have a label outside its classes: fetch them again.")
    return MultiViewDataset(name, (torch.from_numpy(to_unit(pixels)),), torch.from_numpy(labels), classes)


def _photographs(path: Path, count: int) -> Bytes:
    """Pictures (count, 3, 96, 96) from a file that has them column by column."""
    side = SIDES["stl10"]
    return _bytes(path, count * 3 * side * side).reshape(count, 3, side, side).transpose(0, 1, 3, 2)


def _bytes(path: Path, size: int) -> Bytes:
    if path.stat().st_size != size:
        raise LabError(f"{path} has not the {size:,} bytes that are expected: fetch it again.")
    return np.fromfile(path, dtype=np.uint8)


def _read_mat(path: Path, count: int) -> tuple[Bytes, Integers]:
    """Pictures (count, 3, 32, 32) and labels (count,) of a file of SVHN."""
    from scipy.io import loadmat, whosmat

    side = SIDES["svhn"]
    broken = LabError(f"{path} is not the file of SVHN that it should be: delete it, and it is downloaded again.")
    try:
        held: dict[str, tuple[tuple[int, ...], str]] = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        (shape, kind), (labelled, label_kind) = held["X"], held["y"]
        if (shape, kind, labelled) != ((side, side, 3, count), "uint8", (count, 1)) or label_kind not in WHOLE_NUMBERS:
            raise broken
        found: dict[str, NDArray[Any]] = loadmat(path, variable_names=["X", "y"])
        pixels, labels = found["X"].transpose(3, 2, 0, 1), found["y"].ravel().astype(np.int64)
    except LabError:
        raise
    except Exception as error:  # whatever SciPy says to the bytes of a stranger
        raise broken from error
    if pixels.dtype != np.uint8 or pixels.shape != (count, 3, side, side) or labels.shape != (count,):
        raise broken
    return pixels, labels % 10
