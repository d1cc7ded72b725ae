"""The command around NCP-ACL's tables: measure their rows, print them beside the paper's, judge the claims."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from tqdm import tqdm

from core.commands.printing import Row, as_time, make_lab, print_json, print_table
from core.errors import LabError
from core.lab import Lab
from core.neighbours.records import MAIN, SEEDS, VARIANTS
from core.neighbours.tables import HEADS, PARTS, SCORES, Line, claims, of_part, spread
from core.published.ncp_acl import DATASETS, NAMES, TABLE_2, TABLE_3, TABLE_5

DATA = ("digits", "mnist", "fashion_mnist")
EVERY = ("digits",)  # data sets whose rows are all measured; the others' are the main ones


def neighbours(options: Namespace) -> None:
    """Measure the rows that were asked for and are not there yet, and print all there are."""
    lab = make_lab(options)
    if options.markdown:
        every = [row for dataset in options.datasets or DATA for row in _markdown_rows(lab.neighbours.lines(dataset))]
        print_table(("data set", "table", "row", *HEADS.values(), "K"), every, markdown=True)
        return
    for dataset in options.datasets or ("digits",):
        if options.seeds:
            measure(
                lab,
                dataset,
                options.seeds,
                options.rows or (tuple(VARIANTS) if dataset in EVERY else MAIN),
                options.quiet,
            )
        lines = lab.neighbours.lines(dataset)
        judged = claims(lines)
        if options.json:
            print_json({"lines": [asdict(line) for line in lines], "claims": [asdict(claim) for claim in judged]})
            continue
        for part, title in PARTS.items():
            rows = of_part(lines, part)
            if rows:
                print(f"{dataset}, {title}: percent, mean ± deviation (seeds)")
                print_table(("row", *HEADS.values(), "K"), map(_row, rows))
                print()
        print("The paper's, percent: SA RA AA")
        print_table(("table", "row", *DATASETS.values()), _printed())
        print()
        print_table(("claim", "", "numbers", "command"), [(c.text, c.verdict, c.numbers, c.command) for c in judged])


def measure(lab: Lab, dataset: str, seeds: int, variants: Sequence[str], quiet: bool) -> None:
    """Train and score what is missing of the first seeds, to be shipped; a bar of epochs."""
    if not 1 <= seeds <= len(SEEDS):
        raise LabError(f"--seeds is from 1 to {len(SEEDS)}, got {seeds}.")
    with tqdm(unit="epoch", file=sys.stderr, disable=quiet, delay=1) as bar:
        for seed in SEEDS[:seeds]:
            for step in lab.neighbours.measure(dataset, seed, tuple(variants), ship=True):
                bar.set_description(f"{dataset} {step.spec.variant}, seed {seed}", refresh=False)
                if step.result is None:
                    bar.update()
                else:
                    said = ", ".join(f"{head} {getattr(step.result, score):.3f}" for score, head in HEADS.items())
                    took = as_time(step.result.seconds)
                    bar.write(f"{dataset} {step.spec.variant}, seed {seed}: {said} ({took})", file=sys.stderr)


def _markdown_rows(lines: Sequence[Line]) -> list[Row]:
    """Every measured row once, in the order of the tables."""
    of = {part: title.partition(":")[0] for part, title in PARTS.items()}
    measured = [line for line in lines if line.results]
    return [(line.dataset, of[VARIANTS[line.variant].part], *_row(line)) for line in measured]


def _row(line: Line) -> Row:
    return (line.title, *(spread(line.values(score)) for score in SCORES), " ".join(map(str, line.clusters)))


def _printed() -> list[Row]:
    def cells(row: dict[str, tuple[float, float, float]]) -> list[str]:
        return [" ".join(f"{x:.2f}" for x in row[name]) if name in row else "–" for name in DATASETS]

    rows: list[Row] = [("2", NAMES[name], *cells(row)) for name, row in TABLE_2.items()]
    rows += [("3", NAMES[name], *cells({"cifar10": row})) for name, row in TABLE_3.items()]
    return rows + [("5", f"n = {rank}", *cells(row)) for rank, row in TABLE_5.items()]
