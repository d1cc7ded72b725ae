"""Models under ever stronger changes of one size, as a table of accuracies."""

from collections.abc import Mapping

import plotly.graph_objects as go

from core.figures import theme, words
from core.figures.heat import add_cells
from core.records import SweepScores

COLUMNS = ("clean", "signed noise", "GAN", "PGD, both", "PGD, assignment")
SHADES = [[0, "#f4a979"], [0.5, "#e8ecf1"], [1, "#7cc9ab"]]
ATTACKS = ("gan", "pgd", "assignment")  # the last is PGD on the assignment
UNKNOWN = "not run"

Row = list[float | None]


def rows(kept: Mapping[str, Mapping[str, SweepScores]], epsilon: float) -> dict[str, Row]:
    """Accuracy (frozen) of each model in each of COLUMNS at an ε of the grid; None where no sweep is kept.

    ``kept`` holds, by model, the kept sweeps by attack, a name in ATTACKS.
    """
    table = {}
    for model, sweeps in kept.items():
        row: Row = [None] * len(COLUMNS)
        for column, name in enumerate(ATTACKS, start=2):
            at = _place(sweeps[name], epsilon) if name in sweeps else None
            if at is not None:
                scores = sweeps[name]
                row[0] = scores.attack[0].frozen.accuracy
                row[1] = scores.controls["noise"][at].frozen.accuracy
                row[column] = scores.attack[at].frozen.accuracy
        table[model] = row
    return table


def table(values: Mapping[str, Row]) -> go.Figure:
    """The rows as a heat map with its numbers; a missing one says so."""
    names = [words.model_name(model) for model in values]
    texts = [[UNKNOWN if value is None else f"{value:.2f}" for value in row] for row in values.values()]
    figure = go.Figure()
    add_cells(figure, list(values.values()), texts, SHADES, largest=1)
    figure.update_xaxes(
        side="top", tickvals=list(range(len(COLUMNS))), ticktext=COLUMNS, showgrid=False, zeroline=False
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, autorange="reversed", showgrid=False, zeroline=False
    )
    figure.update_layout(
        height=70 + 58 * len(names),
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        font={"family": theme.FONT, "size": 15},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
    )
    return figure


def sentence(values: Mapping[str, Row], epsilon: float) -> str:
    """The table in words."""
    parts = []
    for model, row in values.items():
        cells = [f"{name} {value:.2f}" for name, value in zip(COLUMNS, row, strict=True) if value is not None]
        parts.append(f"{words.model_name(model)}: {', '.join(cells) or UNKNOWN}")
    return f"Accuracy at ε = {words.epsilon_text(epsilon)}. {'; '.join(parts)}."


def _place(scores: SweepScores, epsilon: float) -> int | None:
    near = [i for i, e in enumerate(scores.spec.epsilons) if abs(e - epsilon) < 1e-6]
    return near[0] if near else None
