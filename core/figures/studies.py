"""Trials and transfers as Plotly figures: attackers on other models, λ against γ, scores by epoch."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from core.figures import heat, theme, words
from core.studies.records import TransferRecord, TrialRecord

SHADES = [[0.0, "#f7d9c4"], [0.5, "#f3efe6"], [1.0, "#cfe8dc"]]  # fooled, halfway, unmoved: all light enough for ink
EPOCH_LINES = {  # a state's name in the legend, and whose line style it has
    "clean": ("clean", "clean"),
    "noise": ("signed noise", "noise"),
    "pgd": ("PGD, both objectives", "untrained_generator"),
    "pgd_assignment": ("PGD on the assignment", "attack"),
}
ROW_HEIGHT = 34


def transfer_heat(record: TransferRecord) -> go.Figure:
    """Accuracy of every model (columns) under the generators trained against each (rows)."""
    values = [[record.accuracy[attacker, target] for target in record.targets] for attacker in record.attackers]
    figure = go.Figure()
    heat.add_cells(figure, values, _texts(values), SHADES, largest=1.0, size=13)
    columns = [f"{words.model_name(target)}<br>{record.clean[target]:.2f}" for target in record.targets]
    rows = [words.model_name(attacker) for attacker in record.attackers]
    _axes(figure, columns, rows, "attacked model, its clean ACC below", "trained against")
    own = [(record.targets.index(name), y) for y, name in enumerate(record.attackers) if name in record.targets]
    for x, y in own:
        figure.add_shape(
            type="rect", x0=x - 0.47, x1=x + 0.47, y0=y - 0.45, y1=y + 0.45, line={"color": heat.INK, "width": 1.5}
        )
    return _finish(figure, height=150 + ROW_HEIGHT * len(rows))


def transfer_spoken(record: TransferRecord) -> str:
    """What the matrix shows, in a sentence."""
    own = [record.kept(name, name) for name in record.attackers if name in record.targets]
    others = [record.kept(a, t) for a in record.attackers for t in record.targets if a != t]
    name, left = record.farthest()
    return (
        f"Against the model that it was trained on, an attacker leaves {_mean(own):.0%} of the clean accuracy on the "
        f"average of {len(own)} models, against another one {_mean(others):.0%} on the average of {len(others)} pairs. "
        f"The one trained against {words.model_name(name)} travels best: it leaves {left:.0%}."
    )


def weights_heat(accuracies: Mapping[tuple[float, float], float | None], grid: Sequence[float]) -> go.Figure:
    """Figure 4 (a): accuracy over λ (rows) and γ (columns), both logarithmic; None where there is no trial."""
    values = [[accuracies.get((a, b)) for b in grid] for a in grid]
    figure = go.Figure()
    heat.add_cells(figure, values, _texts(values), SHADES, largest=1.0, size=13)
    names = [f"{value:g}" for value in grid]
    _axes(figure, names, names, "γ, weight of the mitigator", "λ, weight of the adversarial loss")
    return _finish(figure, height=150 + ROW_HEIGHT * len(grid))


def by_epoch(record: TrialRecord) -> go.Figure:
    """Figure 4 (b): held-out accuracy after every epoch, frozen matching; phases are told apart by thin lines."""
    figure = go.Figure()
    epochs = [row.epoch for row in record.epochs]
    for state, (name, style) in EPOCH_LINES.items():
        if state in record.epochs[0].scores:
            look = theme.line_styles()[style]
            figure.add_trace(
                go.Scatter(
                    x=epochs,
                    y=[row.scores[state].accuracy for row in record.epochs],
                    name=name,
                    mode="lines+markers",
                    line={"color": look["color"], "dash": look["dash"], "width": 2},
                    marker={"symbol": look["symbol"], "size": 6, "color": look["color"]},
                    hovertemplate="%{y:.3f}",
                )
            )
    turns = (before.epoch + 0.5 for before, after in pairwise(record.epochs) if before.phase != after.phase)
    for place in turns:
        figure.add_vline(x=place, line={"color": theme.GRID, "width": 1})
    figure.update_xaxes(title_text="epoch", showgrid=False)
    figure.update_yaxes(title_text="ACC", range=[-0.03, 1.03], gridcolor=theme.GRID)
    figure.update_layout(
        hovermode="x unified", legend={"orientation": "h", "yanchor": "top", "y": -0.25, "x": 0}, showlegend=True
    )
    return _finish(figure, height=340)


def _texts(values: Sequence[Sequence[float | None]]) -> list[list[str]]:
    return [["–" if value is None else f"{value:.2f}" for value in row] for row in values]


def _axes(figure: go.Figure, columns: Sequence[str], rows: Sequence[str], below: str, beside: str) -> None:
    quiet = {"showgrid": False, "zeroline": False, "title_standoff": 8}
    figure.update_xaxes(tickvals=list(range(len(columns))), ticktext=columns, title_text=below, side="top", **quiet)
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=rows, title_text=beside, autorange="reversed", **quiet
    )


def _finish(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font={"family": theme.FONT, "size": 13},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
    )
    return figure


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
