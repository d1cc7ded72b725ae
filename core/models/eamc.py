"""EAMC (Zhou & Shen, CVPR 2020): adversarially aligned views, fused by attention, clustered by DDC."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from core.losses.ddc import Width, cluster_orthogonality, ddc_terms
from core.losses.eamc import attention_loss, discriminator_loss, generator_loss
from core.models.base import ClusteringModel, Shape
from core.models.encoders import make_encoders
from core.models.heads import DdcHead
from core.training import Phase, Schedule, Update, adam
from core.types import Encoding, LossTerms, Views

ATTENTION_TEMPERATURE = 10.0  # divides scores in (0, 1), so that the weights stay almost uniform
GENERATOR_BETAS = (0.95, 0.999)
DISCRIMINATOR_BETAS = (0.5, 0.999)


class EAMC(ClusteringModel):
    """Encoders that fool discriminators of views; 898,339 parameters for two 28 x 28 views (facts, section 2.5).

    The attention's weights are one number a view: in training the mean over the batch, as released; in evaluation
    each sample has its own, so that its cluster does not depend on its neighbours.
    """

    training_only = ("discriminators",)

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        kernel_width: Width = "released",
        attention_weight: float = 1.0,
        generator_weight: float = 10.0,
    ) -> None:
        super().__init__(view_shapes, n_clusters)
        self.encoders, width = make_encoders(self.view_shapes)
        n_views = len(self.view_shapes)
        self.attention = nn.Sequential(nn.Linear(n_views * width, 100), nn.Linear(100, 50), nn.Linear(50, n_views))
        self.head = DdcHead(width, n_clusters)
        self.discriminators = nn.ModuleList(_discriminator(width) for _ in range(n_views - 1))
        self.kernel_width: Width = kernel_width
        self.attention_weight = attention_weight
        self.generator_weight = generator_weight

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """One encoder output a view, V x (N, D)."""
        return tuple(encoder(view) for encoder, view in zip(self.encoders, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """The mean weighted by attention, and the DDC head on it."""
        fused = torch.einsum("nv,vnd->nd", self.attend(embeddings), torch.stack(embeddings))
        hidden, logits = self.head(fused)
        return Encoding(embeddings, fused, hidden, logits.softmax(dim=1), logits)

    def attend(self, embeddings: tuple[Tensor, ...]) -> Tensor:
        """The weight of each view for each sample (N, V), rows sum to one."""
        scores = self.attention(torch.cat(embeddings, dim=1)).sigmoid()
        weights: Tensor = (scores / ATTENTION_TEMPERATURE).softmax(dim=1)
        return weights.mean(dim=0, keepdim=True).expand_as(weights) if self.training else weights

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """DDC with its second term over clusters, the attention's and the generators' terms."""
        embeddings = encoding.embeddings
        terms = ddc_terms(encoding.hidden, encoding.probs, width=self.kernel_width)
        weights = self.attend(embeddings).mean(dim=0)
        terms |= {
            "orthogonality": cluster_orthogonality(encoding.probs),
            "attention": self.attention_weight * attention_loss(embeddings, encoding.fused, weights),
        }
        if self.discriminators:
            terms["generator"] = self.generator_weight * generator_loss(self._scores(embeddings[1:]))
        return terms

    def discriminator_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """What the discriminators minimise: view 0 is to be told from every other view."""
        with torch.no_grad():
            first, *others = self.embed(views)
        return {"discriminator": discriminator_loss(self._scores((first,) * len(others)), self._scores(others))}

    def phases(self, schedule: Schedule) -> list[Phase]:
        """One phase of two updates a batch: everything else, then the discriminators on a fresh forward pass."""
        rates = schedule.learning_rates
        clustering = [*self.encoders.parameters(), *self.head.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": clustering},
            {"params": list(self.attention.parameters()), "lr": rates.get("attention", schedule.learning_rate)},
        ]
        optimizer = adam(groups, schedule.learning_rate, betas=GENERATOR_BETAS)
        updates = [Update(self.training_terms, optimizer, schedule.clip_norm)]
        if self.discriminators:
            rate = rates.get("discriminators", schedule.learning_rate)
            judge = adam(self.discriminators.parameters(), rate, betas=DISCRIMINATOR_BETAS)
            updates.append(Update(self.discriminator_terms, judge))
        return [Phase("clustering", schedule.epochs, self, tuple(updates), patience=schedule.patience)]

    def _scores(self, embeddings: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Each discriminator's logits (N,) of its embedding (N, D) being view 0's."""
        pairs = zip(self.discriminators, embeddings, strict=True)
        return tuple(discriminator(z).squeeze(1) for discriminator, z in pairs)


def _discriminator(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in ((width, 256), (256, 256), (256, 128)):
        layers += [nn.Linear(n_inputs, n_outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(128, 1))
