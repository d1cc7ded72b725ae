"""Sheets as files: PNG for every pixel as it is, a GIF along ε, a PDF with a sheet a page."""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from PIL import Image

from core.figures import robustness, sheet, words
from core.figures.sheet import Pictures, Style
from core.records import Integers, SweepReport

GIF_WIDTH, GIF_SAMPLES = 800, 8
GIF_TEXT = 13
FRAME, FIRST, LAST = 220, 900, 1600  # milliseconds a frame of a GIF is shown

A4 = (841.89, 595.28)  # points, landscape
DPI = 200
PAGE = (round(A4[0] / 72 * DPI), round(A4[1] / 72 * DPI))
MARGIN = round(0.33 * DPI)
PAGE_TEXT = 24  # pixels, 8.6 points

Step = tuple[Pictures, str, float]  # pictures, the line above them, share of the way


def png(image: Image.Image) -> bytes:
    """The image as PNG, without loss."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def animation(
    report: SweepReport,
    view_names: Sequence[str],
    *,
    samples: Integers | None = None,
    title: str = "",
    shown: str = "",
    attacker: str = "",
) -> bytes:
    """A GIF of at most 8 samples along the report's ε, on one colour scale. A GIF has 256 colours; the PNG is exact."""
    rows = sheet.chosen(report, "drawn", GIF_SAMPLES) if samples is None else samples[:GIF_SAMPLES]
    last = sheet.pictures(report, view_names, samples=rows)
    steps = []
    for i, frame in enumerate(report.frames):
        now = sheet.pictures(report, view_names, samples=rows, frame=i)
        end = report.spec.attack.epsilon
        steps.append((replace(now, reach=last.reach), frame_note(report, i), frame.epsilon / end if end else 0.0))
    return animate(steps, title=title, footer=sheet.protocol(report, shown, attacker))


def animate(steps: Sequence[Step], *, title: str = "", footer: str = "", dark: bool = False) -> bytes:
    """A GIF of any pictures of equal shapes, step by step: each with a line of text and a share of the way, 0 to 1."""
    style = sheet.fit(steps[0][0], GIF_WIDTH, Style(text=GIF_TEXT, dark=dark))
    drawn = [
        sheet.draw(content, style, title=title, note=note, footer=footer, share=share) for content, note, share in steps
    ]
    palette = _palette(drawn)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in drawn]
    times = [FIRST, *[FRAME] * (len(frames) - 2), LAST][: len(frames)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return out.getvalue()


def frame_note(report: SweepReport, frame: int = -1) -> str:
    """One line on a frame: the attack, ε, ACC before and after, and how many samples moved, of all of them."""
    now, attack = report.frames[frame], report.spec.attack
    before, after = report.frames[0].scores.frozen.accuracy, now.scores.frozen.accuracy
    moved = f"{round(now.scores.changed * attack.samples)} of {attack.samples} samples moved"
    change = f"ACC {before:.2f} → {after:.2f} (matching frozen)"
    return (
        f"{robustness.phrase(attack)}, {words.symbol(attack)} = {words.epsilon_text(now.epsilon)} · {change} · {moved}"
    )


def page(
    report: SweepReport,
    view_names: Sequence[str],
    *,
    samples: Integers | None = None,
    title: str = "",
    note: str = "",
    shown: str = "",
    attacker: str = "",
) -> Image.Image:
    """A sheet as large as fits on A4 landscape at 200 dots an inch, on white."""
    width, height = PAGE[0] - 2 * MARGIN, PAGE[1] - 2 * MARGIN
    content = sheet.pictures(report, view_names, samples=samples)
    footer = sheet.protocol(report, shown, attacker)
    style = sheet.fit_page(content, (width, height), Style(text=PAGE_TEXT), footer)
    drawn = sheet.draw(content, style, title=title, note=note, footer=footer)
    paper = Image.new("RGB", PAGE, style.color("background"))
    paper.paste(drawn, ((PAGE[0] - drawn.width) // 2, max(MARGIN, (PAGE[1] - drawn.height) // 3)))
    return paper


def pdf(pages: Sequence[Image.Image | Callable[[], Image.Image]]) -> bytes:
    """Pages of A4 landscape, each filled by an RGB image of its proportions. Kept without loss, unlike Pillow's PDF.

    A page may be a function that draws it, so that only one is held at a time. Raises ValueError without a page.
    """
    if not pages:
        raise ValueError("A PDF needs at least one page.")
    kids = " ".join(f"{3 + 3 * i} 0 R" for i in range(len(pages)))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    width, height = A4
    for i, drawn in enumerate(pages):
        image = drawn if isinstance(drawn, Image.Image) else drawn()
        first = 3 + 3 * i
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {first + 1} 0 R "
            f"/Resources << /XObject << /Sheet {first + 2} 0 R >> >> >>".encode()
        )
        objects.append(_stream("", f"{width} 0 0 {height} 0 0 cm /Sheet Do".encode()))
        objects.append(
            _stream(
                f"/Type /XObject /Subtype /Image /Width {image.width} /Height {image.height} /ColorSpace /DeviceRGB "
                "/BitsPerComponent 8 /Interpolate false ",
                image.tobytes(),
            )
        )
    return _pdf_file(objects)


def _stream(facts: str, data: bytes) -> bytes:
    packed = zlib.compress(data, 6)
    head = f"<< {facts}/Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
    return head + packed + b"\nendstream"


def _pdf_file(objects: Sequence[bytes]) -> bytes:
    """A PDF file of objects numbered from 1, the first its catalog (ISO 32000-1, 7.5)."""
    file = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    file += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(file)


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """256 colours that serve the first, the middle and the last image."""
    picked = [images[0], images[len(images) // 2], images[-1]]
    tall = Image.new("RGB", (images[0].width, sum(image.height for image in picked)))
    for i, image in enumerate(picked):
        tall.paste(image, (0, i * image.height))
    return tall.quantize(256, Image.Quantize.MEDIANCUT)
