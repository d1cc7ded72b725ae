"""What the commands share: the lab of the options, tables, JSON, times. Progress goes to stderr, results to stdout."""

import json
from argparse import Namespace
from collections.abc import Iterable, Sequence
from typing import Any

from core.errors import LabError, shortened
from core.figures import table_text
from core.lab import Lab

Row = Sequence[object]

LONGEST_TARGET = 200  # characters


def make_lab(options: Namespace) -> Lab:
    """The lab with the folders and the device of the command line."""
    return Lab(checkpoints=options.checkpoints, data=options.data, device=options.device)


def split_target(target: str) -> tuple[str, str]:
    """DATASET/MODEL in two. Raises :class:`LabError` for anything else."""
    dataset, slash, name = target.partition("/")
    if not (dataset and slash and name) or len(target) > LONGEST_TARGET:
        raise LabError(f"Write DATASET/MODEL, for example noisy_digits/cl_mvc, got {shortened(target)!r}.")
    return dataset, name


def three_scores(scores: dict[str, float]) -> tuple[str, ...]:
    """ACC, NMI and ARI as they are shown."""
    return tuple(f"{scores[name]:.3f}" for name in ("accuracy", "nmi", "ari"))


def as_time(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


def print_table(header: Row, rows: Iterable[Row], *, markdown: bool = False) -> None:
    """Rows in columns, or as a Markdown table."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    if markdown:
        print(table_text.markdown(cells[0], cells[1:]))
        return
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """A value for machines."""
    print(json.dumps(value, indent=1))
