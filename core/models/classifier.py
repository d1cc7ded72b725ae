"""Classifiers: models whose probabilities are classes. Labels only their training holds."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from core.errors import LabError
from core.models.base import ClusteringModel, Shape
from core.models.encoders import Convolutions
from core.models.residual import residual_network
from core.training import Phase, Schedule, Supervised, SupervisedLoss, Update, adam
from core.types import Encoding, LossTerms, Views

Logits = Callable[[Encoding], Tensor]  # how a step reads logits (B, K) off an encoding
Base = Callable[[Encoding, Tensor], tuple[LossTerms, Logits]]  # clean encoding, targets -> loss, reading
Harden = Callable[[Base], SupervisedLoss]

NETWORKS = ("plane", "small", "resnet18")
PLANE_WIDTHS = (20, 20, 2)  # Figure 3 of ClusTR: three layers, 20 hidden units; features of 2 numbers
SMALL_WIDTHS = (16, 32, 64)  # two convolutions and a layer


class Normalise(nn.Module):
    """The first layer of a network that was built for centred colours: (x - mean) / deviation, channel by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return (pictures - self.mean) / self.deviation


class Classifier(ClusteringModel):
    """A network a view to features (N, D), their mean, and a linear head to the logits of K classes.

    ``network``: "plane" for points, "small" for pictures of one channel and 28 pixels or so, "resnet18" for CIFAR's
    (3 x 3 stem, no first pooling), with ``mean`` and ``deviation`` of its colours. Raises :class:`LabError` for an
    unknown one. The papers have one view.
    """

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        network: str = "small",
        mean: Sequence[float] = (),
        deviation: Sequence[float] = (),
    ) -> None:
        super().__init__(view_shapes, n_clusters)
        made = [make_network(network, shape) for shape in self.view_shapes]
        first: list[nn.Module] = [Normalise(mean, deviation)] if mean else []
        self.networks = nn.ModuleList(nn.Sequential(*first, body) for body, _ in made)
        self.n_features = made[0][1]
        self.head = nn.Linear(self.n_features, n_clusters)

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """The features of each view, V x (N, D)."""
        return tuple(network(view) for network, view in zip(self.networks, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """Logits and their softmax; features are the hidden layer."""
        features = torch.stack(embeddings).mean(dim=0)
        logits = self.head(features)
        return Encoding(embeddings, features, features, logits.softmax(dim=1), logits)

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """Raises :class:`LabError`: there is no loss without labels."""
        raise LabError(f"{type(self).__name__} is a classifier: it is trained with labels, by supervised_phases.")

    def warm_up_terms(self, views: Views, targets: Tensor, generator: torch.Generator) -> LossTerms:
        """The cross-entropy of the head with labels (B,)."""
        features = torch.stack(self.embed(views)).mean(dim=0)
        return {"cross_entropy": cross_entropy(self.head(features), targets)}

    def clean_loss(self, encoding: Encoding, targets: Tensor) -> tuple[LossTerms, Logits]:
        """The method's own loss of a clean encoding, told the labels (B,), and how it reads logits off an encoding."""
        return {"cross_entropy": cross_entropy(encoding.logits, targets)}, lambda other: other.logits

    def hardened(self, base: Base, harden: Harden | None) -> SupervisedLoss:
        """What a step minimises: the clean loss, or what a defense makes of it."""
        if harden is not None:
            return harden(base)
        return lambda views, targets, generator: base(self.encode(views), targets)[0]

    def supervised_phases(
        self, schedule: Schedule, labels: Tensor, harden: Harden | None = None, *, replays: int = 1
    ) -> list[Phase]:
        """The stages of training with labels (N,): a warm start by cross-entropy, if any, and the method's own.

        ``harden`` makes a robust loss of the clean one. Each batch is seen ``replays`` times.
        """
        rate, clip = schedule.learning_rate, schedule.clip_norm
        phases = []
        if schedule.pretraining_epochs:
            first = Update(Supervised(self.warm_up_terms, labels), adam(self.parameters(), rate), clip)
            phases.append(Phase("warm start", schedule.pretraining_epochs, self, (first,)))
        supervised = Supervised(self.hardened(self.clean_loss, harden), labels)
        update = Update(supervised, adam(self.parameters(), rate), clip)
        phases.append(Phase("training", schedule.epochs, self, (update,) * replays))
        return phases

    def finish(self, views: Views, labels: Tensor) -> None:
        """What is left to find once the network is trained on V x (N, C, H, W) with labels (N,): nothing."""


def make_network(name: str, shape: Shape) -> tuple[nn.Module, int]:
    """From pictures (N, *shape) to features (N, D), and D. Raises :class:`LabError` for an unknown one."""
    channels, height, width = shape
    if name == "plane":
        widths = [channels * height * width, *PLANE_WIDTHS]
        layers: list[nn.Module] = [nn.Flatten()]
        for n_inputs, n_outputs in pairwise(widths):
            layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1]), PLANE_WIDTHS[-1]
    if name == "small":
        first, second, features = SMALL_WIDTHS
        sides = [((side - 3) // 2 - 3) // 2 for side in (height, width)]
        if min(sides) < 1:
            raise LabError(f"Pictures must be at least 13 x 13 pixels, got {height} x {width}.")
        convolutions = Convolutions(
            nn.Conv2d(channels, first, 5, stride=2), nn.ReLU(), nn.Conv2d(first, second, 5, stride=2), nn.ReLU()
        )
        flat = second * sides[0] * sides[1]
        return nn.Sequential(convolutions, nn.Flatten(), nn.Linear(flat, features)), features
    if name == "resnet18":
        return residual_network(channels)
    raise LabError(f"There is no network called {name!r}. Choices: {', '.join(NETWORKS)}.")
