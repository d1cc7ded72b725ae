"""CoMVC (Trosten et al., CVPR 2021): SiMVC with contrast between views. CL-MVC of AR-DMVC is the same network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.losses.contrastive import contrastive_all_pairs
from core.losses.ddc import Width
from core.models.base import Shape
from core.models.simvc import SiMVC
from core.types import Encoding, LossTerms, Views


class CoMVC(SiMVC):
    """SiMVC whose view embeddings are aligned; Eq. 8 of AR-DMVC.

    The released code weighs the contrast by 0.1 times the smallest fusion weight (``adaptive``); the paper
    prints a weight of 1.
    """

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        kernel_width: Width = "released",
        contrastive_weight: float = 0.1,
        adaptive: bool = True,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(view_shapes, n_clusters, kernel_width=kernel_width)
        self.contrastive_weight = contrastive_weight
        self.adaptive = adaptive
        self.temperature = temperature

    def contrast(self, embeddings: tuple[Tensor, ...]) -> Tensor:
        """The weighted contrast between the embeddings of all pairs of views."""
        fusion_weights = self.fusion.raw_weights if self.adaptive else None
        contrast = contrastive_all_pairs(embeddings, temperature=self.temperature, fusion_weights=fusion_weights)
        return self.contrastive_weight * contrast

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The three DDC terms and the weighted contrast."""
        return super().loss_terms(views, encoding) | {"contrastive": self.contrast(encoding.embeddings)}
