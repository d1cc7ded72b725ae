"""What every clustering model offers to training, attacks, defenses and pages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from core.errors import LabError
from core.training import Phase, Schedule, Update, adam
from core.types import Encoding, LossTerms, Views, chunks

CHUNK = 256  # samples a forward pass over a whole data set
Shape = tuple[int, int, int]  # (C, H, W) of a view


class ClusteringModel(nn.Module, ABC):
    """A network from V pictures of a sample to the probabilities of its clusters."""

    training_only: ClassVar[tuple[str, ...]] = ()  # parts that encode never uses: a checkpoint leaves them out

    def __init__(self, view_shapes: Sequence[Shape], n_clusters: int) -> None:
        super().__init__()
        if n_clusters < 2:
            raise LabError(f"A clustering needs at least 2 clusters, got {n_clusters}.")
        self.view_shapes: tuple[Shape, ...] = tuple((c, h, w) for c, h, w in view_shapes)
        self.n_clusters = n_clusters

    @abstractmethod
    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """The embedding of each view, V x (N, D)."""

    @abstractmethod
    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """From the embeddings to fused, hidden and probs."""

    @abstractmethod
    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The model's own training loss as named, weighted scalars.

        A method that samples draws from ``generator``; without one it takes the means instead.
        """

    def encode(self, views: Views) -> Encoding:
        """Everything the model says of views V x (N, C, H, W): differentiable, leaves nothing on self."""
        return self.cluster(self.embed(views))

    def forward(self, views: Views) -> Encoding:
        """The same as :meth:`encode`."""
        return self.encode(views)

    def training_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """What one step of training minimises: the model's loss on a batch."""
        return self.loss_terms(views, self.encode(views), generator)

    def pretraining_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """What one step of pre-training minimises. Raises :class:`LabError` where the method has none."""
        raise LabError(f"{type(self).__name__} has no pre-training; set its pre-training epochs to 0.")

    def phases(self, schedule: Schedule) -> list[Phase]:
        """The stages of training, each with an optimiser of its own: pre-training, if there is any, and clustering."""
        phases = []
        if schedule.pretraining_epochs:
            update = Update(self.pretraining_terms, adam(self.parameters(), schedule.learning_rate))
            phases.append(Phase("pre-training", schedule.pretraining_epochs, self, (update,)))
        update = Update(self.training_terms, adam(self.parameters(), schedule.learning_rate), schedule.clip_norm)
        phases.append(Phase("clustering", schedule.epochs, self, (update,), patience=schedule.patience))
        return phases

    def leave_training_behind(self) -> None:
        """Take away the parts that only training needs; what is left is what a checkpoint holds."""
        for part in self.training_only:
            delattr(self, part)

    @torch.no_grad()
    def hidden(self, views: Views) -> Tensor:
        """The hidden layer (N, H) of any number of samples, in chunks and without gradients."""
        return torch.cat([self.encode(chunk).hidden for chunk in chunks(views, CHUNK)])

    def fit_clusters(self, views: Views, *, seed: int) -> None:
        """Find what is left to find once the network is trained on V x (N, C, H, W): nothing, or k-means centroids."""


class LatentModel(ClusteringModel):
    """A model that clusters and decodes one latent, ``Encoding.fused`` (N, D): what ALRDC attacks and defends."""

    latent: int  # D

    @abstractmethod
    def assign(self, latent: Tensor) -> Tensor:
        """Latents (N, D) to probabilities (N, K)."""

    @abstractmethod
    def decode(self, latent: Tensor) -> Views:
        """Latents (N, D) to pictures V x (N, C, H, W) in [0, 1]."""

    @abstractmethod
    def draw(self, encoding: Encoding, generator: torch.Generator | None) -> Tensor:
        """What is added to latents (N, D) in training: their spread times noise; nothing without a generator."""

    @abstractmethod
    def judge(self, widths: Sequence[int]) -> nn.Module:
        """A new discriminator of rows that hold a latent, the decoded pixels and an assignment: (N, …) to (N, 1)."""


class RepresentationModel(ClusteringModel):
    """A model whose encoder is trained without labels, by contrast; its probabilities are classes, from a linear head.

    Views V x (N, C, H, W) in, rows (N, …) out; ``kind`` is the kind of input, which chooses the set of batch norms.
    """

    projector: nn.Module
    head: nn.Module

    @abstractmethod
    def represent(self, views: Views, kind: int) -> Tensor:
        """The representation (N, D)."""

    @abstractmethod
    def all_representations(self, views: Views, kind: int) -> Tensor:
        """The same of any number of samples, in evaluation mode and without gradients."""

    @abstractmethod
    def centroid_rows(self) -> Tensor:
        """Unit centroids (K, D) of the representation's clusters."""

    @abstractmethod
    def choose_clusters(self, features: Tensor, *, seed: int) -> None:
        """Find how many clusters features (N, D) have, unless that is given, and their centroids."""

    @abstractmethod
    def place_centroids(self, features: Tensor, *, seed: int, anew: bool = False) -> None:
        """Move the centroids to where spherical k-means finds them, from where they are or anew."""

    @abstractmethod
    def place_means(self, views: Views, count: int, *, seed: int) -> None:
        """Centroids by plain k-means on clean pictures' representations."""

    @abstractmethod
    def nearest(self, views: Views) -> Tensor:
        """The nearest centroid (N,) of clean pictures, by Euclidean distance."""

    @abstractmethod
    def spread_norms(self) -> None:
        """Give every set of batch norms what the clean one has learned."""

    def project(self, views: Views, kind: int) -> Tensor:
        """What contrast compares, (N, D')."""
        projected: Tensor = self.projector(self.represent(views, kind))
        return projected

    def logits(self, views: Views, kind: int) -> Tensor:
        """The head's output (N, K)."""
        logits: Tensor = self.head(self.represent(views, kind))
        return logits
