"""NCP-ACL on the screen: the representation's map, the silhouette, the proof of concept, the rows of its tables."""

import csv
import io
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.figures import theme, words
from core.neighbours.pursuit_records import STRATEGY_NAMES, PursuitReport
from core.neighbours.records import VARIANTS, Proof
from core.neighbours.tables import HEADS, PARTS, SCORES, Line, of_part, spread
from core.published.ncp_acl import NAMES, PROOF, TABLE_2, TABLE_3, TABLE_5, Triple

STRATEGIES = {"both": "Both", "toward": "Toward the neighbour", "own": "Away from its own"}
STRATEGY_NOTES = {
    "both": "away from the own centroid and toward the neighbour's, as NCP-ACL trains",
    "toward": "toward the neighbour's centroid alone, as in the proof of concept",
    "own": "away from the own centroid alone",
}
PRINTED_PROOF = (
    f"The paper: up to {PROOF[1]:g} times as many turned, the probability of the true class falls up to {PROOF[0]:g} "
    "times as far."
)
PRINTED = {"ncp_acl": "ncp_acl", "deacl": "deacl", "dynacl": "dynacl", "dynacl_plus": "dynacl_plus", "advcl": "advcl"}
PROPOSED = {"ranks": "n = 2", "strategies": "(iii) both", "clusters": "K by the silhouette"}  # NCP-ACL, by table
PUSHED, NOISE = "five steps toward the neighbour", "random ±ε"


def representation_map(report: PursuitReport, sample: int = 0) -> go.Figure:
    """Held-out samples by cluster, every centroid with its name, and the way of a sample between two of them."""
    own, neighbour = int(report.own[sample]), int(report.neighbour[sample])
    figure = go.Figure()
    points, belongs = report.map.reference, report.map.reference_clusters
    for cluster in range(len(report.centroids)):
        there = points[belongs == cluster]
        figure.add_trace(
            go.Scattergl(
                x=there[:, 0],
                y=there[:, 1],
                mode="markers",
                name=report.cluster_names[cluster],
                showlegend=False,
                marker={
                    "size": 5,
                    "color": theme.cluster_color(cluster),
                    "opacity": 0.55 if cluster in (own, neighbour) else 0.28,
                },
                hovertemplate=f"{report.cluster_names[cluster]}<extra></extra>",
            )
        )
    figure.add_trace(_centroids(report, own, neighbour))
    figure.add_trace(_way(report, sample))
    if len(report.map.points):
        figure.add_trace(_ends(report, sample))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    _lay_out(figure, 480, legend=0)
    return figure


def _centroids(report: PursuitReport, own: int, neighbour: int) -> go.Scatter:
    clusters = range(len(report.centroids))
    signs = {own: "diamond", neighbour: "star"}
    return go.Scatter(
        x=report.centroids[:, 0],
        y=report.centroids[:, 1],
        mode="markers+text",
        name="centroids (◆ its own, ★ the neighbour's)",
        text=[report.cluster_names[k] for k in clusters],
        textposition="top center",
        textfont={"size": 13},
        marker={
            "size": [20 if k == neighbour else 15 if k == own else 10 for k in clusters],
            "symbol": [signs.get(k, "circle") for k in clusters],
            "color": [theme.cluster_color(k) for k in clusters],
            "line": {"width": 2, "color": theme.ROLES_LIGHT["neutral"]},
        },
        hovertemplate="%{text}<extra></extra>",
    )


def _way(report: PursuitReport, sample: int) -> go.Scatter:
    frames = report.map.points[:, sample]
    iterations = report.trace.iterations[: len(frames)]
    return go.Scatter(
        x=frames[:, 0],
        y=frames[:, 1],
        mode="lines+markers",
        name="the sample's way, step by step",
        line={"color": theme.line_styles()["attack"]["color"], "width": 3},
        marker={"size": 6},
        text=["clean" if i < 0 else "random start" if i == 0 else f"step {i}" for i in iterations],
        hovertemplate="%{text}<extra></extra>",
    )


def _ends(report: PursuitReport, sample: int) -> go.Scatter:
    frames = report.map.points[[0, -1], sample]
    return go.Scatter(
        x=frames[:, 0],
        y=frames[:, 1],
        mode="markers",
        name="○ clean, ● now",
        marker={
            "size": 12,
            "symbol": ["circle-open", "circle"],
            "color": theme.line_styles()["attack"]["color"],
            "line": {"width": 3},
        },
        hovertemplate="%{text}<extra></extra>",
        text=["clean", "now"],
    )


def crossing(report: PursuitReport, sample: int = 0) -> str:
    """Which way a sample went, in a few sentences: between which clusters, from which class to which, and when."""
    names, trace = report.cluster_names, report.trace
    own, neighbour = names[report.own[sample]], names[report.neighbour[sample]]
    label = report.class_names[report.labels[sample]]
    first = f"Sample {trace.spec.samples[sample]} (label {label}) begins in {own} and is pushed toward {neighbour}."
    if len(report.classes) < 2:  # no step yet
        return first
    clusters, classes = trace.clusters[:, sample], report.classes[:, sample]
    near = report.likeness[:, sample]
    cosines = (
        f" Its cosine to its own centroid goes from {near[0, 0]:.2f} to {near[-1, 0]:.2f}, "
        f"to the neighbour's from {near[0, 1]:.2f} to {near[-1, 1]:.2f}."
    )
    if clusters[-1] == clusters[0]:
        where = f"After {trace.iterations[len(clusters) - 1]} steps it is still in its own cluster"
    else:
        ending = names[clusters[-1]]
        aim = "the neighbour it was pushed toward" if clusters[-1] == report.neighbour[sample] else "another than meant"
        where = f"It crosses at {_moment(trace.crossings[sample])} and ends in {ending}, {aim}"
    return f"{first} {where}; {_class_change(report, classes)}.{cosines}"


def _class_change(report: PursuitReport, classes: np.ndarray) -> str:
    if (classes == classes[0]).all():
        return f"the head calls it {report.class_names[classes[0]]} throughout"
    turned = int(np.flatnonzero(classes != classes[0])[0])
    now = report.class_names[classes[-1]]
    back = " and back" if classes[-1] == classes[0] else ""
    return (
        f"the head, which calls it {report.class_names[classes[0]]}, turns at "
        f"{_moment(report.trace.iterations[turned])}{back}, and ends with {now}"
    )


def _moment(iteration: int | None) -> str:
    return "the random start" if not iteration else f"step {iteration}"


def protocol(report: PursuitReport) -> str:
    """Everything a pursuit depends on, on one line."""
    spec = report.spec
    return " · ".join(
        [
            f"PGD on held-out sample {', '.join(map(str, spec.samples))} of {spec.dataset}",
            f"L∞ budget ε ≤ {words.epsilon_text(spec.epsilon)}, {spec.steps} steps of {report.trace.step_size:.3g}",
            f"{STRATEGY_NAMES[spec.strategy]}, neighbour n = {spec.rank} of K = {len(report.centroids)} clusters",
            f"random start of seed {spec.seed}",
            f"{report.cluster_names[report.own[0]]}: the cluster's number, and what the head calls most of its samples",
            f"map: PCA of the directions of {len(report.map.reference)} clean held-out samples",
            "a cluster's probability: softmax of the cosines to the centroids, as sharp as these are apart",
            f"weights {report.trace.subject.card_digest[:8]}",
        ]
    )


def silhouette(lines: Sequence[Line], report: PursuitReport | None) -> go.Figure:
    """The silhouette against K: SimCLR of every measured seed, and of the checkpoint that is shown."""
    curves = [
        (f"SimCLR, seed {result.spec.seed}", result.grid, result.curve, result.n_used)
        for line in lines
        if line.variant == "simclr"
        for result in line.results
    ]
    if report is not None and report.curve:
        title = f"this checkpoint: {words.model_name(report.spec.model)}"
        curves.append((title, report.grid, report.curve, len(report.centroids)))
    figure = go.Figure()
    for (name, grid, curve, used), style in zip(curves, theme.RUNS[: len(curves)], strict=True):
        figure.add_trace(
            go.Scatter(
                x=list(grid),
                y=list(curve),
                name=f"{name} (K = {used})",
                mode="lines+markers",
                line={"color": style["color"], "dash": style["dash"], "width": 2.4},
                marker={
                    "symbol": style["symbol"],
                    "size": [15 if k == used else 7 for k in grid],
                },
                hovertemplate="K = %{x}: %{y:.3f}",
            )
        )
    figure.update_xaxes(title_text="clusters K", gridcolor=theme.GRID, zeroline=False)
    figure.update_yaxes(title_text="silhouette", gridcolor=theme.GRID, zeroline=False)
    _lay_out(figure, 340)
    return figure


def proofs(lines: Sequence[Line]) -> list[tuple[int, tuple[Proof, ...]]]:
    """The proof of concept of each measured seed."""
    return [(r.spec.seed, r.proof) for line in lines if line.variant == "simclr" for r in line.results if r.proof]


def proof_of_concept(lines: Sequence[Line]) -> go.Figure:
    """The share of samples that noise turns and that the push turns, at each ε: means over seeds, lines to extremes."""
    found = proofs(lines)
    figure = go.Figure()
    for field, name, role in (("noise_success", NOISE, "noise"), ("success", PUSHED, "attack")):
        style = theme.line_styles()[role]
        rows = [[getattr(p, field) for p in row] for _, row in found]
        epsilons = [p.epsilon for p in found[0][1]]
        means = np.mean(rows, axis=0)
        figure.add_trace(
            go.Bar(
                x=[f"ε = {e:g}" for e in epsilons],
                y=means,
                name=name,
                marker={
                    "color": style["color"],
                    "pattern": {"shape": "/" if role == "noise" else "", "fillmode": "overlay"},
                },
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": np.max(rows, axis=0) - means,
                    "arrayminus": means - np.min(rows, axis=0),
                    "color": theme.ROLES_LIGHT["neutral"],
                },
                hovertemplate="%{y:.1%}",
            )
        )
    figure.update_yaxes(
        title_text="turned to another class", tickformat=".0%", gridcolor=theme.GRID, rangemode="tozero"
    )
    _lay_out(figure, 340)
    return figure


def proof_rows(lines: Sequence[Line]) -> list[dict[str, str]]:
    """Table 1 as text: a row for each seed and ε."""
    return [
        {
            "seed": str(seed),
            "ε": f"{p.epsilon:g}",
            "Attk. Succ., noise": f"{p.noise_success:.1%}",
            "Attk. Succ., neighbour": f"{p.success:.1%}",
            "times": f"{p.success / p.noise_success:.1f}" if p.noise_success else "∞",
            "Prob. Dec., noise": f"{p.noise_fall:.3f}",
            "Prob. Dec., neighbour": f"{p.fall:.3f}",
            "turned to the neighbour's class": f"{p.to_neighbour:.0%}",
        }
        for seed, row in proofs(lines)
        for p in row
    ]


def table_rows(lines: Sequence[Line], part: str) -> list[dict[str, str]]:
    """A table as text: percent, mean ± deviation (seeds), the paper's CIFAR-10 beside it."""
    return [_row(line, part) for line in of_part(lines, part)]


def _row(line: Line, part: str) -> dict[str, str]:
    paper = _paper(line.variant, part)
    return {
        "row": PROPOSED.get(part, line.title) if line.variant == "ncp_acl" else line.title,
        **{HEADS[score]: spread(line.values(score)) for score in SCORES},
        "K": ", ".join(map(str, line.clusters)) or "–",
        **{
            f"paper {head}": "–" if paper is None else f"{x:.2f}"
            for head, x in zip(HEADS.values(), paper or (0, 0, 0), strict=True)
        },
    }


def _paper(variant: str, part: str) -> Triple | None:
    """What the paper prints for a row on CIFAR-10."""
    if part == "heads":
        return (
            TABLE_3.get(VARIANTS[variant].model)
            if variant.endswith("_alf")
            else TABLE_2.get(variant, {}).get("cifar10")
        )
    if part == "ranks":
        return TABLE_5[VARIANTS[variant].rank or 2]["cifar10"]
    return TABLE_2[PRINTED[variant]]["cifar10"] if part == "methods" and variant in PRINTED else None


def printed_rows() -> list[dict[str, str]]:
    """Table 2 of the paper as text."""
    titles = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "stl10": "STL-10"}
    return [
        {"method": NAMES[name]}
        | {
            f"{titles[data]} {head}": f"{row[data][i]:.2f}" if data in row else "–"
            for data in titles
            for i, head in enumerate(HEADS.values())
        }
        for name, row in TABLE_2.items()
    ]


def table_protocol(lines: Sequence[Line]) -> str:
    """Everything the rows depend on, on one line."""
    result = next((result for line in lines for result in line.results), None)
    if result is None:
        return "nothing has been measured on this data set yet"
    spec = result.spec
    return (
        f"percent of held-out samples, mean ± deviation (seeds) · {result.training_samples:,} training samples of "
        f"{spec.dataset}, a small network · L∞ ε = {result.epsilon:g} in training and in the attacks · SA clean and RA "
        f"after PGD-20 on {spec.attacked} samples · AA after the ensemble (AutoAttack's members and PGD, "
        f"{spec.ensemble_steps} steps of its 100) on the first {spec.by_ensemble} of them · every second stage "
        "starts from the same SimCLR of its seed · the paper's columns: CIFAR-10, ResNet-18, ε = 8/255, "
        "means of five seeds"
    )


def csv_text(lines: Sequence[Line]) -> str:
    """Every seed of every row; the first line says under which protocol."""
    out = io.StringIO()
    out.write(f"# {table_protocol(lines)}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "seed", *HEADS.values(), "K", "seconds", "device", "commit", "created"])
    for line in lines:
        for r in line.results:
            numbers = [f"{getattr(r, score):.4f}" for score in SCORES]
            made = [f"{r.seconds:g}", r.device, r.commit, r.created]
            writer.writerow([PARTS[VARIANTS[line.variant].part], line.title, r.spec.seed, *numbers, r.n_used, *made])
    return out.getvalue()


def _lay_out(figure: go.Figure, height: int, *, legend: float = -0.22) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        font={"family": theme.FONT, "size": 14},
        legend={"orientation": "h", "yanchor": "top", "y": legend, "x": 0},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
        barmode="group",
        showlegend=True,
    )
