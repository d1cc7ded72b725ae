"""Results by the digest of what they follow from: shipped ones in assets/, computed ones in the user's cache."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from core.errors import LabError
from core.files import read_limited, write_atomically
from core.runtime import computed_results_folder, shipped_results_folder

LARGEST = 64 * 2**20  # bytes of arrays
LARGEST_VALUES = 2**20  # bytes of JSON

Arrays = dict[str, NDArray[np.generic]]


class ResultStore:
    """Named arrays, or JSON values, under a kind and a digest; a damaged result counts as absent.

    It can be computed again, because the digest is of all that it follows from.
    """

    def __init__(self, shipped: Path | None = None, computed: Path | None = None) -> None:
        self.shipped = shipped or shipped_results_folder()
        self.computed = computed or computed_results_folder()

    def load(self, kind: str, digest: str) -> Arrays | None:
        """The arrays, or None where there are none."""
        for folder in (self.shipped, self.computed):
            path = _path(folder, kind, digest, "npz")
            if path.is_file():
                try:
                    with np.load(io.BytesIO(read_limited(path, LARGEST)), allow_pickle=False) as arrays:
                        return {name: arrays[name] for name in arrays.files}
                except (LabError, ValueError, OSError, EOFError, zipfile.BadZipFile):
                    continue
        return None

    def save(self, kind: str, digest: str, arrays: Arrays, *, shipped: bool = False) -> Path:
        """Write the arrays into the user's cache, or beside the shipped ones. Raises :class:`LabError` if it cannot."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy types its own flag into **kwds
        path = _path(self.shipped if shipped else self.computed, kind, digest, "npz")
        write_atomically(path, buffer.getvalue())
        return path

    def load_values(self, kind: str, digest: str, *, shipped_only: bool = False) -> dict[str, Any] | None:
        """The JSON object, without NaN or infinity in it, or None where there is none."""
        for folder in (self.shipped,) if shipped_only else (self.shipped, self.computed):
            path = _path(folder, kind, digest, "json")
            if path.is_file():
                try:
                    values = json.loads(read_limited(path, LARGEST_VALUES), parse_constant=_refuse)
                except (LabError, ValueError, RecursionError):
                    continue
                if isinstance(values, dict):
                    return values
        return None

    def save_values(self, kind: str, digest: str, values: dict[str, Any], *, shipped: bool = False) -> Path:
        """Write a JSON object, as :meth:`save` writes arrays. Raises ValueError for a NaN in it."""
        path = _path(self.shipped if shipped else self.computed, kind, digest, "json")
        write_atomically(path, json.dumps(values, sort_keys=True, allow_nan=False).encode() + b"\n")
        return path


def _path(folder: Path, kind: str, digest: str, suffix: str) -> Path:
    return folder / kind / f"{digest[:32]}.{suffix}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
