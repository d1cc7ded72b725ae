"""What every clustering model offers to training, attacks, defenses and pages."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from core.errors import LabError
from core.types import Encoding, LossTerms, Views

Shape = tuple[int, int, int]  # (C, H, W) of a view


class ClusteringModel(nn.Module, ABC):
    """A network from V pictures of a sample to the probabilities of its clusters."""

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
    def loss_terms(self, views: Views, encoding: Encoding) -> LossTerms:
        """The model's own training loss as named, weighted scalars."""

    def encode(self, views: Views) -> Encoding:
        """Everything the model says of views V x (N, C, H, W): differentiable, leaves nothing on self."""
        return self.cluster(self.embed(views))

    def forward(self, views: Views) -> Encoding:
        """The same as :meth:`encode`."""
        return self.encode(views)
