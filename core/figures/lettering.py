"""Text on pictures: Pillow's own font, with the signs it lacks drawn here, so that no font file is needed."""

import unicodedata
from functools import lru_cache
from math import cos, pi, sin

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
Color = tuple[int, int, int]

FINE = 8  # signs are drawn this much larger and then made small
STROKE = 0.075  # width of a sign's lines
LEAST = 7  # pixels; smaller text cannot be read


def _arc(x: float, y: float, width: float, height: float, start: float, end: float) -> tuple[Point, ...]:
    angles = [(start + (end - start) * i / 24) * pi / 180 for i in range(25)]
    return tuple((x + width * cos(a), y + height * sin(a)) for a in angles)


# Width and lines of each sign, in shares of the font's size; y goes upwards from the baseline.
SIGNS: dict[str, tuple[float, tuple[tuple[Point, ...], ...]]] = {
    "ε": (0.46, (_arc(0.25, 0.375, 0.16, 0.115, 40, 270), _arc(0.25, 0.14, 0.17, 0.125, 90, 325))),
    "γ": (0.52, (((0.06, 0.46), (0.25, 0.02)), ((0.47, 0.46), (0.25, 0.02), (0.22, -0.16)))),
    "∞": (0.86, (tuple((0.43 + 0.34 * cos(a * pi / 24), 0.28 + 0.17 * sin(a * pi / 12)) for a in range(49)),)),
    "▲": (0.74, (((0.08, 0.0), (0.37, 0.62), (0.66, 0.0), (0.08, 0.0)),)),
    "−": (0.58, (((0.08, 0.28), (0.5, 0.28)),)),
    "–": (0.56, (((0.06, 0.25), (0.5, 0.25)),)),
    "→": (0.88, (((0.08, 0.28), (0.8, 0.28)), ((0.58, 0.46), (0.8, 0.28), (0.58, 0.1)))),
    "≤": (0.58, (((0.48, 0.58), (0.1, 0.37), (0.48, 0.16)), ((0.1, 0.02), (0.48, 0.02)))),
    "×": (0.58, (((0.1, 0.09), (0.48, 0.47)), ((0.1, 0.47), (0.48, 0.09)))),
    "∅": (0.72, (_arc(0.36, 0.34, 0.25, 0.25, 0, 360), ((0.1, 0.06), (0.62, 0.62)))),
}
FILLED = "▲"


def plain(text: str) -> str:
    """The text with only what can be drawn: accents are taken off, other unknown signs become "?"."""
    return "".join(sign if known(sign) else _without_accents(sign) for sign in text)


@lru_cache(maxsize=4096)
def known(sign: str) -> bool:
    """Whether the sign can be drawn."""
    return sign in SIGNS or sign.isspace() or _mask(sign) != _mask("\uffff")


def length(text: str, size: int) -> int:
    """Width of a line of text in pixels."""
    return round(sum(_advance(run, size) for run in _runs(plain(text))))


def wrap(text: str, size: int, width: int) -> list[str]:
    """The text in lines of at most ``width`` pixels, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def shorten(text: str, size: int, width: int) -> str:
    """The text, its end replaced by "…" if it is wider than ``width`` pixels."""
    if length(text, size) <= width:
        return text
    while text and length(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def fitting_size(text: str, size: int, width: int) -> int:
    """The largest size up to ``size`` at which the text is at most ``width`` wide, but one that can be read."""
    while size > LEAST and length(text, size) > width:
        size -= 1
    return size


def write(image: Image.Image, place: tuple[int, int], text: str, size: int, color: Color, align: str = "left") -> None:
    """Write a line of text into an RGB image; ``place`` is its left, center or right end on the baseline."""
    x, baseline = float(place[0]), place[1]
    x -= {"left": 0, "center": 0.5, "right": 1}[align] * length(text, size)
    draw = ImageDraw.Draw(image)
    for run in _runs(plain(text)):
        if run in SIGNS:
            image.paste(color, (round(x), baseline - size), _sign(run, size))
        else:
            draw.text((round(x), baseline), run, font=_font(size), fill=color, anchor="ls")
        x += _advance(run, size)


def _runs(text: str) -> list[str]:
    """The text cut into signs that are drawn here and stretches that the font knows."""
    runs: list[str] = []
    for sign in text:
        if sign in SIGNS or not runs or runs[-1] in SIGNS:
            runs.append(sign)
        else:
            runs[-1] += sign
    return runs


def _advance(run: str, size: int) -> float:
    return SIGNS[run][0] * size if run in SIGNS else float(_font(size).getlength(run))


def _without_accents(sign: str) -> str:
    base = unicodedata.normalize("NFKD", sign)[0]
    return base if known(base) else "?"


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels bring FreeType
    return font


def _mask(sign: str) -> bytes:
    return bytes(_font(20).getmask(sign))


@lru_cache(maxsize=256)
def _sign(sign: str, size: int) -> Image.Image:
    """A sign's cover, 0 to 255: as high as twice the size, its baseline in the middle."""
    width, lines = SIGNS[sign]
    scale = size * FINE
    fine = Image.new("L", (max(1, round(width * size)) * FINE, 2 * scale))
    draw = ImageDraw.Draw(fine)
    for line in lines:
        points = [(x * scale, scale - y * scale) for x, y in line]
        if sign in FILLED:
            draw.polygon(points, fill=255)
        else:
            draw.line(points, fill=255, width=max(FINE, round(STROKE * scale)), joint="curve")
    return fine.resize((fine.width // FINE, fine.height // FINE), Image.Resampling.LANCZOS)
