"""From the consensus to the probabilities of clusters."""

import torch
from torch import Tensor, nn

from core.clustering import kmeans

HIDDEN_WIDTH = 100  # Table 4
SMALLEST_SPREAD = 1e-6


class DdcHead(nn.Module):
    """The DDC module of Table 4: Dense(100), ReLU, BatchNorm = hidden; Dense(K) = logits, their softmax = probs."""

    def __init__(self, n_inputs: int, n_clusters: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(n_inputs, HIDDEN_WIDTH), nn.ReLU(), nn.BatchNorm1d(HIDDEN_WIDTH))
        self.logits = nn.Linear(HIDDEN_WIDTH, n_clusters)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) to hidden (N, 100) and logits (N, K)."""
        hidden = self.hidden(fused)
        return hidden, self.logits(hidden)


class CentroidHead(nn.Module):
    """Soft assignment to the centroids of clean training samples, so that an attack meets the clustering they met.

    Student's t with one degree of freedom (DEC; Xie et al., ICML 2016, Eq. 1), distances in units of the mean
    squared distance of a training sample to its centroid. The most probable cluster is the nearest centroid's.
    Until :meth:`place` all clusters are equally probable.
    """

    centroids: Tensor
    spread: Tensor

    def __init__(self, n_inputs: int, n_clusters: int) -> None:
        super().__init__()
        self.register_buffer("centroids", torch.zeros(n_clusters, n_inputs))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, H) to probs (N, K)."""
        affinities = 1 / (1 + self._squared_distances(hidden) / self.spread)
        return affinities / affinities.sum(dim=1, keepdim=True)

    def place(self, hidden: Tensor, *, seed: int) -> None:
        """Take the k-means centroids of hidden (N, H)."""
        centroids, _ = kmeans(hidden, len(self.centroids), seed=seed)
        self.centroids.copy_(centroids)
        self.spread.copy_(self._squared_distances(hidden).amin(dim=1).mean().clamp_min(SMALLEST_SPREAD))

    def _squared_distances(self, hidden: Tensor) -> Tensor:
        return (hidden[:, None] - self.centroids).square().sum(dim=2)  # (N, K)
