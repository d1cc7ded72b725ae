"""Data sets by name: ``DATASETS.make(name, root=None)`` builds one, ``DATASET_FACTS[name]`` describes it."""

from collections.abc import Callable
from pathlib import Path

from core.data import colours, noisy, patched, people, photographs, planar, regdb, single, vectors
from core.data.facts import DATASET_FACTS, DatasetFacts
from core.registry import Registry
from core.types import MultiViewDataset, Views

DATASETS: Registry[MultiViewDataset] = Registry(
    "data set",
    {
        "noisy_digits": noisy.noisy_digits,
        "patched_digits": patched.patched_digits,
        "synthetic_people": people.synthetic_people,
        "noisy_mnist": noisy.noisy_mnist,
        "noisy_fashion": noisy.noisy_fashion,
        "patched_mnist": patched.patched_mnist,
        "regdb": regdb.regdb,
        "digits": single.digits,
        "mnist": single.mnist,
        "fashion_mnist": single.fashion_mnist,
        "cifar10": colours.cifar10,
        "cifar100": colours.cifar100,
        "svhn": photographs.svhn,
        "stl10": photographs.stl10,
        "stl10_features": vectors.stl10_features,
        "reuters": vectors.reuters,
        "two_moons": planar.two_moons,
        "two_circles": planar.two_circles,
    },
)

UNLABELLED: dict[str, Callable[[Path | None], Views]] = {"stl10": photographs.stl10_unlabelled}  # pictures besides

__all__ = ["DATASETS", "DATASET_FACTS", "UNLABELLED", "DatasetFacts"]
