"""Cells of light colour with dark numbers, which read the same on a light page and on a dark one."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.figures import theme

INK, BESIDE = "#1a1f29", theme.line_styles()["noise"]["color"]  # on a cell, and on the page


def add_cells(
    figure: go.Figure,
    values: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    shades: Sequence[Sequence[object]],
    *,
    largest: float,
    column: int | None = None,
    size: int = 17,
) -> None:
    """A heat map of ``values`` (rows, columns) from 0 to ``largest``; a cell that is None has its text alone.

    ``shades`` is a colour scale light enough for INK. ``column`` is that of subplots, ``size`` that of the letters.
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
            font = {"size": size, "color": BESIDE if values[y][x] is None else INK}
            figure.add_annotation(x=x, y=y, text=text, showarrow=False, font=font, **place)
