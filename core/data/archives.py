"""Files of data sets from the network: fetched whole, their MD5 checked, or not at all."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from core.data.sources import ARRIVING, NETWORK_TIMEOUT, socket_timeout
from core.errors import LabError

UNPACKED = ".tar.gz"


def fetch(downloads: Mapping[str, str], names: Sequence[str], folder: Path, sentence: str) -> None:
    """Fetch files, by address with their MD5, into ``folder``; archives are unpacked.

    ``names`` are the files and folders that are then moved there, in place of those there are. Raises
    :class:`LabError` with ``sentence`` for any failure, which leaves nothing.
    """
    from torchvision.datasets import utils

    try:
        folder.mkdir(parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(prefix=ARRIVING, dir=folder))
    except OSError as error:
        raise LabError(sentence) from error
    try:
        with socket_timeout(NETWORK_TIMEOUT):
            for address, md5 in downloads.items():
                get = utils.download_and_extract_archive if address.endswith(UNPACKED) else utils.download_url
                get(address, str(arriving), md5=md5)
        for name in names:
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            (arriving / name).replace(folder / name)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        raise LabError(sentence) from error
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
