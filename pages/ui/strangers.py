"""What Streamlit does for anybody who asks, and the lab, which has no use for it, for nobody."""

from collections.abc import Sequence
from typing import Any

from streamlit import git_util
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

MOST_FILES = 512  # that a browser may announce at once: each costs the server, in front of all others, some time

_places = MemoryUploadedFileManager.get_upload_urls


class NoRepository:
    """Stands for the folder's git, of which Streamlit tells each browser that asks: also names of files not in it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def get_repo_info(self) -> None:
        """Nothing."""


def refuse() -> None:
    """Tell nobody of the folder's git; give nobody more places for uploads at once than a class needs."""
    git_util.GitRepo = NoRepository
    MemoryUploadedFileManager.get_upload_urls = _few_places


def _few_places(manager: MemoryUploadedFileManager, session: str, names: Sequence[str]) -> list[Any]:
    return list(_places(manager, session, names[:MOST_FILES]))
