"""One's own pictures as samples of a data set: placed as its pictures are, made into views by its construction."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.data.facts import DATASET_FACTS, NOISY_VIEWS, PATCHED_VIEWS
from core.data.noisy import own_noisy_view
from core.data.patched import VIEW_CELLS, patch
from core.data.sources import SIDE
from core.errors import LabError
from core.records import Floats

Construction = Literal["noisy", "patched", "single", "free"]

INK = 0.25  # brightness from which a pixel belongs to what is drawn
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a data set's pictures have their content, in a square of 28 pixels."""

    box: int  # pixels of the content's longer side
    by_mass: bool  # its centre of brightness is in the middle, else its bounding box is


FRAMES = {  # as measured: MNIST's digits are 20 pixels by construction, scikit-learn's fill all rows
    "noisy_digits": Frame(box=28, by_mass=False),
    "patched_digits": Frame(box=28, by_mass=False),
    "noisy_mnist": Frame(box=20, by_mass=True),
    "patched_mnist": Frame(box=20, by_mass=True),
    "noisy_fashion": Frame(box=28, by_mass=False),
    "digits": Frame(box=28, by_mass=False),
    "mnist": Frame(box=20, by_mass=True),
    "fashion_mnist": Frame(box=28, by_mass=False),
}


def construction(dataset: str) -> Construction:
    """How the views of a sample come about: noise of a pair, patches of a picture, the picture alone, or their own."""
    names = DATASET_FACTS[dataset].view_names
    if len(names) == 1:
        return "single"
    return "noisy" if names == NOISY_VIEWS else "patched" if names == PATCHED_VIEWS else "free"


def place(dataset: str, picture: Floats) -> Floats:
    """The bright content of a grey picture (H, W) where the data set's pictures have theirs, (28, 28) in [0, 1].

    Its bounding box keeps its proportions. Raises :class:`LabError` for a picture without content.
    """
    frame = FRAMES[dataset]
    rows, columns = (np.flatnonzero((picture > INK).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise LabError("There is nothing bright on this picture: draw or choose something that stands out.")
    content = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = frame.box / max(content.shape)
    height, width = (max(1, round(side * scale)) for side in content.shape)
    small = scaled(content, height, width)
    top, left = (SIDE - height) / 2, (SIDE - width) / 2
    if frame.by_mass:
        mass = small.sum()
        top = SIDE / 2 - 0.5 - (small.sum(axis=1) @ np.arange(height)) / mass
        left = SIDE / 2 - 0.5 - (small.sum(axis=0) @ np.arange(width)) / mass
    placed = np.zeros((SIDE, SIDE), dtype=np.float32)
    y, x = (int(np.clip(round(at), 0, SIDE - side)) for at, side in ((top, height), (left, width)))
    placed[y : y + height, x : x + width] = small
    return placed


def scaled(picture: Floats, height: int, width: int) -> Floats:
    """A picture (H, W) resized to (height, width): bilinear, over all pixels that a smaller one covers."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    small: Floats = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    return small.clip(0, 1)


def views_of(dataset: str, first: Floats, second: Floats | None = None, *, seed: int = 0) -> tuple[Floats, ...]:
    """The views V x (N, C, H, W) of own pictures, each set (N, C, H, W) in [0, 1], as the data set makes its own.

    ``second`` are the pictures of the second view; without them it is made from the first. ``seed`` draws the noise.
    """
    kind = construction(dataset)
    if kind == "single":
        return (first,)
    if kind == "patched":
        return tuple(patch(first[:, 0], cell)[:, None] for cell in VIEW_CELLS)
    if kind == "noisy":
        partner = first if second is None else second
        return first, own_noisy_view(dataset, partner[:, 0], np.random.default_rng(seed))
    if second is None:
        second = np.repeat(np.tensordot(first, GREY, axes=(1, 0))[:, None], 3, axis=1)
    return first, second


def story(dataset: str, *, separate: bool, seed: int) -> str:
    """How :func:`views_of` makes the views, in a sentence."""
    names = DATASET_FACTS[dataset].view_names
    kind = construction(dataset)
    if kind == "single":
        return f"One view: the {names[0]} itself."
    if kind == "patched":
        return f"Views, as the data set makes them: {', '.join(names)} of the picture, enlarged four times."
    if kind == "noisy":
        of = "your second picture" if separate else "the same picture, where the data set has another of its class,"
        return f"View 2 ({names[1]}): {of} under the data set's Gaussian noise, seed {seed}."
    if separate:
        return f"Views: your pictures for {names[0]} and for {names[1]}."
    return f"View 2 ({names[1]}): the {names[0]} picture in grey, which no {names[1]} camera would see."
