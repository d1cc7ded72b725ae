"""ClusTR's room: every attack of the table on a classifier, and the small network of the plane as it trains."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core.attacks import ATTACKS as NAMED
from core.attacks import OBJECTIVES
from core.attacks.autoattack.ensemble import Ensemble
from core.attacks.base import Attack, Budget, query, still
from core.attacks.pgd import ProjectedGradientDescent
from core.certificates import cell_bound, grid_bound, parameters, product_bound
from core.clustr_results import (
    ATTACKS,
    SEEDS,
    PlaneFrame,
    PlaneReport,
    PlaneSpec,
    RobustResult,
    RobustSpec,
    load_plane,
    load_robust,
    save_plane,
    save_robust,
)
from core.clustr_tables import DATASETS as TABLES
from core.clustr_tables import RobustLine, lines, plane_specs
from core.errors import LabError
from core.frames import CHUNK, encode
from core.library import Library
from core.losses.magnet import squared_distances
from core.models.base import ClusteringModel
from core.models.magnet import Magnet
from core.recipes import RECIPES
from core.recipes.clustr import MODELS as CLASSIFIERS
from core.store import ResultStore
from core.trainers import model_training
from core.training import fit
from core.types import Encoding, MultiViewDataset, Views, chunks

POINTS_ALONG = 11  # of the way on which slopes are measured
WAY = 40  # steps of the margin attack that goes it
FRAMES = 24  # of a training in the plane
GRID = 64  # points a side where the steepest place is looked for
LOOKED_AT = ("scores", "log_scores")


def measure(
    model: ClusteringModel, data: MultiViewDataset, spec: RobustSpec, card_digest: str
) -> Iterator[tuple[float, RobustResult | None]]:
    """Every attack of ATTACKS; yields (share done, None) after each, and the result at last."""
    budget = Budget(epsilon=spec.epsilon)
    right = encode(model, data.views).clusters == data.labels
    accuracy: dict[str, float] = {}
    for i, name in enumerate(ATTACKS):
        stands = right.clone()
        for restart in range(1 if name in ("noise", "ensemble") else spec.restarts):
            rows = stands.nonzero().squeeze(1)
            if not len(rows):
                break
            generator = torch.Generator().manual_seed(spec.seed + restart)
            left = data.take(rows)
            moved = [
                _moved(make_attack(name, model, spec), model, chunk, budget, generator)
                for chunk in chunks(left.views, CHUNK)
            ]
            stands[rows[torch.cat(moved)]] = False
        accuracy[name] = float(stands.double().mean())
        yield (i + 1) / (len(ATTACKS) + 1), None
    along, slopes, flat = _fading(model, data.take(right.nonzero().squeeze(1)), budget, spec)
    yield (
        1.0,
        RobustResult(
            spec=spec,
            card_digest=card_digest,
            clean=float(right.double().mean()),
            accuracy=accuracy,
            still=flat,
            along=along,
            slopes=slopes,
        ),
    )


def make_attack(name: str, model: ClusteringModel, spec: RobustSpec) -> Attack:
    """An attack of the table. What the paper does to a Magnet's scores, it does to another classifier's logits."""
    objective, steps = ATTACKS[name]
    if name == "ensemble":
        return Ensemble(steps=spec.ensemble_steps)
    if steps is None:
        return NAMED.make(name)
    if objective == "scores" and not isinstance(model, Magnet):
        objective = "log_scores"
    return ProjectedGradientDescent(steps=steps, step_size=spec.epsilon / 4, objective=objective)


def _moved(attack: Attack, model: ClusteringModel, views: Views, budget: Budget, generator: torch.Generator) -> Tensor:
    """Which samples (B,) an attack moves out of their class."""
    adversarial = attack(model, views, budget, generator=generator)
    with torch.no_grad():
        return model.encode(adversarial).clusters != model.encode(views).clusters


def _fading(
    model: ClusteringModel, data: MultiViewDataset, budget: Budget, spec: RobustSpec
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]], dict[str, float]]:
    """Median length of two objectives' slopes on the straight way to where a margin attack ends; where they are 0."""
    subject, way = still(model), ProjectedGradientDescent(steps=WAY, objective="margin")
    names = LOOKED_AT if isinstance(model, Magnet) else ("log_scores",)
    lengths: dict[str, list[list[Tensor]]] = {name: [[] for _ in range(POINTS_ALONG)] for name in names}
    for chunk in chunks(data.views, CHUNK):
        end = way(model, chunk, budget, generator=torch.Generator().manual_seed(spec.seed))
        with torch.no_grad():
            clean = subject.encode(chunk)
        for i in range(POINTS_ALONG):
            share = i / (POINTS_ALONG - 1)
            there = tuple(x + share * (y - x) for x, y in zip(chunk, end, strict=True))
            for name in names:
                lengths[name][i].append(_slope(subject, name, clean, there))
    slopes = {name: tuple(float(torch.cat(row).median()) for row in rows) for name, rows in lengths.items()}
    flat = {name: float((torch.cat(rows[0]) == 0).double().mean()) for name, rows in lengths.items()}
    return tuple(i / (POINTS_ALONG - 1) * spec.epsilon for i in range(POINTS_ALONG)), slopes, flat


def _slope(model: ClusteringModel, name: str, clean: Encoding, views: Views) -> Tensor:
    """Length (B,) of the objective's slope in the pictures."""
    objective = OBJECTIVES.make(name)
    slopes = query(model, lambda at: objective(clean, at), views, (True,) * len(views)).gradients
    length: Tensor = torch.cat([slope.flatten(1) for slope in slopes], dim=1).norm(dim=1)
    return length


def train_in_the_plane(spec: PlaneSpec, data: tuple[MultiViewDataset, MultiViewDataset]) -> Iterator[PlaneReport]:
    """Train on the first half of the points; a report after every few epochs, the last one with its proof."""
    train, held_out = data
    recipe = RECIPES.make(f"{spec.dataset}/{spec.model}")
    device = train.labels.device
    training = model_training(
        recipe, train.view_shapes, train.n_clusters, seed=spec.seed, device=device, labels=train.labels
    )
    model = training.result
    assert isinstance(model, Magnet)
    every = max(1, sum(phase.epochs for phase in training.phases) // FRAMES)
    report = PlaneReport(
        spec=spec,
        points=held_out.views[0].flatten(1).cpu().numpy(),
        labels=held_out.labels.cpu().numpy(),
        class_names=held_out.class_names,
        frames=(),
    )
    logs = fit(training.phases, train, batch_size=training.batch_size, generator=training.generator)
    frames = [_frame(model, train, held_out, phase="new weights", epoch=0, last=False)]
    yield replace(report, frames=tuple(frames))
    for log in logs:
        is_last = log.epoch == log.epochs
        if log.epoch % every == 0 or is_last:
            frames.append(_frame(model, train, held_out, phase=log.phase, epoch=log.epoch, last=is_last))
            yield replace(report, frames=tuple(frames), progress=log.epoch / log.epochs)


def _frame(
    model: Magnet, train: MultiViewDataset, held_out: MultiViewDataset, *, phase: str, epoch: int, last: bool
) -> PlaneFrame:
    model.place(train.views, train.labels)
    network = still(model).networks[0]
    with torch.no_grad():
        encoding = still(model).encode(held_out.views)
        distances = squared_distances(encoding.fused, model.centres)
        own = distances.gather(1, held_out.labels[:, None]).squeeze(1)
        other = distances.gather(1, 1 - held_out.labels[:, None]).squeeze(1)
        border = (other - own) / (2 * (model.centres[0] - model.centres[1]).norm().clamp_min(1e-12))
    ticks = (torch.arange(GRID, device=border.device) + 0.5) / GRID
    points = torch.cartesian_prod(ticks, ticks)[:, None, None, :]
    flat = np.concatenate([tensor.cpu().numpy().ravel() for layer in parameters(network) for tensor in layer])
    return PlaneFrame(
        phase=phase,
        epoch=epoch,
        weights=flat.astype(np.float32),
        centres=model.centres.cpu().numpy().copy(),
        accuracy=float((encoding.clusters == held_out.labels).double().mean()),
        steepest=grid_bound(network, points).value,
        bound=cell_bound(network).value if last else 0.0,
        product=product_bound(network, model.view_shapes[0]).value,
        distances=border.cpu().numpy(),
    )


class Certifying:
    """ClusTR's rows and networks of the plane: kept ones at once, others measured when they are asked for."""

    def __init__(self, library: Library, store: ResultStore) -> None:
        self._library = library
        self._store = store

    def lines(self, dataset: str) -> tuple[RobustLine, ...]:
        """The rows of a data set, from cards and kept results. Runs nothing."""
        return lines(dataset, self._library.cards("model"), partial(load_robust, self._store))

    def datasets(self) -> tuple[str, ...]:
        """The data sets of pictures that have one of the classifiers."""
        here = {card.dataset for card in self._library.cards("model") if card.model in CLASSIFIERS}
        return tuple(name for name in TABLES if name in here)

    def robust(
        self, spec: RobustSpec, samples: MultiViewDataset, *, ship: bool = False
    ) -> Iterator[tuple[float, RobustResult | None]]:
        """A row, measured on samples of the held-out part, and then kept."""
        card = self._library.card(spec.dataset, spec.model)
        for share, result in measure(self._library.model(card), samples, spec, card.sha256):
            yield share, result
            if result is not None:
                with nullcontext() if ship else suppress(LabError):
                    save_robust(self._store, result, shipped=ship)

    def kept_plane(self, spec: PlaneSpec) -> PlaneReport | None:
        """A network of the plane that is kept, else None. Runs nothing."""
        return load_plane(self._store, spec)

    def planes(self) -> dict[PlaneSpec, PlaneReport | None]:
        """Those of Figure 3, as far as they are kept."""
        return {spec: self.kept_plane(spec) for spec in plane_specs()}

    def plane(self, spec: PlaneSpec, *, ship: bool = False, again: bool = False) -> Iterator[PlaneReport]:
        """A training in the plane, epoch by epoch: at once where it is kept, unless it is wanted ``again``."""
        kept = None if again else self.kept_plane(spec)
        if kept is not None:
            if ship:
                self._ship(kept)
            yield kept
            return
        for report in train_in_the_plane(spec, self._library.parts(spec.dataset)):
            yield report
        if ship:
            self._ship(report)
            return
        with suppress(LabError):
            save_plane(self._store, report)

    def _ship(self, report: PlaneReport) -> None:
        """Keep a training beside the results that come with the lab: of one seed all frames, of others the ends."""
        if report.spec.seed != SEEDS[0]:
            report = replace(report, frames=(report.frames[0], report.frames[-1]))
        save_plane(self._store, report, shipped=True)
