"""What the tables consist of, computed: sweeps and transfers of checkpoints, trials. Nothing is done twice."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

from core.commands.attacks import last_report
from core.commands.printing import make_lab
from core.errors import LabError
from core.lab import Lab
from core.records import AttackScores, CheckpointCard, SweepSpec
from core.studies import plans
from core.studies.records import Scale, TransferRecord, TransferSpec, TrialSpec
from core.tables import MODELS, check_dataset, concerns
from core.training_intents import training_of
from core.walk import walk

Spec = TypeVar("Spec", SweepSpec, TransferSpec)


@dataclass
class Outcome:
    """What was done of some specs, and how far a repeated number lies from the one that was kept."""

    run: int = 0
    kept: int = 0
    left: int = 0  # not begun when the time was over
    repeated: int = 0
    farthest: float = 0.0  # of any accuracy

    def sentence(self, what: str) -> str:
        """One line for the terminal."""
        words = f"{self.run} {what} run, {self.kept} were there"
        if self.left:
            words += f", {self.left} left for another time"
        if self.repeated:
            words += f"; {self.repeated} repeated, at most {self.farthest:.3f} ACC from what was kept"
        return f"{words}."


class Clock:
    """The minutes that a command may take; None for as many as it needs."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def left(self) -> float | None:
        """The seconds that are left, None for as many as it needs."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.left == 0


def compute(options: Namespace) -> None:
    """What the tables lack of the chosen data sets; a line for each kind of it on stderr."""
    lab, clock = make_lab(options), Clock(options.budget_minutes)
    for dataset in options.dataset:
        lab.dataset_facts(dataset)  # a wrong name before any work
        check_dataset(dataset)
    cards = [card for card in lab.cards() if card.dataset in options.dataset and concerns(card)]
    lines = [
        run_sweeps(lab, list(shipped_sweeps(lab, cards)), options, clock).sentence("sweeps"),
        run_transfers(lab, options.dataset, options, clock).sentence("transfers"),
    ]
    if options.train:
        scale: Scale = options.scale or ("small" if lab.device == "cpu" else "full")
        trainings = [training for training in map(training_of, cards) if training]
        trials = plans.plan(options.dataset, MODELS, scale, trainings)
        lines.append(run_trials(lab, trials, options, clock).sentence("trials"))
    print(*lines, sep="\n", file=sys.stderr)


def run_sweeps(lab: Lab, specs: Sequence[SweepSpec], options: Namespace, clock: Clock) -> Outcome:
    """Run the sweeps that are not kept with their matrices, the short ones first; all with ``--again``."""

    def run(spec: SweepSpec) -> None:
        lab.keep(last_report(lab.sweep(spec), options), ship=options.ship)

    def numbers(spec: SweepSpec) -> list[float] | None:
        scores = lab.scores(spec, shipped_only=options.ship)
        has_matrices = lab.confusion(spec, shipped_only=options.ship) is not None
        return _accuracies(scores.attack) if scores and has_matrices else None

    return _walk(sorted(specs, key=lambda spec: spec.points), run, numbers, options, clock)


def run_transfers(lab: Lab, datasets: Sequence[str], options: Namespace, clock: Clock) -> Outcome:
    """Turn the attackers of each data set on all its models."""
    specs = [plans.transfer(dataset) for dataset in datasets]

    def numbers(spec: TransferSpec) -> list[float] | None:
        record = lab.studies.kept_transfer(spec)
        return None if record is None else _shares(record)

    return _walk(specs, lambda spec: _exhaust(lab.studies.transfer(spec, ship=options.ship)), numbers, options, clock)


def run_trials(lab: Lab, specs: Sequence[TrialSpec], options: Namespace, clock: Clock) -> Outcome:
    """Train and score what is planned, in order, until the time is over; what was begun goes on another time.

    Trials that share a training are one job, so that it is done once.
    """
    missing = [spec for spec in specs if options.again or lab.studies.kept_trial(spec) is None]
    jobs: dict[str, list[TrialSpec]] = {}
    for spec in missing:
        jobs.setdefault(spec.training_digest, []).append(spec)
    start = partial(lab.studies.trial, ship=options.ship, capture=options.capture)
    steps = walk(start, list(jobs.values()), device=lab.device, seconds=clock.left, workers=options.workers)
    outcome = Outcome(kept=len(specs) - len(missing))
    with tqdm(total=len(missing), unit="trial", file=sys.stderr, disable=options.quiet) as bar, closing(steps):
        for step in steps:
            if step.log is not None:
                bar.set_postfix_str(f"{_title(step.spec)} epoch {step.log.epoch}/{step.log.epochs}")
                continue
            bar.update()
            if step.problem:
                tqdm.write(f"{_title(step.spec)}: {step.problem}", file=sys.stderr)
            else:
                outcome.run += 1
    outcome.left = len(missing) - outcome.run
    return outcome


def shipped_sweeps(lab: Lab, cards: Sequence[CheckpointCard]) -> Iterator[SweepSpec]:
    """What the tables and the pages show of these checkpoints first."""
    for card in cards:
        yield from plans.sweeps(card, lab.attacker(card.dataset, card.name))


def _walk(
    specs: Sequence[Spec],
    run: Callable[[Spec], None],
    numbers: Callable[[Spec], list[float] | None],
    options: Namespace,
    clock: Clock,
) -> Outcome:
    outcome = Outcome()
    with tqdm(specs, unit="", file=sys.stderr, disable=options.quiet) as bar:
        for spec in bar:
            before = numbers(spec)
            if before is not None and not options.again:
                outcome.kept += 1
                continue
            if clock.is_over:
                outcome.left += 1
                continue
            bar.set_postfix_str(_title(spec))
            try:
                run(spec)
            except LabError as error:
                tqdm.write(f"{_title(spec)}: {error}", file=sys.stderr)
                outcome.left += 1
                continue
            outcome.run += 1
            after = numbers(spec)
            if before is not None and after is not None:
                outcome.repeated += 1
                far = (abs(a - b) for a, b in zip(before, after, strict=True))
                outcome.farthest = max(outcome.farthest, *far)
    return outcome


def _title(spec: SweepSpec | TransferSpec | TrialSpec) -> str:
    if isinstance(spec, SweepSpec):
        return f"{spec.attack.attack} on {spec.attack.dataset}/{spec.attack.model}"
    if isinstance(spec, TransferSpec):
        return f"attackers of {spec.dataset}"
    return f"{spec.train.dataset}/{spec.train.model} ({spec.train.protocol}, seed {spec.train.seed})"


def _accuracies(rows: Sequence[AttackScores]) -> list[float]:
    return [value for row in rows for value in (row.frozen.accuracy, row.rematched.accuracy)]


def _shares(record: TransferRecord) -> list[float]:
    return [*record.clean.values(), *record.accuracy.values()]


def _exhaust(steps: Generator[Any, None, Any]) -> None:
    for _ in steps:
        pass
