"""A confusion matrix scored by two matchings, side by side."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures import theme
from core.figures.heat import add_cells
from core.records import Integers, MatchingLesson

SHADES = [[0, "#e8ecf1"], [1, "#7db4de"]]


def matching(lesson: MatchingLesson) -> go.Figure:
    """The same counts twice; boxes mark what each matching counts as right."""
    titles = [
        f"{name}: ACC {scores.accuracy:.2f}"
        for name, scores in (("Frozen", lesson.frozen_scores), ("Re-matched", lesson.rematched_scores))
    ]
    counts = lesson.counts.tolist()
    texts = [[str(count) for count in row] for row in counts]
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.14)
    for column, pairs in enumerate((lesson.frozen, lesson.rematched), start=1):
        add_cells(figure, counts, texts, SHADES, largest=max(map(sum, counts)), column=column)
        _mark(figure, pairs, column)
    names = list(lesson.class_names)
    ticks = {"tickvals": list(range(len(names))), "showgrid": False, "zeroline": False}
    figure.update_xaxes(title_text="cluster", ticktext=list("ABCDEFGHIJ"[: lesson.counts.shape[1]]), **ticks)
    figure.update_yaxes(ticktext=names, autorange="reversed", **ticks)
    figure.update_yaxes(title_text="label", col=1)
    figure.update_layout(
        height=290,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        font={"family": theme.FONT, "size": 15},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
    )
    return figure


def _mark(figure: go.Figure, pairs: Integers, column: int) -> None:
    for cluster, label in enumerate(pairs.tolist()):
        if label >= 0:
            figure.add_shape(
                type="rect",
                x0=cluster - 0.47,
                x1=cluster + 0.47,
                y0=label - 0.46,
                y1=label + 0.46,
                line={"color": theme.line_styles()["attack"]["color"], "width": 3},
                row=1,
                col=column,
            )
