"""The records of trainings: a plan before one starts, a run while it goes on and afterwards. Plain values only."""

from dataclasses import dataclass
from typing import Any, Literal

from core.records import CheckpointCard, EpochLog, TrainSpec

RunState = Literal["waiting", "starting", "running", "stopping", "finished", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class RecipeNumbers:
    """What a recipe says where a :class:`TrainSpec` says None."""

    samples: int  # of the training part
    batch_size: int  # the fewest samples that can be trained on
    epochs: int  # of a defense's last stage, of an attacker before its late phase
    runs: int  # seeds that are tried
    precision: str
    epsilon: float | None  # an attacker's


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What a training will do, become and cost, known before it starts."""

    spec: TrainSpec
    replace: bool  # another training's checkpoint of this name
    run: str  # name of its run folder: the same training finds the same folder
    command: str
    usual: RecipeNumbers
    checkpoint: str  # the name it will be kept under
    taken: bool  # the usual name belongs to another training's checkpoint
    made: bool  # this very training has been done: its checkpoint is there
    steps: int  # optimiser steps over all epochs and seeds; fewer if a seed ends early
    seconds: float | None  # estimate, None where nothing like it is known
    basis: str  # how the seconds were estimated, or why not
    run_bytes: int | None  # in the run folder, at most
    checkpoint_bytes: int | None
    data: str  # a sentence where the data are not at hand
    possible: bool  # False where the data cannot be had


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One training as its folder shows it, at one moment."""

    id: str  # name of the folder
    spec: TrainSpec
    replace: bool  # asked to replace another training's checkpoint
    recipe: dict[str, Any]  # empty where it is not known yet
    state: RunState
    position: int  # trainings that are before it in the line
    trials: tuple[EpochLog, ...]  # finished epochs of the short trainings that choose a defense's seed
    logs: tuple[EpochLog, ...]  # finished epochs of the training itself
    progress: float  # share of the work that is done, 0 to 1
    seconds: float  # spent in finished epochs
    seconds_left: float | None  # estimate from them
    card: CheckpointCard | None  # of the checkpoint it became
    error: str  # a sentence, empty unless it failed
    started: float  # the last time, POSIX seconds
    bytes: int  # of the folder

    @property
    def active(self) -> bool:
        """Whether it waits or is being trained."""
        return self.state in ("waiting", "starting", "running", "stopping")
