"""What each command of ``python -m core`` does and prints."""

from core.commands.attacks import attack, evaluate, sweep
from core.commands.checkpoints import list_everything, maps, train
from core.commands.reports import bench, doctor, tables

__all__ = ["attack", "bench", "doctor", "evaluate", "list_everything", "maps", "sweep", "tables", "train"]
