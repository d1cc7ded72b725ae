"""ClusTR's rows as we have them, and its claims: held, not held, or not testable here. Runs nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.certify.results import (
    HONEST,
    METHODS,
    SEEDS,
    SETS,
    PlaneReport,
    PlaneSpec,
    RobustResult,
    RobustSpec,
    certified,
    radii,
)
from core.published.clustr import ADAPTIVE, PRINTED, ROBUSTBENCH, ROWS
from core.records import CheckpointCard, Floats

Verdict = Literal["held", "not held", "not testable here"]
Planes = Mapping[PlaneSpec, PlaneReport | None]

DATASETS = ("mnist", "digits")
CHANCE = 0.03  # two standard errors of a difference that is nothing, for 256 samples of accuracy .05
UNMEASURED = "not measured yet"
RADII = 61  # of the curves, from 0 to the longest


@dataclass(frozen=True, kw_only=True)
class RobustLine:
    """A row: a classifier under every attack, ours if it has been measured, else the command that is missing."""

    dataset: str
    model: str
    spec: RobustSpec | None  # None where there is no checkpoint
    result: RobustResult | None
    remedy: str

    @property
    def honest(self) -> float | None:
        """Accuracy under the strongest attack that looks at log-scores: the number to believe."""
        return None if self.result is None else min(self.result.accuracy[name] for name in HONEST)


@dataclass(frozen=True, kw_only=True)
class RobustClaim:
    """Something the paper says, and what we found."""

    text: str
    verdict: Verdict
    numbers: str
    command: str


def lines(
    dataset: str,
    cards: Sequence[CheckpointCard],
    stored: Callable[[RobustSpec, str], RobustResult | None],
) -> tuple[RobustLine, ...]:
    """The rows of a data set in the order of Table 1."""
    names = {card.name: card for card in cards if card.dataset == dataset}
    made = []
    for model in ROWS:
        size = " --samples 4000" if dataset == "mnist" else ""
        if model not in names:
            remedy = f"python -m core train {dataset}/{model}{size}"
            made.append(RobustLine(dataset=dataset, model=model, spec=None, result=None, remedy=remedy))
            continue
        spec = RobustSpec(dataset=dataset, model=model)
        result = stored(spec, names[model].sha256)
        remedy = "" if result else f"python -m core certify {dataset}"
        made.append(RobustLine(dataset=dataset, model=model, spec=spec, result=result, remedy=remedy))
    return tuple(made)


def plane_specs() -> tuple[PlaneSpec, ...]:
    """Every training of Figure 3: two data sets, two starts, every seed."""
    return tuple(
        PlaneSpec(dataset=dataset, model=model, seed=seed) for seed in SEEDS for dataset in SETS for model in METHODS
    )


def radius_grid(reports: Sequence[PlaneReport]) -> Floats:
    """Radii (T,) from 0 to a little above the longest certified one of any report."""
    longest = max(float(radii(r.frames[-1], r.frames[-1].bound).max()) for r in reports)
    return np.linspace(0, 1.05 * max(longest, 1e-3), RADII, dtype=np.float32)


def figure_3(reports: Sequence[PlaneReport], grid: Floats) -> tuple[Floats, Floats, Floats]:
    """Certified accuracy over a grid of radii, of several seeds: mean, lowest and highest, each (T,)."""
    rows = np.stack([certified(report.frames[-1], report.frames[-1].bound, grid) for report in reports])
    return rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0)


def median_radius(report: PlaneReport) -> float:
    """The median certified radius of the held-out points after training, by the proven constant; wrong points count
    as 0."""
    frame = report.frames[-1]
    return float(np.median(np.maximum(radii(frame, frame.bound), 0)))


def claims(rows: Sequence[RobustLine], planes: Planes) -> tuple[RobustClaim, ...]:
    """The paper's claims in the light of a data set's rows and the networks of the plane."""
    dataset = rows[0].dataset
    results = {line.model: line.result for line in rows if line.result is not None}
    command = f"python -m core certify {dataset}"

    def judge(text: str, needed: Sequence[str], say: Callable[[], tuple[bool, str]]) -> RobustClaim:
        if any(model not in results for model in needed):
            return RobustClaim(text=text, verdict="not testable here", numbers=UNMEASURED, command=command)
        held, numbers = say()
        return RobustClaim(text=text, verdict="held" if held else "not held", numbers=numbers, command=command)

    return (
        judge(
            "ClusTR is robust without adversarial examples: far more than nominal training.",
            ("clustr", "nominal"),
            lambda: _robust_alone(results),
        ),
        judge(
            "The warm start makes the Magnet loss more accurate and more robust than new weights.",
            ("clustr", "magnet"),
            lambda: _warm(results),
        ),
        judge(
            "With QTRADES, ClusTR is robust.",
            ("clustr_qtrades", "nominal"),
            lambda: _with_qtrades(results),
        ),
        judge(
            "ClusTR + QTRADES is more robust than AT, Free AT and TRADES.",
            ("clustr_qtrades", "at", "free_at", "trades"),
            lambda: _ahead(results),
        ),
        judge(
            "The adaptive attack, which maximises the Magnet loss, finds little more than the paper's own.",
            ("clustr",),
            lambda: _adaptive(results),
        ),
        _certified_further(planes),
        RobustClaim(
            text="Tables 1 and 2: ResNet-18 on CIFAR-10, SVHN and CIFAR-100.",
            verdict="not testable here",
            numbers=f"RobustBench lists ClusTR + QTRADES on CIFAR-10 with {ROBUSTBENCH[0]:.2f} % "
            f"clean, {ROBUSTBENCH[1]:.2f} % reported and {ROBUSTBENCH[2]:.2f} % under AutoAttack",
            command="python -m core train cifar10/clustr_qtrades --protocol paper",
        ),
    )


def _percent(value: float) -> str:
    return f"{value:.1%}"


def honest(result: RobustResult) -> float:
    """Accuracy under the strongest honest attack."""
    return min(result.accuracy[name] for name in HONEST)


def _robust_alone(results: Mapping[str, RobustResult]) -> tuple[bool, str]:
    clustr, nominal = results["clustr"], results["nominal"]
    spec = clustr.spec
    return honest(clustr) > honest(nominal) + CHANCE, (
        f"at ε = {spec.epsilon:g}, {spec.samples} samples: {_percent(clustr.accuracy['paper_100'])} right under the "
        f"paper's PGD-100, {_percent(honest(clustr))} under the strongest attack on log-scores; nominal "
        f"{_percent(honest(nominal))}"
    )


def _warm(results: Mapping[str, RobustResult]) -> tuple[bool, str]:
    warm, new = results["clustr"], results["magnet"]
    return warm.clean > new.clean and honest(warm) > honest(new) + CHANCE, (
        f"clean {_percent(warm.clean)} and {_percent(new.clean)}; strongest attack {_percent(honest(warm))} and "
        f"{_percent(honest(new))}; the paper prints {PRINTED['CIFAR-10', 'clustr'].pgd_100} and "
        f"{PRINTED['CIFAR-10', 'magnet'].pgd_100} on CIFAR-10"
    )


def _with_qtrades(results: Mapping[str, RobustResult]) -> tuple[bool, str]:
    robust, nominal = results["clustr_qtrades"], results["nominal"]
    return honest(robust) > honest(nominal) + 0.25, (
        f"{_percent(robust.accuracy['paper_100'])} by the paper's PGD-100, {_percent(honest(robust))} under the "
        f"strongest attack; nominal {_percent(honest(nominal))}. Here the network is small and ε is that of training"
    )


def _ahead(results: Mapping[str, RobustResult]) -> tuple[bool, str]:
    ours = honest(results["clustr_qtrades"])
    others = {name: honest(results[name]) for name in ("at", "free_at", "trades")}
    listed = ", ".join(f"{ROWS[name][0].removesuffix(' + pre-training')} {_percent(v)}" for name, v in others.items())
    return all(ours > value + CHANCE for value in others.values()), (
        f"under the strongest attack {_percent(ours)}; {listed}; one seed, the same network for all"
    )


def _adaptive(results: Mapping[str, RobustResult]) -> tuple[bool, str]:
    row = results["clustr"].accuracy
    return row["magnet_100"] >= row["paper_100"] - CHANCE, (
        f"ClusTR: {_percent(row['paper_100'])} right under the scores, {_percent(row['magnet_100'])} under the Magnet "
        f"loss from log-scores, 100 steps each; the paper's step from {PRINTED['CIFAR-10', 'clustr_qtrades'].pgd_100} "
        f"to {ADAPTIVE['CIFAR-10']} is of ClusTR + QTRADES on CIFAR-10"
    )


def _certified_further(planes: Planes) -> RobustClaim:
    text = "Figure 3: from a warm start the certified radii are longer, at the same accuracy."
    command = "python -m core certify plane"
    pairs = []
    for dataset in SETS:
        for seed in SEEDS:
            new, warm = (planes.get(PlaneSpec(dataset=dataset, model=m, seed=seed)) for m in ("magnet", "clustr"))
            if new is not None and warm is not None:
                pairs.append((median_radius(new), median_radius(warm)))
    if not pairs:
        return RobustClaim(text=text, verdict="not testable here", numbers=UNMEASURED, command=command)
    longer = sum(warm > new for new, warm in pairs)
    new_median, warm_median = (float(np.median(column)) for column in zip(*pairs, strict=True))
    numbers = (
        f"longer median radius in {longer} of {len(pairs)} pairs of trainings with the same seed (two moons and two "
        f"circles): {warm_median:.3f} against {new_median:.3f} of the square's side, by proven Lipschitz constants"
    )
    return RobustClaim(
        text=text, verdict="held" if longer > 0.7 * len(pairs) else "not held", numbers=numbers, command=command
    )
