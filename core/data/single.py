"""Sets of one view: scikit-learn's digits, MNIST and Fashion-MNIST as they are."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.facts import DATASET_FACTS
from core.data.pictures import to_unit
from core.data.sources import digits as small_digits
from core.data.sources import idx_pictures
from core.records import Floats, Integers
from core.types import MultiViewDataset


def digits(root: Path | None = None) -> MultiViewDataset:
    """The 1,797 of scikit-learn's digits, enlarged to 28x28. Needs no files; ``root`` is ignored."""
    return _single("digits", *small_digits())


def mnist(root: Path | None = None) -> MultiViewDataset:
    """70,000 samples of MNIST. Raises :class:`LabError` if the files are neither there nor to be had."""
    return _single("mnist", *idx_pictures("MNIST", root))


def fashion_mnist(root: Path | None = None) -> MultiViewDataset:
    """70,000 samples of Fashion-MNIST. Raises :class:`LabError` if the files are neither there nor to be had."""
    return _single("fashion_mnist", *idx_pictures("FashionMNIST", root))


def _single(name: str, pixels: NDArray[np.uint8] | Floats, labels: Integers) -> MultiViewDataset:
    pictures = torch.from_numpy(to_unit(pixels)[:, None])
    return MultiViewDataset(name, (pictures,), torch.from_numpy(labels), DATASET_FACTS[name].class_names)
