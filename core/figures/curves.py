"""Scores over ε of several runs, as a Plotly figure."""

from collections.abc import Callable, Mapping

import plotly.graph_objects as go

from core.figures import theme
from core.records import AttackScores, SweepScores

Read = Callable[[AttackScores], float]

MEASURES: dict[str, Read] = {
    "ACC": lambda scores: scores.frozen.accuracy,
    "ACC re-matched": lambda scores: scores.rematched.accuracy,
    "NMI": lambda scores: scores.frozen.nmi,
    "ARI": lambda scores: scores.frozen.ari,
    "moved": lambda scores: scores.changed,
}
CONTROL = "noise"  # drawn thin beside each run


def compare(runs: Mapping[str, SweepScores], measure: str = "ACC") -> go.Figure:
    """A line over ε for each of the named ``runs``, a thin one for its control; ``measure`` is a name in MEASURES."""
    figure = go.Figure()
    for i, (name, run) in enumerate(runs.items()):
        style = theme.RUNS[i % len(theme.RUNS)]
        control = run.controls.get(CONTROL, ())
        if run.spec.attack.attack != CONTROL and control:
            figure.add_trace(_line(run, control, f"{name}: signed noise", MEASURES[measure], style, thin=True))
        figure.add_trace(_line(run, run.attack, name, MEASURES[measure], style))
    figure.update_xaxes(title_text="ε", showgrid=False)
    figure.update_yaxes(title_text=measure, range=[-0.03, 1.03], gridcolor=theme.GRID)
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font={"family": theme.FONT, "size": 14},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
        hovermode="x unified",
    )
    return figure


def _line(
    run: SweepScores,
    scores: tuple[AttackScores, ...],
    name: str,
    read: Read,
    style: Mapping[str, str],
    *,
    thin: bool = False,
) -> go.Scatter:
    return go.Scatter(
        x=run.spec.epsilons,
        y=[read(s) for s in scores],
        name=name,
        mode="lines" if thin else "lines+markers",
        line={"color": style["color"], "dash": "dot" if thin else style["dash"], "width": 1.2 if thin else 2.5},
        marker={"symbol": style["symbol"], "size": 8, "color": style["color"]},
        showlegend=not thin,
        hovertemplate="%{y:.3f}",
    )
