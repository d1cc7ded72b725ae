"""InfoDDC (Trosten et al., CVPR 2023): views that share information, measured between softmaxed embeddings."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.losses.ddc import Width
from core.losses.information import mutual_information_all_pairs
from core.models.base import Shape
from core.models.simvc import SiMVC
from core.types import Encoding, LossTerms, Views


class InfoDDC(SiMVC):
    """SiMVC on softmaxed embeddings with a mutual-information term; pre-trained on that term alone.

    ``reference_pairs`` counts the released code's pairs, which include all but one view with itself.
    """

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        kernel_width: Width = "released",
        information_weight: float = 0.1,
        alpha: float = 9.0,
        reference_pairs: bool = False,
    ) -> None:
        super().__init__(view_shapes, n_clusters, kernel_width=kernel_width)
        self.information_weight = information_weight
        self.alpha = alpha
        self.reference_pairs = reference_pairs

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """The softmax of each encoder's output, V x (N, D): every row a distribution."""
        return tuple(z.softmax(dim=1) for z in super().embed(views))

    def information(self, embeddings: tuple[Tensor, ...]) -> Tensor:
        """The negative mutual information between views, summed over pairs; without a weight."""
        return mutual_information_all_pairs(embeddings, alpha=self.alpha, reference_pairs=self.reference_pairs)

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The three DDC terms and the weighted information."""
        information = self.information_weight * self.information(encoding.embeddings)
        return super().loss_terms(views, encoding) | {"information": information}

    def pretraining_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """The information alone, weight 1."""
        return {"information": self.information(self.embed(views))}
