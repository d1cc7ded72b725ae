"""The command around ClusTR: measure rows and networks of the plane, keep them, print them, judge the claims."""

import sys
from argparse import Namespace
from dataclasses import asdict

from tqdm import tqdm

from core.certify.results import ATTACKS
from core.certify.tables import RobustLine, claims, median_radius, plane_specs
from core.commands.printing import Row, make_lab, print_json, print_table
from core.lab import Lab
from core.published.clustr import PRINTED, ROWS

HEADER = ("method", "clean", *ATTACKS)
PLANE = "plane"  # among the data sets: the two of the plane


def certify(options: Namespace) -> None:
    """Measure what is not there yet, keep it beside the results that come with the lab, and print all of it."""
    lab = make_lab(options)
    for target in options.datasets or (PLANE, "digits"):
        dataset, _, only = target.partition("/")
        if dataset == PLANE:
            _train_plane(lab, options)
            continue
        for line in lab.certify.lines(dataset):
            if line.spec is None or line.result is not None or only not in ("", line.model):
                continue
            with tqdm(total=100, unit="%", desc=line.model, file=sys.stderr, disable=options.quiet, leave=False) as bar:
                for share, _ in lab.robust(line.spec, ship=True):
                    bar.update(100 * share - bar.n)
        rows = lab.certify.lines(dataset)
        judged = claims(rows, lab.certify.planes())
        if options.json:
            print_json({"lines": [asdict(line) for line in rows], "claims": [asdict(claim) for claim in judged]})
            continue
        print(
            f"{dataset}: share of held-out samples that stay right; ε = 0.1, L∞, PGD with 2 restarts, any may succeed"
        )
        print_table(HEADER, [_row(line) for line in rows])
        for line in rows:
            if line.remedy:
                print(f"missing: {line.remedy}")
        print("\nThe paper's, in percent, ε = 8/255")
        print_table(("data", "method", "clean", "PGD-20", "PGD-100"), _printed())
        print()
        print_table(("claim", "", "numbers", "command"), [(c.text, c.verdict, c.numbers, c.command) for c in judged])


def _train_plane(lab: Lab, options: Namespace) -> None:
    rows = []
    for spec in tqdm(plane_specs(), unit="training", file=sys.stderr, disable=options.quiet, leave=False):
        *_, report = lab.certify.plane(spec, ship=True)
        last = report.frames[-1]
        constants = (last.bound, last.steepest, last.product)
        rows.append((spec.dataset, spec.model, spec.seed, last.accuracy, median_radius(report), *constants))
    header = ("data", "start", "seed", "accuracy", "median radius", "L proven", "L on a grid", "L of the product")
    if options.json:
        print_json({"plane": [dict(zip(header, row, strict=True)) for row in rows]})
        return
    print_table(header, [(*row[:3], *(f"{value:.4g}" for value in row[3:])) for row in rows])


def _row(line: RobustLine) -> Row:
    name = ROWS[line.model][0].removesuffix(" + pre-training")
    if line.result is None:
        return (name, *["–"] * (1 + len(ATTACKS)))
    return (name, f"{line.result.clean:.3f}", *(f"{line.result.accuracy[attack]:.3f}" for attack in ATTACKS))


def _printed() -> list[Row]:
    return [(data, ROWS[model][0], p.clean, p.pgd_20, p.pgd_100) for (data, model), p in PRINTED.items()]
