"""A room of the lab: the planes on which samples are drawn, one for each checkpoint and method, kept once fitted."""

from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import LabError
from core.frames import encode
from core.library import Library
from core.projection import Projection, fit_pca, fit_umap, umap_projection
from core.records import CheckpointCard, Floats, Integers, digest
from core.shelf import Shelf
from core.store import ResultStore
from core.types import Encoding

MAP_SAMPLES = 2000  # clean held-out samples that span a map
MOST_MAPS = 2**27  # bytes of maps that are kept once they were used
UMAP_VERSION = 1  # part of a stored map's digest: raise it when the projection changes

Fitted = tuple[Projection, Floats, Integers]


class Maps:
    """Maps by checkpoint and method, "pca" or "umap"; a UMAP's points are stored."""

    def __init__(self, library: Library, store: ResultStore) -> None:
        self._library = library
        self._store = store
        self._fitted: Shelf[Fitted] = Shelf(MOST_MAPS, _weigh)

    def encoding(self, card: CheckpointCard) -> Encoding:
        """The clean held-out samples that span a checkpoint's maps, in their fixed order."""
        held_out = self._library.parts(card.dataset)[1]
        return encode(self._library.model(card), tuple(view[:MAP_SAMPLES] for view in held_out.views))

    def fitted(self, card: CheckpointCard, method: str) -> Fitted:
        """A checkpoint's map with its reference samples: where they lie (M, 2) and their clusters (M,)."""

        def fit() -> Fitted:
            encoding = self.encoding(card)
            hidden = encoding.hidden.cpu().numpy()
            projection = self._projection(card, hidden, method)
            return projection, projection.place(hidden), encoding.clusters.cpu().numpy()

        return self._fitted.get((card.sha256, method), fit)

    def fit_umap(self, card: CheckpointCard) -> None:
        """Fit a UMAP, unless it is stored, and keep it beside the results that come with the lab."""
        n_samples = min(MAP_SAMPLES, len(self._library.parts(card.dataset)[1].labels))
        if self._stored(card, n_samples) is None:
            self._projection(card, self.encoding(card).hidden.cpu().numpy(), "umap", ship=True)

    def _projection(self, card: CheckpointCard, hidden: Floats, method: str, *, ship: bool = False) -> Projection:
        if method == "pca":
            return fit_pca(hidden)
        if method != "umap":
            raise LabError(f"A map is made by pca or umap, got {method!r}.")
        points = self._stored(card, len(hidden))
        if points is not None:
            return umap_projection(hidden, points)
        projection = fit_umap(hidden)
        # A map that cannot be kept for the next time is still a map; one to be shipped must be written.
        with nullcontext() if ship else suppress(LabError):
            self._store.save("umap", map_key(card), {"points": projection.points}, shipped=ship)
        return projection

    def _stored(self, card: CheckpointCard, n_samples: int) -> NDArray[Any] | None:
        """The points of a UMAP, None unless there is one that fits."""
        stored = self._store.load("umap", map_key(card)) or {}
        points = stored.get("points", np.empty(0))
        fits = points.shape == (n_samples, 2) and points.dtype.kind == "f" and np.isfinite(points).all()
        return points if fits else None


def map_key(card: CheckpointCard) -> str:
    """What a checkpoint's UMAP map is kept under: its weights, the samples, the projection's version."""
    return digest({"weights": card.sha256, "samples": MAP_SAMPLES, "version": UMAP_VERSION})


def _weigh(fitted: Fitted) -> int:
    projection, places, clusters = fitted
    arrays = (projection.axes, projection.reference, projection.points, places, clusters)
    return sum(array.nbytes for array in arrays)
