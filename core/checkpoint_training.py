"""From a training spec to a published checkpoint: the recipe, the run, the scores, the card."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from core.attacks import ATTACKS
from core.attacks.base import Attack, Budget
from core.attacks.gan import GenerativeAttack
from core.attacks.latent import PerturbationNetworks
from core.checkpoints import save_checkpoint
from core.distributed import is_first
from core.errors import LabError
from core.frames import clean_scores, encode, make_frame, make_subject, scores_under
from core.latent import attack as latent_attack
from core.library import Library
from core.models.base import ClusteringModel
from core.models.encoders import use_precision
from core.quantization import dequantize, find_narrow, quantize
from core.recipes.base import (
    AdversarialTraining,
    AttackerRecipe,
    LatentAttackerRecipe,
    Recipe,
    RepresentationLearning,
    RobustDistillation,
)
from core.records import AttackScores, CheckpointCard, EpochLog, TrainSpec
from core.run_reader import RECIPE, REPLACE
from core.runs import RunFolder, Tensors
from core.trainers import Training, attacker_training, latent_attacker_training, model_training
from core.training_intents import Intent, command, intend
from core.types import MultiViewDataset

TRIALS = "trials"  # the folder, in a run's, of the shorter trainings that choose among seeds
SAME_SCORE = 0.0005  # scores are shown with three decimals
SCORED = 5000  # held-out samples, where the training samples are cut too; of either part, where bits are chosen
ScoreTable = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What a training spec means here: data, and how to make and score what is trained."""

    intent: Intent
    data: MultiViewDataset
    n_clusters: int
    n_held_out: int
    make: Callable[[int], Training]  # from the number of the run
    trial: Callable[[int], Training] | None  # a shorter training whose loss chooses the run to make
    scores: Callable[[torch.nn.Module, int | None], ScoreTable]  # of at most so many samples of each part
    held_out_scores: Callable[[torch.nn.Module], dict[str, float]] | None  # of one run among several


@dataclass(frozen=True)
class Stored:
    """What a checkpoint holds: the weights, their bits, the layers that have 8 all the same, and the scores so."""

    weights: Tensors
    bits: int
    narrow: frozenset[str]
    scores: ScoreTable


def train_checkpoint(
    library: Library, runs_folder: Path, spec: TrainSpec, *, overwrite: bool, capture: bool
) -> Generator[EpochLog, None, CheckpointCard]:
    """See :meth:`core.lab.Lab.train`."""
    intent = intend(library, spec)
    plan = PLANS[spec.kind](library, intent)
    folder = RunFolder(runs_folder / intent.run)
    with folder.claim({**asdict(spec), REPLACE: overwrite, RECIPE: intent.values}):
        card, stored = yield from _train(library, folder, plan, overwrite=overwrite, capture=capture)
        if is_first():
            card = save_checkpoint(library.checkpoints, card, stored.weights, stored.narrow)
            folder.publish(card)
        library.look_again()
        return card


def _train(
    library: Library, folder: RunFolder, plan: Plan, *, overwrite: bool, capture: bool
) -> Generator[EpochLog, None, tuple[CheckpointCard, Stored]]:
    """Train from wherever it stopped; the card without the digest, and what is stored."""
    intent, spec = plan.intent, plan.intent.spec
    best, kept = yield from train_best(folder, plan.data, plan.make, plan.trial, intent.runs, capture=capture)
    stored = _store_smaller(plan, best, kept)
    card = CheckpointCard(
        dataset=spec.dataset,
        model=intent.model,
        name=intent.free_name(library.checkpoints, overwrite=overwrite),
        kind=spec.kind,
        protocol=spec.protocol,
        seed=spec.seed + best,
        view_shapes=plan.data.view_shapes,
        n_clusters=plan.n_clusters,
        samples=len(plan.data),
        held_out_samples=plan.n_held_out,
        recipe=intent.values,
        scores=stored.scores,
        runs=_runs(plan, folder, best, stored.scores),
        bits=stored.bits,
        command=command(spec),
        training_seconds=seconds_spent(folder),
        device=str(library.device),
        torch=torch.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256="",
        target_sha256=intent.target.sha256 if intent.target else None,
    )
    return card, stored


def train_best(
    folder: RunFolder,
    data: MultiViewDataset,
    make: Callable[[int], Training],
    trial: Callable[[int], Training] | None,
    runs: int,
    *,
    capture: bool,
) -> Generator[EpochLog, None, tuple[int, Tensors]]:
    """Train every run, or with ``trial`` try every run and train the best; its number and its weights are returned."""
    trials = RunFolder(folder.path / TRIALS) if trial else folder
    yield from trials.train(trial or make, data, runs=runs, capture=capture)
    best = trials.best()
    if trial:
        yield from folder.train(lambda _: make(best), data, runs=1, capture=capture)
    return best, folder.result(0 if trial else best)


def seconds_spent(folder: RunFolder) -> float:
    """The time of every epoch of :func:`train_best`, in seconds."""
    parts = (folder, RunFolder(folder.path / TRIALS))
    return sum(log.seconds for part in parts for log in part.logs())


def trained(training: Training, weights: Tensors) -> torch.nn.Module:
    """The result of a training as it is used: with these weights, in evaluation mode, float32, read-only."""
    network = training.result
    network.load_state_dict(weights, strict=True)
    use_precision(network, "float32")
    return network.eval().requires_grad_(False)


def _store_smaller(plan: Plan, run: int, weights: Tensors) -> Stored:
    """The weights with the fewest bits that leave every score of the first samples as it is."""
    network = trained(plan.make(run), weights)
    scores = plan.scores(network, SCORED)
    if isinstance(network, ClusteringModel | PerturbationNetworks):
        network.leave_training_behind()
    left = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def rescored(tensors: Mapping[str, torch.Tensor], at_most: int | None) -> ScoreTable:
        network.load_state_dict(tensors, strict=True)
        return plan.scores(network, at_most)

    def holds(tensors: Mapping[str, torch.Tensor]) -> bool:
        return _far(rescored(tensors, SCORED), scores) <= SAME_SCORE

    is_small = plan.intent.spec.kind == "attacker"
    candidates = (16, 32) if is_small else (8, 16, 32)
    bits = next(bits for bits in candidates if bits == 32 or holds(dequantize(quantize(left, bits))))
    narrow = frozenset() if is_small or bits == 8 else find_narrow(left, bits, holds)
    return Stored(left, bits, narrow, rescored(dequantize(quantize(left, bits, narrow)), None))


def _far(scores: ScoreTable, others: ScoreTable) -> float:
    """The largest difference of any score."""
    return max(abs(value - others[part][name]) for part, row in scores.items() for name, value in row.items())


def _runs(plan: Plan, folder: RunFolder, best: int, scores: ScoreTable) -> list[dict[str, float]]:
    """How every seed ended, if all were trained to the end: its loss, which chooses, and its held-out scores."""
    if plan.trial or plan.held_out_scores is None:
        return []
    rows = []
    for run, loss in sorted(folder.losses().items()):
        held_out = scores["held_out"]
        if run != best:
            held_out = plan.held_out_scores(trained(plan.make(run), folder.result(run)))
        rows.append({"seed": plan.intent.spec.seed + run, "loss": loss, **held_out})
    return rows


def _plan_model(library: Library, intent: Intent) -> Plan:
    spec, recipe = intent.spec, intent.recipe
    assert isinstance(recipe, Recipe)
    data, held_out = training_parts(library, spec)
    if isinstance(recipe.defense, RepresentationLearning) and spec.samples is None:
        data = library.with_unlabelled(data)
    hardened = None if intent.target is None else library.attacked(intent.target)

    def make(run: int) -> Training:
        shapes, seed = data.view_shapes, spec.seed + run
        words: dict[str, Any] = {"seed": seed, "device": library.device, "hardened": hardened, "labels": data.labels}
        return model_training(recipe, shapes, data.n_clusters, **words)

    def held_out_scores(model: Any) -> dict[str, float]:
        return asdict(clean_scores(model, held_out))

    def scores(model: Any, at_most: int | None) -> ScoreTable:
        parts = {"train": data, "held_out": held_out}
        return {name: asdict(clean_scores(model, _first(part, at_most))) for name, part in parts.items()}

    return Plan(
        intent=intent,
        data=data,
        n_clusters=data.n_clusters,
        n_held_out=len(held_out),
        make=make,
        trial=warm_up_alone(recipe, make),
        scores=scores,
        held_out_scores=held_out_scores,
    )


def warm_up_alone(recipe: Recipe, make: Callable[[int], Training]) -> Callable[[int], Training] | None:
    """The warm-up of a defense, whose loss already chooses among several seeds; None where there is no choice."""
    defense = recipe.defense
    warms_up = isinstance(defense, AdversarialTraining | RobustDistillation) and defense.warm_up_epochs > 0
    if not warms_up or recipe.runs < 2:
        return None

    def warm_up(run: int) -> Training:
        training = make(run)
        return replace(training, phases=training.phases[:1])

    return warm_up


def _plan_attacker(library: Library, intent: Intent) -> Plan:
    spec, recipe, target = intent.spec, intent.recipe, intent.target
    assert isinstance(recipe, AttackerRecipe)
    assert target is not None
    model = library.model(target)

    def make(run: int) -> Training:
        return attacker_training(recipe, model, seed=spec.seed + run, device=library.device)

    def score(generators: Any, held_out: MultiViewDataset) -> tuple[AttackScores, dict[str, AttackScores]]:
        attack = GenerativeAttack(generators=generators, target_mode=recipe.target_mode)
        noise = ATTACKS.make("noise", target_mode=recipe.target_mode)
        budget = Budget(epsilon=recipe.epsilon)
        encoding = encode(model, held_out.views, recipe.target_mode)
        subject = make_subject(held_out, encoding, target.n_clusters, target.sha256)
        clean = make_frame(subject, None, held_out.views, encoding, epsilon=0.0)

        def under(chosen: Attack) -> AttackScores:
            return scores_under(chosen, model, held_out, subject, clean, budget, seed=spec.seed)

        return clean.scores, {"gan": under(attack), "noise": under(noise)}

    return _plan_against(library, intent, make, score)


def _plan_latent(library: Library, intent: Intent) -> Plan:
    spec, recipe, target = intent.spec, intent.recipe, intent.target
    assert isinstance(recipe, LatentAttackerRecipe)
    assert target is not None
    model = library.latent_model(target)

    def make(run: int) -> Training:
        return latent_attacker_training(recipe, model, seed=spec.seed + run, device=library.device)

    def score(networks: Any, held_out: MultiViewDataset) -> tuple[AttackScores, dict[str, AttackScores]]:
        subject, clean = latent_attack.start(model, held_out, target.n_clusters, target.sha256)
        frame = latent_attack.frame(
            model, held_out, subject, clean, networks.of(recipe.gamma), recipe.gamma, seed=spec.seed
        )
        return clean.scores, {"latent": frame.scores, latent_attack.CONTROL: frame.controls[latent_attack.CONTROL]}

    return _plan_against(library, intent, make, score)


def _plan_against(
    library: Library,
    intent: Intent,
    make: Callable[[int], Training],
    score: Callable[[Any, MultiViewDataset], tuple[AttackScores, dict[str, AttackScores]]],
) -> Plan:
    """The plan of an attacker; ``score`` gives the clean scores of held-out samples, and those under each attack."""
    recipe, target = intent.recipe, intent.target
    assert isinstance(recipe, AttackerRecipe | LatentAttackerRecipe)
    assert target is not None
    train, held_out = training_parts(library, intent.spec)

    def scores(attacker: Any, at_most: int | None) -> ScoreTable:
        clean, attacked = score(attacker, _first(held_out, at_most))
        table = {"clean": asdict(clean.frozen)}
        for name, after in attacked.items():
            table |= {f"{name}_frozen": asdict(after.frozen), f"{name}_rematched": asdict(after.rematched)}
        return table

    return Plan(
        intent=intent,
        data=train if recipe.trained_on == "train" else held_out,
        n_clusters=target.n_clusters,
        n_held_out=len(held_out),
        make=make,
        trial=None,
        scores=scores,
        held_out_scores=None,
    )


PLANS: dict[str, Callable[[Library, Intent], Plan]] = {
    "model": _plan_model,
    "attacker": _plan_attacker,
    "latent": _plan_latent,
}


def training_parts(library: Library, spec: TrainSpec) -> tuple[MultiViewDataset, MultiViewDataset]:
    """The training part, cut to the spec's samples, and the held-out part."""
    train, held_out = library.parts(spec.dataset)
    if spec.samples is None:
        return train, held_out
    if spec.samples > len(train):
        raise LabError(f"The training part of {spec.dataset} has {len(train)} samples, fewer than {spec.samples}.")
    return _first(train, spec.samples), _first(held_out, SCORED)


def _first(data: MultiViewDataset, at_most: int | None) -> MultiViewDataset:
    if at_most is None or at_most >= len(data):
        return data
    return data.take(torch.arange(at_most, device=data.labels.device))
