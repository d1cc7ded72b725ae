"""ConvAE, the clustering network of ALRDC, and its variants MIE and Graph (Yang et al., NeurIPS 2020, supplement)."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

from core.clustering import kmeans
from core.errors import LabError
from core.losses.latent import (
    category_term,
    discrimination,
    gaussian_term,
    graph_term,
    nearest_neighbour_weights,
    orthonormal,
    sample_normal,
    squared_error,
)
from core.losses.vae import normal_kl
from core.models.base import LatentModel, Shape
from core.models.encoders import Convolutions
from core.training import Phase, Schedule, Update, adam
from core.types import Encoding, LossTerms, Views

Variant = Literal["plain", "mie", "graph"]
Network = Literal["convolutions", "layers"]

SLOPE = 0.2  # of every leaky ReLU
SHRINKING = 4  # sides of the feature maps are a quarter of the picture's
HEAD_WIDTHS = (1024, 1024, 512)
LAYER_WIDTHS = (500, 500, 2000)  # for vectors; not said in the paper, usual since DEC (Xie et al., ICML 2016)
SMALLEST_LOG = 1e-7


class ConvAE(LatentModel):
    """An autoencoder with a mixture of Gaussians as its prior and a network that assigns clusters to the latent.

    One view is the paper's case; with more, one latent is read from the features of all, and each view has a decoder.
    Embeddings are the convolutions' outputs, ``fused`` and ``hidden`` are the latent's mean z (N, D), which the head
    reads. ``variant`` adds a term to the loss: "mie" the mutual information of the latent with itself, as released,
    "graph" that neighbours in the batch have one assignment. With ``released_graph`` assignments are orthonormalised
    first and the term is not divided by B². ``network`` is "convolutions", or "layers" for vectors (1, 1, D), whose
    decoders end without a sigmoid. The last ``head_epochs`` of pre-training fit the head to k-means.
    Raises :class:`LabError` for sides that are no multiple of 4. 2,990,221 parameters for one 28 x 28 view as released.
    """

    training_only = ("discriminators",)

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        variant: Variant = "plain",
        network: Network = "convolutions",
        latent: int = 64,
        width: int = 16,  # the released "filters"; the layers have twice and four times as many channels
        head_widths: Sequence[int] = HEAD_WIDTHS,
        head_epochs: int = 5,
        reconstruction_weight: float = 2.5,
        gaussian_weight: float = 1.0,
        category_weight: float = 1.0,
        pretraining_weight: float = 0.1,  # of the latent's KL from N(0, 1)
        variant_weight: float = 0.0,
        neighbours: int = 3,
        kernel_width: float = 1.97,
        released_graph: bool = False,
    ) -> None:
        super().__init__(view_shapes, n_clusters)
        if network not in ("convolutions", "layers"):
            raise LabError(f"A ConvAE has convolutions or layers, got {network!r}.")
        flat = network == "layers"
        if not flat and any(side % SHRINKING for _, *sides in self.view_shapes for side in sides):
            raise LabError(
                f"ConvAE needs pictures whose sides are multiples of {SHRINKING} and at least 16 pixels, "
                f"got {list(self.view_shapes)}."
            )
        if variant not in ("plain", "mie", "graph"):
            raise LabError(f"A ConvAE is plain, mie or graph, got {variant!r}.")
        if latent < 1:
            raise LabError(f"A latent has at least 1 dimension, got {latent}.")
        made = [_layer_encoder(shape) if flat else _encoder(shape, width) for shape in self.view_shapes]
        self.encoders = nn.ModuleList(encoder for encoder, _ in made)
        n_features = [size for _, size in made]
        self.mean = nn.Linear(sum(n_features), latent)
        self.log_variance = nn.Linear(sum(n_features), latent)
        self.decoders = nn.ModuleList(
            _layer_decoder(shape, latent) if flat else _decoder(shape, width, latent) for shape in self.view_shapes
        )
        self.head = nn.Sequential(*_layers([latent, *head_widths, n_clusters]))
        self.centres = nn.Parameter(torch.zeros(n_clusters, latent))
        of_pairs = [discriminator([2 * latent, latent, latent, latent, 1])] if variant == "mie" else []
        self.discriminators = nn.ModuleList(of_pairs)
        self.latent = latent
        self.variant: Variant = variant
        self.head_epochs = head_epochs
        self.reconstruction_weight = reconstruction_weight
        self.gaussian_weight = gaussian_weight
        self.category_weight = category_weight
        self.pretraining_weight = pretraining_weight
        self.variant_weight = variant_weight
        self.neighbours = neighbours
        self.kernel_width = kernel_width
        self.released_graph = released_graph

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """The features of each view, V x (N, D')."""
        return tuple(encoder(view) for encoder, view in zip(self.encoders, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """The latent's mean and its assignment."""
        latent = self.mean(torch.cat(embeddings, dim=1))
        return Encoding(embeddings, latent, latent, self.assign(latent))

    def assign(self, latent: Tensor) -> Tensor:
        """The head."""
        probs: Tensor = self.head(latent).softmax(dim=1)
        return probs

    def decode(self, latent: Tensor) -> Views:
        """One decoder a view."""
        return tuple(decoder(latent) for decoder in self.decoders)

    def spread(self, encoding: Encoding) -> Tensor:
        """The logarithm of the latent's variance (N, D)."""
        log_variance: Tensor = self.log_variance(torch.cat(encoding.embeddings, dim=1))
        return log_variance

    def draw(self, encoding: Encoding, generator: torch.Generator | None) -> Tensor:
        """Noise of the latent's own spread."""
        if generator is None:
            return torch.zeros_like(encoding.fused)
        noise = torch.randn(encoding.fused.shape, generator=generator, device=generator.device).to(encoding.fused)
        return sample_normal(torch.zeros_like(noise), self.spread(encoding), noise)

    def judge(self, widths: Sequence[int]) -> nn.Sequential:
        """The discriminator of ALRDC's defense; 858 inputs for 28 x 28 pictures, ten clusters and a latent of 64."""
        pixels = sum(prod(shape) for shape in self.view_shapes)
        return discriminator([self.latent + pixels + self.n_clusters, *widths, 1])

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """Eq. 3, and the variant's term of Eq. 4 or Eq. 5."""
        latent, log_variance = encoding.fused, self.spread(encoding)
        decoded = self.decode(latent + self.draw(encoding, generator))
        terms = {
            "reconstruction": self.reconstruction_weight * reconstruction(views, decoded),
            "gaussian": self.gaussian_weight * gaussian_term(latent, log_variance, encoding.probs, self.centres),
            "category": self.category_weight * category_term(encoding.probs),
        }
        if self.variant == "graph":
            terms["graph"] = self.variant_weight * self._graph(latent, encoding.probs)
        if self.variant == "mie":
            shuffled = latent[shuffle(latent, generator)]
            joint, product = (self.discriminators[0](torch.cat([latent, other], dim=1)) for other in (latent, shuffled))
            terms["information"] = self.variant_weight * discrimination(joint[:, 0], product[:, 0])
        return terms

    def pretraining_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """An autoencoder with a weak pull of its latent to N(0, 1)."""
        encoding = self.encode(views)
        decoded = self.decode(encoding.fused + self.draw(encoding, generator))
        return {
            "reconstruction": self.reconstruction_weight * reconstruction(views, decoded),
            "divergence": self.pretraining_weight * normal_kl(encoding.fused, self.spread(encoding)),
        }

    def head_terms(self, views: Views, generator: torch.Generator) -> LossTerms:
        """Cross-entropy of the assignment with the nearest centre, the latent being what it is."""
        with torch.no_grad():
            latent = self.encode(views).fused
            nearest = torch.cdist(latent, self.centres).argmin(dim=1)
        return {"assignment": nll_loss((self.assign(latent) + SMALLEST_LOG).log(), nearest)}

    def phases(self, schedule: Schedule) -> list[Phase]:
        """The autoencoder, the head on the centres of k-means, then both together."""
        rate = schedule.learning_rate
        before = Update(self.pretraining_terms, adam(self.parameters(), rate))
        head = Update(self.head_terms, adam(self.head.parameters(), rate))
        both = Update(self.training_terms, adam(self.parameters(), rate), schedule.clip_norm)
        head_epochs = min(self.head_epochs, schedule.pretraining_epochs)
        return [
            Phase("pre-training", schedule.pretraining_epochs - head_epochs, self, (before,)),
            Phase("head", head_epochs, self, (head,), start=self._place),
            Phase("clustering", schedule.epochs, self, (both,), patience=schedule.patience),
        ]

    @torch.no_grad()
    def _place(self, views: Views) -> None:
        """Put the centres where k-means finds them in the latents of all samples V x (N, C, H, W)."""
        self.centres.copy_(kmeans(self.hidden(views), self.n_clusters, seed=0)[0])

    def _graph(self, latent: Tensor, probs: Tensor) -> Tensor:
        weights = nearest_neighbour_weights(latent.detach(), neighbours=self.neighbours, width=self.kernel_width)
        if not self.released_graph:
            return graph_term(weights, probs)
        return len(probs) ** 2 * graph_term(weights, orthonormal(probs))


def reconstruction(views: Views, decoded: Views) -> Tensor:
    """The squared error of all views together."""
    return torch.stack([squared_error(x, y) for x, y in zip(views, decoded, strict=True)]).sum()


def shuffle(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """An order of the rows (B, …) that breaks pairs: random, or by one place without a generator."""
    if generator is None:
        return torch.arange(len(rows), device=rows.device).roll(1)
    return torch.randperm(len(rows), generator=generator, device=generator.device).to(rows.device)


def discriminator(widths: Sequence[int]) -> nn.Sequential:
    """A discriminator: ReLU layers and the probability (N, 1) that its two inputs belong together."""
    return nn.Sequential(*_layers(widths), nn.Sigmoid())


def _encoder(shape: Shape, width: int) -> tuple[nn.Module, int]:
    """From pictures to features, and how many."""
    channels = [shape[0], 2 * width, 2 * width, 4 * width, 4 * width]
    layers: list[nn.Module] = []
    for i, (n_inputs, n_outputs) in enumerate(pairwise(channels)):
        layers += [nn.Conv2d(n_inputs, n_outputs, 3, stride=2 - i % 2, padding=1), nn.LeakyReLU(SLOPE)]
    return Convolutions(*layers, nn.Flatten()), channels[-1] * (shape[1] // SHRINKING) * (shape[2] // SHRINKING)


def _layer_encoder(shape: Shape) -> tuple[nn.Module, int]:
    """From vectors to features, and how many."""
    return nn.Sequential(nn.Flatten(), *_layers([prod(shape), *LAYER_WIDTHS]), nn.ReLU()), LAYER_WIDTHS[-1]


def _layer_decoder(shape: Shape, latent: int) -> nn.Sequential:
    return nn.Sequential(*_layers([latent, *reversed(LAYER_WIDTHS), prod(shape)]), nn.Unflatten(1, shape))


def _decoder(shape: Shape, width: int, latent: int) -> nn.Sequential:
    n_channels, height, side = shape
    size = (4 * width, height // SHRINKING, side // SHRINKING)
    channels = [4 * width, 4 * width, 4 * width, 2 * width, 2 * width]
    layers: list[nn.Module] = []
    for i, (n_inputs, n_outputs) in enumerate(pairwise(channels)):
        stride = 1 + i % 2
        layer = nn.ConvTranspose2d(n_inputs, n_outputs, 3, stride=stride, padding=1, output_padding=stride - 1)
        layers += [layer, nn.LeakyReLU(SLOPE)]
    convolutions = Convolutions(*layers, nn.ConvTranspose2d(2 * width, n_channels, 3, padding=1))
    return nn.Sequential(nn.Linear(latent, prod(size)), nn.Unflatten(1, size), convolutions, nn.Sigmoid())


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    """Linear layers with ReLU between them; the last is linear."""
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
    return layers[:-1]
