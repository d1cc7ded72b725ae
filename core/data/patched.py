"""PatchedMNIST and its embedded stand-in: three patches of one digit, each a view.

Construction of the code released with Huang et al. (ICML 2024); facts, section 1.2.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.facts import DATASET_FACTS
from core.data.pictures import interpolation, rescale_in_place, to_unit
from core.data.sources import SIDE, digits, idx_pictures
from core.records import Floats, Integers
from core.types import MultiViewDataset

GRID = 4  # cells along a side of the enlarged picture
CELLS = ((0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2))
VIEW_CELLS = (0, 1, 3)  # of the twelve, those the released experiments use


def patched_digits(root: Path | None = None) -> MultiViewDataset:
    """The 537 zeros, ones and twos of scikit-learn's digits. Needs no files; ``root`` is ignored."""
    return _patched("patched_digits", *digits())


def patched_mnist(root: Path | None = None) -> MultiViewDataset:
    """21,770 samples of MNIST. Raises :class:`LabError` if the files are neither there nor to be had."""
    return _patched("patched_mnist", *idx_pictures("MNIST", root))


def patch(pictures: Floats, cell: int) -> Floats:
    """One of the twelve :data:`CELLS` of the pictures (N, 28, 28) enlarged to 112x112, as (N, 28, 28).

    Only the rows and columns of that cell are computed. A cell covers 7x7 pixels of the picture.
    """
    row, column = CELLS[cell]
    enlarging = interpolation(SIDE, GRID * SIDE)  # (112, 28)
    vertical = enlarging[row * SIDE : (row + 1) * SIDE]
    horizontal = enlarging[column * SIDE : (column + 1) * SIDE]
    return np.asarray(vertical @ pictures @ horizontal.T, dtype=np.float32)


def _patched(name: str, pixels: NDArray[np.uint8] | Floats, labels: Integers) -> MultiViewDataset:
    facts = DATASET_FACTS[name]
    kept = labels < len(facts.class_names)
    pictures = to_unit(pixels[kept])
    views = tuple(torch.from_numpy(rescale_in_place(patch(pictures, cell)[:, None])) for cell in VIEW_CELLS)
    return MultiViewDataset(name, views, torch.from_numpy(labels[kept]), facts.class_names)
