"""Processes that are killed while they write: ``python -m tests.trials.kills --kills 100`` prints the losses as JSON.

A child publishes checkpoints, results and states of a training one after another and says what it has finished. It is
killed at a random moment; then everything that it had finished must be there, and nothing must be half. ``--points``
kills it at each step of a write in turn instead of at random; ``--trainings`` and ``--servers`` kill real ones.
"""

import argparse
import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from core.checkpoints import find_cards, load_card, load_weights, save_checkpoint
from core.errors import LabError
from core.files import SUFFIX, write_atomically
from core.records import CheckpointCard
from core.run_reader import read_run
from core.store import ResultStore
from tests.trials.server import PROJECT, Server
from tests.trials.visitor import Visitor

CARD = PROJECT / "checkpoints" / "digits" / "conv_ae.json"
SIZE = 20_000  # weights of a checkpoint
RECENT = 50  # results that are looked at after each kill
STEPS = ("fsync", "link", "replace", "unlink")  # at which a write can be cut, in the order of their names


def make_card(number: int) -> CheckpointCard:
    """The card of the checkpoint of that number."""
    values = json.loads(CARD.read_text()) | {"seed": number}
    return CheckpointCard(**(values | {"view_shapes": tuple(map(tuple, values["view_shapes"]))}))


def publish(folder: Path, number: int, say: Callable[[str], None]) -> None:
    """Write one of each, and say so when it is done."""
    save_checkpoint(folder / "checkpoints", make_card(number), {"a": torch.full((SIZE,), float(number))})
    say(f"checkpoint {number}\n")
    results(folder).save("results", f"{number:032d}", {"a": torch.full((SIZE,), number).numpy()})
    say(f"result {number}\n")
    write_atomically(folder / "state", number.to_bytes(8, "big") * SIZE)
    say(f"state {number}\n")


def results(folder: Path) -> ResultStore:
    """The store of the trial."""
    return ResultStore(folder / "shipped", folder / "computed")


def check(folder: Path, done: dict[str, int]) -> list[str]:
    """What is lost or half, in sentences; ``done`` says the last of each kind that was finished."""
    lost = []
    if "checkpoint" in done:
        try:
            card = load_card(folder / "checkpoints", "digits", "conv_ae")
            weights = load_weights(folder / "checkpoints", card)["a"]
            if card.seed < done["checkpoint"] or not bool((weights == card.seed).all()):
                lost.append(f"checkpoint {done['checkpoint']} became {card.seed}")
        except LabError as error:
            lost.append(f"checkpoint {done['checkpoint']}: {error}")
    for number in range(max(1, done.get("result", 0) - RECENT), done.get("result", 0) + 2):
        found = results(folder).load("results", f"{number:032d}")
        if found is None and number <= done.get("result", 0):
            lost.append(f"result {number} is gone")
        elif found is not None and not (found["a"] == number).all():
            lost.append(f"result {number} is half")
    if "state" in done:
        state = (folder / "state").read_bytes()
        if len(state) != 8 * SIZE or state != state[:8] * SIZE or int.from_bytes(state[:8], "big") < done["state"]:
            lost.append(f"state {done['state']} is half")
    return lost


def child(folder: Path, first: int, pipe: int, cut: int | None) -> None:
    """Publish without end, or until the step of that number."""
    if cut is not None:
        cut_at(cut)
    number = first
    while True:
        publish(folder, number, lambda text: os.write(pipe, text.encode()) and None)
        number += 1


def cut_at(step: int) -> None:
    """Kill this process at the step of that number of its writes."""
    left = [step]
    for owner, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (Path, "unlink")):
        usual = getattr(owner, name)

        def counted(*arguments: Any, usual: Any = usual, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*arguments, **options)

        setattr(owner, name, counted)


def kill_once(folder: Path, first: int, seconds: float | None, cut: int | None, done: dict[str, int]) -> int:
    """Start a child and have it killed; the number after the last that it began. Reads along meanwhile."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            child(folder, first, writing, cut)
        finally:
            os._exit(1)
    os.close(writing)
    end, said = time.monotonic() + (60 if seconds is None else seconds), b""
    while time.monotonic() < end:
        if select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
            part = os.read(reading, 65536)
            if not part:
                break
            said += part
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while part := os.read(reading, 65536):
        said += part
    os.close(reading)
    for line in said.decode().splitlines(keepends=True):
        if line.endswith("\n"):
            kind, number = line.split()
            done[kind] = max(done.get(kind, 0), int(number))
    return done.get("state", first - 1) + 1  # what was not finished is begun again


def random_kills(count: int, seed: int) -> dict[str, Any]:
    """That many children, each killed at a random moment, all in one folder."""
    dice, lost, done, number = random.Random(seed), [], {}, 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kill in range(count):
            number = kill_once(folder, number, dice.uniform(0.01, 0.4), None, done)
            lost += [f"kill {kill + 1}: {text}" for text in check(folder, done)]
        left = sum(path.name.endswith(SUFFIX) for path in folder.rglob("*"))
    return {"kills": count, "finished": done, "lost": lost, "temporary_files_left": left}


def point_kills(most: int) -> dict[str, Any]:
    """A child killed at its first step, another at its second, and so on, each over a whole checkpoint of before."""
    lost: list[str] = []
    for cut in range(most):
        with tempfile.TemporaryDirectory() as name:
            folder, done = Path(name), {}
            publish(folder, 1, lambda text: None)
            done = {"checkpoint": 1, "result": 1, "state": 1}
            kill_once(folder, 2, None, cut, done)
            lost += [f"step {cut}: {text}" for text in check(folder, done)]
            publish(folder, 9, lambda text: None)  # whoever comes next can write
            lost += [f"after step {cut}: {text}" for text in check(folder, {"checkpoint": 9, "state": 9})]
            if find_cards(folder / "checkpoints")[1]:
                lost.append(f"after step {cut}: a card cannot be read")
    return {"kills": most, "lost": lost}


def training_kills(count: int, seed: int) -> dict[str, Any]:
    """A real training killed again and again, then left to its end: the weights of one that nobody killed?"""
    dice, repeated, kills = random.Random(seed), [], 0
    words = ["patched_digits/simvc", "--runs", "1", "--epochs", str(EPOCHS), "--device", "cpu"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = train(folder / "whole", words).wait()
        while kills < count:
            before = epochs(folder / "killed")
            process = train(folder / "killed", words)
            start = time.monotonic()
            while process.poll() is None and epochs(folder / "killed") == before and time.monotonic() - start < 60:
                time.sleep(0.05)
            time.sleep(dice.uniform(0, 3))
            if process.poll() is not None:
                break
            reached = epochs(folder / "killed")
            process.kill()
            process.wait()
            kills += 1
            repeated.append(reached - before)
        ended = train(folder / "killed", words).wait()
        digests = {name: digest_of(folder / name / "checkpoints") for name in ("whole", "killed")}
    same = digests["whole"] == digests["killed"] != ""
    return {"kills": kills, "epochs": EPOCHS, "ended": [whole, ended], "same_weights": same, "gained": repeated}


EPOCHS = 40


def train(folder: Path, words: list[str]) -> "subprocess.Popen[bytes]":
    """A training in a process of its own."""
    environment = os.environ | {"LAB_RUNS": str(folder / "runs"), "LAB_CHECKPOINTS": str(folder / "checkpoints")}
    command = [sys.executable, "-m", "core", "train", *words, "--quiet"]
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)


def epochs(folder: Path) -> int:
    """How many finished epochs the run in a folder tells of."""
    runs = [read_run(path.parent) for path in (folder / "runs").glob("*/spec.json")]
    return sum(len(run.logs) for run in runs if run is not None)


def digest_of(folder: Path) -> str:
    """The digest of the weights of the one checkpoint in a folder, empty if there is none that can be read."""
    cards = find_cards(folder)[0]
    for card in cards:
        load_weights(folder, card)
    return cards[0].sha256 if cards else ""


def server_kills(count: int, seed: int) -> dict[str, Any]:
    """A real server killed while it attacks: it starts again, and what had been attacked before needs no attack."""
    dice, lost, back = random.Random(seed), [], []
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name))
        server.start()
        asyncio.run(attack(server, "FGSM", wait=True))
        kept = sorted(path.name for path in (Path(name) / "cache").rglob("*.json"))
        try:
            for kill in range(count):
                asyncio.run(attack(server, dice.choice(("GAN", "PGD")), wait=False))
                time.sleep(dice.uniform(0, 3))
                server.kill()
                back.append(round(server.start(), 1))
                there = sorted(path.name for path in (Path(name) / "cache").rglob("*.json"))
                lost += [f"kill {kill + 1}: {gone} is gone" for gone in set(kept) - set(there)]
                lost += [f"kill {kill + 1}: {path} is half" for path in halves(Path(name) / "cache")]
        finally:
            server.stop()
        complaints = server.complaints()
    return {"kills": count, "kept_before": len(kept), "lost": lost, "seconds_until_it_answers": back, "log": complaints}


async def attack(server: Server, attack: str, *, wait: bool) -> None:
    """A visitor starts an attack, and waits for its end."""
    visitor = Visitor(server.port)
    await visitor.enter()
    await visitor.choose("n", "64")
    await visitor.choose("attack", attack)
    await visitor.press("run")
    end = time.monotonic() + (120 if wait else 1)
    while time.monotonic() < end and not any("Finished after" in text for text in visitor.screen.texts):
        await visitor.watch(0.5)
    await visitor.leave()


def halves(folder: Path) -> list[str]:
    """Result files that cannot be read."""
    found = []
    for path in folder.rglob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            found.append(path.name)
    return found


def main() -> None:
    """Run the trials that are asked for; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.trials.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=0, help="at random moments")
    parser.add_argument("--points", type=int, default=0, help="at this many steps of a write in turn")
    parser.add_argument("--trainings", type=int, default=0, help="of a real training")
    parser.add_argument("--servers", type=int, default=0, help="of a real server")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.points:
        found["points"] = point_kills(options.points)
    if options.kills:
        found["random"] = random_kills(options.kills, options.seed)
    if options.trainings:
        found["trainings"] = training_kills(options.trainings, options.seed)
    if options.servers:
        found["servers"] = server_kills(options.servers, options.seed)
    json.dump(found, sys.stdout, indent=1)
    print()
    sys.exit(any(trial.get("lost") or trial.get("same_weights") is False for trial in found.values()))


if __name__ == "__main__":
    main()
