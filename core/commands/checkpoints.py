"""The commands around checkpoints: list, train, maps."""

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from core.attacks import ATTACKS
from core.commands.printing import Row, as_time, make_lab, print_json, print_table, split_target, three_scores
from core.data import DATASET_FACTS, DATASETS
from core.defenses import DEFENSES
from core.distributed import count, is_first, process_group
from core.errors import LabError
from core.lab import Lab
from core.matrix import missing, train_all
from core.models import MODELS
from core.records import ATTACKER_KINDS, CheckpointCard, TrainSpec
from core.runtime import find_device


def list_everything(options: Namespace) -> None:
    """Data sets, models, attacks, defenses and checkpoints with their scores."""
    lab = make_lab(options)
    cards = [*lab.cards("model"), *lab.cards("attacker"), *lab.cards("latent")]
    if options.json:
        names = {"datasets": [*DATASETS], "models": [*MODELS], "attacks": [*ATTACKS], "defenses": [*DEFENSES]}
        print_json(names | {"checkpoints": [asdict(card) for card in cards]})
        return
    facts = [
        (name, f.origin, f"{f.samples:,}", len(f.class_names), len(f.view_names), f.epsilon, f.sentence)
        for name, f in DATASET_FACTS.items()
    ]
    print_table(("data set", "origin", "samples", "clusters", "views", "paper ε", "what a sample is"), facts)
    print(f"\nmodels    {', '.join(MODELS)}\nattacks   {', '.join(ATTACKS)}\ndefenses  {', '.join(DEFENSES)}\n")
    models = [_model_row(card) for card in cards if card.kind == "model"]
    print_table(("checkpoint", "ACC", "NMI", "ARI", "seed", "protocol", "samples", "training"), models)
    attackers = [_attacker_row(card) for card in cards if card.kind == "attacker"]
    if attackers:
        print()
        print_table(("attacker", "ε", "ACC clean", "noise", "attacked", "protocol", "training"), attackers)
    perturbing = [_latent_row(card) for card in cards if card.kind == "latent"]
    if perturbing:
        print()
        print_table(("latent attacker", "γ", "ACC clean", "random", "attacked", "protocol", "training"), perturbing)
    for problem in lab.problems():
        print(problem, file=sys.stderr)


def _model_row(card: CheckpointCard) -> Row:
    scores = three_scores(card.scores["held_out"])
    made = (card.seed, card.protocol, f"{card.samples:,}", as_time(card.training_seconds))
    return (f"{card.dataset}/{card.name}", *scores, *made)


def _attacker_row(card: CheckpointCard) -> Row:
    return _attack_row(card, card.recipe["epsilon"], ("clean", "noise_frozen", "gan_frozen"))


def _latent_row(card: CheckpointCard) -> Row:
    return _attack_row(card, card.recipe["gamma"], ("clean", "random_direction_frozen", "latent_frozen"))


def _attack_row(card: CheckpointCard, strength: float, states: tuple[str, ...]) -> Row:
    accuracies = [f"{card.scores[state]['accuracy']:.3f}" for state in states]
    made = (card.protocol, as_time(card.training_seconds))
    return (f"{card.dataset}/{card.name}", f"{strength:g}", *accuracies, *made)


def train(options: Namespace) -> None:
    """Train one model or attacker, with a bar of epochs, or everything that is missing."""
    if options.all == (options.target is not None):
        raise LabError("Write either DATASET/MODEL, for example noisy_digits/cl_mvc, or --all.")
    with _ended_as_by_ctrl_c(), process_group(find_device(options.device)):
        lab = make_lab(options)
        train_missing(lab, options) if options.all else train_one(lab, options)


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Answer the request to end that a page or the system sends (SIGTERM) as Ctrl-C is answered."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def train_one(lab: Lab, options: Namespace) -> None:
    """Train one model or attacker; prints the checkpoint's scores."""
    spec = train_spec(options)
    DATASETS[spec.dataset]
    if options.dataset or options.budget_minutes is not None or options.workers != 1:
        raise LabError("--dataset, --budget-minutes and --workers belong to --all.")
    training = lab.train(spec, overwrite=options.overwrite, capture=options.capture)
    with tqdm(unit="epoch", file=sys.stderr, disable=options.quiet or not is_first(), delay=1) as bar:
        while True:
            try:
                log = next(training)
            except StopIteration as end:
                card = end.value
                break
            bar.total = log.epochs * log.runs
            bar.n = log.epochs * (log.run - 1) + log.epoch
            bar.set_description(f"{log.phase}, run {log.run} of {log.runs}", refresh=False)
            left = f"{as_time(log.seconds_left)} left" if log.seconds_left else "scoring"
            bar.set_postfix_str(f"loss {log.total:.3f}, {left}")
    if not is_first():
        return
    if options.json:
        print_json(asdict(card))
        return
    print(f"{lab.library.checkpoints / card.dataset / card.name}.safetensors ({as_time(card.training_seconds)})")
    print_table(("part", "ACC", "NMI", "ARI"), [(part, *three_scores(s)) for part, s in card.scores.items()])


def train_missing(lab: Lab, options: Namespace) -> None:
    """Walk over what is missing, a line for everything that is done or cannot be done."""
    if count() > 1:
        raise LabError("--all trains in one process; give torchrun one DATASET/MODEL.")
    for name in options.dataset or ():
        DATASETS[name]
    base = TrainSpec(dataset="", model="", **_train_words(options))
    jobs = missing(lab, options.dataset or tuple(DATASETS), base)
    n_trainings = sum(map(len, jobs))
    seconds = None if options.budget_minutes is None else 60 * options.budget_minutes
    walk = train_all(lab, jobs, seconds=seconds, workers=options.workers, capture=options.capture)
    done: list[CheckpointCard] = []
    problems: list[str] = []
    at_work: dict[str, str] = {}
    with tqdm(total=n_trainings, unit="checkpoint", file=sys.stderr, disable=options.quiet) as bar, closing(walk):
        for step in walk:
            name = f"{step.spec.dataset}/{step.spec.name}"
            if step.log is not None:
                at_work[name] = f"{name} epoch {step.log.epoch}/{step.log.epochs} run {step.log.run}/{step.log.runs}"
            else:
                at_work.pop(name, None)
                bar.update()
                if step.result is not None:
                    done.append(step.result)
                    bar.write(f"{name}: {as_time(step.result.training_seconds)}", file=sys.stderr)
                else:
                    problems.append(f"{name}: {step.problem}")
                    bar.write(problems[-1], file=sys.stderr)
            bar.set_postfix_str(", ".join(at_work.values()))
    left = n_trainings - len(done)
    if options.json:
        print_json({"made": [asdict(card) for card in done], "problems": problems, "left": left})
        return
    ending = " Give the command again to go on." if left > len(problems) else ""
    print(f"{len(done)} of {n_trainings} missing checkpoints made, {len(problems)} cannot be made here.{ending}")


def train_spec(options: Namespace) -> TrainSpec:
    """What to train by the command line: DATASET/MODEL, an attacker if it ends in .gan or .latent."""
    dataset, name = split_target(options.target)
    target, _, last = name.rpartition(".")
    kind = next((kind for kind, attack in ATTACKER_KINDS.items() if target and attack == last), "model")
    return TrainSpec(dataset=dataset, model=name if kind == "model" else target, kind=kind, **_train_words(options))


def _train_words(options: Namespace) -> dict[str, Any]:
    """What the options say of any training."""
    names = ("protocol", "seed", "samples", "epochs", "runs", "epsilon", "precision", "latent")
    return {name: getattr(options, name) for name in names}


def maps(options: Namespace) -> None:
    """Fit the UMAP map of every checkpoint that has none yet, to be shipped in assets/; one without data is named."""
    lab = make_lab(options)
    for card in tqdm(lab.cards(), unit="map", file=sys.stderr, disable=options.quiet):
        try:
            lab.fit_map(card)
        except LabError as error:
            tqdm.write(f"{card.dataset}/{card.name}: {error}", file=sys.stderr)
