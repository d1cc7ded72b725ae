"""AECoDDC (Trosten et al., CVPR 2023): CoMVC with a decoder a view, pre-trained before it clusters."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import mse_loss

from core.losses.ddc import Width
from core.models.base import Shape
from core.models.comvc import CoMVC
from core.models.encoders import ConvolutionalDecoder
from core.types import Encoding, LossTerms, Views


class AECoDDC(CoMVC):
    """Deep divergence-based clustering of autoencoded, contrasted views (facts, section 2.3).

    The contrast has no adaptive factor here; 550,050 parameters for two 28 x 28 views and 10 clusters.
    """

    training_only = ("decoders",)

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        kernel_width: Width = "released",
        contrastive_weight: float = 0.1,
        temperature: float = 0.1,
        reconstruction_weight: float = 1.0,
    ) -> None:
        super().__init__(
            view_shapes,
            n_clusters,
            kernel_width=kernel_width,
            contrastive_weight=contrastive_weight,
            adaptive=False,
            temperature=temperature,
        )
        self.decoders = nn.ModuleList(ConvolutionalDecoder(shape) for shape in self.view_shapes)
        self.reconstruction_weight = reconstruction_weight

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The three DDC terms, the contrast and the mean squared error of each view's picture, summed over views."""
        errors = [
            mse_loss(decoder(z).sigmoid(), view)
            for decoder, z, view in zip(self.decoders, encoding.embeddings, views, strict=True)
        ]
        reconstruction = self.reconstruction_weight * torch.stack(errors).sum()
        return super().loss_terms(views, encoding) | {"reconstruction": reconstruction}

    def pretraining_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """The contrast and the reconstruction, without clustering."""
        terms = self.loss_terms(views, self.encode(views))
        return {name: terms[name] for name in ("contrastive", "reconstruction")}
