"""Scores over ε, as a Plotly figure."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures import theme, words
from core.records import AttackScores, SweepReport

Read = Callable[[AttackScores], float]

MEASURES: dict[str, Read] = {
    "ACC (frozen matching)": lambda scores: scores.frozen.accuracy,
    "NMI": lambda scores: scores.frozen.nmi,
    "ARI": lambda scores: scores.frozen.ari,
    "Share moved": lambda scores: scores.changed,
}


def sweep_curves(report: SweepReport, measures: Sequence[str] = tuple(MEASURES), *, legend: bool = True) -> go.Figure:
    """A panel over ε for each of the ``measures``, names in MEASURES, with the attack and its controls."""
    figure = make_subplots(rows=1, cols=len(measures), subplot_titles=measures)
    for column, measure in enumerate(measures, start=1):
        for state, points in _states(report).items():
            line = _line(report, state, points, MEASURES[measure], named=legend and column == 1)
            figure.add_trace(line, row=1, col=column)
    end = report.spec.attack.epsilon
    figure.update_xaxes(title_text="ε", range=[-0.03 * end, 1.03 * end], showgrid=False)
    figure.update_yaxes(range=[-0.03, 1.03], tickvals=[0, 0.25, 0.5, 0.75, 1], gridcolor=theme.GRID)
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 36, "b": 90},
        font={"family": theme.FONT, "size": 14},
        legend={"orientation": "h", "yanchor": "bottom", "y": 0, "yref": "container", "x": 0},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
        hovermode="x unified",
    )
    return figure


def _states(report: SweepReport) -> dict[str, list[tuple[float, AttackScores]]]:
    """The points (ε, scores) of the attack and of each control."""
    states = {"attack": [(frame.epsilon, frame.scores) for frame in report.frames]}
    for frame in report.frames:
        for name, scores in frame.controls.items():
            if name != report.spec.attack.attack:
                states.setdefault(name, []).append((frame.epsilon, scores))
    return states


def _line(
    report: SweepReport, state: str, points: list[tuple[float, AttackScores]], read: Read, *, named: bool
) -> go.Scatter:
    style = theme.line_styles()[state]
    attack = words.attack_name(report.spec.attack.attack)
    return go.Scatter(
        x=[epsilon for epsilon, _ in points],
        y=[read(scores) for _, scores in points],
        name=attack if state == "attack" else f"Control: {words.attack_name(state).lower()}",
        mode="lines+markers",
        line={"color": style["color"], "dash": style["dash"], "width": 2.5 if state == "attack" else 1.8},
        marker={"symbol": style["symbol"], "size": 7, "color": style["color"]},
        legendgroup=state,
        showlegend=named,
        hovertemplate="%{y:.3f}",
    )
