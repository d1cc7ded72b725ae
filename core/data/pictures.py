"""Small operations on arrays of pictures, shared by the data set families."""

import numpy as np
from numpy.typing import NDArray

from core.records import Floats


def to_unit(pixels: NDArray[np.uint8] | Floats) -> Floats:
    """Pixels on [0, 1] as float32, any shape: bytes are divided by 255, floats are taken as they are."""
    if pixels.dtype == np.uint8:
        return np.divide(pixels, 255, dtype=np.float32)
    return pixels.astype(np.float32, copy=False)


def rescale_in_place(pictures: Floats) -> Floats:
    """Map the smallest value of the whole array to 0 and the largest to 1, in place; returns the array."""
    low, high = pictures.min(), pictures.max()
    pictures -= low
    if high > low:
        pictures /= high - low
    return pictures


def interpolation(source: int, target: int) -> Floats:
    """The (target, source) matrix of bilinear resizing along one axis.

    Pixel i of the result reads the source at (i + 0.5) * source / target - 0.5, mirrored about the centres
    of the first and the last pixel, as scikit-image's ``resize`` does (facts, section 1.2).
    """
    places = (np.arange(target) + 0.5) * source / target - 0.5
    last = source - 1
    places = last - np.abs(last - np.abs(places))
    left = np.clip(np.floor(places).astype(np.int64), 0, max(last - 1, 0))
    weights = np.zeros((target, source))
    rows = np.arange(target)
    weights[rows, left] += 1 - (places - left)
    weights[rows, np.minimum(left + 1, last)] += places - left
    return weights.astype(np.float32)


def resize(pictures: Floats, height: int, width: int) -> Floats:
    """Bilinear resizing of (..., H, W) to (..., height, width), as :func:`interpolation` reads the source."""
    vertical = interpolation(pictures.shape[-2], height)
    horizontal = interpolation(pictures.shape[-1], width)
    return np.asarray(vertical @ pictures @ horizontal.T, dtype=np.float32)
