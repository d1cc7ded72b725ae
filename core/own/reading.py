"""One's own drawing, pictures or arrays as samples of a data set: made grey and light on dark, fitted, put into views.

Shape letters: N samples, C x H x W pixels in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data import own
from core.data.facts import DATASET_FACTS
from core.data.sources import SIDE
from core.errors import LabError
from core.own.files import plain_name, read_picture, read_views
from core.own.records import OwnSamples
from core.records import Floats

Fit = Literal["content", "inside", "fill"]
Invert = Literal["auto", "yes", "no"]

MOST_PICTURES = 64
LARGEST_PICTURE = 5 * 2**20  # bytes of one file
MOST_PIXELS = 150_000_000  # of all pictures together
BRIGHT = 0.5  # a border brighter than this is paper
FLAT = 0.05  # least difference between background and content
BORDER = 0.06  # share of a side that counts as border
WHITE = 99.5  # percentile of brightness that becomes white

File = tuple[str, bytes]  # name, content


@dataclass(frozen=True, kw_only=True)
class Handling:
    """How pictures are brought to a data set's size and tone."""

    fit: Fit = "content"  # the bright content placed as the data set's is; or the whole picture inside, or filling
    invert: Invert = "auto"  # dark on bright becomes bright on dark
    seed: int = 0  # of the data set's noise


def is_drawable(dataset: str) -> bool:
    """Whether a sample is made from one grey square, so that it can be drawn."""
    return own.construction(dataset) != "free"


def takes_second(dataset: str) -> bool:
    """Whether there is a second view, and it can be another picture; patches are always cut from one."""
    return own.construction(dataset) not in ("patched", "single")


def drawing(values: object) -> Floats | None:
    """A pad's 784 grey values from 0 to 255 as (28, 28) in [0, 1], None while nothing is drawn.

    Raises :class:`LabError` for anything else.
    """
    if values is None:
        return None
    side = SIDE
    whole = isinstance(values, list | tuple) and len(values) == side * side
    if not whole or not all(type(v) is int and 0 <= v <= 255 for v in values):  # type: ignore[attr-defined]
        raise LabError("The drawing did not arrive whole: clear the pad and draw it again.")
    picture = np.array(values, dtype=np.float32).reshape(side, side) / np.float32(255)
    return picture if picture.any() else None


def from_drawing(dataset: str, first: Floats, second: Floats | None, handling: Handling) -> OwnSamples:
    """One drawing (28, 28) in [0, 1], white on black, as one sample; ``second`` is the drawing of the second view."""
    if not is_drawable(dataset):
        raise LabError(f"{DATASET_FACTS[dataset].title} has pictures in colour: upload pictures instead of drawing.")
    fitted = handling.fit == "content"
    drawings = [d if not fitted else own.place(dataset, d) for d in (first, second) if d is not None]
    views = own.views_of(dataset, *(d[None, None] for d in drawings), seed=handling.seed)
    placed = f"Placed as the data set's pictures are: {_frame_text(dataset)}." if fitted else "Taken as drawn."
    told = own.story(dataset, separate=second is not None, seed=handling.seed)
    return OwnSamples(names=("your drawing",), views=views, notes=(placed, told))


def from_pictures(dataset: str, files: Sequence[File], second: Sequence[File], handling: Handling) -> OwnSamples:
    """A sample a file. ``second`` are the pictures of the second view in the same order; without them it is made.

    Raises :class:`LabError` for files that are no pictures, too large or too many, or that do not pair.
    """
    if max(len(files), len(second)) > MOST_PICTURES:
        raise LabError(f"{max(len(files), len(second))} pictures at once are too many: choose at most {MOST_PICTURES}.")
    _check_files([*files, *second])
    if second and len(second) != len(files):
        raise LabError(f"{len(files)} pictures for the first view and {len(second)} for the second: bring as many.")
    shape = DATASET_FACTS[dataset].view_shapes[0]
    budget = [MOST_PIXELS]
    read = [[_sample(dataset, file, shape, handling, budget) for file in group] for group in (files, second) if group]
    views = own.views_of(dataset, *(np.stack([p for p, _ in group]) for group in read), seed=handling.seed)
    inverted = sum(was_inverted for group in read for _, was_inverted in group)
    notes = (_tone_note(shape, inverted, len(files) + len(second), handling), _fit_note(dataset, shape, handling))
    told = own.story(dataset, separate=bool(second), seed=handling.seed)
    return OwnSamples(names=tuple(plain_name(name) for name, _ in files), views=views, notes=(*notes, told))


def from_archive(dataset: str, content: bytes) -> OwnSamples:
    """The views of an ``.npz`` as they are. Raises :class:`LabError` as :func:`core.own.files.read_views` does."""
    views = read_views(content, DATASET_FACTS[dataset].view_shapes)
    names = tuple(f"row {row}" for row in range(len(views[0])))
    return OwnSamples(names=names, views=views, notes=("Views as they are in the file; nothing was changed.",))


def _check_files(files: Sequence[File]) -> None:
    for name, content in files:
        if len(content) > LARGEST_PICTURE:
            raise LabError(
                f"{plain_name(name)} has {len(content) / 2**20:.0f} MB: make it smaller than "
                f"{LARGEST_PICTURE // 2**20} MB."
            )


def _sample(
    dataset: str, file: File, shape: tuple[int, int, int], handling: Handling, budget: list[int]
) -> tuple[Floats, bool]:
    """One picture (C, H, W), and whether it was inverted. ``budget`` holds the pixels that may still be read."""
    name, content = file
    pixels, size = read_picture(content, name)
    budget[0] -= size[0] * size[1]
    if budget[0] < 0:
        raise LabError(f"All pictures together have more than {MOST_PIXELS // 10**6} megapixels: choose fewer.")
    if shape[0] == 3:
        colour = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        inverted = handling.invert == "yes"
        return np.stack([_fitted(1 - c if inverted else c, shape, handling) for c in colour]), inverted
    try:
        grey, inverted = _tone(pixels, handling)
        placed = own.place(dataset, grey) if handling.fit == "content" else _fitted(grey, shape, handling)
    except LabError as error:
        raise LabError(f"{plain_name(name)}: {error}") from error
    return placed[None], inverted


def _tone(pixels: NDArray[np.uint8], handling: Handling) -> tuple[Floats, bool]:
    """Grey (H, W) with a black background and white content, and whether that meant to invert."""
    grey = (pixels.astype(np.float32) / np.float32(255)) @ own.GREY
    edge = _border(grey)
    inverted = handling.invert == "yes" or (handling.invert == "auto" and edge > BRIGHT)
    if inverted:
        grey, edge = 1 - grey, 1 - edge
    top = float(np.percentile(grey, WHITE))
    if top - edge < FLAT:  # a thin stroke is less than half a percent of a large picture
        top = float(grey.max())
    if top - edge < FLAT:
        raise LabError("the picture is of one grey, or its content is as bright as its border. Try to invert it.")
    return np.clip((grey - edge) / (top - edge), 0, 1).astype(np.float32), inverted


def _border(grey: NDArray[np.floating[Any]]) -> float:
    """The median brightness along the four sides."""
    margin = max(1, round(BORDER * min(grey.shape)))
    inner = np.zeros(grey.shape, dtype=bool)
    inner[margin:-margin, margin:-margin] = True
    return float(np.median(grey[~inner]))


def _fitted(grey: Floats, shape: tuple[int, int, int], handling: Handling) -> Floats:
    """A picture (h, w) brought to the (H, W) of ``shape``: all of it with bars, or its middle without."""
    _, height, width = shape
    rates = height / grey.shape[0], width / grey.shape[1]
    rate = max(rates) if handling.fit == "fill" else min(rates)
    high, wide = (max(1, round(side * rate)) for side in grey.shape)
    small = own.scaled(grey, high, wide)
    top, left = (high - height) // 2, (wide - width) // 2
    fitted = np.full((height, width), _border(grey) if shape[0] == 3 else 0, dtype=np.float32)
    inside = small[max(0, top) : max(0, top) + height, max(0, left) : max(0, left) + width]
    y, x = max(0, -top), max(0, -left)
    fitted[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return fitted


def _tone_note(shape: tuple[int, int, int], inverted: int, count: int, handling: Handling) -> str:
    if shape[0] == 3:
        return "Colours inverted." if inverted else "Colours as they are."
    why = {"auto": "bright border, so dark on paper", "yes": "as chosen", "no": ""}[handling.invert]
    how = f"inverted ({why})" if inverted == count else f"{inverted} of {count} inverted ({why})"
    return f"Made grey, {how if inverted else 'not inverted'}; background to black, brightest to white."


def _fit_note(dataset: str, shape: tuple[int, int, int], handling: Handling) -> str:
    size = f"{shape[1]} × {shape[2]} pixels"
    if handling.fit == "fill":
        return f"The middle, cut to {size}."
    if handling.fit == "inside" or shape[0] == 3:
        return f"The whole picture, inside {size}."
    return f"Placed as the data set's pictures are: {_frame_text(dataset)}."


def _frame_text(dataset: str) -> str:
    frame = own.FRAMES[dataset]
    middle = "its centre of mass in the middle" if frame.by_mass else "centred"
    return f"the bright content {frame.box} pixels on its longer side, {middle}"
