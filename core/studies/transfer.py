"""Attackers trained against one model, turned on the others: does a perturbation travel?"""

from collections.abc import Generator

from core.attacks.base import Budget
from core.attacks.gan import GenerativeAttack
from core.frames import draw_order, encode, make_frame, make_subject, scores_under
from core.library import Library
from core.records import CheckpointCard
from core.studies.records import TransferRecord, TransferSpec


def cards_of(library: Library, dataset: str) -> tuple[dict[str, CheckpointCard], dict[str, CheckpointCard]]:
    """The models of a data set by name, and the attackers by the name of the model they were trained against."""
    models = {card.name: card for card in library.cards("model") if card.dataset == dataset}
    attackers = {name: library.attacker(card) for name, card in models.items()}
    return models, {name: card for name, card in attackers.items() if card is not None}


def weights_of(library: Library, dataset: str) -> dict[str, str]:
    """Digest of every model's and attacker's weights: what a transfer follows from beside its spec."""
    models, attackers = cards_of(library, dataset)
    own = {name: card.sha256 for name, card in models.items()}
    return own | {f"{name}.gan": card.sha256 for name, card in attackers.items()}


def run_transfer(library: Library, spec: TransferSpec) -> Generator[float, None, TransferRecord]:
    """Yield the share that is done after every pair, return the matrix."""
    models, attackers = cards_of(library, spec.dataset)
    held_out = library.parts(spec.dataset)[1]
    rows = draw_order(len(held_out), spec.seed)[: spec.samples].to(held_out.labels.device)
    samples, budget = held_out.take(rows), Budget(epsilon=spec.epsilon)
    clean, accuracy, done = {}, {}, 0
    for target, card in models.items():
        model = library.model(card)
        encoding = encode(model, samples.views)
        subject = make_subject(samples, encoding, card.n_clusters, card.sha256)
        frame = make_frame(subject, None, samples.views, encoding, epsilon=0.0)
        clean[target] = frame.scores.frozen.accuracy
        for name in attackers:
            attack = GenerativeAttack(generators=library.generators(models[name]))
            scores = scores_under(attack, model, samples, subject, frame, budget, seed=spec.seed)
            accuracy[name, target] = scores.frozen.accuracy
            done += 1
            yield done / (len(models) * len(attackers))
    return TransferRecord(spec=spec, attackers=tuple(attackers), targets=tuple(models), clean=clean, accuracy=accuracy)
