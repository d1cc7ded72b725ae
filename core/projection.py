"""Maps: the hidden layer in two dimensions, fitted once on clean samples, on which moved samples are then placed.

Shape letters: N reference samples, M samples to place, H width of the hidden layer.
"""

import warnings
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import LabError
from core.records import Floats

METHODS = ("pca", "umap")
NEIGHBOURS = 12  # that a sample is placed between, on a UMAP map
UMAP_NEIGHBOURS = 15  # umap-learn's own default
SMALLEST_MAP = 4  # samples that UMAP needs
BLOCK = 512  # samples placed at once

# numba ends the process when two threads enter its default layer at once, so one thread at a time (ux, finding 6).
_UMAP_LOCK = Lock()


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """A fitted map. A linear one has a centre and axes, a UMAP one its reference samples; the rest is empty."""

    method: str  # one of METHODS
    centre: Floats  # (H,)
    axes: Floats  # (2, H), orthonormal rows
    reference: Floats  # (N, H)
    points: Floats  # (N, 2), where the reference samples lie

    def place(self, hidden: ArrayLike) -> Floats:
        """Where samples (M, H) lie on the map, (M, 2); each on its own, whatever comes with it.

        UMAP is not run again: a sample lies between the map points of its nearest reference samples, weighted
        by inverse distance, hence exactly on a point if it equals that reference sample. This is an approximation.
        Raises :class:`LabError` if a value is not finite or the width is not H.
        """
        samples = _matrix(hidden)
        width = self.axes.shape[1] if self.method == "pca" else self.reference.shape[1]
        if samples.shape[1] != width:
            raise LabError(f"This map was fitted on {width} hidden units, but the samples have {samples.shape[1]}.")
        if self.method == "pca":
            return ((samples - self.centre) @ self.axes.T.astype(np.float64)).astype(np.float32)
        blocks = [self._between(samples[start : start + BLOCK]) for start in range(0, len(samples), BLOCK)]
        return np.concatenate(blocks) if blocks else np.empty((0, 2), dtype=np.float32)

    def _between(self, samples: NDArray[np.float64]) -> Floats:
        """The inverse-distance mean of the nearest reference points, (m, H) to (m, 2)."""
        reference = self.reference.astype(np.float64)
        squares = (reference**2).sum(axis=1) - 2 * samples @ reference.T  # (m, N), less what a row has in common
        count = min(NEIGHBOURS, len(reference))
        nearest = np.sort(np.argpartition(squares, count - 1, axis=1)[:, :count], axis=1)  # (m, count)
        distances = np.linalg.norm(samples[:, None] - reference[nearest], axis=2)  # exact, unlike the squares
        same = distances == 0
        first = same & (np.cumsum(same, axis=1) == 1)
        weights = np.where(same.any(axis=1, keepdims=True), first, 1 / np.where(same, 1, distances))
        weights /= weights.sum(axis=1, keepdims=True)
        placed: Floats = np.einsum("mk,mkd->md", weights, self.points[nearest]).astype(np.float32)
        return placed


def fit_pca(hidden: ArrayLike) -> Projection:
    """The two directions in which samples (N, H) vary most.

    The largest weight of each axis is positive, so equal samples in any order give the same map.
    Raises :class:`LabError` without samples or with values that are not finite.
    """
    samples = _matrix(hidden)
    if not len(samples):
        raise LabError("A map needs at least one sample.")
    centre = samples.mean(axis=0)
    axes = np.zeros((2, samples.shape[1]))
    found = np.linalg.svd(samples - centre, full_matrices=False)[2][:2]
    largest = np.abs(found).argmax(axis=1)
    axes[: len(found)] = found * np.sign(found[np.arange(len(found)), largest])[:, None]
    return Projection(
        method="pca",
        centre=centre.astype(np.float32),
        axes=axes.astype(np.float32),
        reference=np.empty((0, samples.shape[1]), dtype=np.float32),
        points=np.empty((0, 2), dtype=np.float32),
    )


def fit_umap(hidden: ArrayLike, *, seed: int = 0) -> Projection:
    """UMAP of the clean samples (N, H), on which others are placed without running it again.

    Takes seconds to a minute, and one call at a time in a process. The same seed gives the same map on one machine,
    not always on another. Raises :class:`LabError` for fewer than four samples or values that are not finite.
    """
    samples = _matrix(hidden).astype(np.float32)
    if len(samples) < SMALLEST_MAP:
        raise LabError(f"UMAP needs at least {SMALLEST_MAP} samples, got {len(samples)}: take more, or choose PCA.")
    with _UMAP_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about optional parts of umap-learn, and names that scikit-learn changed
        from umap import UMAP

        neighbours = min(UMAP_NEIGHBOURS, len(samples) - 1)
        model = UMAP(n_components=2, n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1)
        points = np.asarray(model.fit_transform(samples), dtype=np.float32)
    return umap_projection(samples, points)


def umap_projection(hidden: ArrayLike, points: ArrayLike) -> Projection:
    """The map whose reference samples (N, H) lie at points (N, 2), as an earlier :func:`fit_umap` put them.

    Raises :class:`LabError` if the two do not fit together or values are not finite.
    """
    samples, places = _matrix(hidden).astype(np.float32), _matrix(points).astype(np.float32)
    if places.shape != (len(samples), 2):
        raise LabError(f"A map of {len(samples)} samples needs as many points, got {places.shape}: compute it again.")
    return Projection(
        method="umap",
        centre=np.empty(0, dtype=np.float32),
        axes=np.empty((0, samples.shape[1]), dtype=np.float32),
        reference=samples,
        points=places,
    )


def _matrix(hidden: ArrayLike) -> NDArray[np.float64]:
    samples = np.asarray(hidden, dtype=np.float64)
    if samples.ndim != 2 or not samples.shape[1]:
        raise LabError(f"A map is made of samples by hidden units, (N, H), got an array of shape {samples.shape}.")
    if not np.isfinite(samples).all():
        raise LabError("A map needs finite numbers, but some hidden values are infinite or missing.")
    return samples
