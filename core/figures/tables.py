"""A table of the paper with ours beside it, as the browser's table shows it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from core.figures import theme, words
from core.figures.table_words import (
    NOT_RUN,
    NOT_TRAINED,
    SIGNS,
    SMALL,
    STATE_WORDS,
    caption,
    heading,
    ours_text,
    short,
    signed,
    spoken,
)
from core.table_records import Column, ResultTable
from core.tables import agreement, difference

STATE_HEADS = {
    "clean": "before",
    "gan": "after",
    "noise": "noise",
    "untrained_generator": "untrained",
    "pgd": "PGD",
    "ensemble": "ensemble",
}


def chosen(table: ResultTable, datasets: Sequence[str], states: Sequence[str]) -> tuple[Column, ...]:
    """The columns of those data sets in the order given, controls only where their state is among ``states``.

    Table 2 has no data sets to choose from: it keeps all.
    """
    if not any(column.dataset for column in table.columns):
        return table.columns
    return tuple(
        column
        for dataset in datasets
        for column in table.columns
        if column.dataset == dataset and (not column.control or column.state in states)
    )


def screen(
    table: ResultTable, columns: Sequence[Column], metric: str, matching: str, selected: str = ""
) -> dict[str, Any]:
    """What the browser's table draws: groups of columns, columns, rows of cells, all as text."""
    rows = [
        {
            "title": words.model_name(row),
            "cells": [_screen_cell(table, row, column, metric, matching) for column in columns],
        }
        for row in table.rows
    ]
    return {
        "name": table.name,
        "title": caption(table, columns, metric, matching),
        "corner": "model" if table.name != "table_2" else "trained on → scored on",
        "groups": list(_models(columns) if table.name == "table_2" else _groups(columns)),
        "columns": [
            {"title": head(table, column), "note": _column_note(column), "control": column.control}
            for column in columns
        ],
        "rows": rows,
        "selected": selected,
        "signs": SIGNS,
        "roles": theme.role_colors(),
    }


def head(table: ResultTable, column: Column) -> str:
    """A column's title below its data set's."""
    if table.name == "table_2":
        return STATE_HEADS[column.state]
    return f"ε = {column.epsilon:g}" if table.name == "table_3" else STATE_HEADS[column.state]


def _column_note(column: Column) -> str:
    return STATE_WORDS[column.state]


def _groups(columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """Columns of one data set stand under one title."""
    for dataset in dict.fromkeys(column.dataset for column in columns):
        own = [column for column in columns if column.dataset == dataset]
        epsilons = {column.epsilon for column in own if column.epsilon > 0}
        notes = [f"ε = {epsilon:g}" for epsilon in epsilons if len(epsilons) == 1]
        if own[0].stands_for:
            notes.append(f"stands in for {own[0].stands_for}")
        yield {"title": own[0].title, "note": " · ".join(notes), "span": len(own)}


def _models(columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """Columns of one model of Table 2 stand under its name."""
    for model in dict.fromkeys(column.title for column in columns):
        own = [column for column in columns if column.title == model]
        yield {"title": words.model_name(model), "note": "", "span": len(own)}


def cell_key(table: ResultTable, row: str, column: Column) -> str:
    """A cell's name in the address; rows that are no model's go by their place."""
    return f"{row if row.isidentifier() else table.rows.index(row)}/{column.key}"


def find(table: ResultTable, key: str) -> tuple[str, Column] | None:
    """The row and the column of :func:`cell_key`, None if the table has no such cell."""
    places = ((row, column) for row in table.rows for column in table.columns)
    return next((place for place in places if cell_key(table, *place) == key), None)


def _screen_cell(table: ResultTable, row: str, column: Column, metric: str, matching: str) -> dict[str, Any]:
    cell = table.cells[row, column.key]
    change = difference(cell, column, metric, matching)
    value = cell.mean(metric, matching)
    return {
        "key": cell_key(table, row, column),
        "ours": ours_text(cell, metric, matching) or (NOT_RUN if cell.run is not None else NOT_TRAINED),
        "there": not math.isnan(value),
        "mark": SMALL if cell.ours is not None and cell.small else "",
        "paper": "" if cell.paper is None else short(getattr(cell.paper, metric)),
        "delta": signed(change),
        "agreement": agreement(change),
        "label": f"{heading(row, column)}: {spoken(cell, column, metric, matching)}",
    }
