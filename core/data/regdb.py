"""RegDB, brought by the user: visible and thermal pictures of the same people.

Huang et al. (ICML 2024) take 50 people and bring each to 100 samples by grayscale, Gaussian noise and inversion, but
say no more (facts, section 1.3). Which people, the order of the operations and the noise level are our reading.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from core.data.facts import DATASET_FACTS
from core.data.sources import data_folder
from core.errors import LabError
from core.records import Floats
from core.types import MultiViewDataset

SEED = 7  # chooses the people, then draws the noise
SAMPLES_EACH = 100
HEIGHT, WIDTH = 128, 64  # pixels, as in the released configurations
NOISE_SCALE = 0.1  # standard deviation on [0, 1]
OPERATIONS = ("gray", "noise", "inversion")  # in turn; so a gray or inverted copy of a pair comes several times
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601

IDENTITY = re.compile(r"[0-9]{1,9}")  # of a person, in a list
FORMATS = ("BMP", "PNG", "JPEG")
LARGEST_SIDE = 4096  # pixels of a picture before resizing
LARGEST_LIST = 2_000_000  # bytes of a list file

Pair = tuple[Path, Path]  # the visible and the thermal picture of one moment


class Copy(NamedTuple):
    """What one sample of a person is made of."""

    pair: int
    operation: str | None  # one of OPERATIONS, None for the pair as it is


def regdb(root: Path | None = None, *, identities: int = 50, trial: int = 1) -> MultiViewDataset:
    """``identities`` people with 100 samples each, views 3x128x64, from the data folder or its subfolder RegDB.

    Raises :class:`LabError` if the folder, a list file of ``trial`` or a picture is missing or damaged.
    """
    folder = find_folder(data_folder(root))
    people = read_lists(folder, trial)
    if len(people) < identities:
        raise LabError(f"RegDB in {folder} lists {len(people)} people, but {identities} are needed.")
    generator = np.random.default_rng(SEED)
    chosen = sorted(generator.choice(sorted(people), identities, replace=False).tolist())
    views = [np.empty((identities * SAMPLES_EACH, 3, HEIGHT, WIDTH), dtype=np.float32) for _ in range(2)]
    for place, identity in enumerate(chosen):
        rows = slice(place * SAMPLES_EACH, (place + 1) * SAMPLES_EACH)
        for view, paths in zip(views, zip(*people[identity], strict=True), strict=True):
            view[rows] = augment(np.stack([read_picture(path) for path in paths]), generator)
    labels = torch.arange(identities).repeat_interleave(SAMPLES_EACH)
    known = DATASET_FACTS["regdb"].class_names
    names = known if identities == len(known) else tuple(f"person {number + 1}" for number in range(identities))
    return MultiViewDataset("regdb", tuple(torch.from_numpy(view) for view in views), labels, names)


def find_folder(folder: Path) -> Path:
    """``folder``/RegDB or ``folder`` itself, whichever has the folders Visible, Thermal and idx."""
    for candidate in (folder / "RegDB", folder):
        if all((candidate / name).is_dir() for name in ("Visible", "Thermal", "idx")):
            return candidate
    raise LabError(
        f"RegDB is not in {folder}: ask its authors for it, put its folders Visible, Thermal and idx into "
        f"{folder / 'RegDB'}, or choose synthetic_people, which needs no files."
    )


def read_lists(folder: Path, trial: int) -> dict[int, list[Pair]]:
    """The pairs of every person in the train and the test list of ``trial``, by identity number.

    The n-th visible picture of a person belongs to the n-th thermal one, in the order of the lists.
    """
    visible, thermal = (_pictures_of(folder, modality, trial) for modality in ("Visible", "Thermal"))
    for identity in sorted(visible.keys() | thermal.keys()):
        counts = len(visible.get(identity, [])), len(thermal.get(identity, []))
        if counts[0] != counts[1] or not 0 < counts[0] <= SAMPLES_EACH:
            raise LabError(
                f"The lists of trial {trial} in {folder / 'idx'} give person {identity} {counts[0]} visible and "
                f"{counts[1]} thermal pictures, but they must come in pairs, at most {SAMPLES_EACH}."
            )
    return {identity: list(zip(visible[identity], thermal[identity], strict=True)) for identity in visible}


def copies(pairs: int) -> list[Copy]:
    """The recipe of a person's samples: every pair as it is, then pairs and operations in turn, 100 in all."""
    plain = [Copy(pair, None) for pair in range(pairs)]
    changed = [Copy(n % pairs, OPERATIONS[n % len(OPERATIONS)]) for n in range(SAMPLES_EACH - pairs)]
    return plain + changed


def augment(pictures: Floats, generator: np.random.Generator) -> Floats:
    """One view of a person, (pairs, 3, H, W), brought to (100, 3, H, W), all in [0, 1].

    The operations follow from the number of pairs alone, so both views of a pair undergo the same one.
    """
    return np.stack([_changed(pictures[pair], operation, generator) for pair, operation in copies(len(pictures))])


def read_picture(path: Path) -> Floats:
    """A picture resized (bilinear) to 128x64, (3, 128, 64) in [0, 1]. Raises :class:`LabError` if it is damaged."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            if max(picture.size) > LARGEST_SIDE:
                raise LabError(f"{path} is larger than {LARGEST_SIDE} pixels on a side: RegDB's pictures are small.")
            small = picture.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    except LabError:
        raise
    except Exception as error:  # decoders raise whatever they like at damaged files
        reason = "is missing" if isinstance(error, FileNotFoundError) else "is damaged or no BMP, PNG or JPEG picture"
        raise LabError(f"{path} {reason}: put the original file there again.") from error
    return np.asarray(small, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)


def _changed(picture: Floats, operation: str | None, generator: np.random.Generator) -> Floats:
    if operation == "gray":
        gray: Floats = np.tensordot(LUMINANCE, picture, axes=1)  # (H, W)
        return np.stack([gray] * len(picture))
    if operation == "noise":
        noise = generator.normal(0, NOISE_SCALE, picture.shape).astype(np.float32)
        noisy: Floats = np.clip(picture + noise, 0, 1)
        return noisy
    return 1 - picture if operation == "inversion" else picture


def _pictures_of(folder: Path, modality: str, trial: int) -> dict[int, list[Path]]:
    """The paths of one modality by identity, from the train list and then the test list."""
    found: dict[int, list[Path]] = {}
    for part in ("train", "test"):
        path = folder / "idx" / f"{part}_{modality.lower()}_{trial}.txt"
        for number, line in enumerate(_lines(path), start=1):
            pieces = line.split()[0].split("/")
            if len(pieces) != 3 or pieces[0] != modality or not IDENTITY.fullmatch(pieces[1]) or pieces[2] == "..":
                raise LabError(f"Line {number} of {path} must read like '{modality}/1/name.bmp 0', got {line[:80]!r}.")
            found.setdefault(int(pieces[1]), []).append(folder.joinpath(*pieces))
    return found


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise LabError(f"{path} is larger than a list of RegDB can be ({LARGEST_LIST:,} bytes).")
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is missing or cannot be read: RegDB has such a list for each of ten trials.") from error
