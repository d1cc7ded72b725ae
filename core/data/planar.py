"""Points of the plane, for what can be seen whole: two moons and two circles, as pictures of two pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.data.facts import DATASET_FACTS
from core.types import MultiViewDataset

SEED = 0
EDGE = 0.05  # of the unit square that stays free of points


def two_moons(root: Path | None = None) -> MultiViewDataset:
    """400 points of two half circles. Needs no files; ``root`` is ignored."""
    from sklearn.datasets import make_moons

    return _planar("two_moons", *make_moons(_size("two_moons"), noise=0.08, random_state=SEED))


def two_circles(root: Path | None = None) -> MultiViewDataset:
    """400 points of two circles, one inside the other. Needs no files; ``root`` is ignored."""
    from sklearn.datasets import make_circles

    return _planar("two_circles", *make_circles(_size("two_circles"), noise=0.05, factor=0.4, random_state=SEED))


def _size(name: str) -> int:
    return DATASET_FACTS[name].samples


def _planar(name: str, points: Any, labels: Any) -> MultiViewDataset:
    """Points (N, 2) in the middle of the unit square, the same scale both ways, so that a circle stays one."""
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = 0.5 + (points - (low + high) / 2) * (1 - 2 * EDGE) / (high - low).max()
    pictures = torch.from_numpy(scaled.astype(np.float32))[:, None, None, :]
    return MultiViewDataset(
        name, (pictures,), torch.from_numpy(labels.astype(np.int64)), DATASET_FACTS[name].class_names
    )
