"""A training that only pretends, in a process of its own: ``python tests/fake_training.py RUN SPEC PACE``.

It claims the run folder, writes an epoch after every PACE seconds and goes on where it was, as the real one does.
Seed 13 fails, seed 14 is ended by the system.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
EPOCHS, RUNS, SAMPLES, BATCH = 20, 3, 898, 100  # the recipe's


def plan(spec, *, replace_other: bool = False, possible: bool = True):
    """What the fake lab plans: twelve seconds on this machine."""
    from core.training_records import RecipeNumbers, TrainingPlan

    attacker = spec.kind == "attacker"
    taken = spec.seed == 5
    return TrainingPlan(
        spec=spec,
        replace=replace_other,
        run=f"{spec.dataset}-{spec.name}-{spec.digest[:8]}",
        command=f"python -m core train {spec.dataset}/{spec.name} --seed {spec.seed}",
        usual=RecipeNumbers(
            samples=SAMPLES,
            batch_size=BATCH,
            epochs=EPOCHS,
            runs=1 if attacker else RUNS,
            precision="float32",
            epsilon=0.3 if attacker else None,
        ),
        checkpoint=f"{spec.name}-{spec.digest[:8]}" if taken and not replace_other else spec.name,
        taken=taken,
        made=False,
        steps=(spec.epochs or EPOCHS) * (spec.runs or RUNS) * 8,
        seconds=12.0,
        basis="Reckoned from nothing: this is a fake.",
        run_bytes=2_000_000,
        checkpoint_bytes=300_000,
        data="" if possible else f"{spec.dataset} must be brought.",
        possible=possible,
    )


def command(pace: float) -> Callable[..., Sequence[str]]:
    """What starts the process of a plan: an epoch every ``pace`` seconds."""

    def line(plan):
        return [sys.executable, "-P", __file__, plan.run, json.dumps(asdict(plan.spec)), str(pace)]

    return line


def train(run: str, spec: dict, pace: float) -> None:
    sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]
    from core.locks import hold

    folder = Path(os.environ["LAB_RUNS"]) / run
    with hold(folder):
        events = folder / "events.jsonl"
        lines = events.read_text().splitlines() if events.is_file() else []
        epochs, runs = spec["epochs"] or EPOCHS, spec["runs"] or (1 if spec["kind"] == "attacker" else RUNS)
        for number in range(len(lines), epochs * runs):
            time.sleep(pace)
            lines.append(json.dumps(epoch_log(number, epochs, runs, pace)))
            new = events.with_suffix(".new")
            new.write_text("".join(f"{line}\n" for line in lines))
            new.replace(events)
            if spec["seed"] == 13:
                sys.stderr.write("A first line.\nThis seed fails on purpose.\n")
                sys.exit(2)
            if spec["seed"] == 14:
                os.kill(os.getpid(), signal.SIGKILL)
        (folder / "card.json").write_text(json.dumps(card(spec, runs, pace * epochs * runs)))


def epoch_log(number: int, epochs: int, runs: int, pace: float) -> dict:
    run, epoch = number // epochs, number % epochs
    terms = {
        "separation": 0.5 / (epoch + 1) + 0.1 * run,
        "simplex": 0.9 / (epoch + 2),
        "contrastive": 1.5 / (epoch + 1),
    }
    return {"phase": "clustering", "epoch": epoch + 1, "epochs": epochs, "terms": terms, "seconds": pace,
            "seconds_left": pace * (epochs - epoch - 1), "run": run + 1, "runs": runs}  # fmt: skip


def card(spec: dict, runs: int, seconds: float) -> dict:
    """A card's values, without the library: it takes long to read."""
    scores = {"accuracy": 0.9, "nmi": 0.85, "ari": 0.8}
    attacker = spec["kind"] == "attacker"
    states = ("clean", "noise_frozen", "gan_frozen") if attacker else ("train", "held_out")
    seeds = [spec["seed"] + run for run in range(runs)] if runs > 1 else []
    return {
        "dataset": spec["dataset"],
        "model": spec["model"].partition(".")[0],
        "name": f"{spec['model']}.gan" if attacker else spec["model"],
        "kind": spec["kind"],
        "protocol": spec["protocol"],
        "seed": spec["seed"],
        "view_shapes": [[1, 28, 28]] * 2,
        "n_clusters": 10,
        "samples": spec["samples"] or SAMPLES,
        "held_out_samples": 899,
        "recipe": {"runs": runs, "epsilon": spec["epsilon"] or 0.3, "model_options": {}},
        "scores": dict.fromkeys(states, scores),
        "runs": [{"seed": seed, "loss": 0.5 + seed, **scores} for seed in seeds],
        "bits": 16,
        "command": "",
        "training_seconds": seconds,
        "device": "cpu",
        "torch": "2.15",
        "created": "2026-01-01T00:00:00Z",
        "sha256": "ab" * 32,
        "target_sha256": "cd" * 32 if attacker else None,
    }


if __name__ == "__main__":
    train(sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3]))
