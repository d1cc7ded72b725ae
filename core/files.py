"""Writing and reading files so that a crash leaves the old content or the new, never half of it."""

import os
import tempfile
from pathlib import Path

from core.errors import LabError


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path``, then rename. Raises :class:`LabError` naming the folder if the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _refused(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's own mode would hide the file from other users
        temporary.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _refused(path: Path, error: OSError) -> LabError:
    return LabError(
        f"Cannot write {path}: {(error.strerror or str(error)).lower()}. "
        "Nothing was changed; free some space or choose a folder that you may write to."
    )


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most ``limit`` bytes. Raises :class:`LabError` if it is larger or unreadable."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise LabError(f"{path} has {size:,} bytes, more than the {limit:,} that the lab reads.")
        return path.read_bytes()
    except OSError as error:
        raise LabError(f"Cannot read {path}: {(error.strerror or str(error)).lower()}.") from error
