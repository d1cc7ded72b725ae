"""ClusTR (Alfarra et al., BMVC 2021) and the baselines of its Table 1: classifiers, trained with labels.

"lab" has small networks that a processor trains in a minute or two; "paper" is the full setting, a ResNet-18 for a GPU,
with what the text says; "released" the same with what the authors' code does.
    python -m core train digits/clustr
    python -m core train mnist/clustr_qtrades --samples 4000
    python -m core train cifar10/clustr_qtrades --protocol paper
"""

from typing import Any

from core.recipes import lab
from core.recipes.base import Recipe, SupervisedDefense
from core.training import Schedule

POINTS = ("two_moons", "two_circles")
PICTURES = ("digits", "mnist")
COLOURS = ("cifar10", "cifar100", "svhn")
DATASETS = (*PICTURES, *POINTS, *COLOURS)
MODELS = ("nominal", "at", "free_at", "trades", "qtrades", "magnet", "clustr", "clustr_qtrades")
MAGNETS = ("magnet", "clustr", "clustr_qtrades")
HARDENED = ("at", "free_at", "trades", "qtrades", "clustr_qtrades")

ALPHA = 12.5  # released; the same in the text
STATISTICS = {  # mean and deviation of the colours: released, and for CIFAR-100 those of CIFAR-10
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "svhn": ((0.4378, 0.4439, 0.4729), (0.1980, 0.2011, 0.1971)),
}
NEAREST = {"cifar100": 20}  # D_near of the 200 clusters; on the others it is all of theirs
FULL_EPOCHS = {"cifar10": 30, "cifar100": 60, "svhn": 30}  # paper, section 4
RELEASED_EPOCHS = 25  # the command of the README
FULL_WARM_START = {"cifar10": 30, "cifar100": 30, "svhn": 30}  # to about 90, 75 and 90 %: how long is not said
FULL_LEARNING_RATE = 1e-4  # Adam's
FULL_EPSILON = 8 / 255
FULL_STEP_SIZES = {"at": 2, "free_at": 8, "trades": 2, "qtrades": 10, "clustr_qtrades": 10}  # of 255; 10: released

EPSILON = 0.1  # of training on the digits, and of the tables
POINTS_EPSILON = 0.05
WARM_START = {"digits": 25, "mnist": 10, "two_moons": 200, "two_circles": 200}  # epochs of cross-entropy
EPOCHS = {"digits": 25, "mnist": 15, "two_moons": 100, "two_circles": 100}  # after it
MAGNET_STEPS = {"digits": 20, "mnist": 80, "two_moons": 15, "two_circles": 15}  # an epoch
BATCH = {"digits": 64, "mnist": 128, "two_moons": 50, "two_circles": 50}
LEARNING_RATE = 1e-3
POINTS_LEARNING_RATE = 5e-3
POINTS_MEAN, POINTS_DEVIATION = (0.5,), (0.25,)
STEPS = {"at": 7, "free_at": 1, "trades": 10, "qtrades": 1, "clustr_qtrades": 1}
STEP_SIZES = {"at": 0.35, "free_at": 1.0, "trades": 0.25, "qtrades": 1.25, "clustr_qtrades": 1.25}  # shares of ε
WEIGHTS = {"trades": 6.0, "qtrades": 8.0, "clustr_qtrades": 8.0}  # β, λ: released
# λ = 8 belongs to a cross-entropy, log 10 = 2.3 at first, or to the released code's scores as logits, whose slopes are
# small; the Magnet loss begins at α = 12.5, 5.4 times as high. On pictures of the training half that training did not
# see, λ 8, 24, 64 leave .39, .48, .54 of the digits under attack, 200 .56, which is chance; of MNIST .75, .81, .83.
PICTURE_WEIGHTS = WEIGHTS | {"clustr_qtrades": 64.0}
REPLAYS = {"free_at": 8}  # m


def defense(dataset: str, model: str) -> SupervisedDefense | None:
    """How a model is hardened; None for those without adversarial examples."""
    if model not in HARDENED:
        return None
    epsilon = POINTS_EPSILON if dataset in POINTS else EPSILON
    step_size = STEP_SIZES[model] * epsilon
    if dataset in COLOURS:
        epsilon, step_size = FULL_EPSILON, FULL_STEP_SIZES[model] / 255
    return SupervisedDefense(
        epsilon=epsilon,
        steps=STEPS[model],
        step_size=step_size,
        weight=(PICTURE_WEIGHTS if dataset in PICTURES else WEIGHTS).get(model, 0.0),
        replays=REPLAYS.get(model, 1),
    )


def schedule(dataset: str, model: str, protocol: str) -> Schedule:
    """A warm start by cross-entropy for all but two, and the method's own epochs; Free AT's are fewer, but replayed."""
    full = dataset in COLOURS
    warm_start = (FULL_WARM_START if full else WARM_START)[dataset]
    epochs = (FULL_EPOCHS if full else EPOCHS)[dataset]
    if full and protocol == "released":
        epochs = RELEASED_EPOCHS
    if model == "nominal":
        warm_start, epochs = 0, warm_start
    if model == "magnet":
        warm_start, epochs = 0, epochs if full else round(1.5 * epochs)
    rate = FULL_LEARNING_RATE if full else POINTS_LEARNING_RATE if dataset in POINTS else LEARNING_RATE
    return Schedule(
        pretraining_epochs=warm_start,
        epochs=max(1, round(epochs / REPLAYS.get(model, 1))),
        rounds=1,
        learning_rate=rate,
        learning_rates={},
        clip_norm=None,
        patience=None,
    )


def recipe(dataset: str, model: str, *, protocol: str) -> Recipe:
    """A classifier's configuration on a data set."""
    full = dataset in COLOURS
    return Recipe(
        dataset=dataset,
        model=model,
        protocol=protocol,
        model_options=model_options(dataset, model),
        schedule=schedule(dataset, model, protocol),
        batch_size=128 if full else BATCH[dataset],
        runs=1,
        precision="float32",
        augmentation="crop_and_flip" if dataset in ("cifar10", "cifar100") else "none",
        defense=defense(dataset, model),
        attacker=lab.attacker("noisy_digits", model),
    )


def model_options(dataset: str, model: str) -> dict[str, Any]:
    """The network, and the Magnet's clusters and batches."""
    if dataset in COLOURS:
        mean, deviation = STATISTICS[dataset]
        options: dict[str, Any] = {"network": "resnet18", "mean": list(mean), "deviation": list(deviation)}
    elif dataset in POINTS:
        options = {"network": "plane", "mean": list(POINTS_MEAN), "deviation": list(POINTS_DEVIATION)}
    else:
        options = {"network": "small"}
    if model not in MAGNETS:
        return options
    if dataset in COLOURS:  # M, D and K: released
        options |= {"n_nearest": NEAREST[dataset]} if dataset in NEAREST else {}
        return options | {"clusters_per_class": 2, "sampled_clusters": 12, "samples_per_cluster": 20, "alpha": ALPHA}
    if dataset in POINTS:  # all samples in every step, one centre a class: Figure 3
        return options | {
            "clusters_per_class": 1,
            "sampled_clusters": 2,
            "samples_per_cluster": 100,
            "alpha": 1.0,
            "steps": MAGNET_STEPS[dataset],
        }
    return options | {
        "clusters_per_class": 2,
        "sampled_clusters": 12,
        "samples_per_cluster": 10,
        "alpha": ALPHA,
        "steps": MAGNET_STEPS[dataset],
    }
