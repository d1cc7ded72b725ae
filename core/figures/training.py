"""Loss curves of trainings, as Plotly figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures import theme
from core.records import EpochLog
from core.training_records import RunRecord

TOTAL = "total loss"
COLUMNS = 3
TITLE = 32  # pixels above the highest panel
PANEL, BETWEEN, LEGEND = 130, 62, 110  # pixels of height: of a panel, between two, below all with the axis
CHOSEN, OTHER = theme.cluster_color(0), theme.line_styles()["noise"]["color"]
DASHES = ("solid", "dash", "dot", "dashdot")


def terms(record: RunRecord) -> list[str]:
    """The names of a run's loss terms in the order they came, the total first where it is a sum of several."""
    names = list(dict.fromkeys(name for log in (*record.trials, *record.logs) for name in log.terms))
    return [TOTAL, *names] if len(names) > 1 and record.spec.kind == "model" else names


def shown_run(record: RunRecord) -> int | None:
    """Which of the seeds, from 1, stands out: the one kept, else the one that is trained now; None before the first."""
    if not record.logs:
        return None
    if record.card is not None and record.logs[-1].runs > 1:
        return record.card.seed - record.spec.seed + 1
    return record.logs[-1].run


def shown_seed(record: RunRecord) -> int:
    """The seed of the run that stands out; after trials, that of the trial with the lowest loss."""
    if record.card is not None:
        return record.card.seed
    losses = {log.run: log.total for log in record.trials}  # the last of each trial stays
    run = min(losses, key=losses.__getitem__) if losses else shown_run(record) or 1
    return record.spec.seed + run - 1


def term_curves(record: RunRecord) -> go.Figure:
    """A panel for each loss term over epochs, a line for each seed; the kept or current one stands out."""
    names, lines = terms(record), _lines(record)
    columns = 2 if len(names) == 4 else min(COLUMNS, max(1, len(names)))
    rows = max(1, ceil(len(names) / columns))
    height = rows * PANEL + (rows - 1) * BETWEEN
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=names, vertical_spacing=BETWEEN / height)
    traces, where = [], []
    for place, name in enumerate(names):
        drawn = [line.draw(name, named=place == 0) for line in lines if line.has(name)]
        traces += drawn
        where += [(place // columns + 1, place % columns + 1)] * len(drawn)
        if place + columns >= len(names):  # the lowest of its column
            figure.layout[f"xaxis{place + 1 if place else ''}"].title = {"text": "epoch", "standoff": 4}
    figure.add_traces(traces, rows=[row for row, _ in where], cols=[column for _, column in where])
    figure.update_layout(shapes=_phase_lines(record, len(names)))
    _lay_out(figure, height + TITLE + LEGEND)
    return figure


def compared_losses(records: Sequence[tuple[str, RunRecord]], term: str = TOTAL) -> go.Figure:
    """One loss term of several runs over epochs, each run by its kept or current seed; (label, run) each."""
    figure = go.Figure()
    for number, (label, record) in enumerate(records):
        logs = _by_run(record.logs or record.trials).get(shown_run(record) or 1, [])
        points = [(log.epoch, value) for log in logs if (value := _value(log, term)) is not None]
        figure.add_trace(
            go.Scatter(
                x=[epoch for epoch, _ in points],
                y=[value for _, value in points],
                name=label,
                mode="lines+markers" if len(points) < 3 else "lines",
                line={"color": theme.cluster_color(number), "dash": DASHES[number % len(DASHES)], "width": 2.2},
                hovertemplate="%{y:.4g}",
            )
        )
    _lay_out(figure, 340)
    figure.update_xaxes(title_text="epoch")
    figure.update_yaxes(title_text=term)
    return figure


def phase_ends(logs: Sequence[EpochLog]) -> list[tuple[str, int]]:
    """The phases of the last seed and the epoch at which each ends, so far."""
    ends: dict[str, int] = {}
    for log in logs:
        if log.run == logs[-1].run:
            ends[log.phase] = log.epoch
    return list(ends.items())


@dataclass(frozen=True)
class _Line:
    """The epochs of one seed, or of several parted by gaps, and how they are drawn."""

    runs: Sequence[Sequence[EpochLog]]
    name: str
    chosen: bool = False

    def has(self, term: str) -> bool:
        """Whether any epoch minimised that term."""
        return any(_value(log, term) is not None for logs in self.runs for log in logs)

    def draw(self, term: str, *, named: bool) -> go.Scatter:
        """The line of a loss term."""
        points: list[tuple[int | None, float | None, str]] = []
        for logs in self.runs:
            points += [(None, None, "")] if points else []
            points += [(log.epoch, value, log.phase) for log in logs if (value := _value(log, term)) is not None]
        return go.Scatter(
            x=[epoch for epoch, _, _ in points],
            y=[value for _, value, _ in points],
            customdata=[phase for _, _, phase in points],
            name=self.name,
            legendgroup=self.name,
            showlegend=named,
            mode="lines+markers" if len(points) < 3 else "lines",
            line={"color": CHOSEN if self.chosen else OTHER, "width": 2.5 if self.chosen else 1.2},
            opacity=1.0 if self.chosen else 0.5,
            hovertemplate="%{y:.4g}, epoch %{x}, %{customdata}<extra>" + self.name + "</extra>",
        )


def _lines(record: RunRecord) -> list[_Line]:
    """The seeds of a run, the one that stands out last, so that it lies on top."""
    chosen, runs = shown_run(record), _by_run(record.logs)
    lines = []
    if record.trials:
        lines.append(_Line(list(_by_run(record.trials).values()), "trials that choose the seed"))
    if others := [logs for run, logs in runs.items() if run != chosen]:
        lines.append(_Line(others, "other seeds"))
    if chosen in runs:
        kept = ", kept" if record.card is not None and record.card.runs else ""
        lines.append(_Line([runs[chosen]], f"seed {shown_seed(record)}{kept}", chosen=True))
    return lines


def _phase_lines(record: RunRecord, panels: int) -> list[dict[str, object]]:
    """A dotted line in every panel where one phase ends and the next begins."""
    ends = [epoch for _, epoch in phase_ends(record.logs or record.trials)][:-1]
    line = {"dash": "dot", "width": 1, "color": OTHER}
    axes = ["" if panel == 0 else str(panel + 1) for panel in range(panels)]
    return [
        {"type": "line", "x0": epoch + 0.5, "x1": epoch + 0.5, "y0": 0, "y1": 1, "line": line,
         "xref": f"x{axis}", "yref": f"y{axis} domain"}
        for axis in axes
        for epoch in ends
    ]  # fmt: skip


def _by_run(logs: Sequence[EpochLog]) -> dict[int, list[EpochLog]]:
    runs: dict[int, list[EpochLog]] = {}
    for log in logs:
        runs.setdefault(log.run, []).append(log)
    return runs


def _value(log: EpochLog, term: str) -> float | None:
    return log.total if term == TOTAL else log.terms.get(term)


def _lay_out(figure: go.Figure, height: int) -> None:
    figure.update_xaxes(showgrid=False, rangemode="tozero")
    figure.update_yaxes(gridcolor=theme.GRID, zeroline=False)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": TITLE, "b": LEGEND},
        font={"family": theme.FONT, "size": 14},
        legend={"orientation": "h", "yanchor": "bottom", "y": 0, "yref": "container", "x": 0},
        showlegend=True,
        paper_bgcolor=theme.NOTHING,
        plot_bgcolor=theme.NOTHING,
    )
