"""What strangers may bring: files, cards, addresses, command lines. It is refused in one sentence, or harmless."""

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from dataclasses import asdict
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from streamlit.testing.v1 import AppTest

from core import run_reader
from core.__main__ import main
from core.checkpoints import find_cards, load_card
from core.errors import LabError
from core.figures import pins, training, training_words
from core.figures.selection import is_selection
from core.files import read_limited
from core.lab import Lab
from core.locks import hold
from core.own import files as own_files
from core.own import reading
from core.own.files import most_samples, plain_name, read_picture, read_views
from core.own.parts import MOST_PARTS, count
from core.own.reading import Handling
from core.records import EpochLog, TrainSpec
from core.store import ResultStore
from pages.ui import address, cache, errors, links
from tests.conftest import PROJECT

MEGABYTE = 2**20
SHAPES = ((1, 28, 28), (1, 28, 28))
SIGNS = set("<>[]`$*!|&#\\")  # what Markdown, HTML and formulas begin with
FUZZ = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def archive(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def is_refused_or(call) -> bool:
    """Whether the call is refused, in one short sentence; whatever else it raises fails the test."""
    try:
        call()
    except LabError as error:
        text = str(error)
        assert "\n" not in text
        assert "Traceback" not in text
        assert len(text) < 500
        return True
    return False


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["byte", "number", "cut", "drop", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 2**16 - 1, 10**6, 2**31 - 1, 2**32 - 1]),
    ),
    min_size=1,
    max_size=5,
)


def changed(content: bytes, changes) -> bytes:
    """A file with bytes and numbers in it replaced, taken away and put in."""
    data = bytearray(content)
    for kind, share, value in changes:
        at = int(share * len(data))
        if kind == "byte" and data:
            data[at] = value & 0xFF
        elif kind == "number":
            data[at : at + 4] = struct.pack("<I" if value & 1 else ">I", value)
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + 5]
        else:
            data[at:at] = bytes([value & 0xFF] * 3)
    return bytes(data)


PICTURES = [
    *(encoded(kind) for kind in ("PNG", "JPEG", "WEBP", "BMP")),
    *(encoded("PNG", "P"), encoded("GIF", "P"), encoded("JPEG", "CMYK"), encoded("BMP", "1")),
    *(encoded("JPEG", progressive=True), encoded("WEBP", lossless=True)),
]


@settings(FUZZ, max_examples=250)
@given(picture=st.sampled_from(PICTURES), changes=CHANGES)
def test_damaged_pictures_are_read_or_refused(picture, changes):
    is_refused_or(lambda: read_picture(changed(picture, changes), "a.png"))


VIEWS = np.random.default_rng(0).random((3, 1, 28, 28)).astype(np.float32)
ARCHIVES = [archive(view0=VIEWS, view1=VIEWS), archive(view0=(VIEWS * 255).astype(np.uint8), view1=VIEWS[:, 0])]


@settings(FUZZ, max_examples=200)
@given(content=st.sampled_from(ARCHIVES), changes=CHANGES)
def test_damaged_archives_are_read_or_refused(content, changes):
    is_refused_or(lambda: read_views(changed(content, changes), SHAPES))


@settings(FUZZ, max_examples=150)
@given(changes=CHANGES)
def test_damaged_results_are_absent(tmp_path, changes):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    path = store.save("maps", "a" * 32, {"points": VIEWS})
    path.write_bytes(changed(path.read_bytes(), changes))
    store.load("maps", "a" * 32)  # whatever is left of it, or None


def scan_bomb() -> bytes:
    """A progressive JPEG of few bytes that tells the decoder to walk over all of it thousands of times."""
    picture = encoded("JPEG", progressive=True)
    last = picture[picture.rindex(b"\xff\xda") : -2]
    return picture[:-2] + last * 5000 + b"\xff\xd9"


def png_of(width: int, height: int) -> bytes:
    content = bytearray(encoded("PNG"))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def filled(kind: str, at: int, part: bytes) -> bytes:
    """A picture of 5 MB that is made of many small parts."""
    picture = encoded(kind)
    at += 3 << (picture[10] & 7) + 1 if kind == "GIF" and picture[10] & 0x80 else 0  # behind the palette
    return picture[:at] + part * ((reading.LARGEST_PICTURE - len(picture)) // len(part)) + picture[at:]


def scans_over(side: int) -> bytes:
    """A large picture of few bytes that is gone over a hundred times."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (120, 130, 140)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content[content.rindex(b"\xff\xc4") : -2]  # with its table
    return content[:-2] + last * 85 + content[-2:]


CHUNK = bytes(4) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))


def profiles() -> bytes:
    """A PNG of thousands of profiles that unpack to a megabyte each."""
    profile = b"iCCPa\0\0" + zlib.compress(bytes(MEGABYTE), 9)
    return filled("PNG", 33, struct.pack(">I", len(profile) - 4) + profile + struct.pack(">I", zlib.crc32(profile)))


def run_lengths(width: int, height: int, body: bytes) -> bytes:
    """A BMP packed by run lengths."""
    heads = struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 256
    )
    return b"BM" + heads + bytes(1024) + body


NO_PICTURES = {
    "empty": b"",
    "one byte": b"\x89",
    "text": b"just some words " * 100,
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "XML entities": b'<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    "a program": b"\x7fELF" + bytes(500),
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "an archive": ARCHIVES[0],
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "a TIFF": encoded("TIFF"),
    "an ICO": encoded("ICO"),
    "0 x 0": png_of(0, 0),
    "0 x 9": png_of(0, 9),
    "30,000 x 30,000": png_of(30_000, 30_000),
    "2^31 x 2^31": png_of(2**31 - 1, 2**31 - 1),
    "a strip of 2^31": png_of(2**31 - 1, 1),
    "a head only": encoded("PNG")[:33],
    "5,000 scans": scan_bomb(),
    "95 scans of 25 megapixels": scans_over(5000),
    "a million empty segments": filled("JPEG", 2, b"\xff\xe5\x00\x02"),
    "a million comments": filled("JPEG", 2, b"\xff\xfe\x00\x02"),
    "10,000 pieces of tags": filled("JPEG", 2, b"\xff\xe1\x01\xfcExif\x00\x00" + bytes(500)),
    "five million fill bytes": filled("JPEG", 2, b"\xff"),
    "five million fill bytes and no end": b"\xff\xd8" + b"\xff" * (5 * MEGABYTE - 2),
    "a million restarts": filled("JPEG", 2, b"\xff\xd0"),
    "a million segments behind an end": filled("JPEG", 2, b"\xff\xd9" + b"\xff\xe5\x00\x02" * 1000),
    "fill bytes behind a mark without length": filled("JPEG", 2, b"\xff\xf0" + b"\xff" * 60_000),
    "400,000 empty chunks": filled("PNG", 33, CHUNK),
    "5,000 profiles of a megabyte": profiles(),
    "run lengths that fill 5,000 lines": run_lengths(5000, 5000, b"\x01\x00\x00\x00" * 5000),
    "a million ends of lines": run_lengths(5000, 5000, b"\x00\x00" * 2**20),
    "a million empty blocks": filled("GIF", 13, b"\x21\xfe\x00"),
    "two million bytes in blocks of one": filled("GIF", 13, b"\x21\xfe" + b"\x01a" * 30_000 + b"\x00"),
    "five million bytes between blocks": filled("GIF", 13, b"\x00"),
    "a JPEG's beginning": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "a GIF's beginning": b"GIF89a\xff\xff\xff\xff\xff\x00\x00",
    "a BMP of negative size": b"BM"
    + struct.pack("<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, -9, -9, 1, 24, 0, 0, 1, 1, 0, 0),
    "a BMP of 2^30": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 1, 1, 0, 0),
    "an unknown WebP": b"RIFF\x40\x00\x00\x00WEBPXXXX" + bytes(60),
}


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_refused_fast_and_in_little_memory(content):
    tracemalloc.start()
    start = time.process_time()
    assert is_refused_or(lambda: reading.from_pictures("noisy_digits", [("a.png", content)], [], Handling()))
    assert time.process_time() - start < 2  # a bound on work, hundreds of times what it takes
    assert tracemalloc.get_traced_memory()[1] < 20 * MEGABYTE
    tracemalloc.stop()


@pytest.mark.parametrize("side", [1, 20, 1000])
def test_a_photograph_with_a_film_behind_it_and_a_hundred_scans_is_read(side):
    content = scans_over(side)
    assert count(content).scans > 90
    assert read_picture(content + b"\xff\xda\x00\x02" * 200, "a.jpg")[1] == (side, side)


def test_a_large_picture_may_have_fewer_scans():
    with pytest.raises(LabError, match="more than 16 scans"):
        read_picture(scans_over(5000), "a.jpg")


FILM = {
    "JPEG": b"\xff\xe5\x00\x02" * 20_000,
    "PNG": CHUNK * 20_000,
    "GIF": encoded("GIF", "P")[-300:] + b"\x21\xfe\x00" * 20_000,
}


@pytest.mark.parametrize("kind", FILM)
def test_of_a_picture_only_what_a_decoder_sees_is_counted(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=100)
    content = buffer.getvalue()
    assert len(content) > 3 * MOST_PARTS
    assert count(content).parts < 100
    assert count(content + FILM[kind]) == count(content)
    assert read_picture(content + FILM[kind], "a")[1] == (200, 200)


WITHOUT_PALETTE = b"GIF89a\x09\x00\x09\x00\x07\x00\x00"  # but with a size for one
HIDDEN = {  # behind what looks like the end, or like the length of something
    "a mark without length": b"\xff\xd8\xff\xf0" + b"\xff\xe5\x00\x02" * 15_000,
    "an end before all scans": b"\xff\xd8\xff\xd9" + b"\xff\xe5\x00\x02" * 15_000,
    "where a palette would be": WITHOUT_PALETTE
    + (b"\x21\xfe\xff" + b"," * 255 + b"\x00") * 3
    + b"\x21\xfe\x00" * 20_000,
    "a comma behind a byte too many": WITHOUT_PALETTE + b"\x00\x21," + b"\x01a" * 20_000 + b"\x00",
}


@pytest.mark.parametrize("content", HIDDEN.values(), ids=HIDDEN)
def test_no_parts_are_hidden_from_the_count(content):
    assert count(content).parts > MOST_PARTS


def png_with_tags(orientation: int, damaged: int) -> bytes:
    """A picture whose EXIF has so many tags that point outside of the file, each with a length of its own."""
    tags = [(0x0112, 3, 1, orientation)] + [(n + 0x0200, 1, n + 10**6, n) for n in range(damaged)]
    exif = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    chunk = b"eXIf" + exif
    picture = encoded("PNG")
    return picture[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + picture[33:]


@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_is_upright_however_it_was_held(orientation):
    content = png_with_tags(orientation, 0)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(read_picture(content, "a.png")[0], upright)


def test_thousands_of_damaged_tags_fill_no_log_and_cost_no_memory():
    program = (
        "import sys; from core.own.files import read_picture; read_picture(sys.stdin.buffer.read(), 'a.png'); "
        "from PIL import TiffImagePlugin as t; print(len(getattr(t, '__warningregistry__', ())))"
    )
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, input=png_with_tags(6, 20_000), capture_output=True, cwd=PROJECT, check=True)
    assert ended.stderr == b""
    assert int(ended.stdout) <= 1


def test_one_file_is_read_at_a_time_so_that_many_visitors_need_no_more_memory(monkeypatch):
    seen = []
    for name in ("_pixels", "_header"):
        inner = getattr(own_files, name)

        def noted(*given, inner=inner):
            seen.append(own_files._READING.locked())
            return inner(*given)

        monkeypatch.setattr(own_files, name, noted)
    read_picture(PICTURES[0], "a.png")
    read_views(ARCHIVES[0], SHAPES)
    assert seen == [True] * 3
    assert not own_files._READING.locked()


def test_an_archive_of_large_pictures_holds_fewer_of_them():
    shapes = ((3, 128, 64), (3, 128, 64))
    most = most_samples(shapes)
    assert most * sum(4 * 3 * 128 * 64 for _ in shapes) <= own_files.MOST_BYTES
    assert most_samples(SHAPES) == own_files.MOST_SAMPLES
    views = np.zeros((most + 1, 3, 128, 64), np.uint8)
    with pytest.raises(LabError, match=f"from 1 to {most}"):
        read_views(archive(view0=views, view1=views), shapes)


NAMES = [
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\windows\\system32",
        "a/../../b",
        "\x00",
        "a\x00.png",
        "\n\n# Title",
        "." * 300,
    ),
    *(
        "<script>alert(1)</script>.png",
        '"><img src=x onerror=alert(1)>',
        "![x](http://evil.test/a.png)",
        "[a](javascript:x)",
    ),
    *(
        "$$\\int$$",
        ":red[a]",
        "`a`",
        "**a**",
        "~~a~~",
        "| a | b |",
        "a" * 10_000,
        "\u202egnp.exe",
        "\ud800",
        "٣",
        "",
        " ",
    ),
    *("{{7*7}}", "%s%s%n", "%00", "&lt;b&gt;", "con", "aux.png", "a\r\nSet-Cookie: x", "\u200b"),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_files_are_shown_without_any_sign_that_is_read(name):
    shown = plain_name(name)
    assert shown
    assert len(shown) <= 40
    assert not (SIGNS | set("/:\n\r\x00_~{}%")) & set(shown)
    said = errors.plain(str(LabError(f"{name} is no picture.")))
    assert "\n" not in said
    assert not any(sign in said.replace("\\" + sign, "") for sign in "<[`$*")


# Cards and weights: files that somebody copied into the folder of checkpoints

NASTY_VALUES = [
    *(
        None,
        True,
        0,
        -1,
        2**31,
        2**63,
        10**30,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "../../etc/passwd",
        "a" * 5000,
    ),
    *([], {}, [None], [[1, 28, 28]], {"a": 1}, [[4096] * 3] * 64, [10**9], "<img src=x>", "conv_ae"),
]


def places(values, place=()):
    """Where something stands in JSON."""
    yield place
    if isinstance(values, dict | list):
        keys = list(values) if isinstance(values, dict) else range(min(2, len(values)))
        for key in keys:
            yield from places(values[key], (*place, key))


def with_value(values, place, value):
    if not place:
        return value
    copy = json.loads(json.dumps(values))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


@pytest.fixture
def folder(tmp_path):
    """A folder of checkpoints with a small one in it."""
    (tmp_path / "digits").mkdir()
    for suffix in ("json", "safetensors"):
        shutil.copy(PROJECT / "checkpoints" / "digits" / f"conv_ae.{suffix}", tmp_path / "digits")
    return tmp_path


def test_a_card_with_any_nasty_value_is_refused_or_harmless(folder):
    path = folder / "digits" / "conv_ae.json"
    card, tried = json.loads(path.read_text()), 0
    for place in places({key: value for key, value in card.items() if key != "runs"}):
        for value in NASTY_VALUES:
            path.write_text(json.dumps(with_value(card, place, value)))
            is_refused_or(lambda: load_card(folder, "digits", "conv_ae"))
            tried += 1
    assert tried > 1000


def test_a_card_never_makes_a_network_larger_than_its_weights(folder):
    path = folder / "digits" / "conv_ae.json"
    card = json.loads(path.read_text())
    options = list(places(card["recipe"]["model_options"], ("recipe", "model_options")))
    for place in [*options, ("view_shapes",), ("n_clusters",), ("model",)]:
        for value in (*NASTY_VALUES, 2**20, [2**20] * 40):
            path.write_text(json.dumps(with_value(card, place, value)))
            lab = Lab(checkpoints=folder, device="cpu")
            is_refused_or(lambda lab=lab: lab.library.model(lab.library.card("digits", "conv_ae")))


SIGNED = (
    *("![x](http://evil.test/a)", "http://evil.test", "=HYPERLINK(1)", "@SUM(1)", "<img src=x>", "$x$", "a\nb", "`"),
    *("www.evil.test", "see WWW.evil.test", "somebody@evil.test"),
)


def test_no_text_of_a_card_can_be_a_picture_a_link_or_a_formula(folder):
    path = folder / "digits" / "conv_ae.json"
    card = json.loads(path.read_text())
    assert load_card(folder, "digits", "conv_ae")
    for place in [
        ("device",),
        ("command",),
        ("torch",),
        ("protocol",),
        ("recipe", "precision"),
        ("recipe", "model_options", "x"),
    ]:
        for sign in SIGNED:
            path.write_text(json.dumps(with_value(card, place, sign)))
            with pytest.raises(LabError, match="damaged"):
                load_card(folder, "digits", "conv_ae")


def test_a_card_without_a_whole_recipe_leaves_the_cost_of_a_training_unknown(folder):
    path = folder / "digits" / "conv_ae.json"
    card = json.loads(path.read_text())
    for recipe in (
        {"model_options": {}},
        card["recipe"] | {"schedule": None},
        card["recipe"] | {"schedule": {"epochs": 0}},
    ):
        path.write_text(json.dumps(card | {"recipe": recipe}))
        lab = Lab(checkpoints=folder, device="cpu")
        assert lab.training_plan(TrainSpec(dataset="digits", model="conv_ae")).seconds is None


def test_a_card_that_names_other_files_reads_none_of_them(folder):
    outside = folder.parent / "secret.json"
    outside.write_text("{}")
    path = folder / "digits" / "conv_ae.json"
    card = json.loads(path.read_text())
    for name in ("../../secret", "/etc/passwd", "..", "digits/../../secret"):
        path.write_text(json.dumps(card | {"name": name}))
        assert find_cards(folder)[0] == ()
        assert is_refused_or(lambda name=name: load_card(folder, "digits", name))
        assert is_refused_or(lambda name=name: load_card(folder, name, "conv_ae"))


def safetensors(header: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + body


def tensor(**changes) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | changes}).encode()


NO_WEIGHTS = {
    "nothing": b"",
    "half a length": b"\x00\x01",
    "a header of 2^63": safetensors(b"{}", length=2**63),
    "a header of 10^8": safetensors(b"{}", length=10**8),
    "a header longer than the file": safetensors(b"{}", length=1000),
    "a header of text": safetensors(b"hello"),
    "a header of a list": safetensors(b"[]"),
    "a deep header": safetensors(b'{"a":' * 50_000),
    "a kind that there is not": safetensors(tensor(dtype="PICKLE"), bytes(4)),
    "a shape of 2^62": safetensors(tensor(shape=[2**62]), bytes(4)),
    "a negative shape": safetensors(tensor(shape=[-1]), bytes(4)),
    "places that lie outside": safetensors(tensor(data_offsets=[0, 4000]), bytes(4)),
    "places backwards": safetensors(tensor(data_offsets=[4, 0]), bytes(4)),
    "a pickle": b"\x80\x04\x95" + bytes(100),
    "a zip, as torch.save writes": ARCHIVES[0],
    "scales of another shape": safetensors(
        json.dumps(
            {
                "a": {"dtype": "I8", "shape": [2, 2], "data_offsets": [0, 4]},
                "a.scale": {"dtype": "F32", "shape": [3], "data_offsets": [4, 16]},
            }
        ).encode(),
        bytes(16),
    ),
}


@pytest.mark.parametrize("content", NO_WEIGHTS.values(), ids=NO_WEIGHTS)
def test_weights_that_are_none_are_refused_though_the_card_has_their_digest(content, folder):
    (folder / "digits" / "conv_ae.safetensors").write_bytes(content)
    path = folder / "digits" / "conv_ae.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": sha256(content).hexdigest()}))
    lab = Lab(checkpoints=folder, device="cpu")
    assert is_refused_or(lambda: lab.library.model(lab.library.card("digits", "conv_ae")))


def test_a_result_that_unpacks_to_much_is_absent(tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    path = store.save("maps", "a" * 32, {"points": VIEWS})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("points.npy", bytes(80 * MEGABYTE))
    tracemalloc.start()
    assert store.load("maps", "a" * 32) is None
    assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    tracemalloc.stop()


# Folders of runs: a damaged one, or one of strangers, is absent or shown, and hides no other


PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")


@PIPES
def test_what_is_no_file_is_not_read_to_its_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless", "."):
        with pytest.raises(LabError):
            read_limited(tmp_path / name, 10)


def nasty_json(values: dict, keys: tuple[str, ...]):
    yield from ("[" * 100_000, '{"a":' * 100_000, "1" * 5000, "[]", "null", '{"pid": 1e400, "birth": "1"}')
    for key in keys:
        yield from (json.dumps(values | {key: value}) for value in NASTY_VALUES)


def test_a_run_with_any_nasty_value_is_absent_or_can_be_shown(tmp_path):
    path = tmp_path / "digits-conv_ae-12345678"
    path.mkdir()
    spec = asdict(TrainSpec(dataset="digits", model="conv_ae")) | {"replace": False, "recipe": {}}
    log = EpochLog(phase="training", epoch=1, epochs=2, terms={"a": 1.0, "b": 0.5}, seconds=1.0, seconds_left=1.0)
    shown = 0
    told = ("dataset", "model", "protocol", "kind", "recipe")
    for name, values, keys in (
        ("spec.json", spec, told),
        ("events.jsonl", asdict(log), tuple(asdict(log))),
        ("process.json", {}, ()),
    ):
        for text in nasty_json(values, keys):
            (path / "spec.json").write_text(json.dumps(spec))
            (path / "events.jsonl").write_text(json.dumps(asdict(log)))
            (path / name).write_text(text)
            run_reader._unchanged_logs.cache_clear()  # the file is of the same size and time as another
            run = run_reader.read_run(path)
            if run is not None:
                shown += 1
                said = training_words.label(run, "Digits") + training_words.settings(run.spec)
                said += training_words.standing(run)
                assert not set("<>[]$`*") & set(said)
                if text.startswith('{"phase"'):
                    training.terms(run)
                    training_words.reading(run, training.phase_ends(run.logs or run.trials))
    assert shown > 100


def test_a_run_holds_plain_words_only(tmp_path, folder):
    path = tmp_path / "digits-conv_ae-12345678"
    path.mkdir()
    card = json.loads((folder / "digits" / "conv_ae.json").read_text())
    spec = asdict(TrainSpec(dataset="digits", model="conv_ae")) | {"replace": False, "recipe": {}}

    def read(spec=spec, terms="loss", phase="training", device="cpu"):
        log = EpochLog(phase=phase, epoch=1, epochs=1, terms={terms: 1.0}, seconds=1.0, seconds_left=0.0)
        (path / "spec.json").write_text(json.dumps(spec))
        (path / "events.jsonl").write_text(json.dumps(asdict(log)))
        (path / "card.json").write_text(json.dumps(card | {"device": device}))
        run_reader._unchanged_logs.cache_clear()
        return run_reader.read_run(path)

    run = read()
    assert run.logs
    assert run.card == load_card(folder, "digits", "conv_ae")
    for sign in SIGNED:
        assert not read(terms=sign).logs
        assert not read(phase=sign).logs
        assert read(device=sign).card is None
        for word in ("dataset", "model", "protocol"):
            assert read(spec | {word: sign}) is None


@PIPES
def test_a_link_in_place_of_a_lock_is_not_written_through(tmp_path):
    outside, run = tmp_path / "letter.txt", tmp_path / "run"
    outside.write_text("dear")
    run.mkdir()
    (run / "lock").symlink_to(outside)
    with pytest.raises(LabError, match="Cannot write"), hold(run):
        pass
    assert outside.read_text() == "dear"


def test_a_full_queue_is_said_and_breaks_no_page(monkeypatch, lab):
    def refuse(*given, **named):
        raise LabError("The line is full.")

    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=30)
    app.switch_page("pages/certify.py").run()
    monkeypatch.setattr(cache.jobs(), "submit", refuse)
    app.button(key="run").click().run()
    assert not app.exception
    assert "The line is full." in " ".join(element.value for element in app.error)


# Addresses

WORDS = st.text(max_size=80) | st.sampled_from([*NAMES, "nan", "inf", "1e400", "-0", "9" * 400, "0x10", "1_0"])


@settings(FUZZ, max_examples=300)
@given(fields=st.lists(WORDS, min_size=9, max_size=9), kept=st.lists(st.booleans(), min_size=9, max_size=9))
def test_a_pinned_run_of_an_address_is_one_that_could_be_picked_or_none(fields, kept):
    usual = ("noisy_digits", "cl_mvc", "gan", "0.3", "256", "0", "all", "10", "both")
    mixed = [known if keep else word for known, keep, word in zip(usual, kept, fields, strict=True)]
    spec = pins.from_text("~".join(mixed))
    if spec is not None:
        assert spec.attack.samples <= pins.MOST_SAMPLES
        assert spec.attack.steps <= pins.MOST_STEPS
        assert not SIGNS & set(pins.name(spec))


@settings(FUZZ, max_examples=200)
@given(text=WORDS)
def test_what_an_address_says_is_shown_without_any_sign_that_is_read(text):
    assert not (SIGNS | {":", "/", "\n"}) & set(address.short(text))
    assert is_selection(text) == (not text or ("." in text and is_selection(text)))


LINKS = ("www.evil.test", "sign in WWW.evil.test", "http://evil.test", "HTTPS://evil.test", "somebody@evil.test")
LINK = re.compile(r"(?i)www\.|https?://|\w@")  # what Markdown makes a link of by itself


@pytest.mark.parametrize("words", LINKS)
def test_no_word_of_a_stranger_becomes_a_link(words, lab):
    assert LINK.search(words)
    assert not LINK.search(errors.plain(f"There is no model {words}."))
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=30)
    app.query_params["data"] = words
    app.run()
    assert "ignored" in app.warning[0].value
    assert not LINK.search(app.warning[0].value)


NASTY_PARAMETERS = [
    *(
        "nan",
        "-1",
        "1e400",
        "9" * 500,
        "9" * 5000,
        "<script>alert(1)</script>",
        "![x](http://evil.test/a.png)",
        "../../etc/passwd",
    ),
    *("\x00", "noisy_digits" * 50, "$$x$$", ":material/bolt:", "true", "[]", "\u202e", "٣", ""),
]
KEYS = (
    *(
        "data",
        "model",
        "attack",
        "eps",
        "n",
        "seed",
        "map",
        "views",
        "steps",
        "goal",
        "at",
        "gamma",
        "sel",
        "pin",
        "present",
    ),
    *(
        "tr_data",
        "tr_model",
        "tr_kind",
        "tr_seed",
        "tr_eps",
        "tr_show",
        "own-source",
        "own-second",
        "gal_n",
        "gal_order",
    ),
    *("step", "sample", "t", "cell", "x", "y", "cert_seed", "cert_points", "nb_eps", "nb_push", "lat_step"),
    *("topic", "depth", "tab", "measure", "matching", "weights", "lat_data", "v", "embed", "unknown"),
)
PAGES = [*links.PAGES]


@pytest.mark.parametrize(("number", "value"), list(enumerate(NASTY_PARAMETERS)), ids=range(len(NASTY_PARAMETERS)))
def test_an_address_full_of_nonsense_opens_the_page(number, value, lab):
    app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=30)
    for key in KEYS:
        app.query_params[key] = [value, value]
    app.switch_page(f"pages/{PAGES[number % len(PAGES)]}.py").run()
    assert not app.exception
    assert not app.error
    said = " ".join(str(element.value) for kind in ("warning", "caption", "markdown") for element in getattr(app, kind))
    assert "alert(1)</script>" not in said
    assert "evil.test/" not in said


# The command line

NUMBERS = ("nan", "inf", "-inf", "-1", "1e400", "9" * 30, "abc", "", "0x10", "\udcff")
TARGETS = (
    "a",
    "/",
    "a/",
    "/a",
    "a/b/c",
    "../../etc/passwd",
    "noisy_digits/../x",
    "noisy_digits/x\x00",
    "noisy_digits/" + "x" * 5000,
)
ON = "digits/conv_ae"
LINES = [
    *(("attack", ON, "--epsilon", number) for number in NUMBERS),
    *(("attack", ON, "--samples", number) for number in NUMBERS),
    *(("attack", ON, "--seed", number) for number in NUMBERS if number != "-1"),
    *(("attack", ON, "--steps", number) for number in NUMBERS),
    *(("sweep", ON, "--points", number) for number in NUMBERS),
    *(("attack", ON, "--views", word) for word in ("", "x", "9", "-1", "0,9", "1e9")),
    *(("attack", ON, "--device", word) for word in ("gpu", "meta", "cuda:999", "", "../x")),
    *(("train", "--all", "--budget-minutes", number) for number in NUMBERS),
    *(("train", "--all", "--workers", number) for number in NUMBERS),
    *(("train", "digits/conv_ae", "--samples", number) for number in NUMBERS),
    *(("train", "digits/conv_ae", "--latent", number) for number in NUMBERS if number != "9" * 30),
    *((command, target) for command in ("attack", "evaluate", "train", "theorem", "results") for target in TARGETS),
    *(("ceiling", target) for target in TARGETS),
    *(("tables", "--dataset", target) for target in TARGETS),
]


def test_nonsense_on_the_command_line_is_refused_in_one_sentence(folder, monkeypatch, capsys, tmp_path):
    for variable in ("LAB_RUNS", "XDG_CACHE_HOME", "LAB_DATA"):
        monkeypatch.setenv(variable, str(tmp_path / "out" / variable))
    monkeypatch.setenv("LAB_CHECKPOINTS", str(folder))
    before = sorted(folder.rglob("*"))
    for words in LINES:
        monkeypatch.setattr(sys, "argv", ["python -m core", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr().err
        assert stop.value.code == 2, words
        assert "Traceback" not in said
        assert said.startswith("usage") or (said.count("\n") == 1 and len(said) < 600), words
    assert sorted(folder.rglob("*")) == before
    assert not (tmp_path / "out").exists()
