"""Confusion matrices before and after an attack, as a Plotly figure: rows labels, columns clusters, as in the paper."""

from collections.abc import Iterator, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures import theme, words
from core.figures.stage import matched_columns
from core.records import ConfusionRecord, Integers

NUMBERED = 12  # labels up to which counts stand in the cells
STRONG = 0.3  # share of a label's samples
PALE_INK, STRONG_INK = "#848B96", "#FFFFFF"
HEIGHT = 270  # pixels, where names of classes have a letter or two
LETTER = 6.5  # pixels that each further letter of the longest name takes below the columns


def before_and_after(record: ConfusionRecord, class_names: Sequence[str], frame: int = -1) -> go.Figure:
    """The clean matrix and the one at a frame of the sweep side by side; shades are shares of a label's samples.

    Columns are in the order of the labels they were matched to on the clean samples, on both sides.
    """
    place = range(record.spec.points)[frame]
    at = f"ε = {words.epsilon_text(record.spec.epsilons[place])}"
    figure = make_subplots(rows=1, cols=2, subplot_titles=("before", f"after, {at}"), horizontal_spacing=0.06)
    columns = matched_columns(record.matching, len(class_names))
    names = [_cluster_name(record.matching[cluster], class_names) for cluster in columns]
    for column, (counts, state) in enumerate(((record.counts[0], "clean"), (record.counts[place], "attack")), start=1):
        color = theme.line_styles()[state]["color"]
        for heatmap in _heatmaps(counts[:, columns], color, class_names, names):
            figure.add_trace(heatmap, row=1, col=column)
    dense = len(class_names) > NUMBERED
    frame_line = {"showline": True, "mirror": True, "linecolor": theme.GRID, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**_axis("cluster", names, dense), range=[-0.5, len(names) - 0.5], **frame_line)
    figure.update_yaxes(**_axis("", class_names, dense), range=[len(class_names) - 0.5, -0.5], **frame_line)
    figure.update_yaxes(title_text="label", col=1)
    figure.update_yaxes(showticklabels=False, ticks="", col=2)  # the rows of the first
    figure.update_annotations(yshift=6, font_size=14)
    figure.update_layout(
        height=HEIGHT + (0 if dense else LETTER * max(0, *(len(name) - 2 for name in class_names))),
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        font={"family": theme.FONT, "size": 13},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
    )
    return figure


def spoken(record: ConfusionRecord, frame: int = -1) -> str:
    """The two matrices in a sentence, for who cannot see them."""
    place = range(record.spec.points)[frame]
    before, after = (_matched(record.counts[i], record.matching) for i in (0, place))
    samples = int(record.counts[0].sum())
    return (
        f"Labels by clusters: {before} of {samples} samples lie in the cluster of their label before the attack, "
        f"{after} at ε = {words.epsilon_text(record.spec.epsilons[place])}."
    )


def _axis(title: str, names: Sequence[str], dense: bool) -> dict[str, object]:
    """A tick for every name, or none where there are too many."""
    ticks: list[int] = [] if dense else list(range(len(names)))
    return {"title_text": title, "title_standoff": 4, "tickvals": ticks, "ticktext": list(names)}


def _matched(counts: Integers, matching: Integers) -> int:
    return int(sum(counts[label, cluster] for cluster, label in enumerate(matching) if label >= 0))


def _heatmaps(counts: Integers, color: str, labels: Sequence[str], clusters: Sequence[str]) -> Iterator[go.Heatmap]:
    """Pale cells with grey counts and strong ones with white counts, so that both read on any background."""
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / totals
    hover = [
        [f"label {label}, cluster {name}: {counts[i, j]} of {totals[i, 0]}" for j, name in enumerate(clusters)]
        for i, label in enumerate(labels)
    ]
    for shown, opacities, ink in ((shares < STRONG, (0, 0.4), PALE_INK), (shares >= STRONG, (0.7, 1), STRONG_INK)):
        yield go.Heatmap(
            z=np.where(shown, shares, np.nan),
            zmin=0,
            zmax=STRONG if ink == PALE_INK else 1,
            colorscale=[[place, _clear(color, opacity)] for place, opacity in enumerate(opacities)],
            showscale=False,
            xgap=1,
            ygap=1,
            text=np.where(shown & (counts > 0), counts.astype(str), ""),
            texttemplate="%{text}" if len(labels) <= NUMBERED else None,
            textfont={"size": 11, "color": ink},
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
            hoverongaps=False,
        )


def _clear(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def _cluster_name(label: int, class_names: Sequence[str]) -> str:
    return class_names[label] if label >= 0 else "–"
