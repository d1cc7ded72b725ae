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
    networks, optimizers = _parts(phases)
    tensors = {"generator": generator.get_state()}
    for i, network in enumerate(networks):
        for name, tensor in network.state_dict().items():
            tensors[f"network.{i}.{name}"] = tensor
    for i, optimizer in enumerate(optimizers):
        for index, values in optimizer.state_dict()["state"].items():
            for name, tensor in values.items():
                tensors[f"optimizer.{i}.{index}.{name}"] = tensor
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def restore(phases: Sequence[Phase], generator: torch.Generator, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`snapshot` took from the same phases. Raises ``RuntimeError`` if they differ."""
    networks, optimizers = _parts(phases)
    generator.set_state(tensors["generator"])
    for i, network in enumerate(networks):
        network.load_state_dict(_below(tensors, f"network.{i}."), strict=True)
    for i, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _below(tensors, f"optimizer.{i}.").items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _parts(phases: Sequence[Phase]) -> tuple[list[nn.Module], list[Optimizer]]:
    """Every network and optimiser once, in order; phases may share them."""
    networks = {id(phase.network): phase.network for phase in phases}
    optimizers = {id(update.optimizer): update.optimizer for phase in phases for update in phase.updates}
    return list(networks.values()), list(optimizers.values())


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
