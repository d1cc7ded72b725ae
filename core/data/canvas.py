"""Soft-edged shapes drawn on many small pictures at once, by a visible and by a thermal camera.

Lengths are pixels, x to the right and y downwards; N pictures are drawn together, each with its own numbers.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.records import Floats

Numbers = NDArray[np.floating[Any]]

SHADING = 0.30  # how much a surface darkens or brightens from its lit to its dark side, visible camera
EDGE_COOLING = 0.16  # how much cooler the rim of a body looks than its middle, thermal camera


class Material(NamedTuple):
    """What a surface looks like, one row a picture."""

    colour: Numbers  # (N, 3) in [0, 1]
    heat: Numbers  # (N,) in [0, 1]
    opacity: Numbers | float = 1.0  # (N,), 0 where a picture does without the shape


@dataclass(frozen=True)
class Canvas:
    """N pictures being painted, in place."""

    visible: Floats  # (N, 3, H, W)
    thermal: Floats  # (N, H, W)
    light: Floats  # (N, 2), the direction (x, y) towards the light, length at most 1

    def capsule(self, start: Numbers, end: Numbers, widths: tuple[Numbers, Numbers], material: Material) -> None:
        """A limb: the points nearer to the line ``start``-``end`` (N, 2) than its width there (N,) each."""
        reach = max(widths[0].max(), widths[1].max()) + 1
        heights = np.stack([start[:, 1], end[:, 1]])
        rows, x, y = self._grid(heights.min() - reach, heights.max() + reach)
        along = end - start
        squared = np.maximum((along**2).sum(axis=1), 1e-6)
        dx, dy = x - _spread(start[:, 0]), y - _spread(start[:, 1])
        place = np.clip(dx * _spread(along[:, 0] / squared) + dy * _spread(along[:, 1] / squared), 0, 1)
        radius = _spread(widths[0]) + place * _spread(widths[1] - widths[0])
        across = (dx - place * _spread(along[:, 0])) / radius
        down = (dy - place * _spread(along[:, 1])) / radius
        edge = (np.sqrt(across**2 + down**2) - 1) * radius
        self._paint(rows, edge, across, down, material)

    def trunk(
        self,
        top: Numbers,
        bottom: Numbers,
        widths: tuple[Numbers, Numbers],
        material: Material,
        *,
        rounded: float = 0.0,
    ) -> None:
        """A torso or a skirt: upright from ``bottom`` to ``top`` (N, 2), reaching ``widths`` (N,) each to either side.

        The uppermost share ``rounded`` of its height is rounded.
        """
        rows, x, y = self._grid(top[:, 1].min() - 1, bottom[:, 1].max() + 1)
        height = np.maximum(bottom[:, 1] - top[:, 1], 1)
        place = (y - _spread(top[:, 1])) / _spread(height)
        inside = np.clip(place, 0, 1)
        half = _spread(widths[0]) + inside * _spread(widths[1] - widths[0])
        if rounded:
            half = half * np.sqrt(1 - np.clip(1 - inside / rounded, 0, 0.98) ** 2)
        centre = _spread(top[:, 0]) + inside * _spread(bottom[:, 0] - top[:, 0])
        across = (x - centre) / half
        beyond = np.maximum(-place, place - 1) * _spread(height)
        edge = np.maximum((np.abs(across) - 1) * half, beyond)
        self._paint(rows, edge, across, inside * 0.6 - 0.3, material)

    def _grid(self, low: float, high: float) -> tuple[slice, Numbers, Numbers]:
        """The rows from ``low`` to ``high``, and the x and y of their pixel centres, ready to broadcast."""
        height, width = self.thermal.shape[1:]
        rows = slice(max(int(low), 0), min(int(high) + 1, height))
        x = (np.arange(width, dtype=np.float32) + 0.5)[None, None, :]
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5)[None, :, None]
        return rows, x, y

    def _paint(self, rows: slice, edge: Numbers, across: Numbers, down: Numbers, material: Material) -> None:
        """Lay ``material`` over the pixels whose distance ``edge`` (N, h, W) to the outline is negative."""
        cover = np.clip(0.5 - edge, 0, 1) * _spread(np.broadcast_to(material.opacity, len(edge)))
        across, down = np.clip(across, -1, 1), np.clip(down, -1, 1)
        lit = 1 + SHADING * (across * _spread(self.light[:, 0]) + down * _spread(self.light[:, 1]))
        for channel in range(3):
            layer = self.visible[:, channel, rows]
            layer += cover * (_spread(material.colour[:, channel]) * lit - layer)
        warmth = _spread(material.heat) * (1 - EDGE_COOLING * across**2)
        self.thermal[:, rows] += cover * (warmth - self.thermal[:, rows])


def _spread(values: Numbers) -> Floats:
    """One number a picture, (N,), shaped to meet (N, H, W)."""
    return np.asarray(values, dtype=np.float32)[:, None, None]
