"""Where the lab runs: the device, and the folders it reads and writes."""

import os
import subprocess
from pathlib import Path

import torch

from core.errors import LabError, shortened

PROJECT = Path(__file__).resolve().parent.parent


def find_device(name: str | None = None) -> torch.device:
    """The device called ``name`` ("cpu", "cuda", "cuda:1"), or the best there is.

    Raises :class:`LabError` for a device that is not there.
    """
    if name is None:
        place = os.environ.get("LOCAL_RANK")  # torchrun's: each process has a GPU of its own
        return torch.device((f"cuda:{place}" if place else "cuda") if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()  # "meta" is a device without memory
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise LabError(f"There is no device {shortened(name)!r} here. Try cpu, or leave it out.") from error
    return device


def checkpoint_folder(folder: Path | None = None) -> Path:
    """Where checkpoints lie: ``folder``, else the variable LAB_CHECKPOINTS, else the project's own."""
    return _folder(folder, "LAB_CHECKPOINTS", PROJECT / "checkpoints")


def run_folder(folder: Path | None = None) -> Path:
    """Where training keeps its unfinished work: ``folder``, else the variable LAB_RUNS, else the project's runs/."""
    return _folder(folder, "LAB_RUNS", PROJECT / "runs")


def shipped_results_folder() -> Path:
    """Results that come with the project."""
    return PROJECT / "assets" / "results"


def computed_results_folder() -> Path:
    """Results computed here, in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "adversarial-clustering-lab" / "results"


def _folder(folder: Path | None, variable: str, default: Path) -> Path:
    return Path(folder or os.environ.get(variable) or default).expanduser()


def commit() -> str:
    """The commit of this project that runs, with "+" where files differ from it; empty where that is not known."""
    words = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
