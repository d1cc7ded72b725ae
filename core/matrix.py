"""The matrix of checkpoints: which of models x data sets x protocols are missing, and training them."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial

from core.lab import Lab
from core.recipes import TOLD_LABELS, models_of
from core.recipes.alrdc import HARDENED
from core.recipes.alrdc import MODELS as LATENT_MODELS
from core.records import TrainSpec
from core.walk import Progress, walk


def missing(lab: Lab, datasets: Sequence[str], base: TrainSpec, models: Sequence[str] = ()) -> list[list[TrainSpec]]:
    """What is not there yet, a list for each model: the model, its attacker, or both in that order.

    ``base`` says everything but data set, model and kind. An attacker of other weights than the model's is missing.
    No network is trained to attack a classifier. A model that goes on from another's checkpoint and attacker stands
    in that one's list, behind them.
    """
    jobs: dict[tuple[str, str], list[TrainSpec]] = {}
    cards = {(card.dataset, card.name): card for card in lab.cards("model")}
    for dataset in datasets:
        for model in models or models_of(dataset, base.protocol):
            spec = replace(base, dataset=dataset, model=model, kind="model", epsilon=None)
            card = cards.get((dataset, spec.name))
            job = jobs.setdefault((dataset, HARDENED.get(model, model)), [])
            kind = "latent" if model in LATENT_MODELS else "attacker"
            if card is None:
                job.append(spec)
            if model not in TOLD_LABELS and (card is None or lab.library.against(card, kind) is None):
                attacker = replace(base, dataset=dataset, model=spec.name, kind=kind, runs=None, latent=None)
                job.append(attacker)
    return [job for job in jobs.values() if job]


def train_all(
    lab: Lab,
    jobs: Sequence[Sequence[TrainSpec]],
    *,
    seconds: float | None = None,
    workers: int = 1,
    capture: bool = False,
) -> Generator[Progress, None, None]:
    """Do the jobs as :func:`core.walk.walk` does; the result of a training is its card."""
    return walk(partial(lab.train, capture=capture), jobs, device=lab.device, seconds=seconds, workers=workers)
