import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from core.errors import LabError
from core.own.files import archive_of, plain_name, read_picture, read_views

SHAPES = ((1, 28, 28), (1, 28, 28))
COLOUR = ((3, 64, 32), (3, 64, 32))
MEGABYTE = 2**20


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(width: int = 40, height: int = 30) -> Image.Image:
    return Image.fromarray(np.linspace(0, 255, width * height).astype(np.uint8).reshape(height, width))


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that claims a size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def webp_of(width: int, height: int, kind: bytes) -> bytes:
    """The header of a WebP that claims a size."""
    extended = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    lossless = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    lossy = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    body = {b"VP8X": extended, b"VP8L": lossless, b"VP8 ": lossy}[kind]
    return b"RIFF" + struct.pack("<I", 22) + b"WEBP" + kind + struct.pack("<I", 10) + body


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray, *, pickles: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=pickles)
    return buffer.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    return archive(**{name: npy(array) for name, array in arrays.items()})


def views(count: int = 3, **changes) -> dict[str, np.ndarray]:
    return {f"view{v}": np.full((count, 1, 28, 28), 0.5, dtype=np.float32) for v in range(2)} | changes


def refusal(call, *arguments) -> str:
    """The one sentence with which a call refuses its input."""
    with pytest.raises(LabError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert 20 < len(text) < 260
    return text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_reads_every_kind_of_picture(kind):
    pixels, size = read_picture(encoded(grey(), kind), f"a.{kind}")
    assert pixels.shape == (30, 40, 3)
    assert size == (40, 30)
    assert pixels[0].mean() < 20 < 235 < pixels[-1].mean()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_reads_every_mode_of_pixels(mode):
    whole = np.full((6, 8), 255, dtype=np.uint8)
    image = Image.fromarray(whole.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(whole).convert(mode)
    pixels, _ = read_picture(encoded(image, "JPEG" if mode == "CMYK" else "PNG"), "a")
    assert pixels.shape == (6, 8, 3)
    assert pixels.min() > 250


def test_what_is_transparent_becomes_white():
    pixels, _ = read_picture(encoded(Image.new("RGBA", (5, 5), (0, 0, 0, 0)), "PNG"), "a")
    assert pixels.min() == 255


def test_a_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels, _ = read_picture(encoded(grey(40, 30).convert("RGB"), "JPEG", exif=exif.tobytes()), "a")
    assert pixels.shape == (40, 30, 3)


def test_of_an_animation_the_first_picture_counts():
    frames = [Image.new("L", (9, 9), value) for value in (200, 0, 0)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_picture(moving, "a")[0].min() > 150


def test_a_large_picture_is_made_small_at_once():
    pixels, size = read_picture(encoded(Image.new("L", (4000, 2000), 90), "PNG"), "a")
    assert size == (4000, 2000)
    assert max(pixels.shape) == 512


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty", b""),
        ("text", b"this is text, not a picture"),
        ("html", b"<script>alert(1)</script>" * 9),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>"),
        ("cut", encoded(grey(400, 300), "PNG")[:200]),
        ("tiff", encoded(grey(), "TIFF")),
        ("header only", b"\x89PNG\r\n\x1a\n"),
        ("no data", png_of(20, 20)),
        ("webp header only", webp_of(20, 20, b"VP8L")),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(name, content):
    assert "choose" in refusal(read_picture, content, f"{name}.png")


@pytest.mark.parametrize(
    "content",
    [
        png_of(30_000, 30_000),
        png_of(5_001, 5_001),
        png_of(2**31 - 1, 1),
        *(webp_of(16_000, 11_000, kind) for kind in (b"VP8X", b"VP8L", b"VP8 ")),
        encoded(Image.new("1", (30_000, 3_000)), "GIF"),
    ],
)
def test_too_many_pixels_are_refused_before_any_is_unpacked(content):
    tracemalloc.start()
    try:
        text = refusal(read_picture, content, "huge.png")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "smaller" in text
    assert peak < 8 * MEGABYTE


def test_a_picture_of_no_pixels_is_refused():
    refusal(read_picture, png_of(0, 0), "nothing.png")
    refusal(read_picture, b"GIF89a" + bytes(7) + b";", "nothing.gif")


def test_damaged_pictures_never_do_more_than_refuse():
    generator = np.random.default_rng(0)
    whole = [encoded(grey(), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")]
    refused = 0
    for round_number in range(250):
        content = bytearray(whole[round_number % len(whole)])
        for place in generator.integers(0, len(content), 6):
            content[place] = generator.integers(0, 256)
        try:
            pixels, _ = read_picture(bytes(content), "damaged")
            assert pixels.shape[2] == 3
        except LabError:
            refused += 1
    assert 20 < refused < 250


def test_names_are_plain():
    name = plain_name("<img src=x onerror=alert(1)>![a](http://b)`$\\`\n**.png")
    assert not set(name) & set("<>![]`$*\\\n_#|:/=")
    assert plain_name("../../etc/passwd") == "....etcpasswd"
    assert plain_name("<>") == "the file"
    assert len(plain_name("a" * 500)) <= 40


def test_reads_floats_and_bytes_with_and_without_the_channel():
    brought = {"view0": np.full((4, 28, 28), 51, dtype=np.uint8), "view1": np.full((4, 1, 28, 28), 0.25)}
    first, second = read_views(npz(**brought), SHAPES)
    assert first.shape == second.shape == (4, 1, 28, 28)
    assert first.dtype == second.dtype == np.float32
    np.testing.assert_allclose([first.max(), second.max()], [0.2, 0.25], atol=1e-6)


def test_reads_what_it_writes():
    generator = np.random.default_rng(0)
    written = tuple(generator.random((3, *shape), dtype=np.float32) for shape in COLOUR)
    for view, again in zip(written, read_views(archive_of(written), COLOUR), strict=True):
        np.testing.assert_allclose(again, view, atol=0.5 / 255 + 1e-6)


def test_reads_fortran_order_and_foreign_byte_order():
    array = np.random.default_rng(0).random((3, 1, 28, 28))
    read = read_views(npz(view0=np.asfortranarray(array), view1=array.astype(">f4")), SHAPES)
    np.testing.assert_allclose(read[0], array, atol=1e-6)
    np.testing.assert_allclose(read[1], array, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "np.savez"),
        (b"PK\x03\x04" + bytes(60), "np.savez"),
        (npy(np.zeros((3, 28, 28), dtype=np.float32)), "np.savez"),
        (npz(pictures=np.zeros(3)), "pictures"),
        (npz(**views(), extra=np.zeros(3)), "extra"),
        (npz(view0=np.zeros((3, 28, 28))), "view1"),
        (npz(**views(view1=np.zeros((4, 28, 28)))), "3, 4"),
        (npz(**views(view0=np.zeros((3, 28, 27)))), "(3, 28, 27)"),
        (npz(**views(view0=np.zeros((3, 3, 28, 28)))), "(3, 3, 28, 28)"),
        (npz(**views(view0=np.zeros(()))), "()"),
        (npz(**views(view0=np.zeros((0, 1, 28, 28)))), "0 samples"),
        (npz(**views(513)), "513 samples"),
        (npz(**views(view0=np.zeros((3, 28, 28), dtype=np.int64))), "int64"),
        (npz(**views(view0=np.zeros((3, 28, 28), dtype=bool))), "bool"),
        (npz(**views(view0=np.zeros((3, 28, 28), dtype="U9"))), "type"),
        (npz(**views(view0=np.zeros((3, 28, 28), dtype=[("a", "u1"), ("b", "u1")]))), "records"),
        (npz(**views(view0=np.zeros((3, 28, 28), dtype=complex))), "complex"),
        (npz(**views(view0=np.full((3, 28, 28), np.nan))), "no numbers"),
        (npz(**views(view0=np.full((3, 28, 28), np.inf))), "infinite"),
        (npz(**views(view0=np.full((3, 28, 28), 255.0))), "255"),
        (npz(**views(view0=np.full((3, 28, 28), -0.1))), "-0.1"),
        (archive(view0=b"hello", view1=b"world"), "np.savez"),
        (archive(**{f"view{v}": npy(np.zeros(1)) for v in range(40)}), "16"),
    ],
)
def test_an_archive_that_does_not_fit_is_refused_in_a_sentence(content, says):
    assert says in refusal(read_views, content, SHAPES)


class Bomb:
    exploded = False

    def __reduce__(self):
        return setattr, (Bomb, "exploded", True)


def test_objects_are_never_unpickled():
    objects = np.full((3, 28, 28), Bomb(), dtype=object)
    content = archive(view0=npy(objects, pickles=True), view1=npy(objects, pickles=True))
    assert "never loaded" in refusal(read_views, content, SHAPES)
    assert not Bomb.exploded


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (512, 1, 28, 28)})
    swollen = archive(view0=head.getvalue() + bytes(200 * MEGABYTE), view1=npy(views()["view1"]))
    assert len(swollen) < MEGABYTE
    tracemalloc.start()
    try:
        assert "size" in refusal(read_views, swollen, SHAPES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MEGABYTE


def test_a_header_is_not_unpacked_however_long_it_says_it_is():
    member = b"\x93NUMPY\x02\x00" + struct.pack("<I", 200 * MEGABYTE) + b" " * (200 * MEGABYTE)
    swollen = archive(view0=member, view1=member)
    assert len(swollen) < MEGABYTE
    tracemalloc.start()
    try:
        refusal(read_views, swollen, SHAPES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MEGABYTE


@pytest.mark.parametrize("shape", [(10**9, 1, 28, 28), (3, 1, 28, 10**12), (-1, 1, 28, 28), (3,) * 60])
def test_a_header_that_claims_much_is_refused(shape):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    refusal(read_views, archive(view0=head.getvalue(), view1=head.getvalue()), SHAPES)


def test_a_header_is_read_as_words_and_never_run():
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').abort()}"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"
    refusal(read_views, archive(view0=member, view1=member), SHAPES)


def test_an_archive_that_is_too_large_is_not_opened():
    assert "bring fewer" in refusal(read_views, bytes(11 * MEGABYTE), SHAPES)


def test_damaged_archives_never_do_more_than_refuse():
    generator = np.random.default_rng(1)
    whole = npz(**views())
    refused = 0
    for _ in range(250):
        content = bytearray(whole)
        for place in generator.integers(0, len(content), 4):
            content[place] = generator.integers(0, 256)
        try:
            read_views(bytes(content), SHAPES)
        except LabError:
            refused += 1
    assert refused > 150
