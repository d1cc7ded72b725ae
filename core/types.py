"""The tensor side of the lab: what travels between data, models, losses and attacks.

Shape letters: N samples, V views, C channels, H x W pixels, D embedding width, K clusters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from core.errors import LabError

Views = tuple[Tensor, ...]  # V pictures of each sample, each (N, C, H, W) float32 in [0, 1]
LossTerms = dict[str, Tensor]  # named scalars, already weighted, so that their sum is the loss

LOG_FLOOR = 1e-12  # keeps the logarithm of an impossible cluster finite
SPLIT_SEED = 7  # the released code's seed of the 50/50 split (facts, section 1.1)


@dataclass(frozen=True)
class Encoding:
    """What a model says of a batch. Differentiable in the pictures; nothing of it stays on the model."""

    embeddings: tuple[Tensor, ...]  # V x (N, D)
    fused: Tensor  # (N, D), the consensus z*
    hidden: Tensor  # (N, H), the layer the cluster probabilities are read from
    probs: Tensor  # (N, K), rows sum to one
    logits: Tensor = field(default_factory=lambda: torch.empty(0))  # (N, K), before the softmax

    def __post_init__(self) -> None:
        """Logits that a model does not give are the logarithms of its probabilities, equal up to a constant a row.

        That costs nothing where no probability rounds to 0; a softmax that saturates should give its own.
        """
        if not self.logits.numel():
            object.__setattr__(self, "logits", self.probs.clamp_min(LOG_FLOOR).log())

    @property
    def clusters(self) -> Tensor:
        """The most probable cluster of each sample, (N,) int64."""
        return self.probs.argmax(dim=1)


@dataclass(frozen=True)
class MultiViewDataset:
    """Pictures in several views with labels that only scoring reads."""

    name: str
    views: Views  # V x (N, C, H, W) float32 in [0, 1]
    labels: Tensor  # (N,) int64 in 0..len(class_names) - 1
    class_names: tuple[str, ...]
    index: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))  # (N,) place in the whole set
    unlabelled: Views = ()  # V x (M, C, H, W), pictures that only training without labels sees; mostly none

    def __post_init__(self) -> None:
        if not len(self.index):
            object.__setattr__(self, "index", torch.arange(len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_clusters(self) -> int:
        """How many clusters a model of this data set has: one for each class."""
        return len(self.class_names)

    @property
    def every_picture(self) -> Views:
        """The views, and behind them the unlabelled ones where there are any, V x (N + M, C, H, W)."""
        if not self.unlabelled:
            return self.views
        return tuple(torch.cat(pair) for pair in zip(self.views, self.unlabelled, strict=True))

    @property
    def view_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(C, H, W) of each view."""
        return tuple((v.shape[1], v.shape[2], v.shape[3]) for v in self.views)

    def take(self, rows: Tensor) -> "MultiViewDataset":
        """The samples at ``rows`` (M,), in that order, remembering their place in the whole set."""
        views, labels, index = tuple(v[rows] for v in self.views), self.labels[rows], self.index[rows]
        return replace(self, views=views, labels=labels, index=index, unlabelled=())

    def only(self, classes: Sequence[int]) -> "MultiViewDataset":
        """The samples of some classes, these counted from 0 in the order given; all samples for none.

        Raises :class:`LabError` for a class that is not there.
        """
        if not classes:
            return self
        wrong = [c for c in classes if not 0 <= c < len(self.class_names)]
        if wrong or len(set(classes)) < len(classes):
            raise LabError(f"{self.name} has classes 0 to {len(self.class_names) - 1}, each to be named once.")
        places = torch.full((len(self.class_names),), -1, dtype=torch.int64, device=self.labels.device)
        places[list(classes)] = torch.arange(len(classes), device=places.device)
        kept = self.take((places[self.labels] >= 0).nonzero().squeeze(1))
        names = tuple(self.class_names[c] for c in classes)
        return replace(kept, labels=places[kept.labels], class_names=names)

    def to(self, device: torch.device) -> "MultiViewDataset":
        """The same samples on a device."""
        return replace(
            self,
            views=tuple(view.to(device) for view in self.views),
            labels=self.labels.to(device),
            index=self.index.to(device),
            unlabelled=tuple(view.to(device) for view in self.unlabelled),
        )

    def split(self, fraction: float = 0.5) -> tuple["MultiViewDataset", "MultiViewDataset"]:
        """The training part and the held-out part: a fixed random permutation, cut at ``fraction``.

        NumPy's legacy ``RandomState(7)``, as the released code draws it; not stratified.
        Raises :class:`LabError` unless 0 < fraction < 1.
        """
        if not 0 < fraction < 1:
            raise LabError(f"A split fraction must lie strictly between 0 and 1, got {fraction}.")
        order = torch.from_numpy(np.random.RandomState(SPLIT_SEED).permutation(len(self)))
        cut = int(len(self) * fraction)
        return self.take(order[:cut]), self.take(order[cut:])


def chunks(views: Views, size: int) -> Iterator[Views]:
    """Consecutive pieces of at most ``size`` samples; a last piece of one sample joins the one before it.

    A single sample would have no batch statistics in training mode.
    """
    n_samples = len(views[0])
    starts = list(range(0, n_samples, size))
    if len(starts) > 1 and n_samples - starts[-1] == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], n_samples], strict=True):
        yield tuple(view[start:end] for view in views)
