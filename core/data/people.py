"""Synthetic people: visible and thermal pictures of the same walking person, in RegDB's shape but smaller.

Drawn by this lab so that everything made for RegDB runs without its licence. No photograph is involved.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from core.data.bodies import Dress, Pose, draw
from core.data.canvas import Canvas, Numbers
from core.data.facts import DATASET_FACTS
from core.data.pictures import resize
from core.records import Floats, Integers
from core.types import MultiViewDataset

SEED = 7
SAMPLES_EACH = 80
BODY = 52.0  # pixels of a body of height 1
HORIZON = 0.60  # share of the picture above the line where wall meets floor
NO_COLOUR = (0.0, 0.0, 0.0)

Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Person:
    """An identity: the proportions and clothes that all pictures of one person share."""

    height: float
    bulk: float
    legs: float  # hip height against the common one
    head: float = 1.0
    skin: Colour
    hair: Colour
    long_hair: float = 0.0
    shirt: Colour
    stripe: Colour | None = None  # across the chest, None for the shirt's own colour
    long_sleeves: float = 1.0
    trousers: Colour
    trouser_length: float = 1.0  # of the shin that is covered
    skirt: float = 0.0  # length below the hip, in body heights
    shoes: Colour = (0.12, 0.11, 0.12)
    hat: Colour | None = None
    backpack: Colour | None = None
    shoulder_bag: Colour | None = None
    chest_heat: float  # how warm the clothes look from outside: thin ones are warm
    belly_heat: float
    leg_heat: float


PALE, FAIR, TAN = (0.96, 0.80, 0.70), (0.90, 0.70, 0.57), (0.78, 0.56, 0.42)
BROWN, DEEP = (0.58, 0.39, 0.28), (0.38, 0.25, 0.18)
BLACK, DARK, CHESTNUT = (0.07, 0.06, 0.07), (0.20, 0.13, 0.09), (0.36, 0.20, 0.11)
BLOND, GREY, RED = (0.85, 0.68, 0.36), (0.66, 0.66, 0.68), (0.62, 0.25, 0.10)

PEOPLE = (
    Person(height=1.00, bulk=1.05, legs=1.02, skin=FAIR, hair=DARK, shirt=(0.78, 0.12, 0.14),
           trousers=(0.16, 0.22, 0.42), shoes=(0.92, 0.92, 0.92), backpack=(0.12, 0.13, 0.16),
           chest_heat=0.62, belly_heat=0.58, leg_heat=0.66),
    Person(height=0.90, bulk=0.90, legs=1.00, head=1.04, skin=PALE, hair=BLOND, long_hair=1.0,
           shirt=(0.96, 0.83, 0.30), long_sleeves=0.0, trousers=(0.20, 0.46, 0.44), trouser_length=0.0, skirt=0.26,
           shoulder_bag=(0.45, 0.24, 0.13), chest_heat=0.82, belly_heat=0.76, leg_heat=0.56),
    Person(height=0.97, bulk=1.24, legs=0.96, skin=BROWN, hair=BLACK, shirt=(0.93, 0.93, 0.90),
           stripe=(0.15, 0.30, 0.62), trousers=(0.13, 0.13, 0.14), chest_heat=0.70, belly_heat=0.78, leg_heat=0.50),
    Person(height=0.93, bulk=0.98, legs=0.98, skin=TAN, hair=BLACK, shirt=(0.18, 0.52, 0.26),
           trousers=(0.72, 0.62, 0.44), hat=(0.14, 0.34, 0.18), chest_heat=0.52, belly_heat=0.48, leg_heat=0.62),
    Person(height=0.98, bulk=0.92, legs=1.06, skin=DEEP, hair=BLACK, shirt=(0.95, 0.52, 0.12), long_sleeves=0.0,
           trousers=(0.20, 0.20, 0.23), trouser_length=0.0, shoes=(0.90, 0.30, 0.12),
           chest_heat=0.86, belly_heat=0.84, leg_heat=0.72),
    Person(height=0.91, bulk=1.10, legs=0.97, skin=PALE, hair=GREY, shirt=(0.42, 0.44, 0.48), stripe=(0.42, 0.44, 0.48),
           trousers=(0.34, 0.28, 0.24), shoulder_bag=(0.10, 0.10, 0.11),
           chest_heat=0.42, belly_heat=0.40, leg_heat=0.46),
    Person(height=0.95, bulk=0.88, legs=1.04, skin=FAIR, hair=RED, long_hair=1.0, shirt=(0.16, 0.17, 0.20),
           trousers=(0.46, 0.62, 0.82), shoes=(0.85, 0.85, 0.86), chest_heat=0.58, belly_heat=0.74, leg_heat=0.70),
    Person(height=0.94, bulk=1.14, legs=1.00, skin=TAN, hair=DARK, shirt=(0.40, 0.68, 0.92), long_sleeves=0.0,
           trousers=(0.86, 0.84, 0.78), trouser_length=0.0, backpack=(0.80, 0.22, 0.20), hat=(0.88, 0.88, 0.86),
           chest_heat=0.78, belly_heat=0.66, leg_heat=0.80),
    Person(height=0.92, bulk=0.94, legs=0.99, skin=BROWN, hair=BLACK, long_hair=1.0, shirt=(0.78, 0.26, 0.56),
           trousers=(0.26, 0.12, 0.30), trouser_length=0.0, skirt=0.36,
           chest_heat=0.64, belly_heat=0.60, leg_heat=0.42),
    Person(height=1.03, bulk=1.00, legs=1.05, skin=PALE, hair=CHESTNUT, shirt=(0.48, 0.33, 0.20),
           stripe=(0.92, 0.88, 0.78), trousers=(0.38, 0.42, 0.28), chest_heat=0.48, belly_heat=0.62, leg_heat=0.58),
)  # fmt: skip


def synthetic_people(root: Path | None = None) -> MultiViewDataset:
    """800 pairs of pictures, 80 of each of ten people. Needs no files; ``root`` is ignored."""
    facts = DATASET_FACTS["synthetic_people"]
    generator = np.random.default_rng(SEED)
    labels = np.arange(facts.samples) % len(PEOPLE)
    _, height, width = facts.view_shapes[0]
    visible, thermal = scenery(len(labels), height, width, generator)
    canvas = Canvas(visible, thermal, light=_light(len(labels), generator))
    dress = wardrobe(labels)
    draw(canvas, poses(dress["height"], width, height, generator), dress)
    expose(canvas, generator)
    views = (canvas.visible, np.repeat(canvas.thermal[:, None], 3, axis=1))
    tensors = tuple(torch.from_numpy(view) for view in views)
    return MultiViewDataset("synthetic_people", tensors, torch.from_numpy(labels), facts.class_names)


def wardrobe(labels: Integers) -> Dress:
    """Every attribute of the person in each picture, (N,) or (N, 3) float32."""
    rows = [_attributes(person) for person in PEOPLE]
    return {name: np.array([row[name] for row in rows], dtype=np.float32)[labels] for name in rows[0]}


def _attributes(person: Person) -> dict[str, float | Colour]:
    bag = person.backpack or person.shoulder_bag
    return asdict(person) | {
        "stripe": person.stripe or person.shirt,
        "hat": person.hat or NO_COLOUR,
        "bag": bag or NO_COLOUR,
        "has_hat": float(person.hat is not None),
        "has_backpack": float(person.backpack is not None),
        "has_shoulder_bag": float(person.shoulder_bag is not None),
        "backpack": NO_COLOUR,
        "shoulder_bag": NO_COLOUR,
        "sleeve_heat": (person.chest_heat + person.belly_heat) / 2 - 0.04,
        "skin_heat": 0.88,
        "hair_heat": 0.60 - 0.10 * person.long_hair,
        "hat_heat": 0.38,
        "bag_heat": 0.30,
        "shoe_heat": 0.38,
    }


def poses(heights: Numbers, width: int, height: int, generator: np.random.Generator) -> Pose:
    """A random moment of the walk of each person, (N,)."""
    count = len(heights)
    sides = generator.choice([-1.0, 1.0], count)
    foot = np.stack([width / 2 + generator.normal(0, 1.0, count), height - 4.5 + generator.normal(0, 0.7, count)], 1)
    return Pose(
        phase=generator.uniform(0, 2 * np.pi, count),
        stride=generator.uniform(0.25, 0.50, count),
        turn=sides * generator.uniform(0.15, 1.15, count),
        lean=generator.normal(0, 0.6, count),
        foot=foot,
        size=BODY * heights * generator.uniform(0.94, 1.06, count),
    )


def scenery(count: int, height: int, width: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Empty scenes, a wall over a floor: visible (N, 3, H, W) and thermal (N, H, W)."""
    rows = (np.arange(height) + 0.5) / height
    line = HORIZON + generator.normal(0, 0.04, (count, 1))
    floor = 1 / (1 + np.exp(-(rows - line) * 60))  # (N, H), 0 on the wall, 1 on the floor
    tint = generator.normal(0, 0.035, (count, 3, 1))
    wall = generator.uniform(0.50, 0.80, (count, 1, 1)) + tint
    ground = wall * generator.uniform(0.55, 0.85, (count, 1, 1))
    shade = wall + (ground - wall) * floor[:, None] + 0.10 * (0.5 - rows)
    clouds = _clouds(count, height, width, generator)
    visible = shade[..., None] * (1 + 0.5 * clouds[:, None])
    cool = generator.uniform(0.14, 0.24, (count, 1)) + generator.uniform(-0.03, 0.06, (count, 1)) * floor
    thermal = cool[..., None] + 0.12 * _clouds(count, height, width, generator)
    return visible.astype(np.float32), thermal.astype(np.float32)


def expose(canvas: Canvas, generator: np.random.Generator) -> None:
    """What the cameras add, in place: exposure, tint, softness, noise; then both end within [0, 1]."""
    count = len(canvas.thermal)
    gain = generator.uniform(0.78, 1.10, (count, 1, 1, 1)) * (1 + generator.normal(0, 0.02, (count, 3, 1, 1)))
    canvas.visible[:] = canvas.visible * gain
    canvas.thermal[:] = _soften(canvas.thermal) * generator.uniform(0.93, 1.05, (count, 1, 1))
    for picture, noise in ((canvas.visible, 0.015), (canvas.thermal, 0.012)):
        picture += noise * generator.standard_normal(picture.shape, dtype=np.float32)
        np.clip(picture, 0, 1, out=picture)


def _light(count: int, generator: np.random.Generator) -> Floats:
    across = generator.uniform(-0.9, 0.9, count)
    return np.stack([across, np.full(count, -0.4)], axis=1).astype(np.float32)


def _clouds(count: int, height: int, width: int, generator: np.random.Generator) -> Floats:
    """Smooth random brightness of mean 0, (N, H, W)."""
    return resize(generator.normal(0, 0.10, (count, 6, 4)).astype(np.float32), height, width)


def _soften(pictures: Floats) -> Floats:
    """A blur of about one pixel, as a thermal lens has, (N, H, W)."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
    softened: Floats = 0.25 * rows[:, :, :-2] + 0.5 * rows[:, :, 1:-1] + 0.25 * rows[:, :, 2:]
    return softened
