"""``python -m core``: the lab from the command line."""

import argparse
import os
import sys
from pathlib import Path

from core import commands
from core.errors import LabError, shortened
from core.recipes.base import PROTOCOLS
from core.studies.plans import SCALES
from core.table_records import CONTROLS

BAD_INPUT, BROKEN_PIPE = 2, 141
MOST_WORKERS, MOST_MINUTES = 64, 60 * 24 * 365


def parser() -> argparse.ArgumentParser:
    """The command line, every command with its help."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print JSON for machines")
    shared.add_argument("--quiet", action="store_true", help="no progress bar")
    shared.add_argument("--checkpoints", type=Path, help="folder of checkpoints (LAB_CHECKPOINTS)")
    shared.add_argument("--data", type=Path, help="folder of data sets in torchvision's layout (LAB_DATA)")
    shared.add_argument("--device", help="cpu, cuda, …; the best there is by default")
    attacking = _attack_options()
    top = argparse.ArgumentParser(prog="python -m core", description="The Adversarial Clustering Lab.")
    words = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: object, help: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command = words.add_parser(name, help=help, description=help, parents=[shared, *parents])
        command.set_defaults(run=run)
        return command

    add("list", commands.list_everything, "data sets, models, attacks, defenses, and checkpoints with their scores")
    _train_options(add("train", commands.train, "train a model, or an attacker against one; resumes where it stopped"))
    add("attack", commands.attack, "attack a checkpoint at one ε, controls beside it", attacking, _choice_options())
    add("evaluate", commands.evaluate, "a checkpoint's clean scores, and under every attack", attacking)
    along = add("sweep", commands.sweep, "attack a checkpoint along ε", attacking, _choice_options())
    along.add_argument("--points", type=int, default=13, help="points of the ε grid, 0 included (13)")
    add("maps", commands.maps, "fit the UMAP map of every checkpoint that has none, for shipping")
    result = add("results", commands.results, "compute the numbers that ship with the lab and are not there yet")
    result.add_argument("targets", metavar="DATASET/MODEL", nargs="*", help="only these (all on embedded data)")
    result.add_argument("--attack", choices=("gan", "pgd", "ensemble"), help="only this (gan and pgd)")
    result.set_defaults(ship=True)
    _computing_options(result)
    proof = add("theorem", commands.theorem, "measure Theorem 4.2 on checkpoints, for shipping; nothing is done twice")
    proof.add_argument("targets", metavar="DATASET/MODEL", nargs="*", help="only these (those that ship)")
    moved = add("latent", commands.latent, "ALRDC's attack, defense and re-attack beside the paper's, for shipping")
    moved.add_argument("datasets", metavar="DATASET", nargs="*", help="digits, mnist, reuters … (digits)")
    moved.add_argument("--markdown", action="store_true", help="the measured rows alone, as a Markdown table")
    made = add("features", commands.features, "make the vectors of ALRDC's tables: downloads what they are made of")
    made.add_argument("dataset", metavar="DATASET", help="stl10_features (3 GB) or reuters (1 GB)")
    judged = add("certify", commands.certify, "ClusTR's attacks and certificates beside the paper's, for shipping")
    judged.add_argument(
        "datasets",
        metavar="DATASET",
        nargs="*",
        help="plane, digits, mnist, or one model: mnist/clustr (plane and digits)",
    )
    pushed = add("neighbours", commands.neighbours, "NCP-ACL's tables beside the paper's, and its claims, for shipping")
    pushed.add_argument("datasets", metavar="DATASET", nargs="*", help="digits, mnist, fashion_mnist (digits)")
    pushed.add_argument("--seeds", type=int, help="measure what is missing of so many seeds first, at most 3")
    pushed.add_argument("--markdown", action="store_true", help="the measured rows alone, as a Markdown table")
    pushed.add_argument("--row", dest="rows", action="append", help="with --seeds: only this row; may be repeated")
    _table_options(add("tables", commands.tables, "the paper's tables with ours beside them; computes what is missing"))
    add("findings", commands.findings, "what the stored numbers say of the paper, in sentences")
    most = add(
        "ceiling", commands.ceiling, "the most ACC that any model can keep under an L∞ budget, from the data alone"
    )
    most.add_argument("dataset", metavar="DATASET", help="for example noisy_digits")
    most.add_argument("--epsilon", type=float, nargs="+", help="budgets (0.1 to 0.3)")
    most.add_argument("--samples", type=int, default=256, help="held-out samples, the first of seed 0 (256)")
    _bench_options(add("bench", commands.bench, "speed and memory of models and attacks, beside the device's peak"))
    add("doctor", commands.doctor, "what works here, and what to do about what does not")
    return top


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "target", metavar="DATASET/MODEL", nargs="?", help="noisy_digits/cl_mvc; with .gan or .latent, its attacker"
    )
    command.add_argument("--all", action="store_true", help="every model and attacker that has no checkpoint yet")
    command.add_argument("--dataset", action="append", help="with --all: only this data set; may be repeated")
    command.add_argument("--budget-minutes", type=float, help="with --all: stop after so many minutes, to go on later")
    command.add_argument("--workers", type=int, default=1, help="with --all: trainings at a time, in one process (1)")
    command.add_argument("--capture", action="store_true", help="replay each step as a CUDA graph, on a GPU")
    command.add_argument("--protocol", choices=PROTOCOLS, default="lab", help="whose numbers to follow (lab)")
    command.add_argument("--seed", type=int, default=0, help="first seed (0)")
    command.add_argument("--samples", type=int, help="training samples (all of the training half)")
    command.add_argument("--epochs", type=int, help="epochs (the recipe's)")
    command.add_argument("--runs", type=int, help="seeds to try; the lowest loss wins (the recipe's)")
    command.add_argument("--epsilon", type=float, help="an attacker's budget (the recipe's)")
    command.add_argument(
        "--precision", choices=("float32", "bfloat16"), help="of convolutions in training; bfloat16 on new processors"
    )
    command.add_argument("--latent", type=int, help="dimensions of the latent of conv_ae and alrdc (64)")
    command.add_argument("--overwrite", action="store_true", help="replace another training's checkpoint")


def _table_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--protocol", choices=PROTOCOLS, default="lab", help="whose numbers to follow (lab)")
    command.add_argument("--markdown", action="store_true", help="as a Markdown table")
    command.add_argument("--table", type=int, choices=(1, 2, 3), help="that table as a whole, in Markdown")
    command.add_argument("--csv", action="store_true", help="with --table: every metric and matching, one line a cell")
    command.add_argument("--latex", action="store_true", help="with --table: for the package booktabs")
    command.add_argument("--metric", choices=("accuracy", "nmi", "ari"), default="accuracy", help="with --table (ACC)")
    command.add_argument(
        "--matching", choices=("rematched", "frozen"), default="rematched", help="with --table: of ACC (rematched)"
    )
    command.add_argument(
        "--beside", action="append", choices=(*CONTROLS, "nothing"), help="with --table: only this beside every after"
    )
    command.add_argument(
        "--dataset", action="append", help="only this, and compute what its tables lack first; may be repeated"
    )
    command.add_argument("--train", action="store_true", help="with --dataset: the models of no checkpoint too, anew")
    command.add_argument(
        "--scale",
        choices=SCALES,
        help="of those: full is the recipe's; model the model's whole training, a shorter one of its attacker; long a "
        "part of real data with all epochs; small with fewer (full on a GPU, else small)",
    )
    command.add_argument("--capture", action="store_true", help="with --train: replay steps as CUDA graphs, on a GPU")
    command.add_argument("--workers", type=int, default=1, help="with --train: trainings at a time, in one process (1)")
    command.add_argument("--ship", action="store_true", help="with --dataset: keep the numbers in assets/")
    _computing_options(command)


def _computing_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--again", action="store_true", help="what is there too, and say how far it is from it")
    command.add_argument("--budget-minutes", type=float, help="begin nothing after so many minutes; go on later")


def _bench_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("models", metavar="MODEL", nargs="*", help="for example cl_mvc ar_dmvc_am (all)")
    command.add_argument("--dataset", default="noisy_digits", help="whose shapes the pictures have (noisy_digits)")
    command.add_argument("--batch", type=int, help="samples of encode and the attacks (what suits the device)")
    command.add_argument("--seconds", type=float, default=0.5, help="that each measurement goes on for (0.5)")
    command.add_argument("--epsilon", type=float, default=0.2, help="budget of the attacks (0.2)")
    command.add_argument("--seed", type=int, default=0, help="of weights and pictures (0)")
    command.add_argument("--capture", action="store_true", help="replay each training step as a CUDA graph, on a GPU")
    command.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="of convolutions (float32)"
    )


def _attack_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("target", metavar="DATASET/MODEL", help="a checkpoint, for example noisy_digits/cl_mvc")
    options.add_argument("--epsilon", type=float, help="budget on the [0, 1] pixel scale (the paper's)")
    options.add_argument("--samples", type=int, default=256, help="held-out samples (256)")
    options.add_argument("--seed", type=int, default=0, help="chooses samples and randomness (0)")
    options.add_argument("--steps", type=int, default=10, help="of PGD; of APGD in the ensemble, 100 in full (10)")
    options.add_argument("--objective", help="what FGSM and PGD maximise (both; on a classifier, margin)")
    return options


def _choice_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--step-size", type=float, help="of PGD, a multiple of ε (2.5 / steps)")
    options.add_argument("--attack", default="pgd", help="noise, fgsm, pgd, gan, ensemble, latent … (pgd)")
    options.add_argument("--views", type=_views, help="attacked views, for example 0,1 (all)")
    options.add_argument("--norm", choices=("linf", "l2", "gamma"), default="linf", help="norm of the budget (linf)")
    options.add_argument(
        "--target-mode", choices=("eval", "train"), default="eval", help="train is the released code's (eval)"
    )
    return options


def _views(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _check_amounts(options: argparse.Namespace) -> None:
    """Raise :class:`LabError` for numbers that no command can take."""
    minutes, workers = getattr(options, "budget_minutes", None), getattr(options, "workers", 1)
    if minutes is not None and not 0 <= minutes <= MOST_MINUTES:
        raise LabError(f"--budget-minutes takes from 0 to {MOST_MINUTES:,}, got {minutes:g}.")
    if not 1 <= workers <= MOST_WORKERS:
        raise LabError(f"--workers takes from 1 to {MOST_WORKERS}, got {shortened(workers)}.")


def main() -> None:
    """Run a command. Exit code 2 and one sentence for bad input."""
    options = parser().parse_args()
    try:
        _check_amounts(options)
        options.run(options)
        sys.stdout.flush()
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:  # whoever read along, as head does, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        print(f"Cannot use {error.filename or 'a file'}: {(error.strerror or str(error)).lower()}.", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print(
            "Stopped. A training goes on if you give the command again; at most some seconds are lost.",
            file=sys.stderr,
        )
        sys.exit(130)


if __name__ == "__main__":
    main()
