"""The command that makes the results which come with the lab: the numbers of sweeps, for every page to read."""

from argparse import Namespace

from core.commands.computing import Clock, run_sweeps, run_transfers, shipped_sweeps
from core.commands.printing import make_lab, split_target
from core.data import DATASET_FACTS
from core.studies import plans
from core.tables import concerns


def results(options: Namespace) -> None:
    """Run the sweeps and transfers that ship and are not there yet, and keep their numbers in assets/."""
    lab = make_lab(options)
    named = [lab.library.card(*split_target(target)) for target in options.targets]
    usual = (card for card in lab.cards() if DATASET_FACTS[card.dataset].origin == "embedded" and concerns(card))
    cards = named or list(usual)
    if options.attack == "ensemble":
        specs = [plans.ensemble(card) for card in cards if named or card.name in plans.COMPARED]
    else:
        specs = [spec for spec in shipped_sweeps(lab, cards) if options.attack in (None, spec.attack.attack)]
    clock = Clock(options.budget_minutes)
    print(run_sweeps(lab, specs, options, clock).sentence("sweeps"))
    if not (named or options.attack):
        datasets = list(dict.fromkeys(card.dataset for card in cards))
        print(run_transfers(lab, datasets, options, clock).sentence("transfers"))
