"""Theorem 4.2, measured: the information and its bound over ε, a panel a model."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures import theme, words
from core.records import Floats
from core.theorem_records import TheoremReport

NAMES = {"bound": "bound: KL(p(ã | x̃) ‖ p(a | x))", "information": "information: I(x̃; ã | x)"}
ROUNDING = 1e-4  # nats, of float32
STYLES = {"bound": "attack", "information": "clean"}  # in the words of theme.line_styles


def curves(reports: Sequence[TheoremReport], family: str) -> go.Figure:
    """Means over samples in nats, with standard errors; ``family`` is a name in each report's curves."""
    titles = [words.model_name(report.spec.model) for report in reports]
    figure = make_subplots(rows=1, cols=len(reports), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    for column, report in enumerate(reports, start=1):
        for side in NAMES:
            figure.add_trace(_line(report, family, side, named=column == 1), row=1, col=column)
    figure.update_xaxes(title_text="ε", rangemode="tozero", showgrid=False)
    figure.update_yaxes(rangemode="tozero", gridcolor=theme.GRID, zeroline=False)
    figure.update_yaxes(title_text="nats", col=1)
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 36, "b": 90},
        font={"family": theme.FONT, "size": 14},
        legend={"orientation": "h", "yanchor": "bottom", "y": 0, "yref": "container", "x": 0},
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
        hovermode="x unified",
    )
    return figure


def sentence(report: TheoremReport, family: str) -> str:
    """Both sides at the largest ε and the share that moved, in a sentence."""
    curve = report.curves[family]
    information, bound, moved = (float(part[-1].mean()) for part in (curve.information, curve.bound, curve.moved))
    return (
        f"{words.model_name(report.spec.model)} at ε = {words.epsilon_text(report.spec.epsilons[-1])}: "
        f"I = {information:.2f}, bound {bound:.2f} nats, {moved:.0%} of the versions in another cluster."
    )


def verdict(reports: Sequence[TheoremReport], family: str) -> str:
    """Whether the theorem held wherever it was measured."""
    measured = [report.curves[family] for report in reports]
    count = sum(curve.bound.size for curve in measured)
    broken = sum(int((curve.information > curve.bound + ROUNDING).sum()) for curve in measured)
    held = "in all of them" if not broken else f"but not in {broken}"
    return f"Measured for {count} pairs of a sample and an ε: I ≤ bound {held}."


def protocol(report: TheoremReport) -> str:
    """Everything the numbers depend on, on one line."""
    spec = report.spec
    objectives = " and ".join(spec.objectives)
    return (
        f"{spec.samples} samples of the held-out half · at each ε {spec.versions} adversarial versions of each: PGD, "
        f"{spec.steps} steps, from {spec.starts} random starts for each objective ({objectives}), all views, L∞ · "
        f"versions equally likely · target in evaluation mode · seeds {spec.seed} to {spec.seed + spec.starts - 1} · "
        "bars: one standard error over samples"
    )


def _line(report: TheoremReport, family: str, side: str, *, named: bool) -> go.Scatter:
    style = theme.line_styles()[STYLES[side]]
    rows: Floats = getattr(report.curves[family], side)  # (E, N)
    errors = rows.std(axis=1) / np.sqrt(rows.shape[1])
    done = len(rows)
    return go.Scatter(
        x=[0.0, *report.spec.epsilons[:done]],
        y=[0.0, *rows.mean(axis=1).tolist()],  # at ε = 0 every version is the clean picture
        error_y={"array": [0.0, *errors.tolist()], "thickness": 1, "width": 3},
        name=NAMES[side],
        mode="lines+markers",
        line={"color": style["color"], "dash": "solid" if side == "information" else "dash", "width": 2.5},
        marker={"symbol": "circle" if side == "information" else "diamond", "size": 8, "color": style["color"]},
        legendgroup=side,
        showlegend=named,
        hovertemplate="%{y:.3f}",
    )
