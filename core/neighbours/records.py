"""What is measured of NCP-ACL: variants of the trainer, one result a variant and seed. No tensors."""

from dataclasses import dataclass

from core.records import check_seed, digest

VERSION = 1  # part of every key: raise it when a measurement changes
FIGURE_K = (5, 15, 30, 50)  # numbers of clusters that are given instead of chosen (Figure 3)
SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row: a model's recipe, and what is changed of it; None is the recipe's own."""

    title: str
    model: str  # a name in MODELS
    part: str  # which table: "methods", "strategies", "ranks", "clusters", "heads"
    strategy: str | None = None
    rank: int | None = None
    weight: float | None = None  # λ
    norm_sets: int | None = None
    as_long_as: str | None = None  # the model whose epochs the second stage has
    n_centroids: int | None = None
    adversarial_head: bool = False


VARIANTS: dict[str, Variant] = {
    "simclr": Variant(title="SimCLR", model="simclr", part="methods"),
    "ncp_acl": Variant(title="NCP-ACL", model="ncp_acl", part="methods"),
    "deacl": Variant(title="DeACL, λ 2, half the epochs", model="deacl", part="methods"),
    "deacl_matched": Variant(
        title="DeACL, matched", model="deacl", part="methods", weight=6.0, norm_sets=2, as_long_as="ncp_acl"
    ),
    "acl": Variant(title="ACL", model="acl", part="methods"),
    "dynacl": Variant(title="DYNACL", model="dynacl", part="methods"),
    "dynacl_plus": Variant(title="DYNACL++", model="dynacl_plus", part="methods"),
    "advcl": Variant(title="AdvCL, no pseudo-labels", model="advcl", part="methods"),
    "rocl": Variant(title="RoCL", model="rocl", part="methods"),
    "own": Variant(title="(i) away from own", model="ncp_acl", part="strategies", strategy="own"),
    "toward": Variant(title="(ii) toward neighbour", model="ncp_acl", part="strategies", strategy="toward"),
    **{f"rank{n}": Variant(title=f"n = {n}", model="ncp_acl", part="ranks", rank=n) for n in (3, 4, 5)},
    **{f"k{k}": Variant(title=f"K = {k}", model="ncp_acl", part="clusters", n_centroids=k) for k in FIGURE_K},
    "ncp_acl_alf": Variant(title="NCP-ACL", model="ncp_acl", part="heads", adversarial_head=True),
    "deacl_alf": Variant(title="DeACL, matched", model="deacl", part="heads", weight=6.0, norm_sets=2,
                         as_long_as="ncp_acl", adversarial_head=True),
}  # fmt: skip
MAIN = ("simclr", "ncp_acl", "deacl", "deacl_matched", "own", "toward")  # what the larger sets are measured on


@dataclass(frozen=True, kw_only=True)
class NeighbourSpec:
    """One training and its scores, completely."""

    dataset: str
    variant: str  # a name in VARIANTS
    seed: int
    samples: int | None  # training samples; None for all of the training half
    attacked: int = 400  # held-out samples that are scored and attacked by PGD-20
    by_ensemble: int = 200  # the first of them, attacked by the ensemble
    ensemble_steps: int = 20  # of APGD; 100 is full strength
    version: int = VERSION

    def __post_init__(self) -> None:
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The proof of concept at one ε on correctly classified samples: shares and mean falls, each in [0, 1]."""

    epsilon: float
    noise_success: float  # share that random ±ε turns to another class
    noise_fall: float  # of the true class's probability
    success: float  # of five steps toward the neighbouring centroid
    fall: float
    to_neighbour: float  # share of the turned whose new class is the neighbouring cluster's


@dataclass(frozen=True, kw_only=True)
class NeighbourResult:
    """What one training came to. Accuracies are in [0, 1]."""

    spec: NeighbourSpec
    standard: float  # SA
    robust: float  # RA: still right after PGD-20
    ensemble: float  # AA: of the first samples, still right after the ensemble
    standard_by_ensemble: float  # SA of those first samples
    n_used: int  # K
    grid: tuple[int, ...]
    curve: tuple[float, ...]  # silhouette for each K of the grid
    proof: tuple[Proof, ...]  # SimCLR's alone
    training_samples: int
    epsilon: float
    seconds: float
    device: str
    torch: str
    commit: str
    created: str


def key(spec: NeighbourSpec, recipe: object) -> str:
    """The name of a result: of the spec, and of all the recipe's numbers."""
    return digest({"spec": {**vars(spec)}, "recipe": recipe})
