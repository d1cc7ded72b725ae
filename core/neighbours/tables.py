"""NCP-ACL's rows over seeds, and its claims: held, not held, or not testable here. Runs nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev
from typing import Literal

from core.latent.tables import Claim
from core.neighbours.records import FIGURE_K, SEEDS, VARIANTS, NeighbourResult

Score = Literal["standard", "robust", "ensemble"]
SCORES: tuple[Score, ...] = ("standard", "robust", "ensemble")
HEADS = {"standard": "SA", "robust": "RA", "ensemble": "AA"}
PARTS = {
    "methods": "Table 2: standard linear fine-tuning",
    "strategies": "Table 4: away from the own cluster, toward the neighbour, both",
    "ranks": "Table 5: which neighbour",
    "clusters": "Figure 3: how many clusters",
    "heads": "Table 3: the head trained on attacked pictures",
}
MANY_TIMES = 3.0  # how often as much as noise counts as "many times"
FULLY = 0.02  # RA that adversarial fine-tuning adds and that still counts as little
CLUSTERED = ("simclr", "ncp_acl")
OTHERS = ("acl", "dynacl", "dynacl_plus", "advcl", "rocl")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row: a variant with its results, one a seed, in the order of seeds."""

    dataset: str
    variant: str  # a name in VARIANTS
    results: tuple[NeighbourResult, ...]

    @property
    def title(self) -> str:
        """As the tables name it."""
        return VARIANTS[self.variant].title

    @property
    def clusters(self) -> tuple[int, ...]:
        """The numbers of clusters K of its seeds; of none for a method that has no clusters."""
        if VARIANTS[self.variant].model not in CLUSTERED:
            return ()
        return tuple(sorted({result.n_used for result in self.results}))

    def values(self, score: Score) -> tuple[float, ...]:
        """One of the SCORES of each seed, in [0, 1]."""
        return tuple(getattr(result, score) for result in self.results)


def make_lines(dataset: str, kept: Callable[[str, int], NeighbourResult | None]) -> tuple[Line, ...]:
    """Every row of a data set; ``kept`` looks a variant's result of a seed up."""
    return tuple(
        Line(
            dataset=dataset,
            variant=variant,
            results=tuple(r for seed in SEEDS if (r := kept(variant, seed)) is not None),
        )
        for variant in VARIANTS
    )


def of_part(lines: Sequence[Line], part: str) -> list[Line]:
    """The rows of a table; the proposed one is in all of them, and those that have no seed are left out."""
    beside = {"methods": (), "heads": ("ncp_acl", "deacl_matched")}.get(part, ("ncp_acl",))
    shown = [line for line in lines if VARIANTS[line.variant].part == part or line.variant in beside]
    found = [line for line in shown if line.results]
    return found if any(VARIANTS[line.variant].part == part for line in found) else []


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in percent, the number of seeds behind."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{100 * values[0]:.1f} (1)"
    return f"{100 * fmean(values):.1f} ± {100 * stdev(values):.1f} ({len(values)})"


def claims(lines: Sequence[Line]) -> tuple[Claim, ...]:
    """What the paper says, judged by a data set's rows, every number looked up."""
    dataset = lines[0].dataset
    rows = {line.variant: line for line in lines}
    command = f"python -m core neighbours {dataset}"
    found = [_judged(text, judge, rows, command) for text, judge in JUDGES.items()]
    return (*found, *(Claim(text=text, verdict="not testable here", numbers=why, command=command) for text, why in
                      NOT_OURS.items()))  # fmt: skip


Rows = dict[str, Line]
Judge = Callable[[Rows], tuple[bool, str] | None]


def _proof(rows: Rows) -> tuple[bool, str] | None:
    proofs = [result.proof for result in rows["simclr"].results if result.proof]
    if not proofs:
        return None
    at = [proof[-1] for proof in proofs]
    times = [p.success / max(p.noise_success, 1e-9) for p in at]
    noisy, pushed = fmean(p.noise_success for p in at), fmean(p.success for p in at)
    falls = fmean(p.noise_fall for p in at), fmean(p.fall for p in at)
    said = (
        f"at ε = {at[0].epsilon:g}, of samples classified right random ±ε turns {noisy:.1%} and five steps toward the "
        f"neighbour {pushed:.1%}, {pushed / max(noisy, 1e-9):.1f} times as many; the true class's probability falls by "
        f"{falls[0]:.3f} and by {falls[1]:.3f} ({_seeds(times)}). "
        f"{fmean(p.to_neighbour for p in at):.0%} of the turned take the neighbouring cluster's class"
    )
    return min(times) >= MANY_TIMES, said


def _seeds(times: Sequence[float]) -> str:
    if len(times) == 1:
        return "one seed"
    return f"{len(times)} seeds: {min(times):.1f} to {max(times):.1f} times as many"


def _against(rows: Rows, other: str, score: Score) -> tuple[list[float], str] | None:
    """NCP-ACL's lead over a row, seed by seed, and both in words."""
    ours = {r.spec.seed: getattr(r, score) for r in rows["ncp_acl"].results}
    theirs = {r.spec.seed: getattr(r, score) for r in rows[other].results}
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    leads = [ours[seed] - theirs[seed] for seed in seeds]
    words = f"{HEADS[score]} {spread([ours[s] for s in seeds])} against {spread([theirs[s] for s in seeds])}"
    return leads, words


def _leads(other: str) -> Judge:
    def judge(rows: Rows) -> tuple[bool, str] | None:
        both = [_against(rows, other, score) for score in ("robust", "ensemble")]
        if any(found is None for found in both):
            return None
        said, held = [], True
        for found in both:
            assert found is not None
            leads, words = found
            held = held and min(leads) > 0
            said.append(f"{words}, lead by seed " + ", ".join(f"{100 * lead:+.1f}" for lead in leads))
        return held, "; ".join(said)

    return judge


def _all_others(rows: Rows) -> tuple[bool, str] | None:
    """Against each contrastive method on the seeds that both have."""
    ahead, said = [], []
    for name in OTHERS:
        found = [_against(rows, name, score) for score in ("robust", "ensemble")]
        if all(part is not None for part in found):
            leads = [part[0] for part in found if part is not None]
            ahead.append(all(lead > 0 for row in leads for lead in row))
            robust, ensemble = (", ".join(f"{100 * lead:+.1f}" for lead in row) for row in leads)
            said.append(f"{rows[name].title} {_triple(rows[name])}: lead RA {robust}, AA {ensemble}")
    if not said:
        return None
    return all(ahead), f"SA, RA, AA of NCP-ACL {_triple(rows['ncp_acl'])}; of " + "; of ".join(said)


def _triple(line: Line) -> str:
    return ", ".join(spread(line.values(score)) for score in SCORES)


def _strategies(rows: Rows) -> tuple[bool, str] | None:
    names = ("own", "toward", "ncp_acl")
    if not all(rows[name].results for name in names):
        return None
    seeds = sorted(set.intersection(*({r.spec.seed for r in rows[name].results} for name in names)))
    by_seed = [{name: next(r.robust for r in rows[name].results if r.spec.seed == s) for name in names} for s in seeds]
    best = [max(scores, key=lambda name: scores[name]) for scores in by_seed]
    titles = {"own": "away from own", "toward": "toward neighbour", "ncp_acl": "both"}
    said = "RA " + ", ".join(f"{titles[name]} {spread(rows[name].values('robust'))}" for name in names)
    return all(name == "ncp_acl" for name in best), f"{said}; best by seed: {', '.join(titles[name] for name in best)}"


def _ranks(rows: Rows) -> tuple[bool, str] | None:
    names = ("ncp_acl", "rank3", "rank4", "rank5")
    if not all(rows[name].results for name in names):
        return None
    means = [fmean(rows[name].values("robust")) for name in names]
    said = "RA " + ", ".join(f"n = {n} {spread(rows[name].values('robust'))}" for n, name in enumerate(names, start=2))
    return means[0] >= max(means[1:]), said


def _flat(rows: Rows) -> tuple[bool, str] | None:
    names = [f"k{k}" for k in FIGURE_K]
    if not all(rows[name].results for name in [*names, "ncp_acl"]):
        return None
    chosen = rows["ncp_acl"].values("robust")
    deviation = stdev(chosen) if len(chosen) > 1 else 0.0  # what is within it is as robust
    means = {k: fmean(rows[f"k{k}"].values("robust")) for k in FIGURE_K}
    ks = sorted({r.n_used for r in rows["ncp_acl"].results})
    said = f"RA with the chosen K ({', '.join(map(str, ks))}) {spread(chosen)}; " + ", ".join(
        f"K = {k} {100 * mean:.1f}" for k, mean in means.items()
    )
    return fmean(chosen) + deviation >= max(means.values()), said


def _peak(rows: Rows) -> tuple[bool, str] | None:
    found = [result for result in rows["simclr"].results if result.curve]
    if not found:
        return None
    peaked = [_has_peak(result.curve) for result in found]
    said = "; ".join(
        f"seed {r.spec.seed}: K = {r.n_used} with {max(r.curve):.3f} ({r.grid[0]}: {r.curve[0]:.3f}, "
        f"{r.grid[-1]}: {r.curve[-1]:.3f})" for r in found
    )  # fmt: skip
    return all(peaked), said


def _has_peak(curve: Sequence[float]) -> bool:
    top = max(curve)
    return top > curve[0] and top > curve[-1] and any(a < b for a, b in pairwise(curve))


def _head(rows: Rows) -> tuple[bool, str] | None:
    ours, plain = rows["ncp_acl_alf"].results, rows["ncp_acl"].results
    seeds = sorted({r.spec.seed for r in ours} & {r.spec.seed for r in plain})
    if not seeds:
        return None
    gains = [next(r.robust for r in ours if r.spec.seed == s) - next(r.robust for r in plain if r.spec.seed == s)
             for s in seeds]  # fmt: skip
    said = (
        f"RA {spread(rows['ncp_acl'].values('robust'))} with the standard head and {spread([r.robust for r in ours])} "
    )
    said += "with one trained on attacked pictures; added by seed " + ", ".join(f"{100 * gain:+.1f}" for gain in gains)
    return fmean(gains) <= FULLY, said


JUDGES: dict[str, Judge] = {
    "Steps toward the neighbouring cluster turn far more samples than random noise of the same size (Table 1).": _proof,
    "The silhouette has a peak that chooses K (Figure 2).": _peak,
    "NCP-ACL is more robust than DeACL as published, in RA and AA on every seed (Table 2).": _leads("deacl"),
    "It still is when DeACL has the same λ, epochs and batch norms (the control the paper leaves out).": _leads(
        "deacl_matched"
    ),
    "NCP-ACL is more robust than the contrastive methods (Table 2).": _all_others,
    "Away from the own cluster and toward the neighbour together is the most robust (Table 4).": _strategies,
    "The second nearest cluster is the right neighbour: n = 2 is the most robust (Table 5).": _ranks,
    "The K that the silhouette chooses is as robust as any other (Figure 3).": _flat,
    "Robust without a robust head: adversarial fine-tuning adds little (Table 3).": _head,
}
NOT_OURS = {
    "The numbers of Tables 2, 3 and 5 on CIFAR-10, CIFAR-100 and STL-10.": (
        "a ResNet-18 and 1,000 epochs of SimCLR are for a GPU; the paper's numbers stand beside ours, which are of "
        "small networks on digits. The recipes .paper are the full setting"
    ),
}
UNMEASURED = "not measured yet"


def _judged(text: str, judge: Judge, rows: Rows, command: str) -> Claim:
    found = judge(rows)
    if found is None:
        return Claim(text=text, verdict="not testable here", numbers=UNMEASURED, command=f"{command} --seeds 3")
    held, numbers = found
    return Claim(text=text, verdict="held" if held else "not held", numbers=numbers, command=command)
