"""What the guide has: its topics in order, and for each idea the pages where it can be seen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXTS = Path(__file__).parents[2] / "assets" / "guide"
LIVE, FORMULAS = "<!-- live -->", "<!-- formulas -->"  # where a text has its live control, and where its formulas start

_VIEWS = {
    "noisy_digits": ["original", "noisy partner"],
    "patched_digits": ["top centre-left patch", "top centre-right patch", "inner upper-left patch"],
    "synthetic_people": ["visible", "thermal"],
    "digits": ["picture"],
}


@dataclass(frozen=True)
class See:
    """A page with its controls set: ``choices`` by widget key; with ``at``, the position ε, it runs at once."""

    page: str
    label: str
    at: float | None = None
    choices: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Topic:
    """A chapter of the guide; an idea has a text of its name in :data:`TEXTS`."""

    name: str  # in the list
    see: tuple[See, ...] = ()


def _see(page: str, label: str, at: float | None, model: str = "cl_mvc", attack: str = "gan", **more: Any) -> See:
    """With every choice said, so that nothing of an earlier visit is left over."""
    usual: dict[str, Any] = {"data": "noisy_digits", "eps": 0.3, "n": 256, "seed": 0, "goal": "both", "map": "pca"}
    choices = {**usual, "model": model, "attack": attack, "steps": 10, "size": None, **more}
    choices.setdefault("views", _VIEWS[choices["data"]])
    return See(page, label, at, choices)


_CLASSIFIER: dict[str, Any] = {"attack": "pgd", "data": "digits", "eps": 0.1, "n": 64}

IDEAS = {
    "views": Topic(
        "Several views",
        (
            _see("attack", "A sample's two views", 0.0),
            _see("attack", "Three views, each a patch of a digit", 0.0, data="patched_digits", n=256),
            _see("attack", "Attack one view only", 0.3, attack="pgd", n=64, views=["original"]),
        ),
    ),
    "clustering": Topic(
        "Clustering",
        (
            _see("attack", "The clean clusters on a map", 0.0, map="umap"),
            _see("attack", "A model that mixes some of them", 0.0, model="eamc", map="umap"),
        ),
    ),
    "attack": Topic(
        "The attack",
        (
            _see("attack", "Complementarity alone", 0.2, attack="pgd", goal="complementarity", n=64),
            _see("attack", "Consistency alone", 0.2, attack="pgd", goal="consistency", n=64),
            _see("attack", "The assignment attack", 0.2, attack="pgd", goal="assignment", n=64),
        ),
    ),
    "budget": Topic(
        "The budget ε",
        (
            _see("attack", "A tenth", 0.1),
            _see("attack", "The paper's budget, 0.3", 0.3),
        ),
    ),
    "controls": Topic(
        "Controls",
        (
            _see("attack", "Signed noise of the same size", 0.3, attack="noise"),
            _see("attack", "The untrained generator", 0.3, attack="untrained_generator"),
        ),
    ),
    "attackers": Topic(
        "FGSM, PGD, GAN",
        (
            _see("attack", "One step: FGSM", 0.2, attack="fgsm"),
            _see("attack", "Many steps: PGD", 0.2, attack="pgd", n=64),
            _see("attack", "Longer steps", 0.2, attack="pgd", n=64, size=0.5),
            _see("attack", "The paper's GAN", 0.2),
            _see("steps", "One sample, step by step", 0.2, steps=20),
        ),
    ),
    "scores": Topic(
        "Scores",
        (
            _see("attack", "Both accuracies under attack", 0.2),
            _see("attack", "Where frozen and re-matched part", 0.2, "ar_dmvc", "pgd", goal="assignment", n=64),
        ),
    ),
    "defense": Topic(
        "The defense",
        (
            _see("defense", "All models under the GAN", 0.2),
            _see("attack", "AR-DMVC-AM alone", 0.2, model="ar_dmvc_am"),
        ),
    ),
    "distillation": Topic(
        "A defense of our own",
        (_see("defense", "All of them under PGD on the assignment", 0.2, attack="pgd", goal="assignment", n=64),),
    ),
    "theorem": Topic(
        "Theorem 4.2",
        (
            _see("attack", "Versions land in one wrong cluster", 0.1, attack="pgd", goal="assignment", n=64),
            _see("attack", "The mitigated model", 0.1, "ar_dmvc_am", "pgd", goal="assignment", n=64),
        ),
    ),
    "limits": Topic(
        "Limits",
        (
            _see("attack", "AR-DMVC meets the assignment attack", 0.2, "ar_dmvc", "pgd", goal="assignment", n=64),
            _see("attack", "AR-DMVC-AM beyond its ε", 0.3, "ar_dmvc_am", "pgd", goal="assignment", n=64),
            _see("defense", "All of them, side by side", 0.2, attack="pgd", goal="assignment", n=64),
        ),
    ),
    "latent": Topic(
        "Moving the latent",
        (
            See("latent", "Latents on their way, as γ grows"),
            _see("attack", "The pixels of the same model", 0.1, "conv_ae", goal="assignment", **_CLASSIFIER),
        ),
    ),
    "certificate": Topic("A certificate", (See("certify", "Regions, centres, discs, and a point to drag"),)),
    "fading": Topic(
        "Slopes that fade",
        (
            _see("attack", "ClusTR under the paper's attack", 0.1, "clustr", goal="scores", **_CLASSIFIER),
            _see("attack", "The same under the margin", 0.1, "clustr", goal="margin", **_CLASSIFIER),
            See("certify", "Every classifier under every attack"),
        ),
    ),
    "neighbours": Topic(
        "Toward the neighbour",
        (
            See("neighbours", "Push a sample to the next cluster"),
            _see("attack", "SimCLR under PGD", 0.1, "simclr", goal="margin", **_CLASSIFIER),
            _see("attack", "NCP-ACL under the same", 0.1, "ncp_acl", goal="margin", **_CLASSIFIER),
        ),
    ),
    "maps": Topic(
        "Reading a map",
        (
            _see("attack", "Trails on a UMAP map", 0.2, map="umap"),
            _see("attack", "The same on PCA", 0.2),
        ),
    ),
    "claims": Topic(
        "What is not claimed",
        (
            See("tables", "Our numbers beside the paper's"),
            _see("attack", "The protocol of a number", 0.2),
        ),
    ),
}
TOPICS = {
    **IDEAS,
    "findings": Topic("What came out"),
    "glossary": Topic("Glossary"),
    "sources": Topic("Sources"),
    "lecture": Topic("A ten-minute lecture"),
}
