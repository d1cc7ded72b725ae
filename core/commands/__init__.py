"""What each command of ``python -m core`` does and prints."""

from core.commands.attacks import attack, evaluate, sweep
from core.commands.ceiling import ceiling
from core.commands.certify import certify
from core.commands.checkpoints import list_everything, maps, train
from core.commands.features import features
from core.commands.latent import latent
from core.commands.neighbours import neighbours
from core.commands.reports import bench, doctor, findings, tables
from core.commands.results import results
from core.commands.theorem import theorem

__all__ = [
    "attack",
    "bench",
    "ceiling",
    "certify",
    "doctor",
    "evaluate",
    "features",
    "findings",
    "latent",
    "list_everything",
    "maps",
    "neighbours",
    "results",
    "sweep",
    "tables",
    "theorem",
    "train",
]
