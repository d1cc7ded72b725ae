"""From one embedding a view to the consensus."""

import torch
from torch import Tensor, nn


class WeightedFusion(nn.Module):
    """z* = Σ_v softmax(raw)_v z_v with trainable raw weights, 1/V at the start (section 4.1 of AR-DMVC)."""

    def __init__(self, n_views: int) -> None:
        super().__init__()
        self.raw_weights = nn.Parameter(torch.full((n_views,), 1 / n_views))

    def forward(self, embeddings: tuple[Tensor, ...]) -> Tensor:
        """V x (N, D) to (N, D)."""
        weights = self.raw_weights.softmax(dim=0)
        return torch.einsum("v,vnd->nd", weights, torch.stack(embeddings))
