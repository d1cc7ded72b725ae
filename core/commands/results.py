"""The command that makes the results which come with the lab: the numbers of sweeps, for every page to read."""

import sys
from argparse import Namespace
from collections.abc import Iterator

from tqdm import tqdm

from core.commands.attacks import last_report
from core.commands.printing import make_lab, split_target
from core.data import DATASET_FACTS
from core.lab import Lab
from core.records import AttackSpec, CheckpointCard, SweepSpec

SAMPLES = 256  # what the pages choose first
COMPARED = ("cl_mvc", "ar_dmvc", "ar_dmvc_am", "rcd_mvc")  # undefended, and its defenses: under every attack
ATTACKS = (("gan", "both"), ("pgd", "both"), ("pgd", "assignment"))  # with the objective; the others under the first


def results(options: Namespace) -> None:
    """Run the sweeps that ship and are not there yet, and keep their numbers in assets/."""
    lab = make_lab(options)
    cards = [lab.library.card(*split_target(target)) for target in options.targets] or list(_shipped_cards(lab))
    specs = [spec for card in cards for spec in _specs(lab, card)]
    wanted = [spec for spec in specs if options.attack in (None, spec.attack.attack)]
    missing = [spec for spec in wanted if lab.scores(spec, shipped_only=True) is None]
    with tqdm(missing, unit="sweep", file=sys.stderr, disable=options.quiet) as bar:
        for spec in bar:
            bar.set_postfix_str(f"{spec.attack.attack} on {spec.attack.dataset}/{spec.attack.model}")
            lab.keep(last_report(lab.sweep(spec), options), ship=True)
    print(f"{len(missing)} sweeps run, {len(wanted) - len(missing)} were there.")


def _shipped_cards(lab: Lab) -> Iterator[CheckpointCard]:
    """The checkpoints whose data need no download."""
    return (card for card in lab.cards() if DATASET_FACTS[card.dataset].origin == "embedded")


def _specs(lab: Lab, card: CheckpointCard) -> Iterator[SweepSpec]:
    facts = DATASET_FACTS[card.dataset]
    possible = lab.attacks(card.dataset, card.name)
    for attack, objective in ATTACKS if card.name in COMPARED else ATTACKS[:1]:
        if attack in possible:
            spec = AttackSpec(
                dataset=card.dataset,
                model=card.name,
                attack=attack,
                epsilon=facts.epsilon,
                samples=min(SAMPLES, facts.samples // 2),
                objective=objective,
            )
            yield SweepSpec(attack=spec)
