import io
import json
import re
import tomllib
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import PROJECT
from fake_lab import FakeLab
from PIL import Image

from core.data import DATASET_FACTS
from core.figures import gallery, lettering, sheet, sheet_files, stage, theme, words
from core.records import AttackSpec, SweepSpec

VIEWS = ("original", "noisy partner")


def run(points: int = 5, **choices):
    attack = {"dataset": "noisy_digits", "model": "cl_mvc", "attack": "gan", "epsilon": 0.3, "samples": 64, **choices}
    *_, report = FakeLab().sweep(SweepSpec(attack=AttackSpec(**attack), points=points))
    return report


@pytest.fixture(scope="module")
def report():
    return run()


@pytest.fixture(scope="module")
def people():
    return run(dataset="synthetic_people", epsilon=0.2, samples=32, points=3)


def contains(image: Image.Image, block: np.ndarray) -> bool:
    """Whether the picture ``block`` (H, W, 3) stands somewhere in the image, pixel for pixel."""
    pixels = np.asarray(image)
    height, width = block.shape[:2]
    starts = np.argwhere((pixels[: -height + 1, : -width + 1] == block[0, 0]).all(axis=-1))
    return any((pixels[y : y + height, x : x + width] == block).all() for y, x in starts)


def code(pixel) -> str:
    return "#" + bytes(pixel).hex()


def magnified(picture: np.ndarray, zoom: int) -> np.ndarray:
    """(C, H, W) in [0, 1] as the pixels of a screen."""
    pixels = np.rint(picture.transpose(1, 2, 0) * 255).astype(np.uint8)
    return np.kron(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), np.ones((zoom, zoom, 1), dtype=np.uint8))


@pytest.mark.parametrize("zoom", [1, 3])
def test_every_picture_stands_on_the_sheet_pixel_for_pixel(report, zoom):
    rows = sheet.chosen(report, "drawn", 3)
    image = sheet.sheet(report, VIEWS, samples=rows, style=sheet.Style(zoom=zoom))
    for frame in (report.frames[0], report.frames[-1]):
        for view in frame.views:
            for row in rows:
                assert contains(image, magnified(view[row], zoom))


def test_pictures_in_colour_stand_there_too(people):
    image = sheet.sheet(people, ("visible", "thermal"), samples=np.array([4]), style=sheet.Style(zoom=2, dark=True))
    assert contains(image, magnified(people.frames[-1].views[0][4], 2))


def test_noise_is_drawn_on_a_scale_symmetric_about_nothing():
    delta = np.array([[[-0.2, 0.0, 0.2, 0.4, -0.05]]], dtype=np.float32)
    drawn = [code(pixel) for pixel in sheet.diverging(delta, 0.2)[0]]
    assert drawn[:4] == [theme.DIVERGING[0], "#ffffff", theme.DIVERGING[-1], theme.DIVERGING[-1]]
    assert drawn[4] == "#b3d6e8"
    assert (sheet.diverging(np.zeros((1, 2, 2), np.float32), 0.0) == 255).all()


def test_noise_of_colours_is_the_mean_of_the_channels():
    delta = np.array([0.3, 0.0, -0.3], dtype=np.float32)[:, None, None]
    assert (sheet.diverging(delta, 0.3) == 255).all()


def test_only_moved_samples_are_framed_and_marked(report):
    vermilion = np.array([int(theme.ROLES_LIGHT["adversarial"][i : i + 2], 16) for i in (1, 3, 5)])
    content = sheet.pictures(report, VIEWS, samples=sheet.chosen(report, "moved", 2))
    assert content.moved == (True, True)
    still = replace(content, moved=(False, False))
    rows = ("clean", "adversarial")  # the caption "adversarial" has that colour too
    framed = [
        (np.asarray(sheet.draw(each, sheet.Style(rows=rows))) == vermilion).all(axis=-1).sum()
        for each in (content, still)
    ]
    assert framed[0] - framed[1] > 4 * 4 * 28 * 2


def test_the_protocol_and_the_choice_of_samples_make_a_sheet_longer(report):
    content = sheet.pictures(report, VIEWS, samples=np.arange(4))
    bare = sheet.draw(content, sheet.Style())
    whole = sheet.sheet(report, VIEWS, samples=np.arange(4), title="CL-MVC", note="GAN", shown="4 of 64")
    assert whole.width == bare.width
    assert whole.height > bare.height + 5 * sheet.Style().line
    assert sheet.protocol(report, "4 of 64", "").startswith("Shown: 4 of 64 · 64 samples of the held-out half · GAN")


def test_dark_sheets_stand_on_the_dark_background(report):
    content = sheet.pictures(report, VIEWS, samples=np.arange(2))
    for dark, name in ((False, "light"), (True, "dark")):
        corner = sheet.draw(content, sheet.Style(dark=dark)).getpixel((1, 1))
        assert code(corner) == theme.SURFACES[name]["background"]


def test_sheets_stand_on_the_backgrounds_of_the_app():
    config = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["theme"]
    for name, surface in theme.SURFACES.items():
        assert surface["background"] == config[name]["backgroundColor"]
        assert surface["text"] == config[name]["textColor"]


@pytest.mark.parametrize("width", [330, 468, 1008, 1600])
@pytest.mark.parametrize("count", [8, 12, 24])
def test_a_sheet_fills_the_width_it_is_fitted_to(report, width, count):
    content = sheet.pictures(report, VIEWS, samples=sheet.chosen(report, "drawn", count))
    style = sheet.fit(content, width, sheet.Style())
    assert sheet.draw(content, style).width <= width
    assert sheet.draw(content, replace(style, zoom=style.zoom + 1)).width > width
    assert style.zoom * 28 >= sheet.SMALLEST


def test_a_space_too_small_for_anything_still_gets_a_sheet(report):
    style = sheet.fit(sheet.pictures(report, VIEWS, samples=np.arange(3)), 60, sheet.Style())
    assert (style.zoom, style.columns) == (1, 1)


def test_misclustered_samples_come_first_those_of_the_smallest_epsilon_in_front(report):
    rows = sheet.chosen(report, "moved", 64)
    first = stage.first_moves(report)[rows]
    assert (np.diff(first) >= 0).all()
    assert first[0] < report.spec.points
    assert sheet.chosen(report, "drawn", 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("order", list(gallery.ORDERS))
@pytest.mark.parametrize("count", gallery.COUNTS)
def test_an_excerpt_chooses_the_samples_the_whole_report_does(report, order, count):
    small = gallery.excerpt(report)
    assert len(small.subject.labels) < len(report.subject.labels)
    for each, frames in ((report, report.frames), (small, small.frames)):
        assert all(len(frame.clusters) == len(each.subject.labels) for frame in frames)
    whole_index = report.subject.index[sheet.chosen(report, order, count)]
    assert small.subject.index[sheet.chosen(small, order, count)].tolist() == whole_index.tolist()
    assert small.frames[-1].scores == report.frames[-1].scores


def test_the_line_on_a_frame_speaks_of_all_samples(report):
    moved = int((report.frames[-1].clusters != report.frames[0].clusters).sum())
    for each in (report, gallery.excerpt(report)):
        assert sheet_files.frame_note(each).endswith(f"{moved} of 64 samples moved")


def test_names_that_differ_by_a_number_are_shortened(people):
    content = sheet.pictures(people, ("visible", "thermal"))
    assert content.kind == "person"
    assert all(name.isdigit() for name in content.before)
    assert "numbers: person" in sheet.legend(content)


def test_digits_and_clothes_keep_their_names():
    facts = DATASET_FACTS["noisy_fashion"]
    report = run(dataset="noisy_fashion", samples=32, points=2)
    content = sheet.pictures(report, facts.view_names)
    assert content.kind == ""
    assert set(content.before) <= {*facts.class_names, "∅"}


def test_a_view_that_is_left_alone_says_so():
    content = sheet.pictures(run(views=(1,), points=2), VIEWS)
    assert content.view_names == ("original (not attacked)", "noisy partner")


@pytest.mark.parametrize("attack", list(words.ATTACK_NAMES))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_everything_a_sheet_says_can_be_drawn(attack, norm):
    spec = AttackSpec(dataset="noisy_digits", model="cl_mvc", attack=attack, epsilon=0.3, norm=norm)
    said = words.protocol(SweepSpec(attack=spec), "0" * 64) + "∅1 ▲ −0.30 → “x” ×"
    assert lettering.plain(said) == said
    for facts in DATASET_FACTS.values():
        names = "".join((facts.title, *facts.class_names, *facts.view_names))
        assert lettering.plain(names) == names


def test_signs_nobody_can_draw_are_replaced():
    assert lettering.plain("Zoë 日") == "Zoe ?"


def test_lines_are_broken_between_words_and_ends_are_cut():
    lines = lettering.wrap("one two three four five", 13, 60)
    assert " ".join(lines) == "one two three four five"
    assert len(lines) > 1
    assert all(lettering.length(line, 13) <= 60 for line in lines)
    assert lettering.length(lettering.shorten("a very long name indeed", 13, 60), 13) <= 60
    assert lettering.shorten("short", 13, 60) == "short"


def test_a_png_keeps_every_pixel(report):
    image = sheet.sheet(report, VIEWS, samples=np.arange(2))
    again = Image.open(io.BytesIO(sheet_files.png(image)))
    assert (np.asarray(again) == np.asarray(image)).all()


def test_a_gif_goes_through_all_epsilons(report):
    gif = Image.open(io.BytesIO(sheet_files.animation(report, VIEWS, samples=np.arange(20), title="CL-MVC")))
    assert gif.n_frames == 5
    assert gif.info["loop"] == 0
    assert gif.width <= sheet_files.GIF_WIDTH
    shown = []
    for place in range(gif.n_frames):
        gif.seek(place)
        shown.append(np.asarray(gif.convert("RGB")))
    assert all((one != other).any() for one, other in pairwise(shown))


def test_a_gif_uses_its_colours_well(report):
    rows = np.arange(4)
    gif = Image.open(io.BytesIO(sheet_files.animation(report, VIEWS, samples=rows)))
    gif.seek(gif.n_frames - 1)
    content = sheet.pictures(report, VIEWS, samples=rows)
    style = sheet.fit(content, sheet_files.GIF_WIDTH, sheet.Style(text=sheet_files.GIF_TEXT))
    footer = sheet.protocol(report, "", "")
    exact = sheet.draw(content, style, note=sheet_files.frame_note(report), footer=footer, share=1.0)
    far = np.abs(np.asarray(gif.convert("RGB")).astype(int) - np.asarray(exact).astype(int))
    assert far.mean() < 4


def test_a_pdf_has_a_page_a_sheet_and_loses_nothing(report):
    pages = [sheet_files.page(report, VIEWS, samples=np.arange(n), title="CL-MVC") for n in (4, 9)]
    file = sheet_files.pdf([pages[0], lambda: pages[1]])
    assert file.startswith(b"%PDF-1.4")
    assert file.count(b"/Type /Page ") == 2
    images = re.findall(rb"/Width (\d+) /Height (\d+) .*?/Length (\d+) >>\nstream\n", file)
    starts = [match.end() for match in re.finditer(rb"/Subtype /Image .*?>>\nstream\n", file)]
    for page, (width, height, length), start in zip(pages, images, starts, strict=True):
        assert (int(width), int(height)) == page.size == sheet_files.PAGE
        assert zlib.decompress(file[start : start + int(length)]) == page.tobytes()


def test_a_pdfs_table_of_contents_points_at_its_objects(report):
    file = sheet_files.pdf([sheet_files.page(report, VIEWS, samples=np.arange(2))])
    start = int(re.search(rb"startxref\n(\d+)\n", file).group(1))
    assert file[start:].startswith(b"xref\n")
    places = re.findall(rb"(\d{10}) 00000 n", file[start:])
    for number, place in enumerate(places, start=1):
        assert file[int(place) :].startswith(b"%d 0 obj" % number)
    with pytest.raises(ValueError, match="at least one page"):
        sheet_files.pdf([])


@pytest.mark.parametrize("count", gallery.COUNTS)
def test_a_page_is_whole_and_its_pictures_as_large_as_fits(report, people, count):
    for each, names in ((report, VIEWS), (people, ("visible", "thermal"))):
        page = np.asarray(
            sheet_files.page(each, names, samples=sheet.chosen(each, "moved", count), title="x", note="y")
        )
        margin = sheet_files.MARGIN // 2
        for edge in (page[:margin], page[-margin:], page[:, :margin], page[:, -margin:]):
            assert (edge == 255).all()
        inked = (page != 255).any(axis=2)
        assert max(inked.any(axis=0).mean(), inked.any(axis=1).mean()) > 0.5


def unpack(buffer: bytes):
    length = int.from_bytes(buffer[:4], "little")
    header = json.loads(buffer[4 : 4 + length])
    arrays = {
        name: np.frombuffer(buffer, place["dtype"], int(np.prod(place["shape"])), 4 + length + place["offset"]).reshape(
            place["shape"]
        )
        for name, place in header["arrays"].items()
    }
    return header, arrays


def test_the_browser_gets_exact_pixels_and_every_name(report):
    header, arrays = unpack(gallery.pack(report, "CL-MVC", VIEWS, "moved", 12))
    rows = sheet.chosen(report, "moved", 12)
    clean, now = report.frames[0], report.frames[-1]
    for v in range(2):
        assert (arrays[f"clean{v}"] == np.rint(clean.views[v][rows] * 255)).all()
        assert (arrays[f"adversarial{v}"] == np.rint(now.views[v][rows] * 255)).all()
        noise = arrays[f"noise{v}"] * header["deltaScale"]
        exact = (now.views[v] - clean.views[v])[rows].mean(axis=1)
        assert np.abs(noise - exact).max() <= header["deltaScale"] / 2 + 1e-6
    assert len(header["before"]) == len(header["after"]) == len(header["moved"]) == 12
    assert header["alt"].startswith("CL-MVC: clean pictures, noise and adversarial pictures of 12 samples. Clusters:")
    assert header["alt"].count(" to ") == sum(header["moved"])


def test_downloads_of_the_gallery_are_files_of_their_kind(report):
    look = {"order": "moved", "count": 8}
    small = gallery.excerpt(report)
    png = gallery.png(small, "NoisyDigits", VIEWS, **look, attacker="")
    gif = gallery.gif(small, "NoisyDigits", VIEWS, **look, attacker="")
    pdf = gallery.pdf([(small, ""), (small, "")], "NoisyDigits", VIEWS, **look)
    assert Image.open(io.BytesIO(png)).format == "PNG"
    assert Image.open(io.BytesIO(png)).width <= gallery.FILE_WIDTH
    assert Image.open(io.BytesIO(gif)).n_frames == report.spec.points
    assert pdf.count(b"/Subtype /Image") == 2
