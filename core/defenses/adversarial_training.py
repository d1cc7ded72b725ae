"""Adversarial training of a clustering model: AR-DMVC and AR-DMVC-AM (Algorithm 2, Eq. 9-14)."""

import torch

from core.attacks.base import Attack, Budget
from core.losses.mitigation import Direction, attack_mitigation
from core.models.base import ClusteringModel
from core.training import Loss
from core.types import LossTerms, Views


def ar_dmvc(model: ClusteringModel, *, attack: Attack, budget: Budget, adversarial_weight: float) -> Loss:
    """Eq. 10: the model's loss on clean views, plus λ times its loss on adversarial views."""
    return ar_dmvc_am(
        model,
        attack=attack,
        budget=budget,
        adversarial_weight=adversarial_weight,
        mitigation_weight=0.0,
        direction="adversarial_to_clean",
        detach_clean=False,
    )


def ar_dmvc_am(
    model: ClusteringModel,
    *,
    attack: Attack,
    budget: Budget,
    adversarial_weight: float,
    mitigation_weight: float,
    direction: Direction,
    detach_clean: bool,
) -> Loss:
    """Eq. 14: Eq. 10 plus γ times the attack mitigator between adversarial and clean probabilities.

    ``attack`` is the inner maximisation of Eq. 9: it sees the model of the moment and leaves its gradients and
    running statistics alone. Clean and adversarial views pass the network one after the other, so that each
    is normalised by its own batch. ``detach_clean`` stops the mitigator's gradient on the clean side.
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        adversarial_views = attack(model, views, budget, generator=generator)
        clean = model.encode(views)
        adversarial = model.encode(adversarial_views)
        losses = dict(model.loss_terms(views, clean, generator))
        for name, term in model.loss_terms(adversarial_views, adversarial, generator).items():
            losses[f"adversarial_{name}"] = adversarial_weight * term
        if mitigation_weight:
            clean_probs = clean.probs.detach() if detach_clean else clean.probs
            divergence = attack_mitigation(adversarial.probs, clean_probs, direction=direction)
            losses["mitigation"] = mitigation_weight * divergence
        return losses

    return terms
