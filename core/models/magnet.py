"""Magnet (ClusTR, Alfarra et al., BMVC 2021): a sample is of the class whose centres its features lie near."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from core.clustering import kmeans
from core.errors import LabError
from core.losses.magnet import log_scores, magnet_losses, nearest_scores, own_variance, squared_distances
from core.models.base import Shape
from core.models.classifier import Classifier, Harden, Logits
from core.training import Phase, Schedule, Supervised, Update, adam
from core.types import Encoding, LossTerms, Views

Inference = Literal["soft", "nearest"]


class Magnet(Classifier):
    """Features with ``clusters_per_class`` centres a class, found by k-means once an epoch.

    ``inference``: "soft" sums over a class's centres (Eq. 4), "nearest" takes the nearest centre, which alone the
    certificate is about; with one centre a class they decide alike. ``n_nearest`` is how many centres, a sample's
    nearest ones, the soft sum is over (D_near of the paper); None for all. A step of training has
    ``samples_per_cluster`` of each of ``sampled_clusters``; an epoch has ``steps``, or as many as the samples fill.
    """

    training_only = ("head",)
    centres: Tensor
    centre_classes: Tensor
    variance: Tensor

    def __init__(
        self,
        view_shapes: Sequence[Shape],
        n_clusters: int,
        *,
        network: str = "small",
        mean: Sequence[float] = (),
        deviation: Sequence[float] = (),
        inference: Inference = "soft",
        n_nearest: int | None = None,
        alpha: float = 12.5,
        clusters_per_class: int = 2,
        sampled_clusters: int = 12,
        samples_per_cluster: int = 20,
        steps: int | None = None,
    ) -> None:
        super().__init__(view_shapes, n_clusters, network=network, mean=mean, deviation=deviation)
        if inference not in ("soft", "nearest"):
            raise LabError(f"A Magnet's inference is soft or nearest, got {inference!r}.")
        if min(clusters_per_class, samples_per_cluster) < 1 or sampled_clusters < 2:
            raise LabError("A Magnet needs at least 1 cluster a class, 1 sample of each and 2 clusters a step.")
        if n_nearest is not None and n_nearest < 1:
            raise LabError(f"A Magnet sums over at least its nearest centre, got {n_nearest}.")
        self.inference: Inference = inference
        self.n_nearest = n_nearest
        self.alpha = alpha
        self.clusters_per_class = clusters_per_class
        self.sampled_clusters = sampled_clusters
        self.samples_per_cluster = samples_per_cluster
        self.steps = steps
        n_centres = n_clusters * clusters_per_class
        spread_out = torch.eye(self.n_features).repeat(-(-n_centres // self.n_features), 1)[:n_centres]
        self.register_buffer("centres", spread_out * (1 + torch.arange(n_centres) // self.n_features)[:, None])
        self.register_buffer("centre_classes", torch.arange(n_centres) // clusters_per_class)
        self.register_buffer("variance", torch.ones(()))

    def cluster(self, embeddings: tuple[Tensor, ...]) -> Encoding:
        """Log-scores as logits, so that every attack on logits has a slope to follow; their softmax is Eq. 4."""
        features = torch.stack(embeddings).mean(dim=0)
        read = partial(log_scores, n_nearest=self.n_nearest) if self.inference == "soft" else nearest_scores
        logits = read(features, self.centres, self.centre_classes, self.variance, n_classes=self.n_clusters)
        return Encoding(embeddings, features, features, logits.softmax(dim=1), logits)

    def supervised_phases(
        self, schedule: Schedule, labels: Tensor, harden: Harden | None = None, *, replays: int = 1
    ) -> list[Phase]:
        """The warm start, if there is one, and the Magnet loss on batches of neighbouring clusters."""
        first = super().supervised_phases(schedule, labels)[:-1]
        drawn = ClusterBatches(self, labels)
        supervised = Supervised(self.hardened(drawn.clean_loss, harden), drawn.clusters)
        update = Update(supervised, adam(self.parameters(), schedule.learning_rate), schedule.clip_norm)
        return [*first, Phase("magnet", schedule.epochs, self, (update,) * replays, batches=drawn)]

    @torch.no_grad()
    def place(self, views: Views, labels: Tensor) -> Tensor:
        """Put the centres where k-means finds them, class by class, and take s² of all samples V x (N, C, H, W).

        Labels (N,); returns the cluster of each sample (N,), its class times ``clusters_per_class`` or a little more.
        Raises :class:`LabError` for a class with fewer samples than clusters.
        """
        features = self.hidden(views)
        clusters = torch.zeros_like(labels)
        for label in range(self.n_clusters):
            rows = (labels == label).nonzero().squeeze(1)
            if len(rows) < self.clusters_per_class:
                raise LabError(
                    f"Class {label} has {len(rows)} samples, too few for {self.clusters_per_class} clusters."
                )
            found, members = kmeans(features[rows], self.clusters_per_class, seed=0)
            first = label * self.clusters_per_class
            self.centres[first : first + self.clusters_per_class] = found
            clusters[rows] = first + members.to(clusters)
        own = squared_distances(features, self.centres).gather(1, clusters[:, None]).squeeze(1)
        self.variance.copy_(own_variance(own))
        return clusters

    def finish(self, views: Views, labels: Tensor) -> None:
        """The centres of the trained network."""
        self.place(views, labels)


class ClusterBatches:
    """The Magnet's batches: a cluster drawn by its loss, the nearest clusters of other classes, some samples of each.

    Called once an epoch: k-means is repeated first, and the losses are forgotten, as clusters change their names.
    """

    def __init__(self, model: Magnet, labels: Tensor) -> None:
        self.model = model
        self.labels = labels
        self.clusters = torch.zeros_like(labels)  # (N,) the targets of training
        self.losses = torch.zeros(model.n_clusters * model.clusters_per_class, device=labels.device)

    def __call__(self, views: Views, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """The rows (M · D,) of each step of an epoch, cluster by cluster; the recipe's batch size is not asked."""
        self.clusters.copy_(self.model.place(views, self.labels))
        self.losses.zero_()
        return self._draw(generator)

    def clean_loss(self, encoding: Encoding, targets: Tensor) -> tuple[LossTerms, Logits]:
        """The Magnet loss of a batch whose clusters (M · D,) have their centres where its own samples put them.

        Log-scores are read with the same centres and s², and gradients flow through both as in the loss: scaling the
        features then changes no p(x), so that a defense can only move samples against their centres. The paper's code
        holds the last k-means' centres still there; so held, QTRADES stretched features instead (RESULTS.md).
        """
        size, per_class = self.model.samples_per_cluster, self.model.clusters_per_class
        clusters = targets[::size]  # (M,)
        centres = encoding.fused.reshape(len(clusters), size, -1).mean(dim=1)
        classes, labels = clusters // per_class, targets // per_class
        losses = magnet_losses(encoding.fused, labels, centres, classes, alpha=self.model.alpha)
        self.losses.index_copy_(0, clusters, losses.detach().reshape(-1, size).mean(dim=1))
        distances = squared_distances(encoding.fused, centres)
        own = distances.masked_fill(classes != labels[:, None], torch.inf).amin(dim=1)
        variance = own_variance(own)

        def logits(other: Encoding) -> Tensor:
            return log_scores(other.fused, centres, classes, variance, n_classes=self.model.n_clusters)

        return {"magnet": losses.mean()}, logits

    def _draw(self, generator: torch.Generator) -> Iterator[Tensor]:
        model, device = self.model, self.labels.device
        members = [(self.clusters == cluster).nonzero().squeeze(1) for cluster in range(len(self.losses))]
        apart = squared_distances(model.centres, model.centres)
        same = model.centre_classes[:, None] == model.centre_classes
        near = apart.masked_fill(same, torch.inf).argsort(dim=1, stable=True)  # (J, J), other classes first
        n_others = min(model.sampled_clusters - 1, len(self.losses) - model.clusters_per_class)
        size = model.samples_per_cluster
        for _ in range(model.steps or max(1, len(self.labels) // (size * (n_others + 1)))):
            weights = self.losses if self.losses.sum() > 0 else torch.ones_like(self.losses)
            seed = torch.multinomial(weights.to(generator.device), 1, generator=generator).to(device)
            chosen = torch.cat([seed, near[seed].squeeze(0)[:n_others]])
            yield torch.cat([_some(members[cluster], size, generator) for cluster in chosen.unbind()])


def _some(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """``size`` of rows (R,): each once at most where there are as many, else by chance several times."""
    if len(rows) >= size:
        places = torch.randperm(len(rows), generator=generator, device=generator.device)[:size]
    else:
        places = torch.randint(len(rows), (size,), generator=generator, device=generator.device)
    return rows[places.to(rows.device)]
