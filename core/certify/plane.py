"""The small network of the plane as it trains: its centres, distances to the border and Lipschitz constants."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from core.attacks.base import still
from core.certificates import cell_bound, grid_bound, parameters, product_bound
from core.certify.results import PlaneFrame, PlaneReport, PlaneSpec
from core.losses.magnet import squared_distances
from core.models.magnet import Magnet
from core.recipes import RECIPES
from core.trainers import model_training
from core.training import fit
from core.types import MultiViewDataset

FRAMES = 24  # of a training in the plane
GRID = 64  # points a side where the steepest place is looked for


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
