"""Writing and reading files so that a crash leaves the old content or the new, never half of it."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from core.errors import LabError

SUFFIX = ".tmp"  # of what is being written
LEFT_BEHIND = 60.0  # seconds without a further byte after which nobody is writing any more


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path``, then rename. Raises :class:`LabError` naming the file if the disk refuses."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files that belong together: all of them beside their places first, then rename one by one.

    If the disk refuses, what was there is put back and :class:`LabError` is raised. Who is killed between two renames
    leaves what was there at :func:`before`.
    """
    written: dict[Path, Path] = {}
    kept: list[Path] = []
    renamed: list[Path] = []
    place = next(iter(contents))
    try:
        for place, content in contents.items():
            written[place] = _write_beside(place, content)
        for place in contents if len(contents) > 1 else ():
            if _keep(place):
                kept.append(place)
        for place, temporary in written.items():
            temporary.replace(place)
            renamed.append(place)
    except OSError as error:
        for done in renamed:
            with suppress(OSError):  # what cannot be put back is still at before()
                if done in kept:
                    before(done).replace(done)
                else:
                    done.unlink()
        raise _refused(place, error) from error
    finally:
        for leftover in (*written.values(), *map(before, kept)):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)


def before(path: Path) -> Path:
    """Where the content of ``path`` is kept while it and others are replaced together."""
    return path.with_name(f".{path.name}.before")


def remove_leftovers(folder: Path) -> None:
    """Remove what somebody who was killed had begun to write in ``folder``."""
    limit = time.time() - LEFT_BEHIND
    for path in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()


def _keep(place: Path) -> bool:
    """Put the file at ``place``, if there is one, at :func:`before` too."""
    before(place).unlink(missing_ok=True)
    if not place.exists():
        return False
    try:
        os.link(place, before(place))
    except OSError:  # a file system without links
        shutil.copyfile(place, before(place))
    return True


def _write_beside(path: Path, content: bytes) -> Path:
    """The content in a temporary file in the folder of ``path``, safely on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=SUFFIX)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's own mode would hide the file from other users
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _refused(path: Path, error: OSError) -> LabError:
    return LabError(
        f"Cannot write {path}: {(error.strerror or str(error)).lower()}. "
        "Nothing was changed; free some space or choose a folder that you may write to."
    )


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most ``limit`` bytes. Raises :class:`LabError` if it is larger, unreadable or no file.

    A device or a pipe, which may be what a link leads to, has no end.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise LabError(f"{path} is no file.")
        if status.st_size > limit:
            raise LabError(f"{path} has {status.st_size:,} bytes, more than the {limit:,} that the lab reads.")
        with path.open("rb") as file:
            return file.read(status.st_size)
    except OSError as error:
        raise LabError(f"Cannot read {path}: {(error.strerror or str(error)).lower()}.") from error
