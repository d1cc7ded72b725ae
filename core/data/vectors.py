"""Vectors in place of pictures, for ALRDC's tables: features and labels in an ``.npz`` that the user brings or makes.

``python -m core features`` makes the files as the paper describes them. A file holds the arrays ``features`` (N, D),
not negative, and ``labels`` (N,) from 0; rows are scaled to length 1, so that no number is above it.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from core.data.facts import DATASET_FACTS
from core.data.photographs import stl10
from core.data.sources import data_folder
from core.errors import LabError
from core.records import Floats, Integers
from core.types import MultiViewDataset, chunks

NAMES = ("stl10_features", "reuters")
MEMBERS = {"features.npy", "labels.npy"}
MOST_BYTES = 2**30  # unpacked
CHUNK = 64
RESNET_SIDE = 224
RESNET_MEAN, RESNET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
REUTERS_ROOTS = ("CCAT", "ECAT", "GCAT", "MCAT")  # a document of exactly one of them has a label
REUTERS_SEED = 0
Making = Generator[float, None, tuple[Floats, Integers]]  # yields the share that is done, returns features and labels


def stl10_features(root: Path | None = None) -> MultiViewDataset:
    """STL-10's 13,000 labelled photographs as a ResNet-50 sees them. Raises :class:`LabError` without the file."""
    return _read("stl10_features", root)


def reuters(root: Path | None = None) -> MultiViewDataset:
    """10,000 news of REUTERS as tf-idf of 2,000 words. Raises :class:`LabError` without the file."""
    return _read("reuters", root)


def missing(name: str, root: Path | None = None) -> str:
    """A sentence about a file that is not there; empty if it is."""
    path = path_of(name, root)
    if path.is_file():
        return ""
    return (
        f"{DATASET_FACTS[name].title} are not here: put {path.name} into {path.parent}, with the arrays features and "
        f"labels, or make it: python -m core features {name}."
    )


def make_file(name: str, root: Path | None = None, device: torch.device | None = None) -> Iterator[float]:
    """Make the file of a data set, replacing an earlier one; yields the share that is done.

    Raises :class:`LabError` for another data set, and if what it is made of cannot be had.
    """
    if name not in NAMES:
        raise LabError(f"Features are made of {' and '.join(NAMES)}, not of {name!r}.")
    path = path_of(name, root)
    features, labels = yield from _MAKERS[name](root, device or torch.device("cpu"))
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_suffix(".arriving.npz")
    np.savez(arriving, features=features, labels=labels)
    arriving.replace(path)


def path_of(name: str, root: Path | None) -> Path:
    """Where the file of a data set lies."""
    return data_folder(root) / f"{name}.npz"


def _read(name: str, root: Path | None) -> MultiViewDataset:
    if sentence := missing(name, root):
        raise LabError(sentence)
    facts, path = DATASET_FACTS[name], path_of(name, root)
    features, labels = _arrays(path)
    size = facts.view_shapes[0][2]
    if features.ndim != 2 or features.shape[1] != size or labels.shape != (len(features),) or len(features) < 2:
        raise LabError(f"{path} holds features {features.shape} and labels {labels.shape}: (N, {size}) and (N,) fit.")
    if features.dtype.kind not in "fiu" or labels.dtype.kind not in "iu":
        raise LabError(f"{path} holds features that are no numbers, or labels that are no whole numbers.")
    if not np.isfinite(features).all() or features.min() < 0:
        raise LabError(f"{path} holds features that are negative or infinite: those after a ReLU, or tf-idf, are not.")
    if labels.min() < 0 or labels.max() >= len(facts.class_names):
        raise LabError(f"{path} holds labels from {labels.min()} to {labels.max()}: 0 to {len(facts.class_names) - 1}.")
    rows = torch.from_numpy(features.astype(np.float32))
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min(1e-12)
    views = (rows[:, None, None, :],)  # as a picture of one line
    return MultiViewDataset(name, views, torch.from_numpy(labels.astype(np.int64)), facts.class_names)


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both arrays of a file, its sizes checked before anything is unpacked; never an object."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
        if set(sizes) == MEMBERS and sum(sizes.values()) <= MOST_BYTES:
            with np.load(path, allow_pickle=False) as found:
                return found["features"], found["labels"]
    except Exception as error:  # zipfile and NumPy raise whatever they like at damaged files
        raise LabError(f"{path} is damaged, or no .npz file: make it again.") from error
    raise LabError(f"{path} holds other arrays than features and labels, or more than {MOST_BYTES:,} bytes.")


def _resnet_features(root: Path | None, device: torch.device) -> Making:
    """The mean (N, 2048) over pixels of what ImageNet's ResNet-50 sees last in STL-10's photographs, at 224 pixels."""
    data, network = stl10(root), _resnet().to(device).eval()
    mean, deviation = (torch.tensor(v, device=device)[:, None, None] for v in (RESNET_MEAN, RESNET_DEVIATION))
    rows: list[Tensor] = []
    done = 0
    with torch.inference_mode():
        for (pictures,) in chunks(data.views, CHUNK):
            large = interpolate(pictures.to(device), size=(RESNET_SIDE,) * 2, mode="bilinear", align_corners=False)
            rows.append(network((large - mean) / deviation).cpu())
            done += len(pictures)
            yield done / len(data)
    return torch.cat(rows).numpy(), data.labels.numpy()


def _resnet() -> torch.nn.Module:
    from torchvision.models import ResNet50_Weights, resnet50

    weights = ResNet50_Weights.IMAGENET1K_V1
    network: torch.nn.Module = resnet50(weights=None)
    try:
        tensors = torch.hub.load_state_dict_from_url(weights.url, check_hash=True, progress=False, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise LabError("ResNet-50's weights could not be downloaded: connect to the internet and retry.") from error
    network.load_state_dict(tensors, strict=True)
    network.fc = torch.nn.Identity()
    return network


def _word_features(root: Path | None, device: torch.device) -> Making:
    """tf-idf (10000, 2000) of the most frequent words in as many random documents of RCV1 with one root category."""
    from sklearn.datasets import fetch_rcv1

    facts = DATASET_FACTS["reuters"]
    own = Path(tempfile.mkdtemp())  # of its own, so that nothing which lies in a cache is unpickled
    yield 0.0
    try:
        found = fetch_rcv1(data_home=str(own), shuffle=False)
    except (OSError, HTTPException) as error:
        raise LabError("REUTERS could not be downloaded: connect to the internet once and retry.") from error
    finally:
        shutil.rmtree(own, ignore_errors=True)
    names = list(found.target_names)
    roots = found.target[:, [names.index(name) for name in REUTERS_ROOTS]].toarray()
    alone = np.flatnonzero(roots.sum(axis=1) == 1)
    drawn = np.random.default_rng(REUTERS_SEED).permutation(alone)[: facts.samples]
    words = found.data[drawn]
    frequent = np.sort(np.argsort(-words.getnnz(axis=0), kind="stable")[: facts.view_shapes[0][2]])
    yield 1.0
    features: Floats = words[:, frequent].toarray().astype(np.float32)
    labels: Integers = roots[drawn].argmax(axis=1)
    return features, labels


_MAKERS: dict[str, Callable[[Path | None, torch.device], Making]] = {
    "stl10_features": _resnet_features,
    "reuters": _word_features,
}
