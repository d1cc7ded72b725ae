"""Results by the digest of what they follow from: shipped ones in assets/, computed ones in the user's cache.

The cache has a limit: what was used least recently goes when it is full.
"""

import io
import json
import logging
import os
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from core.errors import LabError
from core.files import SUFFIX, read_limited, remove_leftovers, write_atomically
from core.runtime import computed_results_folder, shipped_results_folder

LARGEST = 64 * 2**20  # bytes of arrays, packed or unpacked
LARGEST_VALUES = 2**20  # bytes of JSON
SIZE = "LAB_RESULTS_MB"  # the most that the cache may hold, in MiB
MEGABYTES = 1024
BLOCK = 4096  # bytes of a disk that the smallest file takes
FULL, EMPTIED, LOOK = 1.0, 0.9, 1 / 32  # shares of the limit: where it is cut, to what, and how often it is looked at
RECENT = 60.0  # seconds within which a use is not noted again

Arrays = dict[str, NDArray[np.generic]]

log = logging.getLogger(__name__)


class ResultStore:
    """Named arrays, or JSON values, under a kind and a digest; a damaged result counts as absent.

    It can be computed again, because the digest is of all that it follows from. Several processes may share a folder.
    """

    def __init__(self, shipped: Path | None = None, computed: Path | None = None, *, limit: int | None = None) -> None:
        self.shipped = shipped or shipped_results_folder()
        self.computed = computed or computed_results_folder()
        self.limit = _limit() if limit is None else limit  # bytes on the disk that computed results may take
        self._lock = Lock()
        self._unseen = float("inf")  # bytes written since the folder was last looked at

    def load(self, kind: str, digest: str, *, shipped_only: bool = False) -> Arrays | None:
        """The arrays, or None where there are none."""
        for folder in self._folders(shipped_only):
            path = _path(folder, kind, digest, "npz")
            if _is_file(path):
                try:
                    arrays = _unpacked(read_limited(path, LARGEST))
                except Exception as error:  # zipfile, its decompressors and NumPy raise whatever they like
                    log.info("A stored result could not be read: %s", type(error).__name__)
                    continue
                self._note_use(path)
                return arrays
        return None

    def save(self, kind: str, digest: str, arrays: Arrays, *, shipped: bool = False) -> Path:
        """Write the arrays into the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy types its own flag into **kwds
        return self._write(kind, digest, "npz", buffer.getvalue(), shipped)

    def load_values(self, kind: str, digest: str, *, shipped_only: bool = False) -> dict[str, Any] | None:
        """The JSON object, without NaN or infinity in it, or None where there is none."""
        for folder in self._folders(shipped_only):
            path = _path(folder, kind, digest, "json")
            if _is_file(path):
                try:
                    values = json.loads(read_limited(path, LARGEST_VALUES), parse_constant=_refuse)
                except (LabError, ValueError, RecursionError):
                    continue
                if isinstance(values, dict):
                    self._note_use(path)
                    return values
        return None

    def save_values(self, kind: str, digest: str, values: dict[str, Any], *, shipped: bool = False) -> Path:
        """Write a JSON object, as :meth:`save` writes arrays. Raises ValueError for a NaN in it."""
        content = json.dumps(values, sort_keys=True, allow_nan=False).encode() + b"\n"
        return self._write(kind, digest, "json", content, shipped)

    def _folders(self, shipped_only: bool) -> tuple[Path, ...]:
        return (self.shipped,) if shipped_only else (self.shipped, self.computed)

    def _write(self, kind: str, digest: str, suffix: str, content: bytes, shipped: bool) -> Path:
        path = _path(self.shipped if shipped else self.computed, kind, digest, suffix)
        write_atomically(path, content)
        if not shipped:
            with self._lock:
                self._unseen += _on_disk(len(content))
                if self._unseen > LOOK * self.limit:
                    self._make_room(path, _on_disk(len(content)))
                    self._unseen = 0.0
        return path

    def _make_room(self, newest: Path, size: int) -> None:
        """Remove what was used least recently, if all together is too much; never what was just written."""
        found: list[tuple[float, int, Path]] = []
        for folder in self.computed.glob("*/"):
            remove_leftovers(folder)
            for path in folder.iterdir():
                with suppress(OSError):  # another process removed it
                    status = path.stat()
                    if not path.name.endswith(SUFFIX) and path != newest:
                        found.append((status.st_mtime, _on_disk(status.st_size), path))
        total = size + sum(size for _, size, _ in found)
        if total <= FULL * self.limit:
            return
        for _, size, path in sorted(found, key=lambda entry: entry[:2]):
            with suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size
            if total <= EMPTIED * self.limit:
                break

    def _note_use(self, path: Path) -> None:
        with suppress(OSError):  # only the order of removal suffers, in a folder that is read-only too
            if path.is_relative_to(self.computed) and time.time() - path.stat().st_mtime > RECENT:
                os.utime(path)


def _unpacked(content: bytes) -> Arrays:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > LARGEST:
            raise ValueError("the arrays are too large")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _limit() -> int:
    """The variable's limit in bytes. Raises :class:`LabError` for one that is no number of megabytes."""
    text = os.environ.get(SIZE) or str(MEGABYTES)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise LabError(
            f"{SIZE} is the most megabytes of stored results, for example {MEGABYTES}; it says {text[:20]!r}."
        )
    return int(text) * 2**20


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that nobody may read
        return False


def _path(folder: Path, kind: str, digest: str, suffix: str) -> Path:
    return folder / kind / f"{digest[:32]}.{suffix}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
