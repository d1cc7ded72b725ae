"""Sheets of pictures as in Appendix A.7 of Huang et al. 2024: each sample clean, its perturbation, adversarial.

A column a sample, a block of rows a view, the cluster's name above each picture. Pixels are magnified by whole numbers
only, so that a sheet shows exactly what the model saw, at 256 values a channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.figures import lettering, stage, theme, words
from core.records import Floats, Frame, Integers, SweepReport

ROWS = ("clean", "perturbation", "adversarial")
SMALLEST = 48  # pixels a picture is wide, where the space allows it
LARGEST = 8  # times
NARROWEST = 25  # times the size of the text, so that the legend has room

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Samples before and after an attack. Of every sample S: views V x (S, C, H, W) in [0, 1], C 1 or 3."""

    clean: tuple[Floats, ...]
    adversarial: tuple[Floats, ...]
    before: tuple[str, ...]  # (S,) names of the clean clusters
    after: tuple[str, ...]  # (S,) names of the clusters now
    moved: tuple[bool, ...]  # (S,)
    reach: float  # the perturbation's colours end at ±reach
    view_names: tuple[str, ...]
    kind: str = ""  # what a name counts, where names are bare numbers: "person" for "3" of "person 3"


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a sheet is drawn; sizes in pixels."""

    zoom: int = 2
    columns: int = 0  # samples beside each other, the rest in bands below; 0 for all
    text: int = 13
    dark: bool = False
    rows: tuple[str, ...] = ROWS

    @property
    def gap(self) -> int:
        """Between two pictures; room for the frame of a moved sample."""
        return max(6, self.text // 2)

    @property
    def line(self) -> int:
        """The height of a line of text."""
        return round(1.4 * self.text)

    def color(self, name: str) -> lettering.Color:
        """A colour of the theme by name: background, text, muted, or a role."""
        surface = theme.SURFACES["dark" if self.dark else "light"]
        role = theme.ROLES_DARK if self.dark else theme.ROLES_LIGHT
        return _rgb({**role, **surface}[name])


def chosen(report: SweepReport, order: str, count: int) -> Integers:
    """Rows of ``count`` samples, or all: "moved" by the smallest ε that moves them, "drawn" as they were drawn."""
    if order == "drawn":
        return np.arange(min(count, len(report.subject.labels)), dtype=np.int64)
    return np.argsort(stage.first_moves(report), kind="stable")[:count].astype(np.int64)


def pictures(
    report: SweepReport, view_names: Sequence[str], *, samples: Integers | None = None, frame: int = -1
) -> Pictures:
    """The pictures of a report's samples, of all without ``samples``, at one of its frames: the last is ε max."""
    clean, now = report.frames[0], report.frames[frame]
    rows = np.arange(len(clean.clusters)) if samples is None else samples
    kind, names = _short_names(stage.cluster_names(report.subject))
    attacked = report.spec.attack.views
    hint = ["" if attacked is None or v in attacked else " (not attacked)" for v in range(len(view_names))]
    return Pictures(
        clean=tuple(view[rows] for view in clean.views),
        adversarial=tuple(view[rows] for view in now.views),
        before=tuple(names[k] for k in clean.clusters[rows]),
        after=tuple(names[k] for k in now.clusters[rows]),
        moved=tuple(bool(moved) for moved in now.clusters[rows] != clean.clusters[rows]),
        reach=_reach(report, now),
        view_names=tuple(f"{name}{more}" for name, more in zip(view_names, hint, strict=True)),
        kind=kind,
    )


def _short_names(names: list[str]) -> tuple[str, list[str]]:
    """The word that all names begin with, if they only differ by what follows, and the names without it."""
    heads = {name.partition(" ")[0] for name in names if not name.startswith("∅")}
    tails = [name.partition(" ")[2] or name for name in names]
    if len(heads) == 1 and all(tail.isdigit() for tail in tails if not tail.startswith("∅")):
        head = heads.pop()
        return ("", names) if head.isdigit() else (head, tails)
    return "", names


def _reach(report: SweepReport, frame: Frame) -> float:
    """Where the perturbation's colours end: ε where ε limits every pixel, else the largest change."""
    return frame.epsilon if report.spec.attack.norm == "linf" else max(frame.scores.linf)


def sheet(
    report: SweepReport,
    view_names: Sequence[str],
    *,
    samples: Integers | None = None,
    frame: int = -1,
    style: Style | None = None,
    title: str = "",
    note: str = "",
    shown: str = "",
    attacker: str = "",
) -> Image.Image:
    """The sheet of a report, with its protocol below. ``note`` is a line below the title, ``shown`` says which samples
    these are, ``attacker`` what the attacker was trained on."""
    content = pictures(report, view_names, samples=samples, frame=frame)
    footer = protocol(report, shown, attacker)
    return draw(content, style or Style(), title=title, note=note, footer=footer)


def protocol(report: SweepReport, shown: str, attacker: str) -> str:
    """What stands below a sheet: which samples are shown, and everything else that it depends on."""
    text = words.protocol(report.spec, report.subject.card_digest, attacker)
    return f"Shown: {shown} · {text}" if shown else text


def draw(
    content: Pictures,
    style: Style,
    *,
    title: str = "",
    note: str = "",
    footer: str = "",
    share: float | None = None,
) -> Image.Image:
    """Any pictures as a sheet, RGB. ``note`` is a line below the title, ``share`` in [0, 1] a bar below the note."""
    grid = _Grid(content, style)
    head = _head_height(style, title, note, share)
    lines = lettering.wrap(footer, style.text, grid.width - 2 * style.gap) if footer else []
    below = head + grid.height + grid.legend_height
    height = below + len(lines) * style.line + style.gap
    canvas: Bytes = np.empty((height, grid.width, 3), dtype=np.uint8)
    canvas[:] = style.color("background")
    for place in range(len(content.before)):
        grid.paint(canvas[head:], place)
    top, bar = head + grid.height + style.gap // 2, _bar(style)
    canvas[top : top + style.text, grid.left : grid.left + bar.shape[1]] = bar
    image = Image.fromarray(canvas)
    _write_head(image, style, title, note, share)
    grid.write(image, head)
    _write_legend(image, content, style, grid, top)
    for i, line in enumerate(lines, start=1):
        lettering.write(
            image, (style.gap, below + i * style.line - style.gap // 2), line, style.text, style.color("muted")
        )
    return image


def fit(content: Pictures, width: int, style: Style) -> Style:
    """The style with the columns and the zoom that fill ``width`` pixels with few bands, but no tiny pictures.

    The smallest zoom is 1, even where that is too wide.
    """
    small = max(1, -(-SMALLEST // max(view.shape[3] for view in content.clean)))
    for option in _fewest_bands(content, style):
        zoom = _zoom_for(content, option, width)
        if zoom >= small:
            return replace(option, zoom=zoom)
    alone = replace(style, columns=1)
    return replace(alone, zoom=max(1, _zoom_for(content, alone, width)))


def fit_page(content: Pictures, size: tuple[int, int], style: Style, footer: str) -> Style:
    """The style with the largest zoom at which a sheet with title, note and footer fits on a page of that size."""
    options = [replace(option, zoom=zoom) for option in _fewest_bands(content, style) for zoom in range(1, LARGEST + 1)]
    fitting = [option for option in options if _fits(content, option, size, footer)]
    return max(fitting, key=lambda option: option.zoom, default=replace(style, zoom=1))


def _fewest_bands(content: Pictures, style: Style) -> list[Style]:
    samples = len(content.before)
    return [replace(style, columns=-(-samples // bands)) for bands in range(1, samples + 1)]


def _fits(content: Pictures, style: Style, size: tuple[int, int], footer: str) -> bool:
    grid = _Grid(content, style)
    lines = lettering.wrap(footer, style.text, grid.width - 2 * style.gap)
    texts = _head_height(style, "title", "note", None) + len(lines) * style.line + style.gap
    return grid.width <= size[0] and grid.height + grid.legend_height + texts <= size[1]


def _zoom_for(content: Pictures, style: Style, width: int) -> int:
    zooms = [z for z in range(1, LARGEST + 1) if _Grid(content, replace(style, zoom=z)).width <= width]
    return max(zooms, default=0)


class _Grid:
    """Where everything of a sheet's pictures lies, from their top left corner."""

    def __init__(self, content: Pictures, style: Style) -> None:
        self.content, self.style = content, style
        self.columns = style.columns or len(content.before)
        captions = [_caption(kind) for kind in style.rows]
        side = style.gap + style.line + style.gap // 2
        self.left = side + max(lettering.length(text, style.text) for text in captions) + style.gap + 2
        self.cell = max(view.shape[3] for view in content.clean) * style.zoom
        self.heights = [view.shape[2] * style.zoom for view in content.clean]
        self.block = [sum(self._row(height, kind) for kind in style.rows) + style.gap for height in self.heights]
        self.band = sum(self.block) + 2 * style.gap
        self.bands = -(-len(content.before) // self.columns)
        self.width: int = max(NARROWEST * style.text, self.left + self.columns * (self.cell + style.gap) + style.gap)
        self.height = self.bands * self.band

    def _row(self, height: int, kind: str) -> int:
        return height + self.style.gap + (0 if kind == "perturbation" else self.style.line)

    def corner(self, place: int, view: int, kind: str) -> tuple[int, int]:
        """(x, y) of a picture's top left corner."""
        band, column = divmod(place, self.columns)
        height = self.heights[view]
        above = self.style.rows[: self.style.rows.index(kind)]
        y = band * self.band + sum(self.block[:view]) + sum(self._row(height, row) for row in above)
        y += 0 if kind == "perturbation" else self.style.line
        spare = self.cell - self.content.clean[view].shape[3] * self.style.zoom
        return self.left + column * (self.cell + self.style.gap) + spare // 2, y

    def paint(self, canvas: Bytes, place: int) -> None:
        """The pictures of one sample, framed where it moved."""
        for view, clean in enumerate(self.content.clean):
            adversarial = self.content.adversarial[view][place]
            drawn = {
                "clean": _rgb_picture(clean[place]),
                "perturbation": diverging(adversarial - clean[place], self.content.reach),
                "adversarial": _rgb_picture(adversarial),
            }
            for kind in self.style.rows:
                x, y = self.corner(place, view, kind)
                pixels = drawn[kind].repeat(self.style.zoom, axis=0).repeat(self.style.zoom, axis=1)
                height, width = pixels.shape[:2]
                frame = self._frame(kind, self.content.moved[place])
                if frame is not None:
                    canvas[y - 2 : y + height + 2, x - 2 : x + width + 2] = frame
                canvas[y : y + height, x : x + width] = pixels

    def _frame(self, kind: str, moved: bool) -> lettering.Color | None:
        return self.style.color("adversarial") if kind == "adversarial" and moved else None

    def legend_room(self, beside_bar: bool) -> int:
        """Width of a line of the legend, which ends at the right edge."""
        bar = int(_bar(self.style).shape[1]) + self.style.gap if beside_bar else 0
        return self.width - self.left - bar - self.style.gap

    @property
    def legend_height(self) -> int:
        return len(_legend_lines(self.content, self.style, self)) * self.style.line + self.style.gap

    def write(self, image: Image.Image, head: int) -> None:
        """Cluster names above the pictures, captions at the left."""
        for place in range(len(self.content.before)):
            self._write_names(image, head, place)
        for band in range(self.bands):
            for view, name in enumerate(self.content.view_names):
                self._write_captions(image, head, band * self.columns, view, name)

    def _write_names(self, image: Image.Image, head: int, place: int) -> None:
        style, moved = self.style, self.content.moved[place]
        now = f"▲ {self.content.after[place]}" if moved else self.content.after[place]
        names = {
            "clean": (self.content.before[place], style.color("clean")),
            "adversarial": (now, style.color("adversarial" if moved else "muted")),
        }
        for view in range(len(self.content.clean)):
            for kind in set(style.rows) & set(names):
                x, y = self.corner(place, view, kind)
                text, color = names[kind]
                size = lettering.fitting_size(text, style.text, self.cell)
                text = lettering.shorten(text, size, self.cell + style.gap // 2)
                middle = x + self.content.clean[view].shape[3] * style.zoom // 2
                lettering.write(image, (middle, head + y - style.gap // 2 - 1), text, size, color, "center")

    def _write_captions(self, image: Image.Image, head: int, place: int, view: int, name: str) -> None:
        style, height = self.style, self.heights[view]
        for kind in style.rows:
            _, y = self.corner(place, view, kind)
            role = {"clean": "clean", "adversarial": "adversarial"}.get(kind, "muted")
            at = (self.left - style.gap - 2, head + y + height // 2 + style.text // 3)
            lettering.write(image, at, _caption(kind), style.text, style.color(role), "right")
        first, last = (self.corner(place, view, kind)[1] for kind in (style.rows[0], style.rows[-1]))
        room = last + height - first
        size = lettering.fitting_size(name, style.text, room)
        strip = Image.new("RGB", (room, style.line), style.color("background"))
        text = lettering.shorten(name, size, room)
        lettering.write(strip, (room // 2, round(0.75 * style.line)), text, size, style.color("text"), "center")
        image.paste(strip.transpose(Image.Transpose.ROTATE_90), (style.gap, head + first))


def diverging(delta: Floats, reach: float) -> Bytes:
    """A signed perturbation (C, H, W) in the theme's diverging colours, (H, W, 3): its mean over channels, ±reach."""
    stops = np.array([_rgb(color) for color in theme.DIVERGING], dtype=np.float64)
    share = np.clip(delta.mean(axis=0) / reach, -1, 1) if reach > 0 else np.zeros(delta.shape[1:])
    place = (share + 1) / 2 * (len(stops) - 1)
    channels = [np.interp(place, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    mixed: Bytes = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return mixed


def to_bytes(pictures: Floats) -> Bytes:
    """Pixels in [0, 1] as 0 to 255."""
    scaled: Bytes = np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
    return scaled


def _rgb_picture(picture: Floats) -> Bytes:
    """(C, H, W) in [0, 1] as (H, W, 3) bytes."""
    return np.broadcast_to(to_bytes(picture).transpose(1, 2, 0), (*picture.shape[1:], 3))


def _rgb(color: str) -> lettering.Color:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def _caption(kind: str) -> str:
    return "noise" if kind == "perturbation" else kind


def _head_height(style: Style, title: str, note: str, share: float | None) -> int:
    height = style.gap
    height += round(1.4 * style.line) if title else 0
    height += style.line if note else 0
    return height + (0 if share is None else 2 * style.gap)


def _write_head(image: Image.Image, style: Style, title: str, note: str, share: float | None) -> None:
    room, y = image.width - 2 * style.gap, style.gap
    if title:
        y += round(1.4 * style.line)
        size = lettering.fitting_size(title, round(1.5 * style.text), room)
        lettering.write(image, (style.gap, y - style.line // 2), title, size, style.color("text"))
    if note:
        y += style.line
        size = lettering.fitting_size(note, style.text, room)
        text = lettering.shorten(note, size, room)
        lettering.write(image, (style.gap, y - style.line // 3), text, size, style.color("text"))
    if share is not None:
        thick = max(3, style.gap // 2)
        image.paste(_rgb("#808080"), (style.gap, y + thick // 2, style.gap + room, y + thick // 2 + 1))
        image.paste(style.color("adversarial"), (style.gap, y, style.gap + round(share * room), y + thick))


def legend(content: Pictures) -> list[str]:
    """What has to be said of a sheet beside the noise's colours."""
    pieces = ["noise: mean of the channels"] if content.clean[0].shape[1] > 1 else []
    pieces += ["▲ moved to another cluster"]
    return [*pieces, f"numbers: {content.kind}"] if content.kind else pieces


def _legend_lines(content: Pictures, style: Style, grid: "_Grid") -> list[str]:
    """What the legend says, in lines: the first stands behind the colour bar."""
    lines = [f"+{words.epsilon_text(content.reach)} noise"]
    for piece in legend(content):
        longer = f"{lines[-1]}  ·  {piece}"
        if lettering.length(longer, style.text) > grid.legend_room(len(lines) == 1):
            lines.append(piece)
        else:
            lines[-1] = longer
    return lines


def _bar(style: Style) -> Bytes:
    """The perturbation's colours from -reach to +reach."""
    ramp = np.linspace(-1, 1, 8 * style.text, dtype=np.float32)
    return diverging(np.broadcast_to(ramp, (1, style.text, len(ramp))), 1.0)


def _write_legend(image: Image.Image, content: Pictures, style: Style, grid: "_Grid", top: int) -> None:
    baseline, muted = top + style.text - style.text // 8, style.color("muted")
    reach = words.epsilon_text(content.reach)
    lettering.write(image, (grid.left - style.gap, baseline), f"−{reach}", style.text, muted, "right")
    for i, line in enumerate(_legend_lines(content, style, grid)):
        room = grid.legend_room(i == 0)
        size = lettering.fitting_size(line, style.text, room)
        lettering.write(image, (grid.width - style.gap - room, baseline + i * style.line), line, size, muted)
