"""From an attack's spec to the attack, and to the weights beside the target's that its result follows from."""

from collections.abc import Sequence
from inspect import signature
from typing import Any

from core.attacks import ATTACKS
from core.attacks.base import Attack, Norm, TargetMode
from core.attacks.objectives import BETWEEN_VIEWS, OFFERED_ON_CLASSIFIERS, OFFERED_ON_CLUSTERINGS, OFFERED_ON_MAGNETS
from core.latent import attack as latent_attack
from core.library import Library
from core.models import MODELS
from core.models.base import RepresentationModel
from core.models.classifier import Classifier
from core.models.magnet import Magnet
from core.records import AttackSpec, CheckpointCard, digest

ON_OBJECTIVES = tuple(name for name in ATTACKS if "objective" in signature(ATTACKS[name]).parameters)  # a chosen one
ANY = "both"  # what the others' specs have for one


def make_attack(library: Library, spec: AttackSpec) -> Attack:
    """The attack that a spec means. Raises :class:`LabError` for an unknown one, and for a GAN nobody trained."""
    names = ("target_mode", "objective", "steps", "relative_step_size")
    chosen = {name: getattr(spec, name) for name in names}
    known = signature(ATTACKS[spec.attack]).parameters
    knobs: dict[str, Any] = {name: value for name, value in chosen.items() if name in known}
    if spec.attack == "gan":
        knobs["generators"] = library.generators(library.card(spec.dataset, spec.model))
    if spec.attack == "ensemble":
        knobs |= _members(library, library.card(spec.dataset, spec.model))
    return ATTACKS.make(spec.attack, **knobs)


def objectives(library: Library, dataset: str, models: Sequence[str]) -> tuple[str, ...]:
    """What FGSM and PGD can maximise on every one of these checkpoints, the usual one first."""
    cards = [library.card(dataset, model) for model in models]
    offered = [_offered(card) for card in cards] or [OFFERED_ON_CLUSTERINGS]
    first = min(offered, key=lambda names: ANY in names)  # the classifiers' order, where there are any
    return tuple(name for name in first if all(name in others for others in offered))


def usual_objective(library: Library, dataset: str, model: str, attack: str) -> str:
    """What an attack on a checkpoint maximises unless something else is asked for."""
    return objectives(library, dataset, (model,))[0] if attack in ON_OBJECTIVES else ANY


def _offered(card: CheckpointCard) -> tuple[str, ...]:
    kind = MODELS[card.model]
    assert isinstance(kind, type)
    if issubclass(kind, Magnet):
        return OFFERED_ON_MAGNETS
    if issubclass(kind, Classifier | RepresentationModel):
        return OFFERED_ON_CLASSIFIERS
    return tuple(name for name in OFFERED_ON_CLUSTERINGS if name != BETWEEN_VIEWS or len(card.view_shapes) > 1)


def _members(library: Library, card: CheckpointCard) -> dict[str, Any]:
    """What an ensemble on a checkpoint can use besides: the attacker trained against it, the undefended model."""
    members: dict[str, Any] = {}
    if library.attacker(card) is not None:
        members["generators"] = library.generators(card)
    surrogate = library.undefended(card)
    if surrogate is not None:
        members["surrogate"] = library.model(surrogate)
    return members


def weights_behind(library: Library, spec: AttackSpec, card: CheckpointCard) -> str | None:
    """Digest of the other weights that an attack uses: the attacker's, and for the ensemble its surrogate's too."""
    if spec.attack in latent_attack.ATTACKS:
        moved = latent_attack.attacker(library, card, spec.attack)
        return None if moved is None else moved.sha256
    if spec.attack not in ("gan", "ensemble"):
        return None
    attacker = library.attacker(card)
    trained = None if attacker is None else attacker.sha256
    if spec.attack == "gan":
        return trained
    surrogate = library.undefended(card)
    return digest([trained, None if surrogate is None else surrogate.sha256])


def target_mode(spec: AttackSpec) -> TargetMode:
    """The mode that the target is queried in."""
    return "train" if spec.target_mode == "train" else "eval"


def norm(spec: AttackSpec) -> Norm:
    """The norm of the budget."""
    return "l2" if spec.norm == "l2" else "linf"
