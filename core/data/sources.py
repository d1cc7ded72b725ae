"""Where pictures come from: scikit-learn's digits, and MNIST or Fashion-MNIST in torchvision's layout."""

import os
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.data.pictures import resize
from core.errors import LabError
from core.records import Floats, Integers

Bytes = NDArray[np.uint8]
Source = Literal["MNIST", "FashionMNIST"]

SIDE = 28  # pixels of a picture's side
PARTS = {"train": 60_000, "t10k": 10_000}  # pictures in each part, in the order they are joined
IMAGE_MAGIC, LABEL_MAGIC = 2051, 2049  # first four bytes of an idx file, big endian
ARRIVING = ".arriving-"  # begins the name of a folder that is downloaded into
LEFT_BEHIND = 3600.0  # seconds after which nobody downloads into it any more
NETWORK_TIMEOUT = 20.0  # seconds without an answer

_DOWNLOADING = Lock()  # one download at a time in this process: the second finds the files, and the timeout is global


def data_folder(root: Path | None = None) -> Path:
    """Where data sets lie: ``root``, else the variable LAB_DATA, else a folder in the user's cache."""
    if root is not None:
        return Path(root).expanduser()
    if named := os.environ.get("LAB_DATA"):
        return Path(named).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "adversarial-clustering-lab" / "data"


def digits() -> tuple[Floats, Integers]:
    """scikit-learn's 1,797 digits enlarged from 8x8: pictures (N, 28, 28) in [0, 1], labels (N,)."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    small = (pictures / 16).astype(np.float32).reshape(-1, 8, 8)
    return resize(small, SIDE, SIDE), labels.astype(np.int64)


def idx_pictures(source: Source, root: Path | None = None) -> tuple[Bytes, Integers]:
    """MNIST or Fashion-MNIST, train then test part: pictures (70000, 28, 28), labels (70000,).

    Downloads them first where they are missing. Raises :class:`LabError` if that fails or a file is damaged.
    """
    folder = data_folder(root)
    raw = folder / source / "raw"
    with _DOWNLOADING:
        if not are_here(source, root):
            _download(source, folder)
    pictures = np.empty((sum(PARTS.values()), SIDE, SIDE), dtype=np.uint8)
    labels = np.empty(len(pictures), dtype=np.int64)
    start = 0
    for part, count in PARTS.items():
        rows = slice(start, start + count)
        pictures[rows] = _read_idx(_image_path(raw, part), IMAGE_MAGIC, (count, SIDE, SIDE))
        labels[rows] = _read_idx(_label_path(raw, part), LABEL_MAGIC, (count,))
        start += count
    if labels.max() > 9:
        raise LabError(f"The labels in {raw} reach {labels.max()}, but {source} has the classes 0 to 9 only.")
    return pictures, labels


def are_here(source: Source, root: Path | None = None) -> bool:
    """Whether the files of ``source`` are in the data folder."""
    return all(path.is_file() for path in _paths(data_folder(root) / source / "raw"))


def _image_path(raw: Path, part: str) -> Path:
    return raw / f"{part}-images-idx3-ubyte"


def _label_path(raw: Path, part: str) -> Path:
    return raw / f"{part}-labels-idx1-ubyte"


def _paths(raw: Path) -> list[Path]:
    return [path for part in PARTS for path in (_image_path(raw, part), _label_path(raw, part))]


def _read_idx(path: Path, magic: int, shape: tuple[int, ...]) -> Bytes:
    """The bytes of one uncompressed idx file of exactly ``shape``, its size and header checked first."""
    header = np.array([magic, *shape], dtype=">u4").tobytes()
    size = len(header) + int(np.prod(shape))
    try:
        if path.stat().st_size != size:
            raise LabError(
                f"{path} has {path.stat().st_size:,} bytes where {size:,} are expected: "
                "delete it, and it is downloaded again on next use."
            )
        with path.open("rb") as file:
            found = file.read(len(header))
            body = np.frombuffer(file.read(), dtype=np.uint8)
    except OSError as error:
        raise LabError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    if found != header:
        raise LabError(f"{path} is not the idx file it should be: delete it, and it is downloaded on next use.")
    return body.reshape(shape)


def _download(source: Source, folder: Path) -> None:
    """Fetch the four files of ``source`` through torchvision, which checks their MD5, into ``folder``.

    They arrive in a temporary folder and are moved when all are whole, so a failure leaves nothing.
    """
    from torchvision import datasets

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_half_arrived(folder)
        arriving = Path(tempfile.mkdtemp(prefix=ARRIVING, dir=folder))
    except OSError as error:
        raise LabError(f"{source} is not in {folder} and cannot be put there ({error.strerror}): {_ways()}") from error
    try:
        with socket_timeout(NETWORK_TIMEOUT):
            getattr(datasets, source)(arriving, download=True)
        target = folder / source / "raw"
        target.mkdir(parents=True, exist_ok=True)
        for path in _paths(arriving / source / "raw"):
            path.replace(target / path.name)
    except (OSError, RuntimeError, EOFError, HTTPException, zlib.error) as error:
        raise LabError(f"{source} is not in {folder} and could not be downloaded: {_ways()}") from error
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _remove_half_arrived(folder: Path) -> None:
    """Remove what downloads left whose process was killed."""
    for path in folder.glob(f"{ARRIVING}*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - LEFT_BEHIND:
                shutil.rmtree(path, ignore_errors=True)


def _ways() -> str:
    return (
        "connect to the internet once and retry, point LAB_DATA or --data at a folder in torchvision's "
        "layout (MNIST/raw/train-images-idx3-ubyte and so on), or choose an embedded data set such as noisy_digits."
    )


@contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Bound every wait for the network; torchvision sets no bound of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
