"""The command that says what no model can keep, because the data do not allow it."""

from argparse import Namespace

from core.commands.printing import make_lab, print_json, print_table

EPSILONS = (0.1, 0.15, 0.2, 0.25, 0.3)


def ceiling(options: Namespace) -> None:
    """Print the ceiling of ACC on held-out samples at some ε."""
    lab = make_lab(options)
    found = lab.ceilings(options.dataset, options.epsilon or EPSILONS, samples=options.samples)
    rows = [(options.dataset, options.samples, f"{epsilon:g}", f"{value:.3f}") for epsilon, value in found.items()]
    if options.json:
        print_json({"dataset": options.dataset, "samples": options.samples, "ceilings": found})
        return
    print_table(("data set", "samples", "ε", "at most"), rows)
