"""Cells of colour with their numbers, legible on light and on dark."""

from collections.abc import Sequence

import plotly.graph_objects as go


def add_cells(
    figure: go.Figure,
    values: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    shades: Sequence[Sequence[object]],
    *,
    largest: float,
    column: int | None = None,
) -> None:
    """A heat map of ``values`` (rows, columns) from 0 to ``largest``; ``shades`` let the background through.

    Numbers are annotations, because those take the text colour of the page. ``column`` is that of subplots.
    """
    place = {} if column is None else {"row": 1, "col": column}
    cells = go.Heatmap(
        z=values,
        text=texts,
        colorscale=shades,
        zmin=0,
        zmax=largest,
        showscale=False,
        xgap=3,
        ygap=3,
        hovertemplate="%{text}<extra></extra>",
    )
    figure.add_trace(cells, **place)
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            figure.add_annotation(x=x, y=y, text=text, showarrow=False, font={"size": 17}, **place)
