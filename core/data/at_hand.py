"""Whether a data set's files are here, asked before anything is read or downloaded."""

from pathlib import Path

from core.data import colours, photographs, sources, vectors
from core.data.facts import DATASET_FACTS
from core.data.regdb import find_folder
from core.errors import LabError

SOURCES: dict[str, sources.Source] = {
    "noisy_mnist": "MNIST",
    "noisy_fashion": "FashionMNIST",
    "patched_mnist": "MNIST",
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
}
DOWNLOAD_MEGABYTES = {"MNIST": 12, "FashionMNIST": 31}
DISK_MEGABYTES = 55  # of either, unpacked


def missing_data(dataset: str, root: Path | None = None) -> tuple[str, bool]:
    """A sentence about what is not here, empty if all is, and whether a training can get it by itself."""
    title = DATASET_FACTS[dataset].title
    if dataset in SOURCES:
        source = SOURCES[dataset]
        if sources.are_here(source, root):
            return "", True
        return (
            f"{title} is not in {sources.data_folder(root)}: the training downloads it first, "
            f"{DOWNLOAD_MEGABYTES[source]} MB, {DISK_MEGABYTES} MB on the disk. Without a network it ends and says so; "
            "NoisyDigits, PatchedDigits and Synthetic people need none.",
            True,
        )
    for maker in (colours, photographs):
        if dataset in maker.MEGABYTES and not maker.are_here(dataset, root):
            return (
                f"{title} is not in {sources.data_folder(root)}: the training downloads it first, "
                f"{maker.MEGABYTES[dataset]:,} MB. Without a network it ends and says so.",
                True,
            )
    if dataset in vectors.NAMES:
        return vectors.missing(dataset, root), False
    if DATASET_FACTS[dataset].origin == "brought":
        try:
            find_folder(sources.data_folder(root))
        except LabError as error:
            return str(error), False
    return "", True
