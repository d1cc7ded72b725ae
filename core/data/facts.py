"""What is known of each data set without building it: for pickers, lists and documents."""

from dataclasses import dataclass
from typing import Literal

Origin = Literal["embedded", "downloaded", "brought"]

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
FASHION_NAMES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
PATCHED_NAMES = DIGIT_NAMES[:3]
NOISY_VIEWS = ("original", "noisy partner")
PATCHED_VIEWS = ("top centre-left patch", "top centre-right patch", "inner upper-left patch")
PEOPLE_VIEWS = ("visible", "thermal")
PICTURE_VIEW = ("picture",)
STL10_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
CIFAR_NAMES = ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
POINT_VIEW = ("point",)
VECTOR_VIEW = ("vector",)
REUTERS_NAMES = ("corporate", "economics", "government", "markets")


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """Static facts of one data set; they agree with what its factory builds."""

    title: str
    sentence: str  # what a sample is
    source: str  # where the pictures come from, and under which terms
    origin: Origin  # embedded: works offline; downloaded: on first use; brought: by the user
    epsilon: float  # the paper's budget (Huang et al. 2024), linf on [0, 1]; a stand-in takes its sibling's
    samples: int
    class_names: tuple[str, ...]
    view_names: tuple[str, ...]
    view_shapes: tuple[tuple[int, int, int], ...]  # (C, H, W) of each view

    @property
    def has_pictures(self) -> bool:
        """Whether a sample can be looked at; points and vectors cannot, and pages made for pictures leave them out."""
        return self.view_names not in (POINT_VIEW, VECTOR_VIEW)

    @property
    def is_vectors(self) -> bool:
        """Whether a sample is a row of features that somebody else computed."""
        return self.view_names == VECTOR_VIEW


DATASET_FACTS: dict[str, DatasetFacts] = {
    "noisy_digits": DatasetFacts(
        title="NoisyDigits",
        sentence="A small handwritten digit, and another picture of the same digit under Gaussian noise.",
        source="scikit-learn's digits (UCI, 1,797 real scans), enlarged from 8x8; built as NoisyMNIST is",
        origin="embedded",
        epsilon=0.3,
        samples=1797,
        class_names=DIGIT_NAMES,
        view_names=NOISY_VIEWS,
        view_shapes=((1, 28, 28),) * 2,
    ),
    "patched_digits": DatasetFacts(
        title="PatchedDigits",
        sentence="Three patches of one small handwritten 0, 1 or 2.",
        source="scikit-learn's digits (UCI, 537 real scans), enlarged from 8x8; built as PatchedMNIST is",
        origin="embedded",
        epsilon=0.3,
        samples=537,
        class_names=PATCHED_NAMES,
        view_names=PATCHED_VIEWS,
        view_shapes=((1, 28, 28),) * 3,
    ),
    "synthetic_people": DatasetFacts(
        title="Synthetic people",
        sentence="A person seen by a visible and a thermal camera at once; synthetic, not photographed.",
        source="drawn by this lab's own code, to stand in for RegDB",
        origin="embedded",
        epsilon=0.2,
        samples=800,
        class_names=tuple(f"person {number}" for number in range(1, 11)),
        view_names=PEOPLE_VIEWS,
        view_shapes=((3, 64, 32),) * 2,
    ),
    "noisy_mnist": DatasetFacts(
        title="NoisyMNIST",
        sentence="A handwritten digit, and another picture of the same digit under Gaussian noise.",
        source="MNIST (LeCun, Cortes, Burges), train and test part together",
        origin="downloaded",
        epsilon=0.3,
        samples=70_000,
        class_names=DIGIT_NAMES,
        view_names=NOISY_VIEWS,
        view_shapes=((1, 28, 28),) * 2,
    ),
    "noisy_fashion": DatasetFacts(
        title="NoisyFashion",
        sentence="A piece of clothing, and another picture of the same kind under Gaussian noise.",
        source="Fashion-MNIST (Xiao, Rasul, Vollgraf; MIT licence), train and test part together",
        origin="downloaded",
        epsilon=0.15,
        samples=70_000,
        class_names=FASHION_NAMES,
        view_names=NOISY_VIEWS,
        view_shapes=((1, 28, 28),) * 2,
    ),
    "patched_mnist": DatasetFacts(
        title="PatchedMNIST",
        sentence="Three patches of one handwritten 0, 1 or 2.",
        source="MNIST (LeCun, Cortes, Burges), the digits 0, 1 and 2 of train and test part together",
        origin="downloaded",
        epsilon=0.3,
        samples=21_770,
        class_names=PATCHED_NAMES,
        view_names=PATCHED_VIEWS,
        view_shapes=((1, 28, 28),) * 3,
    ),
    "regdb": DatasetFacts(
        title="RegDB",
        sentence="A person seen by a visible and a thermal camera at once; 50 people, our reading of the paper.",
        source="RegDB (Nguyen et al., Dongguk University), brought by you under its own licence",
        origin="brought",
        epsilon=0.2,
        samples=5000,
        class_names=tuple(f"person {number}" for number in range(1, 51)),
        view_names=PEOPLE_VIEWS,
        view_shapes=((3, 128, 64),) * 2,
    ),
    "two_moons": DatasetFacts(
        title="Two moons",
        sentence="A point of one of two interleaved half circles.",
        source="drawn by scikit-learn's make_moons: noise 0.08, scaled into the unit square",
        origin="embedded",
        epsilon=0.1,
        samples=400,
        class_names=("upper moon", "lower moon"),
        view_names=POINT_VIEW,
        view_shapes=((1, 1, 2),),
    ),
    "two_circles": DatasetFacts(
        title="Two circles",
        sentence="A point of one of two circles, one inside the other.",
        source="drawn by scikit-learn's make_circles: noise 0.05, factor 0.4, scaled into the unit square",
        origin="embedded",
        epsilon=0.1,
        samples=400,
        class_names=("outer circle", "inner circle"),
        view_names=POINT_VIEW,
        view_shapes=((1, 1, 2),),
    ),
    "stl10_features": DatasetFacts(
        title="STL-10 features",
        sentence="What a ResNet-50, trained on ImageNet, sees in a photograph: a vector of length 1.",
        source="STL-10 (Coates, Ng, Lee, Stanford) through torchvision's ResNet-50, made by python -m core features",
        origin="brought",
        epsilon=0.01,
        samples=13_000,
        class_names=STL10_NAMES,
        view_names=VECTOR_VIEW,
        view_shapes=((1, 1, 2048),),
    ),
    "reuters": DatasetFacts(
        title="REUTERS",
        sentence="How often 2,000 words are in a news story, frequent words weighing less: a vector of length 1.",
        source="RCV1 (Lewis, Yang, Rose, Li) through scikit-learn, made by python -m core features",
        origin="brought",
        epsilon=0.01,
        samples=10_000,
        class_names=REUTERS_NAMES,
        view_names=VECTOR_VIEW,
        view_shapes=((1, 1, 2000),),
    ),
    "cifar10": DatasetFacts(
        title="CIFAR-10",
        sentence="A small colour photograph of one of ten things.",
        source="CIFAR-10 (Krizhevsky, University of Toronto), train and test part together",
        origin="downloaded",
        epsilon=8 / 255,
        samples=60_000,
        class_names=CIFAR_NAMES,
        view_names=PICTURE_VIEW,
        view_shapes=((3, 32, 32),),
    ),
    "cifar100": DatasetFacts(
        title="CIFAR-100",
        sentence="A small colour photograph of one of a hundred things.",
        source="CIFAR-100 (Krizhevsky, University of Toronto), train and test part together",
        origin="downloaded",
        epsilon=8 / 255,
        samples=60_000,
        class_names=tuple(f"class {number}" for number in range(100)),
        view_names=PICTURE_VIEW,
        view_shapes=((3, 32, 32),),
    ),
    "svhn": DatasetFacts(
        title="SVHN",
        sentence="A digit of a house number, photographed from the street.",
        source="SVHN (Netzer et al., Stanford and Google), train and test part together",
        origin="downloaded",
        epsilon=8 / 255,
        samples=99_289,
        class_names=DIGIT_NAMES,
        view_names=PICTURE_VIEW,
        view_shapes=((3, 32, 32),),
    ),
    "stl10": DatasetFacts(
        title="STL-10",
        sentence="A colour photograph of one of ten things, 96 pixels wide.",
        source="STL-10 (Coates, Ng, Lee, Stanford), train and test part together; 100,000 more without a label",
        origin="downloaded",
        epsilon=8 / 255,
        samples=13_000,
        class_names=STL10_NAMES,
        view_names=PICTURE_VIEW,
        view_shapes=((3, 96, 96),),
    ),
    "digits": DatasetFacts(
        title="Digits",
        sentence="A small handwritten digit, one picture a sample.",
        source="scikit-learn's digits (UCI, 1,797 real scans), enlarged from 8x8",
        origin="embedded",
        epsilon=0.3,
        samples=1797,
        class_names=DIGIT_NAMES,
        view_names=PICTURE_VIEW,
        view_shapes=((1, 28, 28),),
    ),
    "mnist": DatasetFacts(
        title="MNIST",
        sentence="A handwritten digit, one picture a sample.",
        source="MNIST (LeCun, Cortes, Burges), train and test part together",
        origin="downloaded",
        epsilon=0.3,
        samples=70_000,
        class_names=DIGIT_NAMES,
        view_names=PICTURE_VIEW,
        view_shapes=((1, 28, 28),),
    ),
    "fashion_mnist": DatasetFacts(
        title="Fashion-MNIST",
        sentence="A piece of clothing, one picture a sample.",
        source="Fashion-MNIST (Xiao, Rasul, Vollgraf; MIT licence), train and test part together",
        origin="downloaded",
        epsilon=0.15,
        samples=70_000,
        class_names=FASHION_NAMES,
        view_names=PICTURE_VIEW,
        view_shapes=((1, 28, 28),),
    ),
}
