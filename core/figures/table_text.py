"""A table of the paper with ours beside it, to take home: Markdown, LaTeX, CSV."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from core.figures import table_words, tables, words
from core.table_records import Column, ResultTable
from core.tables import agreement, difference

SPECIAL = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "→": r"$\to$", "−": r"$-$", "±": r"$\pm$"})
LATEX_SIGNS = str.maketrans(
    {"≈": r"$\approx$", "▲": r"$\uparrow$", "▼": r"$\downarrow$", "†": r"$^\dagger$", "ε": r"$\varepsilon$"}
)
CSV_HEADER = ["table", "protocol", "row", "data_set", "stands_for", "state", "epsilon"]
CSV_HEADER += ["acc_frozen", "acc_rematched", "nmi", "ari", "acc_frozen_sd", "acc_rematched_sd", "seeds"]
CSV_HEADER += ["held_out_samples", "seed", "training_samples"]
CSV_HEADER += ["paper_acc", "paper_nmi", "paper_ari", "missing", "command"]


def markdown(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(str(cell) for cell in row) for row in (header, *rows)]
    lines.insert(1, " | ".join("---" for _ in header))
    return "\n".join(f"| {line} |" for line in lines)


def wide(
    table: ResultTable, columns: Sequence[Column], metric: str, matching: str
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows as on the screen, a cell a text: "0.91† (paper 0.74, ▲ +.17)"."""
    header = (
        "model" if columns[0].dataset else "trained on → scored on",
        *(_head(table, column) for column in columns),
    )
    rows = [
        (words.model_name(row), *(_text(table, row, column, metric, matching) for column in columns))
        for row in table.rows
    ]
    return header, rows


def _head(table: ResultTable, column: Column) -> str:
    if not column.dataset:
        return f"{words.model_name(column.title)} {tables.head(table, column)}"
    instead = f" (for {column.stands_for})" if column.stands_for else ""
    at = f", ε = {column.epsilon:g}" if table.name != "table_3" and column.state != "clean" else ""
    return f"{column.title}{instead} {tables.head(table, column)}{at}"


def _text(table: ResultTable, row: str, column: Column, metric: str, matching: str) -> str:
    cell = table.cells[row, column.key]
    value, deviation = cell.mean(metric, matching), cell.deviation(metric, matching)
    mark = table_words.SMALL if cell.ours is not None and cell.small else ""
    over = "" if deviation is None else f" ± {deviation:.2f}"
    ours = table_words.NOT_TRAINED if math.isnan(value) else f"{value:.2f}{over}{mark}"
    printed = math.nan if cell.paper is None else float(getattr(cell.paper, metric))
    if math.isnan(printed):
        return ours
    change = difference(cell, column, metric, matching)
    beside = "" if change is None else f", {table_words.SIGNS[agreement(change)]} {table_words.signed(change)}"
    return f"{ours} (paper {printed:.2f}{beside})"


def markdown_text(table: ResultTable, columns: Sequence[Column], metric: str, matching: str) -> str:
    """The table as on the screen, with its title and its notes."""
    title = f"**{table_words.caption(table, columns, metric, matching)}**"
    notes = "\n".join(f"- {note}" for note in _notes(table, columns, matching))
    return f"{title}\n\n{markdown(*wide(table, columns, metric, matching))}\n\n{notes}\n"


def latex_text(table: ResultTable, columns: Sequence[Column], metric: str, matching: str) -> str:
    """The table as on the screen, for the package booktabs."""
    header, rows = wide(table, columns, metric, matching)
    body = "\n".join(" & ".join(map(_latex, row)) + r" \\" for row in rows)
    caption = " ".join([f"{table_words.caption(table, columns, metric, matching)}.", *_notes(table, columns, matching)])
    lines = [
        r"\begin{table}",
        rf"\begin{{tabular}}{{l{'c' * len(columns)}}}",
        r"\toprule",
        " & ".join(map(_latex, header)) + r" \\",
        r"\midrule",
        body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{_latex(caption)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def csv_text(table: ResultTable, columns: Sequence[Column]) -> str:
    """One line a cell, with every metric, both matchings and the command that repeats it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for row in table.rows:
        for column in columns:
            writer.writerow(_csv_row(table, row, column))
    return out.getvalue()


def _csv_row(table: ResultTable, row: str, column: Column) -> list[object]:
    cell = table.cells[row, column.key]
    ours, paper = cell.ours, cell.paper
    kinds = (("accuracy", "frozen"), ("accuracy", "rematched"), ("nmi", "frozen"), ("ari", "frozen"))
    scores = [cell.mean(*kind) for kind in kinds]
    deviations = [cell.deviation(*kind) for kind in kinds[:2]]
    printed = [math.nan] * 3 if paper is None else [paper.accuracy, paper.nmi, paper.ari]
    return [
        table.name,
        table.protocol,
        row,
        column.dataset or column.key,
        column.stands_for,
        column.state,
        _number(column.epsilon),
        *map(_number, scores),
        *("" if value is None else _number(value) for value in deviations),
        len(cell.results),
        "" if ours is None else ours.samples,
        "" if ours is None else ours.seed,
        "" if cell.card is None else cell.card.samples,
        *map(_number, printed),
        cell.missing,
        "; ".join(table_words.commands(cell)),
    ]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _notes(table: ResultTable, columns: Sequence[Column], matching: str) -> list[str]:
    return [
        "Ours on held-out samples; the paper's (Huang et al., ICML 2024) in brackets, one run, with our difference.",
        *table_words.notes(table, columns, matching)[2:],
    ]


def _latex(text: str) -> str:
    return text.translate(SPECIAL).translate(LATEX_SIGNS)
