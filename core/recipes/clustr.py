"""ClusTR: classifiers with labels, nominal and robust (Alfarra et al., BMVC 2021, and the baselines of its Table 1).

"lab" has small networks that a processor trains in a minute; "paper" and "released" are the full setting on CIFAR-10.
    python -m core train digits/nominal
    python -m core train mnist/clustr_qtrades --samples 4000
"""

from typing import Any

from core.recipes import lab
from core.recipes.base import Recipe, SupervisedDefense
from core.training import Schedule

PICTURES = ("digits", "mnist")
MODELS = ("nominal", "at", "free_at", "trades", "qtrades")
HARDENED = MODELS[1:]
EPSILON = 0.1  # of training, and of the tables
EPOCHS = {"digits": 40, "mnist": 12}
BATCH = {"digits": 64, "mnist": 128}
LEARNING_RATE = 1e-3
STEPS = {"at": 7, "free_at": 1, "trades": 10, "qtrades": 1, "clustr_qtrades": 1}
STEP_SIZES = {"at": 2.5 / 7, "free_at": 1.0, "trades": 0.25, "qtrades": 1.25, "clustr_qtrades": 1.25}  # shares of ε
WEIGHTS = {"trades": 6.0, "qtrades": 8.0, "clustr_qtrades": 8.0}  # β, λ
REPLAYS = {"free_at": 8}  # m


def defense(model: str) -> SupervisedDefense | None:
    """How a model is hardened; None for those without adversarial examples."""
    if model not in STEPS:
        return None
    return SupervisedDefense(
        epsilon=EPSILON,
        steps=STEPS[model],
        step_size=STEP_SIZES[model] * EPSILON,
        weight=WEIGHTS.get(model, 0.0),
        replays=REPLAYS.get(model, 1),
    )


def recipe(dataset: str, model: str, *, protocol: str) -> Recipe:
    """A classifier's configuration on a data set."""
    replays = REPLAYS.get(model, 1)
    return Recipe(
        dataset=dataset,
        model=model,
        protocol=protocol,
        model_options=model_options(dataset),
        schedule=Schedule(
            pretraining_epochs=EPOCHS[dataset] if model in STEPS else 0,
            epochs=max(1, round(EPOCHS[dataset] / replays)),
            rounds=1,
            learning_rate=LEARNING_RATE,
            learning_rates={},
            clip_norm=None,
            patience=None,
        ),
        batch_size=BATCH[dataset],
        runs=1,
        precision="float32",
        augmentation="none",
        defense=defense(model),
        attacker=lab.attacker("noisy_digits", model),
    )


def model_options(dataset: str) -> dict[str, Any]:
    """Which network."""
    return {"network": "small"}
