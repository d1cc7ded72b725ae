"""Spherical k-means (Hornik et al., 2012) and the silhouette that chooses its number of clusters, on any device.

Both see directions only: rows are normalised inside, and a distance is one minus a cosine. NCP-ACL clusters so, as
contrastive learning compares cosines (section 3.2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from core.errors import LabError

ITERATIONS = 100  # at most; rarely more than twenty are needed
NOT_MEASURED = -2.0  # stands where a silhouette would
LARGEST_SAMPLE = 2000  # rows of which a silhouette is taken: it looks at all pairs


def spherical_kmeans(
    features: Tensor, n_clusters: int, *, generator: torch.Generator, init: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cluster of each row (N,) int64 and unit centroids (K, D) of features (N, D): maximises Σ cos(row, its centroid).

    Seeded as k-means++ with ``generator``, or from ``init`` (K, D); an empty cluster restarts at the row that is
    farthest from its centroid. Ends when no row changes. Raises :class:`LabError` for fewer rows than clusters.
    """
    if not 1 <= n_clusters <= len(features):
        raise LabError(
            f"{len(features)} samples cannot be put into {n_clusters} clusters; choose 1 to {len(features)}."
        )
    rows = normalize(features.detach(), dim=1)
    centroids = _seeds(rows, n_clusters, generator) if init is None else normalize(init.to(rows), dim=1)
    labels = torch.full((len(rows),), -1, device=rows.device)
    for _ in range(ITERATIONS):
        nearest, before = (rows @ centroids.T).max(dim=1), labels
        labels = _without_empty(nearest.values, nearest.indices, n_clusters)
        if torch.equal(labels, before):
            break
        sums = torch.zeros_like(centroids).index_add_(0, labels, rows)
        centroids = torch.where(sums.norm(dim=1, keepdim=True) > 0, normalize(sums, dim=1), centroids)
    return labels, centroids


def silhouette(features: Tensor, labels: Tensor) -> Tensor:
    """The mean silhouette () of rows (N, D) by cosine distance, in [-1, 1]; a cluster of one row counts 0.

    Raises :class:`LabError` unless there are at least two clusters.
    """
    rows = normalize(features.detach(), dim=1)
    kept, places = labels.unique(return_inverse=True)
    if len(kept) < 2:
        raise LabError("A silhouette compares at least two clusters.")
    members = one_hot(places).to(rows)  # (N, K)
    sizes = members.sum(dim=0)
    apart = (1 - rows @ rows.T) @ members  # (N, K) summed distances
    own = (apart * members).sum(dim=1) / (sizes[places] - 1).clamp_min(1)
    other = (apart / sizes).masked_fill(members.bool(), torch.inf).amin(dim=1)
    scores = (other - own) / torch.maximum(own, other).clamp_min(torch.finfo(rows.dtype).tiny)
    return torch.where(sizes[places] > 1, scores, 0).mean()


def silhouettes(features: Tensor, grid: Sequence[int], *, generator: torch.Generator) -> Tensor:
    """The silhouette of spherical k-means for each number of clusters of ``grid``, (len(grid),).

    All rows are clustered; the silhouette is of at most 2,000 of them, the same for every number.
    """
    order = torch.randperm(len(features), generator=generator, device=generator.device)[:LARGEST_SAMPLE]
    drawn = order.to(features.device)
    scores = []
    for n_clusters in grid:
        labels, _ = spherical_kmeans(features, n_clusters, generator=generator)
        scores.append(silhouette(features[drawn], labels[drawn]))
    return torch.stack(scores)


def _seeds(rows: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centroid a row, drawn by its distance from those there are; squared chords are 2 - 2 cos."""
    draws = torch.rand(n_clusters, generator=generator, device=generator.device).to(rows)
    chosen = [(draws[:1] * len(rows)).long().clamp_max(len(rows) - 1)]
    distance = torch.full((len(rows),), torch.inf, device=rows.device, dtype=rows.dtype)
    for k in range(1, n_clusters):
        distance = torch.minimum(distance, (1 - rows @ rows[chosen[-1]][0]).clamp_min(0))
        along = distance.cumsum(dim=0)
        place = torch.searchsorted(along, draws[k : k + 1] * along[-1], right=True)
        chosen.append(place.clamp_max(len(rows) - 1))
    return rows[torch.cat(chosen)]


def _without_empty(similarity: Tensor, labels: Tensor, n_clusters: int) -> Tensor:
    """The labels (N,), where the worst placed rows of clusters of several have gone to those of none."""
    sizes = torch.bincount(labels, minlength=n_clusters)
    empty = (sizes == 0).nonzero().squeeze(1)
    if not len(empty):
        return labels
    labels = labels.clone()
    for k in empty:
        sizes = torch.bincount(labels, minlength=n_clusters)
        alone = sizes[labels] < 2
        worst = similarity.masked_fill(alone, torch.inf).argmin()
        labels[worst] = k
        similarity = similarity.index_fill(0, worst[None], torch.inf)
    return labels
