"""The one training loop: it trains models, attackers and defenses, and is the only place that calls backward.

A phase says what is minimised; ``fit`` goes through the data and yields a log for every finished epoch.
Between two epochs :func:`snapshot` holds everything a later :func:`restore` needs to go on bit for bit.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from core import distributed
from core.capture import CapturedStep
from core.errors import LabError
from core.records import EpochLog
from core.types import LossTerms, MultiViewDataset, Views

Loss = Callable[[Views, torch.Generator], LossTerms]
SupervisedLoss = Callable[[Views, Tensor, torch.Generator], LossTerms]  # views, targets (B, …) of these samples
Augmentation = Callable[[Views, torch.Generator], Views]
Batches = Callable[
    [Views, int, torch.Generator], Iterable[Tensor]
]  # all samples, batch size -> rows (B,), step by step


@dataclass(frozen=True)
class Supervised:
    """A loss with what it is told of each sample: the one place where training has labels, for classifiers alone.

    It owns the ``targets`` (N, …) of all samples of the training and looks up those of a batch by its rows. No batch
    and no clustering model's loss ever holds one.
    """

    loss: SupervisedLoss
    targets: Tensor

    def at(self, rows: Tensor) -> Loss:
        """The loss of the samples at ``rows`` (B,)."""
        targets = self.targets[rows]
        return lambda views, generator: self.loss(views, targets, generator)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast a model is trained; what each number is for, its method says."""

    pretraining_epochs: int  # 0 for methods without it
    epochs: int  # of clustering; of each round where there are several
    rounds: int  # SEM's; 1 elsewhere
    learning_rate: float  # Adam's
    learning_rates: Mapping[str, float]  # of parts that have their own: EAMC's attention and discriminators
    clip_norm: float | None  # largest total gradient norm, but in pre-training; None leaves gradients alone
    patience: int | None  # epochs without a lower loss after which clustering ends; None runs all epochs


@dataclass(frozen=True)
class Update:
    """One optimiser step a batch: minimise the sum of ``loss``'s terms."""

    loss: Loss | Supervised
    optimizer: Optimizer
    clip_norm: float | None = None  # largest total gradient norm; None leaves gradients alone
    fresh: bool = False  # the optimiser forgets its moments before every epoch


@dataclass(frozen=True)
class Phase:
    """Some epochs in which the same updates are made, in order, on every batch; named unlike its neighbours."""

    name: str
    epochs: int
    network: nn.Module  # what is trained: put in training mode, saved by snapshot
    updates: tuple[Update, ...]
    augmentation: Augmentation | None = None
    start: Callable[[Views], None] | None = None  # called with all samples before the first epoch
    refresh: Callable[[Views], None] | None = None  # called with all samples before every epoch, after ``start``
    rates: tuple[float, ...] = ()  # the learning rate of each epoch, where it changes: of every update
    patience: int | None = None  # epochs without a lower loss after which the phase ends
    batch_size: int | None = None  # samples a step, where it is not the training's
    unlabelled: bool = False  # the pictures without a label are seen too, where there are any
    batches: Batches | None = None  # an epoch's, where it is not every sample once in a random order; one process


def adam(
    parameters: Iterable[nn.Parameter] | list[dict[str, Any]],
    learning_rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Adam:
    """Adam; on a GPU as one kernel that never waits for the host."""
    given: list[Any] = list(parameters)  # parameters, or groups of them with rates of their own
    every = [p for item in given for p in (item["params"] if isinstance(item, dict) else [item])]
    on_gpu = any(parameter.is_cuda for parameter in every)
    return Adam(given, lr=learning_rate, betas=betas, fused=on_gpu, capturable=on_gpu)


def fit(
    phases: Sequence[Phase],
    data: MultiViewDataset,
    *,
    batch_size: int,
    generator: torch.Generator,
    earlier: Sequence[EpochLog] = (),
    capture: bool = False,
) -> Iterator[EpochLog]:
    """Train through the phases and yield a log after each epoch; the last, smaller batch is dropped.

    ``earlier`` epochs are skipped: they were done before a :func:`restore`. With ``capture`` a step is replayed as
    one CUDA graph; elsewhere than on a GPU that changes nothing. Among several processes each takes its share of
    the batches. The data stay where they are; their device is the training's. Networks are left in evaluation mode.
    Raises :class:`LabError` for fewer samples than a batch and for a loss that is not a number.
    """
    n_processes = distributed.count()
    largest = n_processes * max(batch_size, *(phase.batch_size or 0 for phase in phases))
    if len(data) < largest:
        raise LabError(f"A batch of {largest} needs at least as many samples, got {len(data)}.")
    capture = capture and data.views[0].is_cuda and n_processes == 1
    done, fresh, spent = list(earlier), 0, 0.0
    every = data.every_picture if any(phase.unlabelled for phase in phases) else data.views
    for i, phase in enumerate(map(_shared, phases)):
        views = every if phase.unlabelled else data.views
        losses = [log.total for log in done if log.phase == phase.name]
        later = sum(other.epochs for other in phases[i + 1 :])
        step: Callable[[Tensor], LossTerms] = _make_step(phase, views, generator)
        if capture and not phase.rates:  # a graph keeps the rate it was recorded with
            step = CapturedStep(step, generator)
        while len(losses) < phase.epochs and not _has_stalled(losses, phase.patience):
            start = time.perf_counter()
            if not losses and phase.start is not None:
                phase.start(views)
            _prepare_epoch(phase, len(losses), views)
            size = phase.batch_size or batch_size
            terms = _run_epoch(phase, step, views, size, generator)
            seconds = time.perf_counter() - start
            losses.append(sum(terms.values()))
            epoch = len(done) + 1
            if not math.isfinite(losses[-1]):
                raise LabError(
                    f"The loss became not a number in epoch {epoch}; try another seed or a smaller learning rate."
                )
            spent, fresh = spent + seconds, fresh + 1
            left = later + (0 if _has_stalled(losses, phase.patience) else phase.epochs - len(losses))
            log = EpochLog(
                phase=phase.name,
                epoch=epoch,
                epochs=epoch + left,
                terms=terms,
                seconds=seconds,
                seconds_left=spent / fresh * left,
            )
            done.append(log)
            yield log


def _prepare_epoch(phase: Phase, epoch: int, views: Views) -> None:
    """What a phase has done before its epoch, counted from 0."""
    if phase.refresh is not None:
        phase.refresh(views)
    if phase.rates:
        for group in (group for update in phase.updates for group in update.optimizer.param_groups):
            group["lr"] = phase.rates[epoch]


def cosine(rate: float, epochs: int, *, warm_up: int = 0, first: float = 0.0) -> tuple[float, ...]:
    """The rate of each epoch: linear from ``first`` to ``rate`` over ``warm_up`` epochs, then half a cosine to 0."""
    rising = [first + (rate - first) * (e + 1) / (warm_up + 1) for e in range(min(warm_up, epochs))]
    left = epochs - len(rising)
    return (*rising, *(rate * (1 + math.cos(math.pi * e / left)) / 2 for e in range(left)))


def sgd(parameters: Iterable[nn.Parameter], learning_rate: float, *, weight_decay: float) -> SGD:
    """Stochastic gradient descent with momentum 0.9."""
    return SGD(list(parameters), lr=learning_rate, momentum=0.9, weight_decay=weight_decay)


def _shared(phase: Phase) -> Phase:
    """The phase with gradients averaged over the processes."""
    if phase.batches is not None and distributed.count() > 1:
        raise LabError(f"The phase {phase.name} chooses its samples itself; train it in one process.")

    def averaged(loss: Loss | Supervised) -> Loss | Supervised:
        if isinstance(loss, Supervised):
            return replace(loss, loss=distributed.average_gradients(phase.network, loss.loss))
        averaged_loss: Loss = distributed.average_gradients(phase.network, loss)
        return averaged_loss

    return replace(phase, updates=tuple(replace(u, loss=averaged(u.loss)) for u in phase.updates))


def _has_stalled(losses: Sequence[float], patience: int | None) -> bool:
    """Whether the lowest loss is ``patience`` epochs old."""
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def _run_epoch(
    phase: Phase,
    step: Callable[[Tensor], LossTerms],
    views: Views,
    batch_size: int,
    generator: torch.Generator,
) -> dict[str, float]:
    """Every update on every batch of this process; the mean of each loss term, fetched from the device once."""
    batches = (phase.batches or _shuffled)(views, batch_size, generator)
    n_batches = 0
    for update in phase.updates:
        if update.fresh:
            _forget(update.optimizer)
    totals: dict[str, Tensor] = {}
    phase.network.train()
    try:
        for rows in batches:
            n_batches += 1
            for name, term in step(rows).items():
                totals[name] = totals[name] + term if name in totals else term
    finally:
        phase.network.eval()
    means = distributed.mean(torch.stack(list(totals.values())) / n_batches)
    distributed.copy_buffers(phase.network)
    return dict(zip(totals, means.tolist(), strict=True))


def _shuffled(views: Views, batch_size: int, generator: torch.Generator) -> Iterable[Tensor]:
    """Every sample once in a random order, this process's share; a last, smaller batch is dropped."""
    n_samples = len(views[0])
    order = torch.randperm(n_samples, generator=generator, device=generator.device).to(views[0].device)
    return distributed.share(order[: n_samples - n_samples % batch_size].split(batch_size))


def _make_step(phase: Phase, views: Views, generator: torch.Generator) -> Callable[[Tensor], LossTerms]:
    """Every update of a phase on the samples at ``rows`` (B,); returns the loss terms without their graph."""

    def step(rows: Tensor) -> LossTerms:
        batch = tuple(view[rows] for view in views)
        if phase.augmentation is not None:
            batch = phase.augmentation(batch, generator)
        terms: LossTerms = {}
        for update in phase.updates:
            loss = update.loss.at(rows) if isinstance(update.loss, Supervised) else update.loss
            terms |= _apply(update, loss, batch, generator)
        return terms

    return step


def _apply(update: Update, loss: Loss, batch: Views, generator: torch.Generator) -> LossTerms:
    """One optimiser step."""
    terms = loss(batch, generator)
    update.optimizer.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    if update.clip_norm is not None:
        parameters = [p for group in update.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, update.clip_norm)
    update.optimizer.step()
    return {name: term.detach() for name, term in terms.items()}


def _forget(optimizer: Optimizer) -> None:
    """Make an optimiser as good as new, its tensors staying where a captured step finds them."""
    for state in optimizer.state.values():
        for value in state.values():
            value.zero_()


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
