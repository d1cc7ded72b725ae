"""The command around ALRDC's tables: measure their rows, keep them, print them beside the paper's, judge the claims."""

import sys
from argparse import Namespace
from dataclasses import asdict

from tqdm import tqdm

from core.commands.printing import Row, make_lab, print_json, print_table
from core.latent.tables import NAMES, USUAL, Line, claims
from core.published.alrdc import DATASETS as PAPERS
from core.published.alrdc import LATENTS, PRINTED

HEADER = (
    *("step", "method", "latent", "ACC", "ACC*", "NMI", "NMI*", "D %", "D each"),
    *("moved", "random", "pictures", "error"),
)
MARKDOWN = ("data set", "step", "method", "ACC", "ACC*", "NMI", "NMI*", "D %", "moved", "random", "picture")
TITLES = {"attack": "attack", "defense": "defense", "reattack": "re-attack"}


def latent(options: Namespace) -> None:
    """Measure what is not there yet, keep it beside the results that come with the lab, and print all of it."""
    lab = make_lab(options)
    if options.markdown:
        every = [line for dataset in options.datasets or lab.latents.datasets() for line in lab.latents.lines(dataset)]
        print_table(MARKDOWN, [_markdown_row(line) for line in every if line.result is not None], markdown=True)
        return
    for dataset in options.datasets or ("digits",):
        lines = lab.latents.lines(dataset)
        for line in tqdm(lines, unit="row", file=sys.stderr, disable=options.quiet, leave=False):
            if line.spec is not None and line.result is None:
                lab.latents.result(line.spec, ship=True)
        lines = lab.latents.lines(dataset)
        judged = claims(lines)
        if options.json:
            print_json({"lines": [asdict(line) for line in lines], "claims": [asdict(claim) for claim in judged]})
            continue
        print(f"{dataset}: held-out samples, γ weighs their mean ⟨y, y'⟩; * with the latent moved, matched anew")
        print_table(HEADER, map(_row, lines))
        for remedy in dict.fromkeys(line.remedy for line in lines if line.remedy):
            print(f"missing: {remedy}")
        print("\nThe paper's, in percent, for latents of " + ", ".join(map(str, LATENTS)))
        print_table(("step", "data", "method", "ACC", "ACC*", "NMI", "NMI*", "D"), _printed())
        print()
        print_table(("claim", "", "numbers", "command"), [(c.text, c.verdict, c.numbers, c.command) for c in judged])


def _name(line: Line) -> str:
    return NAMES[line.base] + ("" if line.step == "attack" else "+")


def _markdown_row(line: Line) -> Row:
    """A measured row; what decoded pictures change by in percent of the autoencoder's own error."""
    r = line.result
    assert r is not None
    size = "" if line.latent == USUAL else f", latent {line.latent}"
    scores = (r.clean.accuracy, r.attacked.accuracy, r.clean.nmi, r.attacked.nmi)
    shares = (f"{r.flips:.1%}", f"{r.control_flips:.1%}", f"{r.moved / r.error:.0%}")
    start = (line.dataset, TITLES[line.step], _name(line) + size)
    return (*start, *(f"{x:.3f}" for x in scores), f"{r.relative_shift:.1f}", *shares)


def _row(line: Line) -> Row:
    start = (TITLES[line.step], _name(line), line.latent)
    r = line.result
    if r is None:
        return (*start, *["–"] * 10)
    scores = (r.clean.accuracy, r.attacked.accuracy, r.clean.nmi, r.attacked.nmi)
    shifts = (f"{r.relative_shift:.1f}", f"{r.absolute_shift:.3f}")
    pictures = (f"{r.moved:.2f}", f"{r.error:.2f}")
    return (*start, *(f"{x:.3f}" for x in scores), *shifts, f"{r.flips:.1%}", f"{r.control_flips:.1%}", *pictures)


def _printed() -> list[Row]:
    rows: list[Row] = []
    for (step, dataset, model), printed in PRINTED.items():
        cells = (printed.clean_accuracy, printed.accuracy, printed.clean_nmi, printed.nmi, printed.shift)
        name = NAMES.get(model) or NAMES[model.replace("alrdc", "conv_ae")] + "+"
        rows.append((TITLES[step], PAPERS[dataset], name, *("" if c is None else " ".join(map(str, c)) for c in cells)))
    return rows
