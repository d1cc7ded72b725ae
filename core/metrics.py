"""How well clusters agree with labels, and what an attack changed.

Shape letters: N samples, L labels, K clusters. Labels and clusters are whole numbers from 0; every function
raises :class:`LabError` for arrays that are empty, not whole, negative, or of different lengths.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from core.errors import LabError
from core.records import AttackScores, Floats, Integers, Scores

UNMATCHED = -1


def confusion(labels: ArrayLike, clusters: ArrayLike, *, n_labels: int, n_clusters: int) -> Integers:
    """How many samples of each label fell into each cluster, (L, K)."""
    labels, clusters = _pair(labels, clusters)
    _check_below(labels, n_labels, "label")
    _check_below(clusters, n_clusters, "cluster")
    counts = np.bincount(labels * n_clusters + clusters, minlength=n_labels * n_clusters)
    return counts.reshape(n_labels, n_clusters).astype(np.int64)


def match(
    labels: ArrayLike, clusters: ArrayLike, *, n_clusters: int | None = None, n_labels: int | None = None
) -> Integers:
    """The label of each cluster, (K,), one-to-one, with the most samples matched in all (Hungarian method).

    A cluster is left without a label (-1) if there are more clusters than labels, or if no sample supports
    the label it would get, as in an empty cluster: a later sample that lands there is no success.
    """
    labels, clusters = _pair(labels, clusters)
    counts = confusion(
        labels,
        clusters,
        n_labels=int(labels.max()) + 1 if n_labels is None else n_labels,
        n_clusters=int(clusters.max()) + 1 if n_clusters is None else n_clusters,
    )
    rows, columns = linear_sum_assignment(counts, maximize=True)
    supported = counts[rows, columns] > 0
    matching = np.full(counts.shape[1], UNMATCHED, dtype=np.int64)
    matching[columns[supported]] = rows[supported]
    return matching


def accuracy(labels: ArrayLike, clusters: ArrayLike, matching: ArrayLike) -> float:
    """The share of samples whose cluster has their label under a ``matching`` (K,) found before (frozen)."""
    return float(np.mean(_hits(*_pair(labels, clusters), matching)))


def recall(labels: ArrayLike, clusters: ArrayLike, matching: ArrayLike, n_labels: int) -> NDArray[np.float64]:
    """:func:`accuracy` among the samples of each label, (L,); NaN where a label has no sample."""
    labels, clusters = _pair(labels, clusters)
    _check_below(labels, n_labels, "label")
    totals = np.bincount(labels, minlength=n_labels).astype(np.float64)
    hits = np.bincount(labels, weights=_hits(labels, clusters, matching), minlength=n_labels)
    shares = np.full(n_labels, np.nan)
    np.divide(hits, totals, out=shares, where=totals > 0)
    return shares


def score(labels: ArrayLike, clusters: ArrayLike) -> Scores:
    """Accuracy (rematched), normalised mutual information (arithmetic mean) and adjusted Rand index."""
    labels, clusters = _pair(labels, clusters)
    return _scores(labels, clusters, match(labels, clusters))


def attack_scores(
    labels: ArrayLike,
    clean_clusters: ArrayLike,
    clusters: ArrayLike,
    matching: ArrayLike,
    clean_views: Sequence[Floats],
    views: Sequence[Floats],
    *,
    n_labels: int | None = None,
) -> AttackScores:
    """The scores of one state of the samples beside their clean state.

    ``matching`` (K,) is the clean one; ``views`` and ``clean_views`` are V x (N, C, H, W). Without ``n_labels``
    there are as many labels as clusters, or more if a label asks for it.
    """
    labels, clusters = _pair(labels, clusters)
    _, clean_clusters = _pair(labels, clean_clusters)
    frozen = _whole(matching, "matching")
    if n_labels is None:
        n_labels = max(len(frozen), int(labels.max()) + 1)
    _check_views(clean_views, views, len(labels))
    changes = [_change(before, after) for before, after in zip(clean_views, views, strict=True)]
    rematched = match(labels, clusters, n_clusters=len(frozen), n_labels=n_labels)
    return AttackScores(
        frozen=_scores(labels, clusters, frozen),
        rematched=_scores(labels, clusters, rematched),
        changed=float(np.mean(clusters != clean_clusters)),
        recall=tuple(float(share) for share in recall(labels, clusters, frozen, n_labels)),
        l2=tuple(l2 for l2, _ in changes),
        linf=tuple(linf for _, linf in changes),
    )


class LatentShift(NamedTuple):
    """How far a perturbation moves latents: ALRDC's D, in both of its code's definitions."""

    relative: float  # percent: the mean over dimensions of Σ|δ| / Σ|z|, sums over samples; the tables' D
    absolute: float  # the mean of |δ| over samples and dimensions; the later code sums over samples


def latent_shift(z: ArrayLike, delta: ArrayLike) -> LatentShift:
    """D of latents z (N, D) and what is added to them, delta (N, D).

    A dimension that is 0 in every z counts as unmoved if it stays 0; if it does not, the relative shift is infinite.
    Raises :class:`LabError` for arrays of other shapes.
    """
    z, delta = np.asarray(z, dtype=np.float64), np.asarray(delta, dtype=np.float64)
    if z.ndim != 2 or z.shape != delta.shape or not z.size:
        raise LabError(
            f"Latents and perturbations are two tables (N, D) of one shape, got {z.shape} and {delta.shape}."
        )
    moved, size = np.abs(delta).sum(axis=0), np.abs(z).sum(axis=0)
    shares = np.where(moved > 0, np.inf, 0.0)
    np.divide(moved, size, out=shares, where=size > 0)
    return LatentShift(relative=float(100 * shares.mean()), absolute=float(np.abs(delta).mean()))


def _scores(labels: Integers, clusters: Integers, matching: Integers) -> Scores:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return Scores(
        accuracy=accuracy(labels, clusters, matching),
        nmi=float(normalized_mutual_info_score(labels, clusters)),
        ari=float(adjusted_rand_score(labels, clusters)),
    )


def _change(before: Floats, after: Floats) -> tuple[float, float]:
    """Mean over samples of ‖δ‖₂, and the largest |δ|, of one view (N, C, H, W)."""
    delta = (np.asarray(after) - np.asarray(before)).reshape(len(before), -1)
    return float(np.linalg.norm(delta, axis=1).mean(dtype=np.float64)), float(np.abs(delta).max())


def _hits(labels: Integers, clusters: Integers, matching: ArrayLike) -> NDArray[np.bool_]:
    known = _whole(matching, "matching")
    _check_below(clusters, len(known), "cluster")
    hits: NDArray[np.bool_] = known[clusters] == labels
    return hits


def _pair(labels: ArrayLike, clusters: ArrayLike) -> tuple[Integers, Integers]:
    whole_labels, whole_clusters = _whole(labels, "labels"), _whole(clusters, "clusters")
    if len(whole_labels) != len(whole_clusters):
        raise LabError(f"There are {len(whole_labels)} labels but {len(whole_clusters)} clusters: one each a sample.")
    for name, values in (("labels", whole_labels), ("clusters", whole_clusters)):
        if values.min() < 0:
            raise LabError(f"The {name} count from 0, but one of them is {values.min()}.")
    return whole_labels, whole_clusters


def _whole(values: ArrayLike, name: str) -> Integers:
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise LabError(f"The {name} must be a list of at least one number, got an array of shape {array.shape}.")
    if array.dtype.kind not in "iuf":
        raise LabError(f"The {name} must be whole numbers, got {array.dtype}.")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise LabError(f"The {name} must be whole numbers, but some have a fraction, are infinite or missing.")
    return array.astype(np.int64)


def _check_below(values: Integers, count: int, name: str) -> None:
    if values.max() >= count:
        raise LabError(f"There is a {name} {values.max()}, but with {count} of them the last is {count - 1}.")


def _check_views(clean_views: Sequence[Floats], views: Sequence[Floats], samples: int) -> None:
    clean_shapes, shapes = [v.shape for v in clean_views], [v.shape for v in views]
    if clean_shapes != shapes or any(shape[0] != samples for shape in shapes):
        raise LabError(f"{samples} samples with views {clean_shapes} cannot be compared with views {shapes}.")
