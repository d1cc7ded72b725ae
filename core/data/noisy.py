"""NoisyMNIST, NoisyFashion and their embedded stand-in: a picture, and a noisy one of the same class.

Construction of the code released with Huang et al. (ICML 2024); facts, section 1.1.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.facts import DATASET_FACTS
from core.data.pictures import rescale_in_place, to_unit
from core.data.sources import digits, idx_pictures
from core.records import Floats, Integers
from core.types import MultiViewDataset

SEED = 7  # of one PCG64 stream: first the pairing, then the noise
NOISE_SCALE = 0.2  # standard deviation on the [-1, 1] scale
CHUNK = 4096  # samples whose float64 noise is held at once
NOISY_EXTREMES = {  # of the noisy view before it is brought to [0, 1]: they follow from the construction below
    "noisy_digits": (-1.91229, 1.98957),
    "noisy_mnist": (-2.08667, 1.94832),
    "noisy_fashion": (-2.08667, 1.94159),
}


def noisy_digits(root: Path | None = None) -> MultiViewDataset:
    """1,797 scikit-learn digits at 28x28, built as NoisyMNIST is. Needs no files; ``root`` is ignored."""
    return _noisy("noisy_digits", *digits())


def noisy_mnist(root: Path | None = None) -> MultiViewDataset:
    """70,000 samples of MNIST. Raises :class:`LabError` if the files are neither there nor to be had."""
    return _noisy("noisy_mnist", *idx_pictures("MNIST", root))


def noisy_fashion(root: Path | None = None) -> MultiViewDataset:
    """70,000 samples of Fashion-MNIST. Raises :class:`LabError` as :func:`noisy_mnist` does."""
    return _noisy("noisy_fashion", *idx_pictures("FashionMNIST", root))


def pairing(labels: Integers, n_classes: int, generator: np.random.Generator) -> Integers:
    """The row of each sample's second picture, (N,): a permutation within each class, self-pairs allowed."""
    partners = np.empty_like(labels)
    for label in range(n_classes):
        rows = np.flatnonzero(labels == label)
        partners[rows] = generator.permutation(rows)
    return partners


def noisy_view(pixels: NDArray[np.uint8] | Floats, rows: Integers, generator: np.random.Generator) -> Floats:
    """The pictures at ``rows`` on [-1, 1] plus noise, not clipped, (N, 1, H, W) float32.

    The noise is drawn in chunks, which gives the same numbers as one draw and needs far less memory.
    """
    view = np.empty((len(rows), 1, *pixels.shape[1:]), dtype=np.float32)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        signed = (to_unit(pixels[rows[part]]) - np.float32(0.5)) / np.float32(0.5)
        view[part, 0] = signed + generator.normal(0, NOISE_SCALE, signed.shape)
    return view


def own_noisy_view(name: str, pictures: Floats, generator: np.random.Generator) -> Floats:
    """New pictures (N, H, W) under the noise of data set ``name`` and on its scale, (N, 1, H, W) in [0, 1]."""
    low, high = NOISY_EXTREMES[name]
    noisy = noisy_view(pictures, np.arange(len(pictures)), generator)
    scaled: Floats = np.clip((noisy - np.float32(low)) / np.float32(high - low), 0, 1)
    return scaled


def _noisy(name: str, pixels: NDArray[np.uint8] | Floats, labels: Integers) -> MultiViewDataset:
    facts = DATASET_FACTS[name]
    generator = np.random.default_rng(SEED)
    partners = pairing(labels, len(facts.class_names), generator)
    second = noisy_view(pixels, partners, generator)
    first = to_unit(pixels)[:, None]  # the released detour over [-1, 1] and back changes nothing
    views = tuple(torch.from_numpy(rescale_in_place(view)) for view in (first, second))
    return MultiViewDataset(name, views, torch.from_numpy(labels), facts.class_names)
