"""NCP-ACL's rows: train every variant of a seed from one SimCLR, score it, keep the numbers as they come."""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from core.attacks import ATTACKS
from core.attacks.autoattack import Ensemble
from core.attacks.base import Attack, Budget
from core.attacks.objectives import neighbours, pursuit
from core.attacks.pgd import ProjectedGradientDescent
from core.checkpoint_training import training_parts
from core.clustering import NOT_MEASURED
from core.errors import LabError
from core.frames import attack_in_chunks, encode
from core.library import Library
from core.models.representation import Representation
from core.neighbours import results
from core.neighbours.records import VARIANTS, NeighbourResult, NeighbourSpec, Proof
from core.recipes import ncp_acl
from core.recipes.base import Recipe, RepresentationLearning
from core.records import EpochLog, TrainSpec
from core.runtime import commit
from core.store import ResultStore
from core.trainers import Training, model_training
from core.training import fit
from core.types import MultiViewDataset, Views

SAMPLES: dict[str, int | None] = {"digits": None}  # of the training half; None is all
OTHER_SAMPLES = 3000
PGD_STEPS = 20
PROOF_STEPS = 5  # of Table 1
PROOF_SHARES = (0.25, 0.5, 1.0)  # of ε
TARGETS, RESTARTS = 3, 1  # of the ensemble


@dataclass(frozen=True)
class Progress:
    """An epoch, or a result, of a row of the study."""

    spec: NeighbourSpec
    log: EpochLog | None = None
    result: NeighbourResult | None = None


@dataclass
class _First:
    """Where SimCLR of a seed ended, which is the same for every variant: weights, and the generator."""

    tensors: dict[str, Tensor]
    generator: Tensor
    logs: tuple[EpochLog, ...]


def recipe_of(spec: NeighbourSpec) -> Recipe:
    """The recipe of a variant. Raises :class:`LabError` for an unknown variant or data set."""
    if spec.variant not in VARIANTS:
        raise LabError(f"There is no row {spec.variant!r}. Choices: {', '.join(VARIANTS)}.")
    if spec.dataset not in ncp_acl.DATASETS:
        raise LabError(f"NCP-ACL's rows are of {', '.join(ncp_acl.DATASETS)}, not of {spec.dataset}.")
    variant = VARIANTS[spec.variant]
    recipe = ncp_acl.recipe(spec.dataset, variant.model, protocol="lab")
    changes: dict[str, Any] = {
        name: getattr(variant, name)
        for name in ("strategy", "rank", "weight", "norm_sets", "n_centroids")
        if getattr(variant, name) is not None
    }
    if changes:
        recipe = ncp_acl.with_second(recipe, **changes)
    if variant.as_long_as is not None:
        longer = ncp_acl.recipe(spec.dataset, variant.as_long_as, protocol="lab").schedule.epochs
        recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=longer))
    return ncp_acl.with_adversarial_fine_tuning(recipe) if variant.adversarial_head else recipe


def make_spec(dataset: str, variant: str, seed: int) -> NeighbourSpec:
    """The measurement of a row with the samples of its data set."""
    return NeighbourSpec(dataset=dataset, variant=variant, seed=seed, samples=SAMPLES.get(dataset, OTHER_SAMPLES))


def kept(store: ResultStore, spec: NeighbourSpec) -> NeighbourResult | None:
    """The result of a row, None where it has not been measured."""
    return results.load(store, spec, values_of(spec))


def values_of(spec: NeighbourSpec) -> dict[str, Any]:
    """The numbers of a row's recipe."""
    values = asdict(recipe_of(spec))
    values.pop("attacker")  # not used
    return values


def run(
    library: Library, store: ResultStore, dataset: str, seed: int, variants: Sequence[str], *, ship: bool
) -> Iterator[Progress]:
    """Measure what is not kept yet; every result is kept at once. Closing the iterator loses the row under way."""
    specs = [make_spec(dataset, variant, seed) for variant in variants]
    missing = [spec for spec in specs if kept(store, spec) is None]
    if not missing:
        return
    train, held_out = training_parts(library, TrainSpec(dataset=dataset, model="simclr", samples=missing[0].samples))
    first: _First | None = None
    for spec in missing:
        start = time.perf_counter()
        training, first = yield from _train(library, spec, train, first)
        result = score(training, spec, held_out, len(train), library.device)
        result = replace(result, seconds=round(time.perf_counter() - start, 1))
        results.save(store, result, values_of(spec), shipped=ship)
        yield Progress(spec, result=result)


def _train(
    library: Library, spec: NeighbourSpec, train: MultiViewDataset, first: _First | None
) -> Generator[Progress, None, tuple[Training, _First]]:
    """Train a variant from where SimCLR ended, or SimCLR too where this is the first."""
    recipe = recipe_of(spec)
    training = model_training(
        recipe, train.view_shapes, train.n_clusters, seed=spec.seed, device=library.device, labels=train.labels
    )
    simclr, *later = training.phases
    logs: list[EpochLog] = []
    if first is None:
        for log in fit([simclr], train, batch_size=training.batch_size, generator=training.generator):
            logs.append(log)
            yield Progress(spec, log)
        tensors = {name: tensor.clone() for name, tensor in simclr.network.state_dict().items()}
        first = _First(tensors, training.generator.get_state(), tuple(logs))
    else:
        own = simclr.network.state_dict()
        simclr.network.load_state_dict(own | {k: v for k, v in first.tensors.items() if k in own}, strict=True)
        simclr.network.eval()
        training.generator.set_state(first.generator)
    for log in fit(later, train, batch_size=training.batch_size, generator=training.generator):
        yield Progress(spec, log)
    training.finish(train.views)
    training.result.eval().requires_grad_(False)
    return training, first


def score(
    training: Training, spec: NeighbourSpec, held_out: MultiViewDataset, n_training: int, device: torch.device
) -> NeighbourResult:
    """The numbers of a finished training on the first held-out samples."""
    model = training.result
    assert isinstance(model, Representation)
    recipe = recipe_of(spec)
    learning = recipe.defense
    assert isinstance(learning, RepresentationLearning)
    epsilon = (ncp_acl.INNER if learning.second is None else learning.second.inner).epsilon
    samples = held_out.take(torch.arange(min(spec.attacked, len(held_out)), device=held_out.labels.device))
    few = samples.take(torch.arange(min(spec.by_ensemble, len(samples)), device=samples.labels.device))
    budget = Budget(epsilon=epsilon)
    pgd = ProjectedGradientDescent(steps=PGD_STEPS, step_size=epsilon / 4, objective="assignment")
    ensemble = Ensemble(steps=spec.ensemble_steps, targets=TARGETS, restarts=RESTARTS)
    right = _right(model, samples, samples.views)
    grid = [k for k, value in zip(model.grid, model.curve.tolist(), strict=True) if value > NOT_MEASURED]
    return NeighbourResult(
        spec=spec,
        standard=_share(right),
        robust=_share(right & _right(model, samples, _attacked(pgd, model, samples.views, budget, spec.seed))),
        ensemble=_share(
            right[: len(few)] & _right(model, few, _attacked(ensemble, model, few.views, budget, spec.seed))
        ),
        standard_by_ensemble=_share(right[: len(few)]),
        n_used=int(model.n_used),
        grid=tuple(grid),
        curve=tuple(round(value, 5) for value in model.curve.tolist() if value > NOT_MEASURED),
        proof=tuple(_proof(model, samples, right, share * epsilon, spec.seed) for share in PROOF_SHARES)
        if spec.variant == "simclr"
        else (),
        training_samples=n_training,
        epsilon=epsilon,
        seconds=0.0,
        device=str(device),
        torch=torch.__version__,
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _proof(model: Representation, samples: MultiViewDataset, right: Tensor, epsilon: float, seed: int) -> Proof:
    """Table 1: five steps toward the neighbouring centroid, beside random ±ε, on samples that are classified right."""
    chosen = samples.take(right.nonzero().squeeze(1))
    budget = Budget(epsilon=epsilon)
    toward = ProjectedGradientDescent(
        steps=PROOF_STEPS, step_size=epsilon / 4, objective=pursuit(model.centroid_rows(), strategy="toward")
    )
    clean = encode(model, chosen.views)
    goals = _cluster_classes(model, samples)[neighbours(clean.hidden, model.centroid_rows(), 2)[:, 1]]
    noisy = encode(model, _attacked(ATTACKS.make("noise"), model, chosen.views, budget, seed))
    pushed = encode(model, _attacked(toward, model, chosen.views, budget, seed))
    places = chosen.labels[:, None]

    def fall(probs: Tensor) -> float:
        return (clean.probs.gather(1, places) - probs.gather(1, places)).mean().item()

    turned = pushed.clusters != chosen.labels
    return Proof(
        epsilon=epsilon,
        noise_success=_share(noisy.clusters != chosen.labels),
        noise_fall=fall(noisy.probs),
        success=_share(turned),
        fall=fall(pushed.probs),
        to_neighbour=_share((pushed.clusters == goals)[turned]) if turned.any() else 0.0,
    )


def _cluster_classes(model: Representation, samples: MultiViewDataset) -> Tensor:
    """The class that the head gives each centroid's members most often, (K,); -1 where there are none."""
    encoding = encode(model, samples.views)
    own = neighbours(encoding.hidden, model.centroid_rows(), 1)[:, 0]
    n_centroids = len(model.centroid_rows())
    counts = torch.zeros(n_centroids, model.n_clusters, device=own.device)
    counts.index_put_((own, encoding.clusters), torch.ones(len(own), device=own.device), accumulate=True)
    return torch.where(counts.sum(dim=1) > 0, counts.argmax(dim=1), -1)


def _attacked(attack: Attack, model: Representation, views: Views, budget: Budget, seed: int) -> Views:
    last: Views = views
    for _, done in attack_in_chunks(attack, model, views, budget, seed=seed):
        last = done or last
    return last


def _right(model: Representation, samples: MultiViewDataset, views: Views) -> Tensor:
    """Whether the head gives each sample its label, (N,)."""
    return encode(model, views).clusters == samples.labels


def _share(hits: Tensor) -> float:
    return hits.float().mean().item()
