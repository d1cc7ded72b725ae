"""Results by the digest of what they follow from: shipped ones in assets/, computed ones in the user's cache."""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import LabError
from core.files import read_limited, write_atomically
from core.runtime import computed_results_folder, shipped_results_folder

LARGEST = 64 * 2**20  # bytes of one result

Arrays = dict[str, NDArray[np.generic]]


class ResultStore:
    """Named arrays under a kind and a digest; a damaged result counts as absent, since it can be computed again."""

    def __init__(self, shipped: Path | None = None, computed: Path | None = None) -> None:
        self.shipped = shipped or shipped_results_folder()
        self.computed = computed or computed_results_folder()

    def load(self, kind: str, digest: str) -> Arrays | None:
        """The arrays, or None where there are none."""
        for folder in (self.shipped, self.computed):
            path = _path(folder, kind, digest)
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
        path = _path(self.shipped if shipped else self.computed, kind, digest)
        write_atomically(path, buffer.getvalue())
        return path


def _path(folder: Path, kind: str, digest: str) -> Path:
    return folder / kind / f"{digest[:32]}.npz"
