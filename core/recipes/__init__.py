"""Every recipe by name: "<dataset>/<model>" for the lab's, "<dataset>/<model>.<protocol>" for the others.

A paper's models have recipes for the data sets of that paper and for those that stand in for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from core.errors import LabError
from core.recipes import alrdc, ar_dmvc_paper, ar_dmvc_released, clustr, lab, ncp_acl
from core.recipes.base import PROTOCOLS, Recipe
from core.registry import Registry

Source = Callable[[str, str], Recipe]  # from a data set and a model


@dataclass(frozen=True)
class Paper:
    """Which models on which data sets a paper's recipes are for, by protocol."""

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    protocols: dict[str, Source]


MODELS = (  # as in Table 1 of AR-DMVC
    *("eamc", "simvc", "comvc", "multi_vae", "aecoddc", "infoddc", "sem"),
    *("cl_mvc", "ar_dmvc", "ar_dmvc_am"),
)
OURS = ("rcd_mvc",)  # this lab's own, which no other protocol knows
AR_DMVC = Paper(
    tuple(ar_dmvc_released.EPSILONS),
    MODELS,
    {"lab": lab.recipe, "paper": ar_dmvc_paper.recipe, "released": ar_dmvc_released.recipe},
)
ALRDC = Paper(
    alrdc.DATASETS, alrdc.MODELS, {protocol: partial(alrdc.recipe, protocol=protocol) for protocol in PROTOCOLS}
)
OWN = Paper(AR_DMVC.datasets, OURS, {"lab": lab.recipe})
CLUSTR = Paper(
    clustr.DATASETS, clustr.MODELS, {protocol: partial(clustr.recipe, protocol=protocol) for protocol in PROTOCOLS}
)
NCP_ACL = Paper(
    ncp_acl.DATASETS,
    ncp_acl.MODELS,
    {protocol: partial(ncp_acl.recipe, protocol=protocol) for protocol in ("lab", "paper")},  # no code was released
)
PAPERS = (AR_DMVC, OWN, ALRDC, CLUSTR, NCP_ACL)
TOLD_LABELS = (*CLUSTR.models, *NCP_ACL.models)  # classifiers: their probabilities are classes, no clusters
BY_PROTOCOL: Registry[Recipe] = Registry("protocol", AR_DMVC.protocols)  # every paper has these


def recipe_name(dataset: str, model: str, protocol: str) -> str:
    """The name of a recipe in RECIPES. Raises :class:`LabError` for our own model under another's protocol."""
    if model in OURS and protocol != "lab":
        raise LabError(f"{model} is this lab's own: no paper and no released code has it. Use the protocol lab.")
    return f"{dataset}/{model}" if protocol == "lab" else f"{dataset}/{model}.{protocol}"


def models_of(dataset: str, protocol: str = "lab") -> tuple[str, ...]:
    """The models that have recipes for a data set by a protocol, in the order of MODELS."""
    papers = [paper for paper in PAPERS if dataset in paper.datasets and protocol in paper.protocols]
    return tuple(model for paper in papers for model in paper.models)


def datasets_of(model: str) -> tuple[str, ...]:
    """The data sets that a model has recipes for."""
    return tuple(dataset for paper in PAPERS if model in paper.models for dataset in paper.datasets)


def _make(source: Source, dataset: str, model: str, **changes: Any) -> Recipe:
    return replace(source(dataset, model), **changes)


RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        recipe_name(dataset, model, protocol): partial(_make, source, dataset, model)
        for paper in PAPERS
        for protocol, source in paper.protocols.items()
        for dataset in paper.datasets
        for model in paper.models
    },
)
