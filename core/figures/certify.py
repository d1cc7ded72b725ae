"""ClusTR's figures: certified accuracy, fading slopes, the rule that fails; its rows and claims in words."""

import csv
import io
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.certify.results import ATTACKS, HONEST, METHODS, PlaneReport, PlaneSpec
from core.certify.tables import RobustClaim, RobustLine, figure_3, honest, median_radius, radius_grid
from core.figures import theme
from core.figures.plane import TITLES
from core.published.clustr import PRINTED, ROWS

SETS = {"two_moons": "Two moons", "two_circles": "Two circles"}
NAMES = {
    "noise": "signed noise",
    "paper_20": "the paper's: PGD-20 on scores",
    "paper_100": "the paper's: PGD-100 on scores",
    "log_20": "PGD-20 on log-scores",
    "log_100": "PGD-100 on log-scores",
    "margin_20": "PGD-20 on the margin",
    "magnet_100": "PGD-100 on the Magnet loss",
    "ensemble": "AutoAttack's members and more",
}
SHORT = {  # heads of columns
    "noise": "noise",
    "paper_20": "paper PGD-20",
    "paper_100": "paper PGD-100",
    "log_20": "log PGD-20",
    "log_100": "log PGD-100",
    "margin_20": "margin PGD-20",
    "magnet_100": "adaptive",
    "ensemble": "ensemble",
}
BADGES = {"held": ":green-badge[held]", "not held": ":orange-badge[not held]"}
UNTESTED = ":gray-badge[not testable here]"
STYLES = {"magnet": "attack", "clustr": "defended"}  # in the words of theme.line_styles
BAND = "rgba(132, 139, 150, 0.18)"
CENTRES, POINT = ((0.0, "own"), (-0.6, "second"), (1.7, "third")), 0.5


def method(model: str) -> str:
    """A classifier's name for the screen."""
    return ROWS[model][0].removesuffix(" + pre-training")


def certified_curves(planes: Mapping[PlaneSpec, PlaneReport | None], dataset: str) -> go.Figure:
    """Figure 3: the share of held-out points that are right with a proven radius above t; mean and range of seeds."""
    figure = _empty("radius, as a share of the square's side", "certified accuracy")
    kept = {m: [r for s, r in planes.items() if r and (s.dataset, s.model) == (dataset, m)] for m in METHODS}
    every = [report for reports in kept.values() for report in reports]
    if not every:
        return figure
    grid = radius_grid(every)
    for name, reports in kept.items():
        if not reports:
            continue
        mean, low, high = figure_3(reports, grid)
        style = theme.line_styles()[STYLES[name]]
        x = [float(t) for t in grid]
        figure.add_trace(
            go.Scatter(
                x=[*x, *x[::-1]],
                y=[*high.tolist(), *low.tolist()[::-1]],
                fill="toself",
                fillcolor=BAND,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            )
        )
        line = {"color": style["color"], "width": 2.5, "dash": "solid" if name == "clustr" else "dash"}
        figure.add_trace(go.Scatter(x=x, y=mean.tolist(), name=TITLES[name], mode="lines", line=line))
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return figure


def certified_sentence(planes: Mapping[PlaneSpec, PlaneReport | None], dataset: str) -> str:
    """Median radii of both starts, in a sentence."""
    parts = []
    for name in METHODS:
        found = [median_radius(r) for s, r in planes.items() if r and (s.dataset, s.model) == (dataset, name)]
        if found:
            ranged = f"{min(found):.3f} to {max(found):.3f}" if len(found) > 1 else f"{found[0]:.3f}"
            parts.append(f"{TITLES[name]}: median radius {ranged} ({len(found)} seeds)")
    return f"{SETS[dataset]}. {'; '.join(parts)}." if parts else f"{SETS[dataset]}: not trained yet."


def counter_example() -> go.Figure:
    """Three centres on a line and a point between: the border that is nearest is not that of the second centre."""
    figure = go.Figure()
    colors = [theme.cluster_color(c) for c in range(3)]
    for (place, name), color, symbol in zip(CENTRES, colors, ("cross", "square", "diamond"), strict=True):
        marker = {"size": 15, "color": color, "symbol": symbol}
        figure.add_trace(
            go.Scatter(
                x=[place],
                y=[0],
                mode="markers+text",
                marker=marker,
                text=[f"{name}<br>{place:g}"],
                textposition="bottom center",
                showlegend=False,
                hoverinfo="skip",
            )
        )
    styles = theme.line_styles()
    for border, height, style, words in (
        (-0.3, 0.62, styles["attack"], "the paper's rule<br>certifies 0.80"),
        (0.85, 0.34, styles["defended"], "the sound rule certifies 0.35"),
    ):
        figure.add_vline(x=border, line={"color": style["color"], "dash": "dot", "width": 2})
        figure.add_trace(
            go.Scatter(
                x=[POINT, border],
                y=[height, height],
                mode="lines+text",
                line={"color": style["color"], "width": 3},
                text=["", ""],
                showlegend=False,
                hoverinfo="skip",
            )
        )
        figure.add_annotation(
            x=border,
            y=height,
            text=words,
            showarrow=False,
            align="left",
            font={"color": style["color"]},
            xanchor="left",
            xshift=8,
            yshift=22 if border < POINT else 0,
        )
    marker = {"size": 13, "color": theme.ROLES_LIGHT["neutral"]}
    figure.add_trace(go.Scatter(x=[POINT], y=[0], mode="markers", marker=marker, showlegend=False, hoverinfo="skip"))
    figure.update_xaxes(range=[-1.1, 2.2], title_text="feature", gridcolor=theme.GRID, zeroline=False)
    figure.update_yaxes(visible=False, range=[-0.42, 0.9])
    figure.update_layout(**_layout(250))
    return figure


COUNTER_SENTENCE = (
    "A point with feature 0.5 is of the class at 0. The second nearest centre, at −0.6, has its border at −0.3, 0.80 "
    "away, which the paper's rule certifies. But the third centre, at 1.7, has its border at 0.85: a change of 0.35 "
    "flips the class. The radius is therefore the smallest over all centres of other classes."
)


def fading(line: RobustLine) -> go.Figure:
    """How steep two objectives are along the way to a wrong class: median length of the slope, logarithmic."""
    figure = _empty("how far along the way, in ε", "length of the slope (logarithmic)")
    result = line.result
    if result is None:
        return figure
    styles = theme.line_styles()
    looks = {"scores": ("scores, as the paper attacks", "attack"), "log_scores": ("log-scores", "defended")}
    for name, row in result.slopes.items():
        label, style = looks[name]
        figure.add_trace(
            go.Scatter(
                x=list(result.along),
                y=[max(value, 1e-30) for value in row],
                name=label,
                mode="lines+markers",
                line={"color": styles[style]["color"], "dash": "solid" if name == "scores" else "dash", "width": 2.5},
                marker={"symbol": styles[style]["symbol"], "size": 8},
            )
        )
    figure.update_yaxes(type="log", exponentformat="power")
    return figure


def fading_sentence(line: RobustLine) -> str:
    """What the curve says, with its numbers."""
    result = line.result
    if result is None or "scores" not in result.slopes:
        return f"{method(line.model)} has no scores that fade: its logits are attacked as they are."
    scores, logs = result.slopes["scores"], result.slopes["log_scores"]
    flatter = logs[-1] / max(scores[-1], 1e-30)
    compared = f"the scores are {flatter:,.0f} times flatter" if flatter > 1 else "the scores are no flatter"
    return (
        f"{method(line.model)}: from the clean picture to where a margin attack ends, the median slope of the scores "
        f"changes from {scores[0]:.3g} to {scores[-1]:.3g}, that of log-scores from {logs[0]:.3g} to {logs[-1]:.3g}: "
        f"where it counts, near the wrong class, {compared}."
    )


HEADS = ("method", "clean", *SHORT.values(), "strongest")


def rows(lines: Sequence[RobustLine]) -> list[dict[str, str]]:
    """Our rows as text, accuracies in percent."""
    found = []
    for line in lines:
        row = {"method": method(line.model)}
        if line.result is None:
            row |= dict.fromkeys(HEADS[1:], "–")
        else:
            row |= {"clean": _percent(line.result.clean)}
            row |= {SHORT[name]: _percent(line.result.accuracy[name]) for name in ATTACKS}
            row |= {"strongest": _percent(honest(line.result))}
        found.append(row)
    return found


def verdict(lines: Sequence[RobustLine]) -> str:
    """What becomes of ClusTR's robustness, in a sentence with its numbers."""
    results = {line.model: line.result for line in lines}
    clustr, nominal, hardened = (results.get(name) for name in ("clustr", "nominal", "clustr_qtrades"))
    if clustr is None or nominal is None:
        return "ClusTR and nominal training have not been measured yet."
    sentence = (
        f"By the paper's own attack **ClusTR** keeps {_percent(clustr.accuracy['paper_20'])} % of the samples, by the "
        f"strongest honest one **{_percent(honest(clustr))} %**; nominal training keeps {_percent(honest(nominal))} %."
    )
    if hardened is not None:
        sentence += f" With QTRADES, which trains on attacked samples, it keeps **{_percent(honest(hardened))} %**."
    return sentence


def protocol(lines: Sequence[RobustLine]) -> str:
    """Everything the rows depend on, on one line."""
    result = next((line.result for line in lines if line.result is not None), None)
    if result is None:
        return "nothing has been measured on this data set yet"
    spec = result.spec
    listed = "; ".join(f"{SHORT[name]}: {NAMES[name]}" for name in ATTACKS)
    return (
        f"Accuracy in percent · {spec.samples} samples of the held-out half of {spec.dataset}, seed {spec.seed} · "
        f"L∞, ε = {spec.epsilon:g}, steps of ε/4, random start, {spec.restarts} restarts of PGD: a sample is lost if "
        f"any succeeds · {listed} (APGD and FAB with {spec.ensemble_steps} steps) · classifiers that are no Magnet are "
        f"attacked on their logits in the paper's columns too · strongest: the lowest of the honest ones, "
        f"{', '.join(SHORT[name] for name in HONEST)} · one training each"
    )


def csv_text(lines: Sequence[RobustLine]) -> str:
    """Our rows; the first line says under which protocol."""
    out = io.StringIO()
    out.write(f"# {protocol(lines)}\n")
    writer = csv.DictWriter(out, HEADS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(lines))
    return out.getvalue()


def printed_rows() -> list[dict[str, str]]:
    """The paper's Tables 1 and 2, with where each row's numbers come from."""
    return [
        {
            "data": data,
            "method": ROWS[model][0],
            "clean": f"{p.clean:.2f}",
            "PGD-20": f"{p.pgd_20:.2f}",
            "PGD-100": f"{p.pgd_100:.2f}",
            "numbers from": ROWS[model][1],
        }
        for (data, model), p in PRINTED.items()
    ]


def claim_text(claim: RobustClaim) -> str:
    """A claim in Markdown: verdict, words, number, command."""
    badge = BADGES.get(claim.verdict, UNTESTED)
    return f"{badge} **{claim.text}** {claim.numbers[0].upper()}{claim.numbers[1:]}. `{claim.command}`"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _empty(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(title_text=x, rangemode="tozero", showgrid=False)
    figure.update_yaxes(title_text=y, gridcolor=theme.GRID, zeroline=False)
    figure.update_layout(**_layout(360))
    return figure


def _layout(height: int) -> dict[str, object]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 10, "b": 8},
        "font": {"family": theme.FONT, "size": 14},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "paper_bgcolor": theme.NOTHING,
        "plot_bgcolor": theme.NOTHING,
        "hovermode": "x unified",
    }
