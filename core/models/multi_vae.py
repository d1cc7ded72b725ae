"""Multi-VAE (Xu et al., ICCV 2021): a discrete latent that views share beside a continuous one of each view."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from core.losses.vae import categorical_kl, gumbel_softmax, normal_kl, reconstruction
from core.models.base import ClusteringModel, Shape
from core.models.encoders import ConvolutionalDecoder, make_encoders
from core.models.heads import CentroidHead
from core.types import Encoding, LossTerms, Views

HIDDEN_WIDTH = 256
PECULIAR_WIDTH = 10  # of each view's own latent


class MultiVAE(ClusteringModel):
    """Variational autoencoders with growing capacities, clustered by k-means on their latents (facts, section 2.6).

    Embeddings are the convolutions' outputs, ``fused`` the probabilities (N, K) of the shared discrete latent,
    ``hidden`` the latents that k-means reads: (N, K + 10 V), the discrete one as its most probable corner.
    ``deepmvc_scaling`` gives DeepMVC's weights, in which both divergences are P times too weak against the
    reconstruction; P is the number of a view's pixels. 1,523,636 parameters for two 28 x 28 views.
    """

    training_only = ("decoders",)
    steps: Tensor

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        capacity: float = 5.0,  # of the continuous latents, nats; the discrete one's is log K
        capacity_steps: int = 25_000,
        divergence_weight: float = 30.0,
        temperature: float = 0.67,
        deepmvc_scaling: bool = False,
    ) -> None:
        super().__init__(view_shapes, n_clusters)
        self.encoders, width = make_encoders(self.view_shapes)
        n_views = len(self.view_shapes)
        self.bottlenecks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, HIDDEN_WIDTH), nn.ReLU()) for _ in range(n_views)
        )
        self.means = nn.ModuleList(nn.Linear(HIDDEN_WIDTH, PECULIAR_WIDTH) for _ in range(n_views))
        self.log_variances = nn.ModuleList(nn.Linear(HIDDEN_WIDTH, PECULIAR_WIDTH) for _ in range(n_views))
        self.common = nn.Linear(n_views * HIDDEN_WIDTH, n_clusters)
        self.decoders = nn.ModuleList(_decoder(shape, n_clusters, width) for shape in self.view_shapes)
        self.head = CentroidHead(n_clusters + n_views * PECULIAR_WIDTH, n_clusters)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))  # of training, for the capacities
        self.capacity = capacity
        self.capacity_steps = capacity_steps
        self.divergence_weight = divergence_weight
        self.temperature = temperature
        self.deepmvc_scaling = deepmvc_scaling

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """One encoder output a view, V x (N, D)."""
        return tuple(encoder(view) for encoder, view in zip(self.encoders, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """The latents' means, and the soft assignment to the centroids."""
        rows = self._bottleneck(embeddings)
        alpha = self._common_logits(rows).softmax(dim=1)  # (N, K)
        corner = one_hot(alpha.argmax(dim=1), self.n_clusters) + alpha - alpha.detach()  # with alpha's gradient
        means = [mean(row) for mean, row in zip(self.means, rows, strict=True)]
        hidden = torch.cat([corner, *means], dim=1)
        return Encoding(embeddings, alpha, hidden, self.head(hidden))

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The negative evidence of each view: its reconstruction and its distances from the capacities."""
        rows = self._bottleneck(encoding.embeddings)
        logits = self._common_logits(rows)
        alpha = logits.softmax(dim=1)
        shared = alpha if generator is None else gumbel_softmax(logits, generator, temperature=self.temperature)
        share = (self.steps / self.capacity_steps).clamp_max(1)
        discrete_gap = (share * math.log(self.n_clusters) - categorical_kl(alpha)).abs()
        pixels = [view[0].numel() for view in views]
        reconstructions, gaps = [], []
        for v, (view, row, n_pixels) in enumerate(zip(views, rows, pixels, strict=True)):
            mean, log_variance = self.means[v](row), self.log_variances[v](row)
            latent = mean if generator is None else _sample(mean, log_variance, generator)
            bits = reconstruction(view, self.decoders[v](torch.cat((latent, shared), dim=1)))
            reconstructions.append(bits if self.deepmvc_scaling else bits / n_pixels)
            gaps.append((share * self.capacity - normal_kl(mean, log_variance)).abs() / n_pixels)
        # DeepMVC: V · gap / Σ_v P_v, which is Σ_v gap / P_v for views of one size
        shares = len(pixels) / sum(pixels) if self.deepmvc_scaling else sum(1 / n for n in pixels)
        return {
            "reconstruction": torch.stack(reconstructions).sum(),
            "continuous": self.divergence_weight * torch.stack(gaps).sum(),
            "discrete": self.divergence_weight * discrete_gap * shares,
        }

    def training_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """The loss with sampled latents; every call is a step of the capacities' schedule."""
        self.steps += 1
        return super().training_terms(views, generator)

    def fit_clusters(self, views: Views, *, seed: int) -> None:
        """k-means on the latents of the training samples."""
        self.head.place(self.hidden(views), seed=seed)

    def _bottleneck(self, embeddings: tuple[Tensor, ...]) -> list[Tensor]:
        """V x (N, D) to V x (N, 256)."""
        return [bottleneck(z) for bottleneck, z in zip(self.bottlenecks, embeddings, strict=True)]

    def _common_logits(self, rows: list[Tensor]) -> Tensor:
        logits: Tensor = self.common(torch.cat(rows, dim=1))
        return logits


def _decoder(shape: Shape, n_clusters: int, width: int) -> nn.Sequential:
    """(N, 10 + K) latents to logits (N, C, H, W)."""
    return nn.Sequential(
        *(nn.Linear(PECULIAR_WIDTH + n_clusters, HIDDEN_WIDTH), nn.ReLU()),
        *(nn.Linear(HIDDEN_WIDTH, width), nn.ReLU()),
        ConvolutionalDecoder(shape),
    )


def _sample(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean)
    return mean + (log_variance / 2).exp() * noise
