"""What a browser component gets: a header and arrays in one buffer, read without a copy (assets/parts/read.js).

Layout: uint32 (little endian) length of the header, the header (JSON, UTF-8, padded with spaces to 8 bytes), the
arrays one after the other, each padded to 8 bytes. The header's ``arrays`` gives dtype, shape and offset of each.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGN = 8

Arrays = dict[str, NDArray[Any]]


def join(header: dict[str, Any], arrays: Arrays) -> bytes:
    """The buffer of a header, plain JSON values, and named arrays. Raises ValueError for a NaN in the header."""
    blobs, places, offset = [], {}, 0
    for name, array in arrays.items():
        blob = np.ascontiguousarray(array).tobytes()
        places[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        blobs.append(blob + bytes(-len(blob) % ALIGN))
        offset += len(blobs[-1])
    text = json.dumps({**header, "arrays": places}, allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % ALIGN)
    return len(text).to_bytes(4, "little") + text + b"".join(blobs)
