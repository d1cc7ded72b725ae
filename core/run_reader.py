"""Run folders read from outside, by whoever watches: the page, after a restart too.

What a folder holds says :mod:`core.runs`; ``process.json`` names a process that has been started and has yet to take
the lock.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.cards import parse_card
from core.errors import LabError
from core.files import read_limited
from core.locks import Process, holder
from core.records import CheckpointCard, EpochLog, TrainSpec
from core.training_records import RunRecord, RunState
from core.workload import progress

SPEC, EVENTS, CARD, FAILURE, PROCESS = "spec.json", "events.jsonl", "card.json", "failure.txt", "process.json"
LARGEST = 64 * 2**20  # bytes of a file that is read
REPLACE, RECIPE = "replace", "recipe"  # beside the fields of the spec
NO_LINK = r"(?!(?i:.*www\.))"
PHASE = re.compile(NO_LINK + r"[\w ,.=-]{1,100}")  # as "adversarial training, ε = 0.2"; the name of a loss term
WORD = re.compile(NO_LINK + r"[A-Za-z0-9 ,_.-]{1,100}")  # a data set, a model, a protocol: nothing that Markdown reads
MOST_TERMS = 64  # of a loss


def run_names(folder: Path) -> list[str]:
    """The runs below ``folder``, newest start first."""
    paths = [path for path in folder.glob(f"*/{SPEC}") if not path.parent.is_symlink()]
    return [path.parent.name for path in sorted(paths, key=_modified, reverse=True)]


def read_run(path: Path) -> RunRecord | None:
    """A run as its folder shows it, None where the folder holds none that can be read."""
    try:
        words = json.loads(read_limited(path / SPEC, LARGEST))
        words = {"latent": None, **words}  # of runs from before there were latents to choose
        spec = TrainSpec(**{field.name: words[field.name] for field in fields(TrainSpec)})
        if not all(
            isinstance(word, str) and WORD.fullmatch(word) for word in (spec.dataset, spec.model, spec.protocol)
        ):
            return None
        recipe = words.get(RECIPE) or {}
        trials, logs = _logs(path / "trials"), _logs(path)
        share = progress(recipe, trials, logs)
    except (LabError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError, RecursionError):
        return None
    error = _text(path / FAILURE)
    state: RunState = "failed" if error else "stopped"
    if running(path) is not None:
        state, error = "running", ""
    elif _is_finished(path, logs):
        state, error = "finished", ""
    share = 1.0 if state == "finished" else share
    seconds = sum(log.seconds for log in (*trials, *logs))
    return RunRecord(
        id=path.name,
        spec=spec,
        replace=bool(words.get(REPLACE)),
        recipe=recipe,
        state=state,
        position=0,
        trials=trials,
        logs=logs,
        progress=share,
        seconds=seconds,
        seconds_left=seconds / share * (1 - share) if share else None,
        card=_card(path) if state == "finished" else None,
        error=error,
        started=_modified(path / SPEC) / 1e9,
        bytes=sum(map(_size, path.rglob("*"))),
    )


def running(path: Path) -> Process | None:
    """The process that trains in a run folder, or has been started to; None if there is none."""
    at_work = holder(path)
    if at_work is not None:
        return at_work
    try:
        words = json.loads(_text(path / PROCESS))
        started = Process(int(words["pid"]), str(words["birth"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return started if started.alive else None


def _is_finished(path: Path, logs: tuple[EpochLog, ...]) -> bool:
    """Whether its checkpoint was published; of runs from before there was a card, whether every seed is through."""
    if (path / CARD).is_file():
        return True
    if not logs or (path / FAILURE).is_file():
        return False
    last = logs[-1]
    through = (last.run, last.epoch) == (last.runs, last.epochs)
    return through and (path / f"result-{last.run - 1}.safetensors").is_file()


def _card(path: Path) -> CheckpointCard | None:
    try:
        return parse_card(read_limited(path / CARD, LARGEST))
    except LabError:
        return None


def _logs(path: Path) -> tuple[EpochLog, ...]:
    events = path / EVENTS
    return _unchanged_logs(events, _modified(events), _size(events))


@lru_cache(maxsize=256)
def _unchanged_logs(path: Path, modified: int, size: int) -> tuple[EpochLog, ...]:
    """The epochs in a file, read again only when its time or size is another one."""
    return tuple(parse_logs(_text(path)))


def parse_logs(text: str) -> Iterator[EpochLog]:
    """The epochs in a text of one a line; what is none is left out."""
    for line in text.splitlines():
        try:
            values: dict[str, Any] = json.loads(line)
            log = EpochLog(**values)
        except (ValueError, TypeError, RecursionError):
            continue
        if _is_log(log):
            yield log


def _is_log(log: EpochLog) -> bool:
    """Whether all in it is of its kind; a loss may be no number, as of a training that went wrong."""
    counts, seconds = (log.epoch, log.epochs, log.run, log.runs), (log.seconds, log.seconds_left)
    return (
        isinstance(log.phase, str)
        and PHASE.fullmatch(log.phase) is not None
        and all(type(count) is int and 0 < count < 2**31 for count in counts)
        and all(type(second) in (int, float) and math.isfinite(second) for second in seconds)
        and isinstance(log.terms, dict)
        and len(log.terms) <= MOST_TERMS
        and all(map(PHASE.fullmatch, log.terms))
        and all(type(value) in (int, float) for value in log.terms.values())
    )


def _text(path: Path) -> str:
    try:
        return read_limited(path, LARGEST).decode("utf-8", "replace").strip()
    except LabError:
        return ""


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
