"""The model of NCP-ACL and of what it is compared with: an encoder that is trained without labels, a linear head with.

Its clusters are of two kinds. ``probs`` are classes, from the head: what is attacked and scored. ``centroids`` are of
the representation itself, found without labels: what neighbour pursuit pushes samples between.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from core.clustering import NOT_MEASURED, silhouettes, spherical_kmeans
from core.errors import LabError
from core.kmeans import kmeans
from core.losses.robust_contrastive import nt_xent
from core.models.base import CHUNK, ClusteringModel, RepresentationModel, Shape
from core.models.encoders import Convolutions
from core.models.normalisation import ADVERSARIAL, CLEAN, give_sets, normalised_by, spread_first_set
from core.models.residual import residual_network
from core.types import Encoding, LossTerms, Views, chunks

WIDTHS = (16, 32, 64)  # of the small network's convolutions; the last is the width of the representation
GRID = (5, 8, 10, 12, 15, 20, 30, 50)  # numbers of clusters among which the silhouette chooses


class Representation(RepresentationModel):
    """A picture's representation (N, D), its projection for the contrast, and the logits of K classes from a head.

    ``network`` is "small", three convolutions with batch norm whose channels are ``widths``, or "resnet18".
    ``norm_sets`` is 2 for dual batch norm, whose adversarial set then serves everything after training. With
    ``n_centroids`` the number of centroids is given, else the silhouette chooses it from ``grid``. Several views have
    an encoder each, and their mean. Raises :class:`LabError` for another network and a grid of fewer than 2 clusters.
    """

    training_only = ("projector",)
    centroids: Tensor  # (largest number, D), unit rows; those that are not used are zero
    n_used: Tensor  # () int64, 0 before they were found
    curve: Tensor  # (len(grid),) silhouettes by number of clusters, NOT_MEASURED where not

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        network: str = "small",
        widths: Sequence[int] = WIDTHS,
        projector: Sequence[int] = (128, 64),
        norm_sets: int = 2,
        grid: Sequence[int] = GRID,
        n_centroids: int | None = None,
    ) -> None:
        super().__init__(view_shapes, n_clusters)
        if network not in ("small", "resnet18"):
            raise LabError(f"A representation's network is small or resnet18, got {network!r}.")
        if min(*grid, n_centroids or 2) < 2 or norm_sets < 1:
            raise LabError("Neighbours need at least 2 clusters, and a network a set of batch norms.")
        made = [_small(c, widths) if network == "small" else residual_network(c) for c, _, _ in self.view_shapes]
        self.networks = nn.ModuleList(encoder for encoder, _ in made)
        self.width = made[0][1]
        give_sets(self.networks, norm_sets)
        self.projector = _layers([self.width, *projector])
        self.head = nn.Linear(self.width, n_clusters)
        self.grid = tuple(grid)
        self.n_centroids = n_centroids
        self.register_buffer("centroids", torch.zeros(max(*grid, n_centroids or 0), self.width))
        self.register_buffer("n_used", torch.zeros((), dtype=torch.int64))
        self.register_buffer("curve", torch.full((len(self.grid),), NOT_MEASURED))

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """The representation of each view, V x (N, D), by the batch norm that serves after training."""
        return tuple(network(view) for network, view in zip(self.networks, views, strict=True))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """The mean over views is what the head reads."""
        fused = torch.stack(embeddings).mean(dim=0)
        logits = self.head(fused)
        return Encoding(embeddings, fused, fused, logits.softmax(dim=1), logits)

    def represent(self, views: Views, kind: int) -> Tensor:
        """The representation (N, D) of views V x (N, C, H, W) by the set of batch norms of a kind of input."""
        with normalised_by(self.networks, kind):
            return torch.stack(self.embed(views)).mean(dim=0)

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """The contrast of a batch's pictures with themselves; what makes two versions of one is its training's."""
        projected = self.projector(encoding.hidden)
        return {"contrast": nt_xent(projected, projected, temperature=0.5)}

    @torch.no_grad()
    def all_representations(self, views: Views, kind: int) -> Tensor:
        """The representation (N, D) of any number of samples, in evaluation mode, in chunks and without gradients."""
        mode = self.training
        self.eval()
        try:
            return torch.cat([self.represent(chunk, kind) for chunk in chunks(views, CHUNK)])
        finally:
            self.train(mode)

    @torch.no_grad()
    def choose_clusters(self, features: Tensor, *, seed: int) -> None:
        """Find how many clusters features (N, D) have, unless that is given, and their centroids."""
        if self.n_centroids is None:
            grid = [k for k in self.grid if k < len(features)]
            if not grid:
                raise LabError(f"{len(features)} samples are too few for {min(self.grid)} clusters.")
            curve = silhouettes(features, grid, generator=torch.Generator().manual_seed(seed))
            self.curve.fill_(NOT_MEASURED)[: len(grid)] = curve
            self.n_used.copy_(torch.tensor(grid, device=curve.device)[curve.argmax()])
        else:
            self.n_used.fill_(self.n_centroids)
        self.place_centroids(features, seed=seed, anew=True)

    @torch.no_grad()
    def place_centroids(self, features: Tensor, *, seed: int, anew: bool = False) -> None:
        """Move the centroids to where spherical k-means finds them in features (N, D), from where they are or anew."""
        used = self.centroid_rows()
        generator = torch.Generator().manual_seed(seed)
        _, found = spherical_kmeans(features, len(used), generator=generator, init=None if anew else used)
        self.centroids.zero_()[: len(used)] = found

    @torch.no_grad()
    def place_means(self, views: Views, count: int, *, seed: int) -> None:
        """Centroids by plain k-means on clean pictures' representations: the pseudo-labels of DYNACL++."""
        self.centroids.zero_()[:count] = kmeans(self.all_representations(views, CLEAN), count, seed=seed)[0]
        self.n_used.fill_(count)

    @torch.no_grad()
    def nearest(self, views: Views) -> Tensor:
        """The nearest centroid (N,) of clean pictures, by Euclidean distance."""
        return torch.cdist(self.represent(views, CLEAN), self.centroid_rows()).argmin(dim=1)

    def spread_norms(self) -> None:
        """Give every set of batch norms what the clean one has learned."""
        spread_first_set(self.networks)

    def centroid_rows(self) -> Tensor:
        """The unit centroids that are used, (K, D)."""
        return self.centroids[: int(self.n_used)]

    def fit_clusters(self, views: Views, *, seed: int) -> None:
        """Find the centroids of the finished representation, and in how many clusters, unless training has chosen."""
        features = self.all_representations(views, ADVERSARIAL)
        if self.n_used == 0:
            self.choose_clusters(features, seed=seed)
        else:
            self.place_centroids(features, seed=seed, anew=True)


class Neighbourhood(ClusteringModel):
    """A representation's own clusters as a model's: what is pushed from one to another can be followed as any attack.

    The hidden layer is the unit representation, a cluster's probability the softmax of the cosines to the centroids,
    divided by ``temperature``.
    """

    centres: Tensor  # (K, D), unit rows

    def __init__(self, model: RepresentationModel, *, temperature: float = 0.1) -> None:
        super().__init__(model.view_shapes, len(model.centroid_rows()))
        self.model = model
        self.temperature = temperature
        self.register_buffer("centres", model.centroid_rows().clone())

    def embed(self, views: Views) -> tuple[Tensor, ...]:
        """The representation of each view."""
        return self.model.embed(views)

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """Directions, and how near each is to the centroids."""
        hidden = normalize(torch.stack(embeddings).mean(dim=0), dim=1)
        logits = hidden @ self.centres.T / self.temperature
        return Encoding(embeddings, hidden, hidden, logits.softmax(dim=1), logits)

    def loss_terms(self, views: Views, encoding: Encoding, generator: torch.Generator | None = None) -> LossTerms:
        """Raises :class:`LabError`: only the representation is trained."""
        raise LabError("Clusters of a representation are found, not trained; train the representation.")


def _small(n_channels: int, widths: Sequence[int]) -> tuple[nn.Module, int]:
    """Three convolutions with batch norm, the first with stride 3, then the mean over pixels."""
    layers: list[nn.Module] = []
    for i, (n_inputs, n_outputs) in enumerate(pairwise([n_channels, *widths])):
        size, stride = (3, 2) if i else (5, 3)
        layers += [nn.Conv2d(n_inputs, n_outputs, size, stride=stride, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(n_outputs), nn.ReLU()]
    return Convolutions(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), widths[-1]


def _layers(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
