"""SiMVC (Trosten et al., CVPR 2021): encoders, a weighted mean, and deep divergence-based clustering."""

from collections.abc import Sequence

from torch import Tensor, nn

from core.errors import LabError
from core.losses.ddc import Width, ddc_terms
from core.models.base import ClusteringModel, Shape
from core.models.encoders import ConvolutionalEncoder
from core.models.fusion import WeightedFusion
from core.models.heads import DdcHead
from core.types import Encoding, LossTerms, Views


class SiMVC(ClusteringModel):
    """One encoder a view, without shared weights; 327,072 parameters for two 28 x 28 views and 10 clusters."""

    def __init__(self, view_shapes: Sequence[Shape], n_clusters: int, *, kernel_width: Width = "released") -> None:
        super().__init__(view_shapes, n_clusters)
        encoders = [ConvolutionalEncoder(shape) for shape in self.view_shapes]
        widths = {encoder.n_outputs for encoder in encoders}
        if len(widths) != 1:
            raise LabError(f"A weighted mean needs views of one size, got {list(self.view_shapes)}.")
        self.encoders = nn.ModuleList(encoders)
        self.fusion = WeightedFusion(len(encoders))
        self.head = DdcHead(widths.pop(), n_clusters)
        self.kernel_width: Width = kernel_width

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """One encoder output a view, V x (N, D)."""
        return tuple(encoder(view) for encoder, view in zip(self.encoders, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """The weighted mean, and the DDC head on it."""
        fused = self.fusion(embeddings)  # (N, D)
        hidden, probs = self.head(fused)  # (N, 100), (N, K)
        return Encoding(embeddings, fused, hidden, probs)

    def loss_terms(self, views: Views, encoding: Encoding) -> LossTerms:
        """The three DDC terms, weight 1 each (Eq. 18 of AR-DMVC)."""
        return ddc_terms(encoding.hidden, encoding.probs, width=self.kernel_width)
