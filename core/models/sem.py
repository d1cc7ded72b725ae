"""SEM (Xu et al., NeurIPS 2023): contrast between views, weighed by how much each pair of views agrees."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

from core.clustering import kmeans
from core.losses.sem import cmi_weight, info_nce, jsd_weight, mmd_weight
from core.models.base import CHUNK, ClusteringModel, Shape
from core.models.heads import CentroidHead
from core.training import Phase, Schedule, Update, adam
from core.types import Encoding, LossTerms, Views, chunks

Weighting = Literal["cmi", "jsd", "mmd"]

WIDTHS = (500, 500, 2000, 512)  # of the encoder's layers; the decoder mirrors them
HEAD_WIDTH = 128


class SEM(ClusteringModel):
    """Autoencoders of flat pictures, then rounds of weighted contrast; clustered by k-means (facts, section 2.7).

    Embeddings are the encoders' outputs h; ``fused`` and ``hidden`` are the unit rows z of all views side by side,
    (N, 128 V), which k-means reads. ``denoising`` adds N(0, 1) noise to the pictures in pre-training.
    """

    training_only = ("decoders",)
    view_weights: Tensor

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        weighting: Weighting = "cmi",
        denoising: bool = False,
        widths: Sequence[int] = WIDTHS,
        temperature: float = 1.0,
        reconstruction_weight: float = 1.0,
    ) -> None:
        super().__init__(view_shapes, n_clusters)
        sizes = [c * h * w for c, h, w in self.view_shapes]
        self.encoders = nn.ModuleList(nn.Sequential(nn.Flatten(), *_layers([size, *widths])) for size in sizes)
        self.projections = nn.ModuleList(nn.Linear(widths[-1], HEAD_WIDTH) for _ in sizes)
        self.decoders = nn.ModuleList(
            nn.Sequential(*_layers([*reversed(widths), size]), nn.Unflatten(1, shape))
            for size, shape in zip(sizes, self.view_shapes, strict=True)
        )
        self.head = CentroidHead(HEAD_WIDTH * len(sizes), n_clusters)
        self.register_buffer("view_weights", torch.ones(len(sizes), len(sizes)))
        self.weighting: Weighting = weighting
        self.denoising = denoising
        self.temperature = temperature
        self.reconstruction_weight = reconstruction_weight

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """h of each view, V x (N, 512)."""
        return tuple(encoder(view) for encoder, view in zip(self.encoders, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """z of all views side by side, and the soft assignment to the centroids."""
        hidden = torch.cat(self.project(embeddings), dim=1)
        return Encoding(embeddings, hidden, hidden, self.head(hidden))

    def project(self, embeddings: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """z of each view, V x (N, 128), rows of length one."""
        pairs = zip(self.projections, embeddings, strict=True)
        return tuple(normalize(projection(h), dim=1) for projection, h in pairs)

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The weighted contrast of all V² ordered pairs, a view with itself included, and the reconstruction."""
        rows = self.project(encoding.embeddings)
        contrasts = [[info_nce(a, b, temperature=self.temperature) for b in rows] for a in rows]
        contrast = (self.view_weights * torch.stack([torch.stack(row) for row in contrasts])).sum()
        return {"contrastive": contrast, "reconstruction": self._reconstruction(views, encoding.embeddings)}

    def pretraining_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """The reconstruction alone, from noisy pictures if ``denoising``."""
        pictures = tuple(_noisy(view, generator) for view in views) if self.denoising else views
        return {"reconstruction": self._reconstruction(views, self.embed(pictures))}

    def phases(self, schedule: Schedule) -> list[Phase]:
        """Pre-training, then rounds that each begin by weighing the pairs; Adam is made anew every epoch."""
        rate = schedule.learning_rate
        pretraining = Update(self.pretraining_terms, adam(self.parameters(), rate))
        phases = [Phase("pre-training", schedule.pretraining_epochs, self, (pretraining,))]
        for i in range(schedule.rounds):
            update = Update(self.training_terms, adam(self.parameters(), rate), schedule.clip_norm, fresh=True)
            weigh = self._weighing("embeddings" if i == 0 else "projections")
            phases.append(Phase(f"contrast, round {i + 1}", schedule.epochs, self, (update,), start=weigh))
        return phases

    def fit_clusters(self, views: Views, *, seed: int) -> None:
        """k-means on z of the training samples."""
        self.head.place(self.hidden(views), seed=seed)

    def _weighing(self, features: Literal["embeddings", "projections"]) -> Callable[[Views], None]:
        """Weigh every pair of views by its agreement on all samples: of h before the first round, of z after it."""

        @torch.no_grad()
        def weigh(views: Views) -> None:
            parts = [self.embed(chunk) for chunk in chunks(views, CHUNK)]
            if features == "projections":
                parts = [self.project(part) for part in parts]
            rows = [torch.cat(view) for view in zip(*parts, strict=True)]
            self.view_weights.copy_(view_weights(rows, self.weighting, self.n_clusters).to(self.view_weights))

        return weigh

    def _reconstruction(self, views: Views, embeddings: tuple[Tensor, ...]) -> Tensor:
        """The mean squared error of each view's picture, summed over views, weighted."""
        triples = zip(self.decoders, embeddings, views, strict=True)
        errors = [mse_loss(decoder(h), view) for decoder, h, view in triples]
        return self.reconstruction_weight * torch.stack(errors).sum()


def view_weights(rows: Sequence[Tensor], weighting: Weighting, n_clusters: int) -> Tensor:
    """The weight of every ordered pair of views (V, V) from their features V x (N, D)."""
    if weighting == "cmi":
        labels = [kmeans(row, n_clusters, seed=0)[1] for row in rows]
        return torch.tensor([[cmi_weight(a, b) for b in labels] for a in labels])
    weigh = jsd_weight if weighting == "jsd" else mmd_weight
    return torch.stack([torch.stack([torch.as_tensor(weigh(a, b)) for b in rows]) for a in rows])


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    """Linear layers with ReLU between them; the last is linear."""
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
    return layers[:-1]


def _noisy(view: Tensor, generator: torch.Generator) -> Tensor:
    return view + torch.randn(view.shape, generator=generator, device=generator.device).to(view)
