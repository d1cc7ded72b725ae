"""From a training spec to a published checkpoint: the recipe, the run, the scores, the card."""

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from core.attacks import ATTACKS
from core.attacks.base import Budget
from core.attacks.gan import GenerativeAttack
from core.checkpoints import load_card, save_checkpoint
from core.data import DATASETS
from core.distributed import is_first
from core.errors import LabError
from core.frames import attack_in_chunks, clean_scores, encode, make_frame, make_subject
from core.library import Library
from core.models import MODELS
from core.models.base import ClusteringModel
from core.models.encoders import use_precision
from core.quantization import dequantize, quantize
from core.recipes import BY_PROTOCOL, RECIPES, recipe_name
from core.recipes.base import Recipe
from core.records import CheckpointCard, EpochLog, TrainSpec, digest
from core.runs import RunFolder, Tensors
from core.trainers import Training, attacker_training, model_training
from core.types import MultiViewDataset

SCORED = 5000  # held-out samples, where the training samples are cut too: such a training is a small one
ScoreTable = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What a training spec means here: data, recipe, and how to make and score what is trained."""

    spec: TrainSpec
    data: MultiViewDataset
    recipe: dict[str, Any]
    model: str  # the name in MODELS, an attacker's target's too
    runs: int
    n_clusters: int
    n_held_out: int
    target: CheckpointCard | None
    make: Callable[[int], Training]  # from the number of the run
    trial: Callable[[int], Training] | None  # a shorter training whose loss chooses the run to make
    scores: Callable[[torch.nn.Module], ScoreTable]
    held_out_scores: Callable[[torch.nn.Module], dict[str, float]] | None  # of one run among several

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that decides the result."""
        return digest(
            {
                "spec": asdict(self.spec),
                "recipe": self.recipe,
                "runs": self.runs,
                "target": self.target.sha256 if self.target else None,
            }
        )


def train_checkpoint(
    library: Library, runs_folder: Path, spec: TrainSpec, *, overwrite: bool, capture: bool
) -> Generator[EpochLog, None, CheckpointCard]:
    """See :meth:`core.lab.Lab.train`."""
    plan = _plan_model(library, spec) if spec.kind == "model" else _plan_attacker(library, spec)
    folder = RunFolder(runs_folder / f"{spec.dataset}-{spec.name}-{plan.digest[:8]}")
    trials = RunFolder(folder.path / "trials") if plan.trial else folder
    yield from trials.train(plan.trial or plan.make, plan.data, runs=plan.runs, spec=asdict(spec), capture=capture)
    best = trials.best()
    if plan.trial:
        yield from folder.train(lambda _: plan.make(best), plan.data, runs=1, spec=asdict(spec), capture=capture)
    kept = folder.result(0 if plan.trial else best)
    result, bits, scores = _store_smaller(plan, best, kept)
    card = CheckpointCard(
        dataset=spec.dataset,
        model=plan.model,
        name=_free_name(library.checkpoints, plan, overwrite),
        kind=spec.kind,
        protocol=spec.protocol,
        seed=spec.seed + best,
        view_shapes=plan.data.view_shapes,
        n_clusters=plan.n_clusters,
        samples=len(plan.data),
        held_out_samples=plan.n_held_out,
        recipe=plan.recipe,
        scores=scores,
        runs=_runs(plan, folder, best, scores),
        bits=bits,
        command=command(spec),
        training_seconds=sum(log.seconds for part in {folder, trials} for log in part.logs()),
        device=str(library.device),
        torch=torch.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256="",
        target_sha256=plan.target.sha256 if plan.target else None,
    )
    return save_checkpoint(library.checkpoints, card, result) if is_first() else card


def _network(plan: Plan, run: int, weights: Tensors) -> torch.nn.Module:
    """The result of a run as a checkpoint is used: in evaluation mode, float32, read-only."""
    network = plan.make(run).result
    network.load_state_dict(weights, strict=True)
    use_precision(network, "float32")
    return network.eval().requires_grad_(False)


def _store_smaller(plan: Plan, run: int, weights: Tensors) -> tuple[Tensors, int, ScoreTable]:
    """What a checkpoint holds of the weights, the fewest bits that leave every score as it is, and the scores."""
    network = _network(plan, run, weights)
    scores = plan.scores(network)
    if isinstance(network, ClusteringModel):
        network.leave_training_behind()
    left = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for bits in (8, 16) if plan.target is None else (16,):  # an attacker is small
        network.load_state_dict(dequantize(quantize(left, bits)), strict=True)
        smaller = plan.scores(network)
        if _rounded(smaller) == _rounded(scores):
            return left, bits, smaller
    return left, 32, scores


def _rounded(scores: ScoreTable) -> ScoreTable:
    """Scores as they are shown."""
    return {part: {name: round(value, 3) for name, value in row.items()} for part, row in scores.items()}


def _runs(plan: Plan, folder: RunFolder, best: int, scores: ScoreTable) -> list[dict[str, float]]:
    """How every seed ended, if all were trained to the end: its loss, which chooses, and its held-out scores."""
    if plan.trial or plan.held_out_scores is None:
        return []
    rows = []
    for run, loss in sorted(folder.losses().items()):
        held_out = scores["held_out"]
        if run != best:
            held_out = plan.held_out_scores(_network(plan, run, folder.result(run)))
        rows.append({"seed": plan.spec.seed + run, "loss": loss, **held_out})
    return rows


def command(spec: TrainSpec) -> str:
    """The command line that makes this checkpoint."""
    name = f"{spec.model}.gan" if spec.kind == "attacker" else spec.model
    words = [f"python -m core train {spec.dataset}/{name}"]
    for option in ("protocol", "seed", "samples", "epochs", "runs", "epsilon", "precision"):
        value = getattr(spec, option)
        if value != getattr(TrainSpec(dataset="", model=""), option):
            words.append(f"--{option} {value}")
    return " ".join(words)


def _plan_model(library: Library, spec: TrainSpec) -> Plan:
    for registry, name in ((DATASETS, spec.dataset), (MODELS, spec.model), (BY_PROTOCOL, spec.protocol)):
        registry[name]  # the shorter answer to a wrong name
    recipe = RECIPES.make(recipe_name(spec.dataset, spec.model, spec.protocol))
    recipe = _with_epochs(replace(recipe, **_changes(spec, "runs", "precision")), spec.epochs)
    data, held_out = _parts(library, spec)

    def make(run: int) -> Training:
        return model_training(recipe, data.view_shapes, data.n_clusters, seed=spec.seed + run, device=library.device)

    def held_out_scores(model: Any) -> dict[str, float]:
        return asdict(clean_scores(model, held_out))

    def scores(model: Any) -> ScoreTable:
        return {"train": asdict(clean_scores(model, data)), "held_out": held_out_scores(model)}

    def trial(run: int) -> Training:
        training = make(run)
        return replace(training, phases=training.phases[:1])

    values = asdict(recipe)
    del values["attacker"]  # its own card has it
    chooses = trial if recipe.defense and recipe.defense.warm_up_epochs and recipe.runs > 1 else None
    return Plan(
        spec=spec,
        data=data,
        recipe=values,
        model=recipe.model,
        runs=recipe.runs,
        n_clusters=data.n_clusters,
        n_held_out=len(held_out),
        target=None,
        make=make,
        trial=chooses,
        scores=scores,
        held_out_scores=held_out_scores,
    )


def _plan_attacker(library: Library, spec: TrainSpec) -> Plan:
    target = library.card(spec.dataset, spec.model)
    BY_PROTOCOL[spec.protocol]
    recipe = RECIPES.make(recipe_name(spec.dataset, target.model, spec.protocol)).attacker
    recipe = replace(recipe, **_changes(spec, "epsilon", "precision"))
    if spec.epochs is not None:
        recipe = replace(recipe, epochs=spec.epochs, late_epochs=spec.epochs // 2)  # two to one, as released
    train, held_out = _parts(library, spec)
    data = train if recipe.trained_on == "train" else held_out
    model = library.model(target)

    def make(run: int) -> Training:
        return attacker_training(recipe, model, seed=spec.seed + run, device=library.device)

    def scores(generators: Any) -> ScoreTable:
        attack = GenerativeAttack(generators=generators, target_mode=recipe.target_mode)
        budget = Budget(epsilon=recipe.epsilon)
        encoding = encode(model, held_out.views, recipe.target_mode)
        subject = make_subject(held_out, encoding, target.n_clusters, target.sha256)
        clean = make_frame(subject, None, held_out.views, encoding, epsilon=0.0)
        table = {"clean": asdict(clean.scores.frozen)}
        for name, chosen in (("gan", attack), ("noise", ATTACKS.make("noise"))):
            *_, (_, views) = attack_in_chunks(chosen, model, held_out.views, budget, seed=spec.seed)
            after = encode(model, views, recipe.target_mode)
            frame = make_frame(subject, clean, views, after, epsilon=recipe.epsilon)
            table |= {f"{name}_frozen": asdict(frame.scores.frozen)}
            table |= {f"{name}_rematched": asdict(frame.scores.rematched)}
        return table

    return Plan(
        spec=spec,
        data=data,
        recipe=asdict(recipe),
        model=target.model,
        runs=1,
        n_clusters=target.n_clusters,
        n_held_out=len(held_out),
        target=target,
        make=make,
        trial=None,
        scores=scores,
        held_out_scores=None,
    )


def _with_epochs(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with that many epochs; of a defense, in its last stage."""
    if epochs is None or recipe.defense is None:
        return recipe if epochs is None else replace(recipe, schedule=replace(recipe.schedule, epochs=epochs))
    *earlier, last = recipe.defense.stages
    return replace(recipe, defense=replace(recipe.defense, stages=(*earlier, replace(last, epochs=epochs))))


def _changes(spec: TrainSpec, *names: str) -> dict[str, Any]:
    """What the spec says otherwise than the recipe."""
    return {name: getattr(spec, name) for name in names if getattr(spec, name) is not None}


def _parts(library: Library, spec: TrainSpec) -> tuple[MultiViewDataset, MultiViewDataset]:
    """The training part, cut to the spec's samples, and the held-out part."""
    train, held_out = library.parts(spec.dataset)
    if spec.samples is None:
        return train, held_out
    if spec.samples > len(train):
        raise LabError(f"The training part of {spec.dataset} has {len(train)} samples, fewer than {spec.samples}.")
    return _first(train, spec.samples), _first(held_out, SCORED)


def _first(data: MultiViewDataset, n_samples: int) -> MultiViewDataset:
    return data.take(torch.arange(min(n_samples, len(data)), device=data.labels.device))


def _free_name(checkpoints: Path, plan: Plan, overwrite: bool) -> str:
    """The spec's name, unless another training's checkpoint has it."""
    name = plan.spec.name
    try:
        taken = load_card(checkpoints, plan.spec.dataset, name)
    except LabError:
        return name  # absent or damaged
    same = (taken.command, taken.recipe, taken.target_sha256) == (
        command(plan.spec),
        plan.recipe,
        plan.target.sha256 if plan.target else None,
    )
    return name if same or overwrite else f"{name}-{plan.digest[:8]}"
