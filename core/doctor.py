"""What works here, and what to do about what does not."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch

from core.attacks.base import Budget
from core.cards import KINDS
from core.checkpoints import load_weights
from core.data import DATASET_FACTS
from core.data.at_hand import missing_data
from core.data.sources import data_folder
from core.errors import LabError
from core.lab import Lab
from core.records import CheckpointCard
from core.runtime import computed_results_folder, run_folder

State = Literal["good", "missing", "broken"]

PACKAGES = {  # name: what it is needed for
    "torch": "everything",
    "torchvision": "downloading MNIST and Fashion-MNIST",
    "numpy": "everything",
    "scipy": "matching clusters to labels",
    "scikit-learn": "scores and the embedded data sets",
    "safetensors": "checkpoints",
    "streamlit": "the pages",
    "plotly": "the charts on the pages",
    "umap-learn": "UMAP maps; PCA works without it",
    "pillow": "reading pictures",
    "tqdm": "progress bars of the command line",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State  # "missing" is no error: something optional is not there
    detail: str
    remedy: str = ""  # what to do about it


def examine(lab: Lab, data: Path | None = None) -> list[Finding]:
    """Python, packages, device, folders, data sets and checkpoints; reads every weight, trains nothing."""
    return [
        _python(),
        *(_package(name, use) for name, use in PACKAGES.items()),
        _device(lab),
        *_folders(lab, data),
        *(_dataset(name, data) for name in DATASET_FACTS),
        *(_checkpoint(lab, card) for kind in KINDS for card in lab.cards(kind)),
        *(Finding("checkpoint", "broken", problem) for problem in lab.problems()),
        _trial(lab),
    ]


def _python() -> Finding:
    return Finding("python", "good", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _package(name: str, use: str) -> Finding:
    try:
        return Finding(name, "good", version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", f"needed for {use}", "pip install -r requirements.txt")


def _device(lab: Lab) -> Finding:
    if lab.device.startswith("cuda"):
        return Finding("device", "good", f"{lab.device}: {torch.cuda.get_device_name()}")
    return Finding("device", "good", f"{lab.device}, {torch.get_num_threads()} threads; no GPU was found")


def _folders(lab: Lab, data: Path | None) -> list[Finding]:
    folders = {
        "checkpoint folder": lab.library.checkpoints,
        "run folder": run_folder(),
        "data folder": data_folder(data),
        "result folder": computed_results_folder(),
    }
    return [_folder(name, path) for name, path in folders.items()]


def _folder(name: str, path: Path) -> Finding:
    existing = next(p for p in (path, *path.parents) if p.exists())
    if not os.access(existing, os.W_OK):
        return Finding(name, "missing", f"{path} is read-only", "Reading works; to write, name another folder.")
    free = shutil.disk_usage(existing).free / 2**30
    there = "" if path.exists() else ", made when needed"
    return Finding(name, "good", f"{path}{there} ({free:.1f} GiB free)")


def _dataset(name: str, data: Path | None) -> Finding:
    facts = DATASET_FACTS[name]
    if facts.origin == "embedded":
        return Finding(name, "good", f"embedded, {facts.samples:,} samples")
    root = data_folder(data)
    missing, can_download = missing_data(name, data)
    if not missing:
        return Finding(name, "good", f"found in {root}")
    download = "It is downloaded on first use, or set LAB_DATA to a folder that has it in torchvision's layout."
    return Finding(name, "missing", f"not in {root}", download if can_download else missing)


def _checkpoint(lab: Lab, card: CheckpointCard) -> Finding:
    name = f"{card.dataset}/{card.name}"
    try:
        load_weights(lab.library.checkpoints, card)
    except LabError as error:
        return Finding(name, "broken", str(error))
    states = {"model": "held_out", "attacker": "gan_frozen", "latent": "latent_frozen"}
    score = card.scores.get(states[card.kind], {}).get("accuracy", float("nan"))
    what = f"ACC {score:.2f} held out" if card.kind == "model" else f"leaves its target ACC {score:.2f}"
    return Finding(name, "good", f"weights match their card, {what}")


def _trial(lab: Lab) -> Finding:
    """A real attack, the way a page would run it."""
    from core.records import AttackSpec

    models = [card for card in lab.cards() if DATASET_FACTS[card.dataset].origin == "embedded"]
    if not models:
        return Finding("trial attack", "missing", "no embedded checkpoint", "python -m core train noisy_digits/cl_mvc")
    card = models[0]
    spec = AttackSpec(dataset=card.dataset, model=card.name, attack="pgd", epsilon=0.1, samples=32, steps=3)
    try:
        report = lab.attack(spec)
    except LabError as error:
        return Finding("trial attack", "broken", str(error))
    within = max(report.attacked.scores.linf) <= Budget(epsilon=0.1).epsilon + 1e-6
    detail = f"PGD on 32 samples of {card.dataset}/{card.name} took {report.attacked.seconds:.1f} s"
    return Finding("trial attack", "good" if within else "broken", detail)
