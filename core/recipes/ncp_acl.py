"""NCP-ACL and what it is compared with: "Cluster-Driven Adversarial Perturbations for Robust Contrastive Learning"
(Anonymous, submitted to ICLR 2025), Tables 2 to 5.

"paper" is the full setting, ResNet-18 for a GPU; there is no released code, so "released" is not there. "lab" has small
networks that a processor trains in a minute. All start their second stage from the encoder of the same SimCLR, the
contrastive baselines too (their papers train from new weights), so that the second stage alone differs.
    python -m core train digits/ncp_acl        # about a minute
    python -m core train mnist/ncp_acl --samples 3000
    python -m core train cifar10/ncp_acl --protocol paper   # for a GPU
"""

from dataclasses import replace
from typing import Any

from core.recipes import lab
from core.recipes.base import (
    FineTuning,
    InnerBudget,
    Method,
    Optimisation,
    Recipe,
    RepresentationLearning,
    RobustStage,
)
from core.training import Schedule

PHOTOGRAPHS = ("cifar10", "cifar100", "stl10")
DATASETS = ("digits", "mnist", "fashion_mnist", *PHOTOGRAPHS)
METHODS: tuple[Method, ...] = ("ncp_acl", "deacl", "acl", "dynacl", "dynacl_plus", "advcl", "rocl")
MODELS = ("simclr", *METHODS)

TEMPERATURE = 0.5  # section 4.1; ACL's, DYNACL's, AdvCL's and RoCL's too
GRID = (5, 8, 10, 12, 15, 20, 30, 50)  # of K; the paper's is not said
LARGE_GRID = tuple(range(10, 105, 5))  # chosen values of CIFAR-10, 60 to 90, are multiples of 5
LARGER_GRIDS = {"cifar100": tuple(range(10, 205, 5)), "stl10": tuple(range(10, 255, 5))}  # chosen: to 150, to 210
LAMBDA = 6.0  # section 4.1
DEACL_LAMBDA = 2.0  # DeACL's own, as in the row that the paper copies
RANK = 2  # the second nearest centroid
SINGLE_NORM = ("simclr", "deacl", "rocl")  # one set of batch norms, as their papers have it
ROCL_WEIGHT = 1 / 256  # RoCL's 1 / λ
ADVCL_SCALE = TEMPERATURE / 0.07  # as AdvCL's code weighs its contrast
GROWTH = 2 / 3  # DYNACL: how much more weight the attacked contrast has in the end
BETA = 6.0  # of DYNACL++'s TRADES
PSEUDO_LABELS = 10  # k of DYNACL++'s released script, on every data set

FIRST_EPOCHS, OTHER_FIRST_EPOCHS = {"digits": 40}, 20
SECOND_EPOCHS, OTHER_SECOND_EPOCHS = {"digits": 12}, 8
FIRST_BATCH, OTHER_FIRST_BATCH = {"digits": 128}, 256
SECOND_BATCH, OTHER_SECOND_BATCH = {"digits": 64}, 128
INNER = InnerBudget(epsilon=0.1, steps=5, step_size=0.025)  # a quarter of ε a step, as the paper's 2 of 8 / 255
AFTERWARDS, OTHER_AFTERWARDS = {"digits": (PSEUDO_LABELS, 10, 10)}, (PSEUDO_LABELS, 5, 4)
PIECES, OTHER_PIECES = {"digits": 5}, 4  # of DYNACL
RATES = {"ncp_acl": 0.1, "deacl": 0.1}
OTHER_RATE = 0.02  # of the contrastive methods; nothing was searched
WIDTHS = (16, 32, 64)  # so that checkpoints stay small

PAPER_INNER = InnerBudget(epsilon=8 / 255, steps=5, step_size=2 / 255)
PAPER_FIRST_EPOCHS = 1000
PAPER_EPOCHS = {"ncp_acl": 200, "deacl": 100}  # CIFAR-10; DeACL's own are half of NCP-ACL's
OTHER_PAPER_EPOCHS = {"cifar100": {"ncp_acl": 100}, "stl10": {"ncp_acl": 1000}}  # DeACL's on STL-10 are not said
PAPER_HEAD_RATE = {"cifar100": 10.0, "stl10": 10.0}
PAPER_FIRST_DECAY = {"stl10": 1e-5}
PAPER_COLOURS = {"stl10": "strong_colours"}  # jitter of strength 1
PAPER_AFTERWARDS = (PSEUDO_LABELS, 10, 25)
PAPER_PIECES = 20  # of 50 epochs


def recipe(dataset: str, model: str, *, protocol: str) -> Recipe:
    """A method's configuration on a data set."""
    ours = protocol == "lab"
    first, second = epochs(dataset, model, ours=ours)
    learning = RepresentationLearning(
        temperature=TEMPERATURE,
        first=_first(dataset, ours=ours),
        second=None if model == "simclr" else _second(dataset, _method(model), ours=ours),
        fine_tuning=_fine_tuning(dataset, ours=ours),
    )
    return Recipe(
        dataset=dataset,
        model=model,
        protocol=protocol,
        model_options=_options(dataset, model, ours=ours),
        schedule=Schedule(
            pretraining_epochs=0 if model == "simclr" else first,
            epochs=first if model == "simclr" else second,
            rounds=1,
            learning_rate=learning.first.learning_rate,
            learning_rates={},
            clip_norm=None,
            patience=None,
        ),
        batch_size=learning.first.batch_size,
        runs=1,  # its spread over seeds is measured by python -m core neighbours
        precision="float32",
        augmentation="none",  # each stage has its own
        defense=learning,
        attacker=lab.attacker("noisy_digits", model),
    )


def epochs(dataset: str, model: str, *, ours: bool) -> tuple[int, int]:
    """Of the first and of the second stage."""
    if ours:
        half = 2 if model == "deacl" else 1  # as in the papers
        second = SECOND_EPOCHS.get(dataset, OTHER_SECOND_EPOCHS) // half
        return FIRST_EPOCHS.get(dataset, OTHER_FIRST_EPOCHS), second
    printed = PAPER_EPOCHS | OTHER_PAPER_EPOCHS.get(dataset, {})
    return PAPER_FIRST_EPOCHS, printed.get(model, PAPER_FIRST_EPOCHS)


def with_second(
    recipe: Recipe, *, norm_sets: int | None = None, n_centroids: int | None = None, **changes: Any
) -> Recipe:
    """The recipe with another second stage: changed fields of it, other batch norms, a given number of clusters."""
    learning = recipe.defense
    assert isinstance(learning, RepresentationLearning)
    assert learning.second is not None
    options = recipe.model_options | ({} if norm_sets is None else {"norm_sets": norm_sets})
    options |= {} if n_centroids is None else {"n_centroids": n_centroids}
    changed = replace(learning, second=replace(learning.second, **changes))
    return replace(recipe, defense=changed, model_options=options)


def with_adversarial_fine_tuning(recipe: Recipe) -> Recipe:
    """The recipe with a head that is trained on pictures attacked by PGD-10."""
    learning = recipe.defense
    assert isinstance(learning, RepresentationLearning)
    inner = PAPER_INNER if learning.second is None else learning.second.inner
    tuning = replace(learning.fine_tuning, inner=replace(inner, steps=10))
    return replace(recipe, defense=replace(learning, fine_tuning=tuning))


def _method(model: str) -> Method:
    return next(method for method in METHODS if method == model)


def _options(dataset: str, model: str, *, ours: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "norm_sets": 1 if model in SINGLE_NORM else 2,
        "grid": list(GRID if ours else LARGER_GRIDS.get(dataset, LARGE_GRID)),
    }
    if ours:
        return {"network": "small", "widths": list(WIDTHS), "projector": [128, 64], **options}
    return {"network": "resnet18", "projector": [2048, 256], **options}  # solo-learn's projector


def _first(dataset: str, *, ours: bool) -> Optimisation:
    """Stage 1; of the paper's, the learning rate is not said: solo-learn's 0.4 a batch of 256."""
    return Optimisation(
        optimizer="adam" if ours else "lars",
        learning_rate=2e-3 if ours else 0.8,
        warm_up_epochs=0 if ours else 10,
        weight_decay=0.0 if ours else PAPER_FIRST_DECAY.get(dataset, 1e-4),
        batch_size=FIRST_BATCH.get(dataset, OTHER_FIRST_BATCH) if ours else 512,
        augmentation="distort" if ours and dataset not in PHOTOGRAPHS else PAPER_COLOURS.get(dataset, "colours"),
    )


def _second(dataset: str, method: Method, *, ours: bool) -> RobustStage:
    optimisation = Optimisation(
        optimizer="sgd",
        learning_rate=RATES.get(method, OTHER_RATE) if ours else 0.5,
        warm_up_epochs=0 if ours else 10,
        weight_decay=5e-4,
        batch_size=SECOND_BATCH.get(dataset, OTHER_SECOND_BATCH) if ours else 256,
        augmentation="shift" if ours and dataset not in PHOTOGRAPHS else "crop_and_flip",
    )
    weights = {"ncp_acl": LAMBDA, "deacl": DEACL_LAMBDA, "rocl": ROCL_WEIGHT, "dynacl_plus": BETA}
    pieces = PIECES.get(dataset, OTHER_PIECES) if ours else PAPER_PIECES
    return RobustStage(
        method=method,
        optimisation=optimisation,
        inner=INNER if ours and dataset not in PHOTOGRAPHS else PAPER_INNER,
        weight=weights.get(method),
        strategy="both" if method == "ncp_acl" else None,
        rank=RANK if method == "ncp_acl" else None,
        refresh=True if method == "ncp_acl" else None,  # how often is not said (Algorithm 1)
        scale=ADVCL_SCALE if method == "advcl" else None,
        growth=(pieces, GROWTH) if method in ("dynacl", "dynacl_plus") else None,
        afterwards=(AFTERWARDS.get(dataset, OTHER_AFTERWARDS) if ours else PAPER_AFTERWARDS)
        if method == "dynacl_plus"
        else None,
    )


def _fine_tuning(dataset: str, *, ours: bool) -> FineTuning:
    """Standard linear fine-tuning: 25 epochs, a tenth of the rate after 15 and after 20 (section 4.1)."""
    return FineTuning(
        epochs=25,
        late=(15, 20),
        learning_rate=0.1 if ours else PAPER_HEAD_RATE.get(dataset, 0.1),
        weight_decay=2e-4,
        batch_size=SECOND_BATCH.get(dataset, OTHER_SECOND_BATCH) if ours else 512,
        inner=None,
    )
