"""SiMVC (Trosten et al., CVPR 2021): encoders, a weighted mean, and deep divergence-based clustering."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.losses.ddc import Width, ddc_terms
from core.models.base import ClusteringModel, Shape
from core.models.encoders import make_encoders
from core.models.fusion import WeightedFusion
from core.models.heads import DdcHead
from core.types import Encoding, LossTerms, Views


class SiMVC(ClusteringModel):
    """One encoder a view, without shared weights; 327,072 parameters for two 28 x 28 views and 10 clusters."""

    def __init__(self, view_shapes: Sequence[Shape], n_clusters: int, *, kernel_width: Width = "released") -> None:
        super().__init__(view_shapes, n_clusters)
        self.encoders, width = make_encoders(self.view_shapes)
        self.fusion = WeightedFusion(len(self.view_shapes))
        self.head = DdcHead(width, n_clusters)
        self.kernel_width: Width = kernel_width

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """One encoder output a view, V x (N, D)."""
        return tuple(encoder(view) for encoder, view in zip(self.encoders, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """The weighted mean, and the DDC head on it."""
        fused = self.fusion(embeddings)  # (N, D)
        hidden, logits = self.head(fused)  # (N, 100), (N, K)
        return Encoding(embeddings, fused, hidden, logits.softmax(dim=1), logits)

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The three DDC terms, weight 1 each (Eq. 18 of AR-DMVC)."""
        return ddc_terms(encoding.hidden, encoding.probs, width=self.kernel_width)
