"""From latents to records: the frames of an attack on the latent, whose second view is what the model decodes."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace

import torch
from torch import Tensor, nn

from core.attacks.latent import random_perturbation
from core.errors import LabError
from core.frames import CHUNK, make_frame, make_subject
from core.latent import results
from core.latent.results import LatentResult
from core.library import Library
from core.models.base import LatentModel
from core.records import CheckpointCard, Frame, Subject, SweepReport, SweepSpec
from core.store import ResultStore
from core.types import Encoding, MultiViewDataset, Views, chunks

ATTACKS = {  # by name: whose networks attack
    "latent": "the model's own: of a hardened model, those of the re-attack",
    "earlier_latent": "those that a hardened model was hardened against",
}
CONTROL = "random_direction"


def start(model: LatentModel, data: MultiViewDataset, n_clusters: int, card_digest: str) -> tuple[Subject, Frame]:
    """The samples, and their clean frame: pictures, and what the model decodes from their latents."""
    encoding, decoded = _read(model, data.views, None)
    subject = make_subject(data, encoding, n_clusters, card_digest)
    return subject, make_frame(subject, None, (*data.views, *decoded), encoding, epsilon=0.0)


def frame(
    model: LatentModel,
    data: MultiViewDataset,
    subject: Subject,
    clean: Frame,
    network: nn.Module,
    gamma: float,
    *,
    seed: int,
) -> Frame:
    """The samples with their latents moved by ``network``, and in random directions as far; pictures are as before."""
    with torch.inference_mode():
        delta = torch.cat([network(chunk) for chunk in chunks(data.views, CHUNK)])
    control = random_perturbation(delta, torch.Generator().manual_seed(seed))
    frames = []
    for change in (delta, control):
        encoding, decoded = _read(model, data.views, change)
        frames.append(make_frame(subject, clean, (*data.views, *decoded), encoding, epsilon=gamma))
    attacked, random = frames
    return replace(attacked, controls={CONTROL: random.scores})


def attacker(library: Library, card: CheckpointCard, attack: str) -> CheckpointCard | None:
    """The card of the networks behind an attack of :data:`ATTACKS` on a checkpoint, None without them."""
    if attack == "latent":
        return library.latent_attacker(card)
    return next((other for other in library.cards("latent") if other.sha256 == card.target_sha256), None)


def sweep(library: Library, spec: SweepSpec, data: MultiViewDataset) -> Iterator[SweepReport]:
    """The clean frame of the samples, then one for each γ of the spec's grid.

    Raises :class:`LabError` for a model without a latent, and for a γ that no network was trained for.
    """
    attack, card = spec.attack, library.card(spec.attack.dataset, spec.attack.model)
    if attack.attack not in ATTACKS or attack.norm != "gamma":
        raise LabError(f"The attacks {' and '.join(ATTACKS)} go with the norm gamma, and only they.")
    model, perturbing = library.latent_model(card), attacker(library, card, attack.attack)
    if perturbing is None:
        raise LabError(no_networks(card, attack.attack))
    networks = library.networks(perturbing)
    chosen = {gamma: networks.of(gamma) for gamma in spec.epsilons[1:]}
    subject, clean = start(model, data, card.n_clusters, card.sha256)
    clean = replace(clean, controls={CONTROL: clean.scores})
    report = SweepReport(spec=spec, subject=subject, frames=(clean,))
    yield report
    for i, (gamma, network) in enumerate(chosen.items(), start=1):
        after = frame(model, data, subject, clean, network, gamma, seed=attack.seed)
        report = replace(report, frames=(*report.frames, after), progress=i / len(chosen))
        yield report


def no_networks(card: CheckpointCard, attack: str) -> str:
    """Why there is no such attack on a checkpoint, and what to do."""
    name = f"{card.dataset}/{card.name}"
    if attack == "latent":
        return f"No perturbation networks attack the weights of {name}. Make them: python -m core train {name}.latent."
    return f"{name} was not hardened against networks that are here; choose the attack latent."


def result(
    library: Library,
    store: ResultStore,
    card: CheckpointCard,
    spec: SweepSpec,
    measure: Callable[[], SweepReport],
    *,
    ship: bool,
) -> LatentResult:
    """The kept numbers of a sweep at its attacker's own γ, else those that ``measure`` finds, which are then kept."""
    perturbing = attacker(library, card, spec.attack.attack)
    if perturbing is None:
        raise LabError(no_networks(card, spec.attack.attack))
    kept = results.load(store, spec, card.sha256, perturbing.sha256)
    if kept is not None:
        return kept
    found = results.result_of(measure(), float(perturbing.recipe["gamma"]), perturbing.sha256)
    with nullcontext() if ship else suppress(LabError):
        results.save(store, found, shipped=ship)
    return found


def _read(model: LatentModel, views: Views, delta: Tensor | None) -> tuple[Encoding, Views]:
    """What the model says of all samples once δ (N, D) is added to their latents, and what it decodes from them."""
    latents, probs, decoded = [], [], []
    moved = 0
    with torch.inference_mode():
        for chunk in chunks(views, CHUNK):
            latent = model.encode(chunk).fused
            if delta is not None:
                latent = latent + delta[moved : moved + len(latent)]
            moved += len(latent)
            latents.append(latent)
            probs.append(model.assign(latent))
            decoded.append(model.decode(latent))
    latent = torch.cat(latents)
    pictures = tuple(torch.cat(parts) for parts in zip(*decoded, strict=True))
    return Encoding((), latent, latent, torch.cat(probs)), pictures
