"""The one training loop: it trains models, attackers and defenses, and is the only place that calls backward.

A phase says what is minimised; ``fit`` goes through the data and yields a log for every finished epoch.
Between two epochs :func:`snapshot` holds everything a later :func:`restore` needs to go on bit for bit.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from core.errors import LabError
from core.records import EpochLog
from core.types import LossTerms, MultiViewDataset, Views

Loss = Callable[[Views, torch.Generator], LossTerms]
Augmentation = Callable[[Views, torch.Generator], Views]


@dataclass(frozen=True)
class Update:
    """One optimiser step a batch: minimise the sum of ``loss``'s terms."""

    loss: Loss
    optimizer: Optimizer
    clip_norm: float | None = None  # largest total gradient norm; None leaves gradients alone


@dataclass(frozen=True)
class Phase:
    """Some epochs in which the same updates are made, in order, on every batch."""

    name: str
    epochs: int
    network: nn.Module  # what is trained: put in training mode, saved by snapshot
    updates: tuple[Update, ...]
    augmentation: Augmentation | None = None


def fit(
    phases: Sequence[Phase],
    data: MultiViewDataset,
    *,
    batch_size: int,
    generator: torch.Generator,
    completed: int = 0,
) -> Iterator[EpochLog]:
    """Train through the phases and yield a log after each epoch; the last, smaller batch is dropped.

    ``completed`` epochs, counted over all phases, are skipped: they were done before a :func:`restore`.
    The data stay where they are; their device is the training's. Networks are left in evaluation mode.
    Raises :class:`LabError` for fewer samples than a batch and for a loss that is not a number.
    """
    if len(data) < batch_size:
        raise LabError(f"A batch of {batch_size} needs at least as many samples, got {len(data)}.")
    plan = [phase for phase in phases for _ in range(phase.epochs)]
    spent = 0.0
    for epoch, phase in enumerate(plan[completed:], start=completed + 1):
        start = time.perf_counter()
        terms = _run_epoch(phase, data.views, batch_size, generator)
        seconds = time.perf_counter() - start
        if not math.isfinite(sum(terms.values())):
            raise LabError(
                f"The loss became not a number in epoch {epoch}; try another seed or a smaller learning rate."
            )
        spent += seconds
        left = spent / (epoch - completed) * (len(plan) - epoch)
        yield EpochLog(phase=phase.name, epoch=epoch, epochs=len(plan), terms=terms, seconds=seconds, seconds_left=left)


def _run_epoch(phase: Phase, views: Views, batch_size: int, generator: torch.Generator) -> dict[str, float]:
    """Every update on every batch; the mean of each loss term, fetched from the device once."""
    n_samples, device = len(views[0]), views[0].device
    order = torch.randperm(n_samples, generator=generator, device=generator.device).to(device)
    batches = order[: n_samples - n_samples % batch_size].split(batch_size)
    totals: dict[str, Tensor] = {}
    phase.network.train()
    try:
        for rows in batches:
            batch = tuple(view[rows] for view in views)
            if phase.augmentation is not None:
                batch = phase.augmentation(batch, generator)
            for update in phase.updates:
                for name, term in _apply(update, batch, generator).items():
                    totals[name] = totals.get(name, torch.zeros((), device=device)) + term
    finally:
        phase.network.eval()
    means = torch.stack(list(totals.values())) / len(batches)
    return dict(zip(totals, means.tolist(), strict=True))


def _apply(update: Update, batch: Views, generator: torch.Generator) -> dict[str, Tensor]:
    """One optimiser step; the loss terms without their graph."""
    terms = update.loss(batch, generator)
    update.optimizer.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    if update.clip_norm is not None:
        parameters = [p for group in update.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, update.clip_norm)
    update.optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def snapshot(phases: Sequence[Phase], generator: torch.Generator) -> dict[str, Tensor]:
    """Networks, optimisers and the generator's state as named tensors on the CPU."""
    tensors = {"generator": generator.get_state()}
    for i, phase in enumerate(phases):
        for name, tensor in phase.network.state_dict().items():
            tensors[f"{i}.network.{name}"] = tensor
        for j, update in enumerate(phase.updates):
            for index, values in update.optimizer.state_dict()["state"].items():
                for name, tensor in values.items():
                    tensors[f"{i}.optimizer.{j}.{index}.{name}"] = tensor
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def restore(phases: Sequence[Phase], generator: torch.Generator, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`snapshot` took from the same phases. Raises ``RuntimeError`` if they differ."""
    generator.set_state(tensors["generator"])
    for i, phase in enumerate(phases):
        network = _below(tensors, f"{i}.network.")
        phase.network.load_state_dict(network, strict=True)
        for j, update in enumerate(phase.updates):
            state: dict[int, dict[str, Tensor]] = {}
            for key, tensor in _below(tensors, f"{i}.optimizer.{j}.").items():
                index, name = key.split(".", 1)
                state.setdefault(int(index), {})[name] = tensor
            groups = update.optimizer.state_dict()["param_groups"]
            update.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
