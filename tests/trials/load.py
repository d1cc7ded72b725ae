"""A class on one server: ``python -m tests.trials.load --users 30 --seconds 300`` prints what it was like as JSON.

Scripted users open pages, change data set, model, attack, ε and seed, run attacks, give them up, leave and come back.
A control's latency is from sending it to the end of the script's run, measured on the same machine as the server; apart
from all together, of those that lead to what was seen before, and of the first on new samples, which are computed. With
``--runs 1000`` few users press Run without a pause, so that memory can be seen after a thousand attacks.
"""

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.trials.server import Server
from tests.trials.visitor import Failed, Visitor

THINKING = (2.0, 6.0)  # seconds between two actions of a user
PAGES = (
    *("attack", "defense", "steps", "gallery", "tables", "latent", "certify", "neighbours", "guide", "train"),
    "your_data",
)
DATA = ("NoisyDigits", "PatchedDigits", "Synthetic people")
MODELS = ("CL-MVC", "AR-DMVC", "AR-DMVC-AM", "CoMVC", "SiMVC", "SEM")
ATTACKS = ("FGSM", "Noise", "GAN")
SUBJECT = ("data", "model", "seed")  # what decides which samples are computed before anything is shown of them
SEEDS = 4  # a class doing the same exercise: most of what is run has been run
LINE = re.compile(r"hourglass_top.*(?:next in the queue|(\d+) jobs are before it)(?:, about (\d+) s)?")


class Notes:
    """What the users saw."""

    def __init__(self) -> None:
        self.latency: dict[str, list[float]] = defaultdict(list)
        self.waits: list[float] = []  # from pressing Run to the end
        self.told: list[tuple[float, float]] = []  # seconds that the queue said, and that passed until the job began
        self.longest_line = 0
        self.failures: Counter[str] = Counter()
        self.memory: list[tuple[float, float]] = []
        self.bytes = 0
        self.runs = 0
        self.shown: set[tuple[str, ...]] = set()  # pages with the samples and the model on them

    def control(self, visitor: Visitor, seconds: float) -> None:
        """Note a control's latency, and apart whether it led to what somebody had seen before."""
        subject = (visitor.place, *map(visitor.chosen, SUBJECT))
        kind = "control, seen before" if subject in self.shown else "control, the first to see it"
        self.shown.add(subject)
        self.latency["control"].append(seconds)
        self.latency[kind].append(seconds)


async def use(visitor: Visitor, notes: Notes, dice: random.Random) -> None:
    """One action."""
    what = dice.random()
    if what < 0.15 or "seed" not in visitor.screen.widgets:
        notes.latency["page"].append(await visitor.open(dice.choice(PAGES)))
    elif what < 0.30 and "run" in visitor.screen.widgets and not visitor.screen.widgets["run"].disabled:
        await run(visitor, notes, dice)
    else:
        widgets = visitor.screen.widgets
        choices: dict[str, Any] = {
            "data": dice.choice(DATA),
            "model": dice.choice(MODELS),
            "attack": dice.choice(ATTACKS),
            "seed": dice.randrange(SEEDS),
            "eps": dice.choice((0.1, 0.2, 0.3)),
        }
        here = [key for key in choices if key in widgets and choices[key] in options(widgets[key], choices[key])]
        if here:
            key = dice.choice(here)
            notes.control(visitor, await visitor.choose(key, choices[key]))
    notes.bytes += visitor.screen.bytes
    for text in visitor.screen.errors:
        notes.failures[text[:200]] += 1


def options(widget: Any, value: Any) -> list[Any]:
    """What can be chosen of a widget."""
    if isinstance(value, str):
        return [getattr(option, "content", option) for option in widget.options]
    return [value]


async def run(visitor: Visitor, notes: Notes, dice: random.Random, patience: float = 120.0) -> None:
    """Press Run and wait to the end, or give it up."""
    began = time.monotonic()
    notes.latency["run"].append(await visitor.press("run"))
    notes.runs += 1
    told: float | None = None
    gives_up = dice.random() < 0.1
    while time.monotonic() - began < patience:
        said = visitor.screen.texts[-8:]
        visitor.screen.texts.clear()
        line = next((found for text in said if (found := LINE.search(text))), None)
        if line is not None:
            notes.longest_line = max(notes.longest_line, int(line[1] or 1))
            if told is None and line[2]:
                told, asked = float(line[2]), time.monotonic()
        elif told is not None and any("hourglass_top" in text for text in said):
            notes.told.append((told, time.monotonic() - asked))
            told = None
        if any("Finished after" in text or "Cancelled after" in text for text in said):
            notes.waits.append(time.monotonic() - began)
            return
        if gives_up and time.monotonic() - began > 2 and "cancel" in visitor.screen.widgets:
            await visitor.press("cancel")
            return
        if "run" in visitor.screen.widgets and "cancel" not in visitor.screen.widgets:
            return  # it was there already
        await visitor.watch(0.5)


async def user(number: int, port: int, end: float, notes: Notes, *, hurried: bool) -> None:
    """Somebody who comes, works until ``end`` and now and then leaves and comes back."""
    dice = random.Random(number)
    await asyncio.sleep(0 if hurried else dice.random() * 10)
    while time.monotonic() < end:
        visitor = Visitor(port)
        try:
            notes.latency["enter"].append(await visitor.enter())
            while time.monotonic() < end and dice.random() > 0.03:
                await (again(visitor, notes, dice) if hurried else use(visitor, notes, dice))
                await visitor.watch(0 if hurried else dice.uniform(*THINKING))
        except (Failed, OSError, Exception) as error:  # whatever goes wrong is what the trial looks for
            notes.failures[f"{type(error).__name__}: {error}"[:200]] += 1
        finally:
            await visitor.leave()


async def again(visitor: Visitor, notes: Notes, dice: random.Random) -> None:
    """Another attack at once: a new seed, few samples."""
    for key, value in (("n", "64"), ("attack", "Noise"), ("seed", dice.randrange(9999))):
        if key in visitor.screen.widgets:
            notes.control(visitor, await visitor.choose(key, value))
    if "run" in visitor.screen.widgets and not visitor.screen.widgets["run"].disabled:
        await run(visitor, notes, dice)


async def weigh(server: Server, end: float, notes: Notes) -> None:
    """Note the server's memory every second."""
    began = time.monotonic()
    while time.monotonic() < end and server.alive:
        notes.memory.append((time.monotonic() - began, server.memory()))
        await asyncio.sleep(1)


async def trial(server: Server, options: argparse.Namespace) -> tuple[Notes, float]:
    """All users at once."""
    first = Visitor(server.port)
    began = time.monotonic()
    await first.enter()  # the lab reads its checkpoints once
    cold = time.monotonic() - began
    await first.leave()
    notes, end = Notes(), time.monotonic() + options.seconds
    users = [user(n, server.port, end, notes, hurried=options.runs > 0) for n in range(options.users)]
    watching = asyncio.create_task(weigh(server, end + 60, notes))
    counting = [asyncio.create_task(one) for one in users]
    while not all(task.done() for task in counting) and not (options.runs and notes.runs >= options.runs):
        await asyncio.sleep(0.5)
    for task in (*counting, watching):
        task.cancel()
    await asyncio.gather(*counting, watching, return_exceptions=True)
    return notes, cold


def shares(values: list[float]) -> dict[str, float]:
    """Count, median, 95th and 99th percentile and largest, in seconds."""
    ranked = sorted(values)
    if not ranked:
        return {"count": 0}
    at = {name: ranked[min(len(ranked) - 1, int(share * len(ranked)))] for name, share in SHARES.items()}
    return {"count": len(ranked)} | {name: round(value, 3) for name, value in at.items()}


SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def summary(notes: Notes, cold: float, options: argparse.Namespace, server: Server) -> dict[str, Any]:
    """The trial as JSON."""
    memory = [size for _, size in notes.memory]
    quarter = max(1, len(memory) // 4)
    errors = [abs(told - took) for told, took in notes.told]
    return {
        "users": options.users,
        "seconds": options.seconds,
        "cores": os.cpu_count(),
        "load_before": options.load,
        "first_paint_s": round(cold, 2),
        "latency_s": {name: shares(values) for name, values in notes.latency.items()},
        "runs": notes.runs,
        "run_to_end_s": shares(notes.waits),
        "queue": {"longest": notes.longest_line, "told": len(errors), "error_of_what_it_told_s": shares(errors)},
        "failures": dict(notes.failures),
        "megabytes_sent": round(notes.bytes / 2**20),
        "memory_mib": {
            "highest": round(max(memory, default=0)),
            "quarters": [
                round(sum(part) / len(part)) for i in range(4) if (part := memory[i * quarter : (i + 1) * quarter])
            ],
        },
        "server_alive": server.alive,
        "server_log": server.complaints(),
    }


def main() -> None:
    """Start a server, let the users work, stop it, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.trials.load", description=__doc__)
    parser.add_argument("--users", type=int, default=30, help="scripted users (30)")
    parser.add_argument("--seconds", type=float, default=300, help="that they work (300)")
    parser.add_argument("--runs", type=int, default=0, help="attacks without a pause, then the end")
    options = parser.parse_args()
    options.load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            server.start()
            notes, cold = asyncio.run(trial(server, options))
            json.dump(summary(notes, cold, options, server), sys.stdout, indent=1, ensure_ascii=False)
            print()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
