"""The command that measures Theorem 4.2."""

import sys
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from core.commands.printing import make_lab, print_json, print_table, split_target
from core.theorem_records import TheoremReport, TheoremSpec

SHIPPED = ("noisy_digits/cl_mvc", "noisy_digits/ar_dmvc", "noisy_digits/ar_dmvc_am")
HEADER = ("checkpoint", "versions", "ε", "I(x̃; ã | x)", "bound", "moved")


def theorem(options: Namespace) -> None:
    """Measure both sides, keep them beside the results that come with the lab, and print their means over samples."""
    lab = make_lab(options)
    reports = []
    for target in options.targets or SHIPPED:
        dataset, model = split_target(target)
        with tqdm(total=100, unit="%", desc=target, file=sys.stderr, disable=options.quiet, leave=False) as bar:
            for report in lab.theorem(TheoremSpec(dataset=dataset, model=model), ship=True):
                bar.update(100 * report.progress - bar.n)
        reports.append(report)
    rows = [row for report in reports for row in _rows(report)]
    if options.json:
        specs = [asdict(report.spec) for report in reports]
        print_json({"specs": specs, "rows": [dict(zip(HEADER, row, strict=True)) for row in rows]})
        return
    print_table(HEADER, [(*row[:3], *(f"{value:.3f}" for value in row[3:])) for row in rows])


def _rows(report: TheoremReport) -> list[tuple[Any, ...]]:
    name = f"{report.spec.dataset}/{report.spec.model}"
    return [
        (name, family, epsilon, *(float(part[i].mean()) for part in (curve.information, curve.bound, curve.moved)))
        for family, curve in report.curves.items()
        for i, epsilon in enumerate(report.spec.epsilons)
    ]
