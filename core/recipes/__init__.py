"""Every recipe by name: "<dataset>/<model>" for the lab's, "<dataset>/<model>.<protocol>" for the others."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from core.errors import LabError
from core.recipes import ar_dmvc_paper, ar_dmvc_released, lab
from core.recipes.base import Recipe
from core.registry import Registry

BY_PROTOCOL: Registry[Recipe] = Registry(
    "protocol", {"lab": lab.recipe, "paper": ar_dmvc_paper.recipe, "released": ar_dmvc_released.recipe}
)
DATASETS = tuple(ar_dmvc_released.EPSILONS)
MODELS = (  # as in Table 1 of AR-DMVC
    *("eamc", "simvc", "comvc", "multi_vae", "aecoddc", "infoddc", "sem"),
    *("cl_mvc", "ar_dmvc", "ar_dmvc_am"),
)
OURS = ("rcd_mvc",)  # this lab's own, which no other protocol knows


def recipe_name(dataset: str, model: str, protocol: str) -> str:
    """The name of a recipe in RECIPES. Raises :class:`LabError` for our own model under another's protocol."""
    if model in OURS and protocol != "lab":
        raise LabError(f"{model} is this lab's own: no paper and no released code has it. Use the protocol lab.")
    return f"{dataset}/{model}" if protocol == "lab" else f"{dataset}/{model}.{protocol}"


def _make(source: Callable[..., Recipe], dataset: str, model: str, **changes: Any) -> Recipe:
    return replace(source(dataset, model), **changes)


RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        recipe_name(dataset, model, protocol): partial(_make, BY_PROTOCOL[protocol], dataset, model)
        for protocol in BY_PROTOCOL
        for dataset in DATASETS
        for model in (*MODELS, *(OURS if protocol == "lab" else ()))
    },
)
