"""Of how many parts a picture's file is made, told before a decoder sees it: one takes its time over each.

A JPEG is made of segments and scans, a PNG of chunks, a GIF of blocks; the others are read as fast as they come.
"""

import re
from typing import NamedTuple

MOST_PARTS = 2_000  # a camera writes some dozens, an encoder of PNG one every 8 kB; some are joined, each time all anew
MOST_SCANS = 100  # of a progressive JPEG, which has about ten; each costs a walk over the whole picture

JPEG, PNG, GIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"GIF8"  # what they begin with
SEGMENT = re.compile(rb"\xff([\xc0-\xc7\xc9-\xcf\xd9-\xef\xfe])")  # begins a part that has a length, or ends it all
SCAN, END = b"\xda", b"\xd9"
LAST, PROFILE = b"IEND", b"iCCP"  # chunks of a PNG
PROFILE_PARTS = 1_000  # that a profile counts for, as it may unpack to a megabyte; a picture has one
EXTENSION, PICTURE = 0x21, b",;"  # begin an extension of a GIF; a picture in it, or its end


class Parts(NamedTuple):
    """What a file is made of, as far as it was counted: not beyond what is too much."""

    parts: int  # with the bytes between them, which are looked at one by one
    scans: int


def count(content: bytes) -> Parts:
    """The parts of a JPEG, a PNG or a GIF, not of its thumbnails or of what stands behind it; none of others."""
    if content.startswith(JPEG):
        return _of_jpeg(content)
    if content.startswith(PNG):
        return Parts(_chunks(content), 0)
    return Parts(_blocks(content) if content.startswith(GIF) else 0, 0)


def _of_jpeg(content: bytes) -> Parts:
    parts, scans, at = 0, 0, len(JPEG)
    while parts <= MOST_PARTS and scans <= MOST_SCANS:
        found = SEGMENT.search(content, at)
        if not scans:  # behind the first scan stand pixels
            parts += (len(content) if found is None else found.start()) - at
        if found is None or (scans and found[1] == END):
            break
        parts += 1
        scans += found[1] == SCAN
        length = 0 if found[1] == END else int.from_bytes(content[found.end() : found.end() + 2], "big")
        at = min(found.end() + length, len(content))
    return Parts(parts, scans)


def _chunks(content: bytes) -> int:
    parts, at = 0, len(PNG)
    while at < len(content) and parts <= MOST_PARTS:
        kind = content[at + 4 : at + 8]
        parts += PROFILE_PARTS if kind == PROFILE else 1
        if kind == LAST:
            break
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return parts


def _blocks(content: bytes) -> int:
    """What a GIF holds before its first picture."""
    packed = content[10] if len(content) > 10 else 0
    parts, at = 0, 13 + (3 << (packed & 7) + 1 if packed & 0x80 else 0)
    while at < len(content) and parts <= MOST_PARTS and content[at] not in PICTURE:
        parts += 1
        is_extension = content[at] == EXTENSION
        at += 2 if is_extension else 1
        while is_extension and at < len(content) and content[at] and parts <= MOST_PARTS:
            parts += 1
            at += 1 + content[at]
        at += is_extension
    return parts
