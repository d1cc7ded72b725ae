"""Files of strangers, as arrays: sizes and kinds are checked from headers, before anything is unpacked.

Nothing is executed, stored or unpickled. Whatever is wrong is one :class:`LabError` that says what would work.
"""

import io
import logging
import math
import struct
import warnings
import zipfile
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from core.errors import LabError
from core.own.parts import MOST_PARTS, MOST_SCANS, Parts, count
from core.records import Floats

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MOST_PIXELS = 25_000_000  # of a picture before it is made small
MOST_WALKED = 16 * MOST_PIXELS  # pixels that all scans together go over, while everybody else waits
WORKING_SIDE = 512  # a larger picture is made smaller than this before anything else is done with it
NAME_LENGTH = 40

MOST_SAMPLES = 512  # of an archive
MOST_BYTES = 32 * 2**20  # of its views as float32, which a session keeps
LARGEST_ARCHIVE = 10 * 2**20  # bytes
MOST_MEMBERS = 16
MOST_HEADER = 2**14  # bytes of an array that are unpacked to see what it is; NumPy reads a header of 10,000
ENTRY = b"PK\x01\x02"  # begins every entry of a zip file's directory
NUMBERS = ("uint8", "float16", "float32", "float64")
ORIENTATION = 0x0112  # the tag of EXIF that says how the camera was held
UPRIGHT = {  # how a picture that was taken otherwise is brought upright, by Pillow's names
    "2": "FLIP_LEFT_RIGHT",
    "3": "ROTATE_180",
    "4": "FLIP_TOP_BOTTOM",
    "5": "TRANSPOSE",
    "6": "ROTATE_270",
    "7": "TRANSVERSE",
    "8": "ROTATE_90",
}

_READING = Lock()  # one file at a time: many visitors at once need no more memory than one
warnings.filterwarnings("ignore", module=r"PIL\.")  # one for each damaged tag would fill the log, and stay in memory

log = logging.getLogger(__name__)


def plain_name(name: str) -> str:
    """A stranger's file name, short, on one line, without signs that HTML or Markdown reads."""
    plain = "".join(c for c in name if c.isalnum() or c in " .,-+()").strip()
    if len(plain) > NAME_LENGTH:
        plain = f"{plain[: NAME_LENGTH - 8]}…{plain[-7:]}"
    return plain or "the file"


def read_picture(content: bytes, name: str) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The first frame of a picture as (H, W, 3) with no side above 512 pixels, and its own (width, height).

    What is transparent becomes white. Raises :class:`LabError` if it is no picture, damaged, or too large.
    """
    from PIL import Image

    name = plain_name(name)
    if not content:
        raise LabError(f"{name} is empty: choose a picture in PNG, JPEG, WebP, GIF or BMP.")
    _check_webp(content, name)
    made = count(content)
    _check_parts(made, MOST_SCANS, name)
    try:
        with _READING, Image.open(io.BytesIO(content), formats=FORMATS) as image:
            size = image.size
            _check_size(size, name)
            _check_parts(made, MOST_WALKED // math.prod(size), name)
            _check_packing(image, name)
            image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # JPEG alone can be read at a fraction of its size
            return _pixels(image), size
    except LabError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LabError(f"{name} has more pixels than the lab reads: make it smaller than 5,000 × 5,000.") from error
    except Exception as error:  # decoders raise whatever they like at damaged files
        log.info("A picture could not be read: %s", type(error).__name__)
        raise LabError(f"{name} is damaged or is no picture: choose one in PNG, JPEG, WebP, GIF or BMP.") from error


def read_views(content: bytes, view_shapes: Sequence[tuple[int, int, int]]) -> tuple[Floats, ...]:
    """The views V x (N, C, H, W) in [0, 1] of an ``.npz`` with the arrays view0, view1 …

    An array is uint8 from 0 to 255 or float from 0 to 1, of shape (N, C, H, W), or (N, H, W) where C is 1.
    Raises :class:`LabError` for everything else.
    """
    if len(content) > LARGEST_ARCHIVE:
        raise LabError(f"The file has {len(content):,} bytes, more than {LARGEST_ARCHIVE:,}: bring fewer samples.")
    if content.count(ENTRY) > MOST_MEMBERS:
        raise LabError(f"The file holds more than {MOST_MEMBERS} arrays: {_what_works(view_shapes)}")
    with _READING:
        return _views(content, view_shapes)


def most_samples(view_shapes: Sequence[tuple[int, int, int]]) -> int:
    """How many samples an archive may hold: fewer where pictures are large."""
    return min(MOST_SAMPLES, MOST_BYTES // (4 * sum(math.prod(shape) for shape in view_shapes)))


def _views(content: bytes, view_shapes: Sequence[tuple[int, int, int]]) -> tuple[Floats, ...]:
    most = most_samples(view_shapes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _members(archive, view_shapes)
            headers = [_header(archive, members[v], v, shape, most) for v, shape in enumerate(view_shapes)]
            if len({shape[0] for shape, _, _ in headers}) != 1:
                counts = ", ".join(str(shape[0]) for shape, _, _ in headers)
                raise LabError(f"The views have {counts} samples: each sample needs a picture in every view.")
            arrays = [_array(archive, members[v], *header) for v, header in enumerate(headers)]
    except LabError:
        raise
    except Exception as error:  # zipfile and its decompressors raise whatever they like at damaged files
        log.info("An archive could not be read: %s", type(error).__name__)
        raise LabError(f"This is no .npz file, or it is damaged: {_what_works(view_shapes)}") from error
    return tuple(
        _unit(array, v).reshape(-1, *shape) for v, (array, shape) in enumerate(zip(arrays, view_shapes, strict=True))
    )


def archive_of(views: Sequence[Floats]) -> bytes:
    """Views V x (N, C, H, W) in [0, 1] as an ``.npz`` of uint8 that :func:`read_views` takes."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"view{v}": np.rint(view * 255).astype(np.uint8) for v, view in enumerate(views)}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if not width or not height:
        raise LabError(f"{name} has {width} × {height} pixels, so there is nothing on it: choose another picture.")
    if width * height > MOST_PIXELS:
        raise LabError(
            f"{name} has {width:,} × {height:,} pixels: make it smaller than 25 megapixels, as 5,000 × 5,000 is."
        )


def _check_parts(made: Parts, most_scans: int, name: str) -> None:
    if made.scans > most_scans:
        raise LabError(f"{name} has more than {most_scans} scans, which no camera writes: save it as PNG.")
    if made.parts > MOST_PARTS:
        raise LabError(f"{name} has more than {MOST_PARTS:,} parts, which no camera writes: save it as PNG anew.")


def _check_packing(image: Any, name: str) -> None:
    if any(tile[0] == "bmp_rle" for tile in image.tile):  # Pillow reads these pixel by pixel, in Python
        raise LabError(f"{name} is a BMP packed by run lengths, which takes long to read: save it as PNG.")


def _check_webp(content: bytes, name: str) -> None:
    """WebP's decoder makes room for the whole picture before its size can be asked; the header tells it as well."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return
    kind, body = content[12:16], content[20:30]
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", body[6:10]))
    _check_size((width, height), name)


def _pixels(image: Any) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    elif image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    factor = max(image.size) // WORKING_SIDE
    if factor > 1:
        image = image.reduce(factor)
    if image.mode in ("LA", "RGBA"):
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    image = image.convert("RGB")
    held = UPRIGHT.get(str(image.getexif().get(ORIENTATION)))
    if held is not None:
        image = image.transpose(Image.Transpose[held])
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.uint8)


def _members(archive: zipfile.ZipFile, view_shapes: Sequence[tuple[int, int, int]]) -> list[zipfile.ZipInfo]:
    found = {info.filename: info for info in archive.infolist()}
    wanted = [f"view{v}.npy" for v in range(len(view_shapes))]
    if sorted(found) != wanted or len(archive.infolist()) != len(wanted):
        names = ", ".join(plain_name(name.removesuffix(".npy")) for name in list(found)[:4]) or "nothing"
        raise LabError(f"The file holds {names}: {_what_works(view_shapes)}")
    for info in found.values():
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise LabError("The file is encrypted or packed in an unusual way: write it with np.savez_compressed.")
    return [found[name] for name in wanted]


Header = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, whether in Fortran's order, type


def _header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, view: int, expected: tuple[int, int, int], most: int
) -> Header:
    """What a member says it holds, which must be what the view takes and what the archive says it unpacks to."""
    with archive.open(info) as file:
        head = io.BytesIO(file.read(MOST_HEADER))  # NumPy makes room for as much as a header says it is long
    version = npy.read_magic(head)
    reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, fortran, dtype = reader(head)
    size = info.file_size - head.tell()
    if dtype.hasobject:
        raise LabError(f"view{view} holds Python objects, which are never loaded: save it as uint8 or float32.")
    if dtype.newbyteorder("=").name not in NUMBERS:
        raise LabError(f"view{view} has numbers of type {_type_name(dtype)}: save them as uint8 or float32.")
    fitting = [expected] if expected[0] > 1 else [expected, expected[1:]]
    if len(shape) < 1 or shape[1:] not in fitting:
        shapes = " or ".join(_shape_text(("N", *fit)) for fit in fitting)
        raise LabError(f"view{view} has the shape {_shape_text(shape)}: this data set takes {shapes}.")
    if not 1 <= shape[0] <= most:
        raise LabError(f"view{view} has {shape[0]:,} samples: bring from 1 to {most}.")
    if size != math.prod(shape) * dtype.itemsize:
        raise LabError(f"view{view} does not have the size that its header tells: write the file again.")
    return shape, fortran, dtype


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *header: Any) -> NDArray[Any]:
    shape, fortran, dtype = header
    size = math.prod(shape) * dtype.itemsize
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)[-size:]
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _unit(array: NDArray[Any], view: int) -> Floats:
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if not np.isfinite(array).all():
        raise LabError(f"view{view} has values that are infinite or no numbers: pixels run from 0 to 1.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise LabError(f"view{view} runs from {low:g} to {high:g}: pixels are floats from 0 to 1, or uint8.")
    return array.astype(np.float32)


def _what_works(view_shapes: Sequence[tuple[int, int, int]]) -> str:
    shapes = ", ".join(f"view{v} {_shape_text(('N', *shape))}" for v, shape in enumerate(view_shapes))
    return f"np.savez with {shapes} would work."


def _shape_text(shape: Sequence[Any]) -> str:
    return f"({', '.join(map(str, shape[:6]))}{', …' if len(shape) > 6 else ''})"


def _type_name(dtype: np.dtype[Any]) -> str:
    return "records" if dtype.names else plain_name(dtype.name)
