"""The commands that look at the whole: tables, bench, doctor."""

import sys
from argparse import Namespace
from dataclasses import asdict

from tqdm import tqdm

from core.bench import BenchSpec, notes, promise_rows, rows
from core.bench import bench as measure
from core.commands.computing import compute
from core.commands.printing import Row, make_lab, print_json, print_table, three_scores
from core.doctor import examine
from core.figures import table_text
from core.figures.tables import chosen
from core.recipes import TOLD_LABELS
from core.records import CheckpointCard
from core.table_records import CONTROLS
from core.tables import DATASETS, before_attack, spread


def tables(options: Namespace) -> None:
    """Table 1 before the attack, our checkpoints beside the paper's numbers; or one of its tables as a whole.

    With data sets: first what their tables lack.
    """
    if options.dataset:
        compute(options)
    if options.table is not None:
        _print_whole(options)
        return
    cards = [card for card in make_lab(options).cards("model") if card.protocol == options.protocol]
    cards = [card for card in cards if not options.dataset or card.dataset in options.dataset]
    cards = [card for card in cards if card.model not in TOLD_LABELS]  # their ACC is no clustering's
    if options.json:
        names = ("dataset", "model", "ours", "spread", "seeds", "samples", "paper")
        print_json([dict(zip(names, _table_values(card), strict=True)) for card in cards])
        return
    header = ("data set", "model", "ACC", "NMI", "ARI", "ACC over seeds", "trained on", "paper ACC", "NMI", "ARI")
    print(
        f"Clean scores on held-out samples, protocol {options.protocol}; the paper's are its Table 1 before the attack"
    )
    print_table(header, [_table_row(card) for card in cards], markdown=options.markdown)


def _print_whole(options: Namespace) -> None:
    """A table of the paper with ours, as the Tables page shows it; CSV has every metric and matching."""
    table = make_lab(options).table(f"table_{options.table}", options.protocol)
    columns = chosen(table, options.dataset or DATASETS, options.beside or CONTROLS)
    if options.csv:
        print(table_text.csv_text(table, columns), end="")
        return
    make = table_text.latex_text if options.latex else table_text.markdown_text
    metric = options.metric if options.metric in table.metrics else table.metrics[0]
    print(make(table, columns, metric, options.matching), end="")


def _table_values(card: CheckpointCard) -> tuple[object, ...]:
    paper = before_attack(card)
    published = None if paper is None else asdict(paper)
    return card.dataset, card.name, card.scores["held_out"], spread(card), len(card.runs) or 1, card.samples, published


def _table_row(card: CheckpointCard) -> Row:
    dataset, name, _, over, seeds, _, paper = _table_values(card)
    over_seeds = f"{over[0]:.3f} ± {over[1]:.3f} ({seeds})" if isinstance(over, tuple) else ""
    published = tuple(f"{value:.2f}" for value in paper.values()) if isinstance(paper, dict) else ("", "", "")
    scores = three_scores(card.scores["held_out"])
    return dataset, name, *scores, over_seeds, f"{card.samples:,}", *published


def findings(options: Namespace) -> None:
    """What the kept numbers say of the paper, in Markdown."""
    chapters = make_lab(options).findings()
    if options.json:
        print_json(chapters)
        return
    parts = (f"## {title}\n\n" + "\n".join(f"- {text}" for text in texts) for title, texts in chapters.items())
    print("\n\n".join(parts))


def bench(options: Namespace) -> None:
    """How fast and how large everything is on this device, beside the device's own peak, and the promises."""
    spec = BenchSpec(
        dataset=options.dataset,
        models=tuple(options.models),
        batch=options.batch,
        seconds=options.seconds,
        epsilon=options.epsilon,
        precision=options.precision,
        capture=options.capture,
        seed=options.seed,
    )
    with tqdm(total=100, unit="%", file=sys.stderr, disable=options.quiet, leave=False, delay=1) as bar:
        for report in measure(spec, device=options.device):
            bar.n = round(100 * report.progress)
            bar.refresh()
    if options.json:
        print_json(asdict(report))
        return
    print(*notes(report), sep="\n", end="\n\n")
    print_table(*rows(report))
    print()
    print_table(*promise_rows(report))


def doctor(options: Namespace) -> None:
    """What works here; exit code 1 if something is broken."""
    findings = examine(make_lab(options), options.data)
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        signs = {"good": "ok", "missing": "--", "broken": "!!"}
        for finding in findings:
            remedy = f" → {finding.remedy}" if finding.remedy else ""
            print(f"{signs[finding.state]}  {finding.subject:32} {finding.detail}{remedy}")
    if any(finding.state == "broken" for finding in findings):
        sys.exit(1)
