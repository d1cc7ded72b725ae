"""The GAN terms of the attack: a discriminator tells clean from adversarial pictures (AR-DMVC Eq. 5).

A discriminator's scores are probabilities of being clean, (N,) in (0, 1).
"""

from typing import Literal

from torch import Tensor

GanLoss = Literal["least_squares", "log"]

LOG_FLOOR = 1e-6  # keeps the logarithm of a saturated discriminator finite


def discriminator_loss(clean_scores: Tensor, adversarial_scores: Tensor, *, kind: GanLoss) -> Tensor:
    """What the discriminator minimises: "log" is the negative of Eq. 5, "least_squares" the released code's."""
    if kind == "least_squares":
        return (clean_scores - 1).square().mean() + adversarial_scores.square().mean()
    clean, adversarial = clean_scores.clamp_min(LOG_FLOOR), (1 - adversarial_scores).clamp_min(LOG_FLOOR)
    return -clean.log().mean() - adversarial.log().mean()


def generator_loss(adversarial_scores: Tensor, *, kind: GanLoss) -> Tensor:
    """What the generator minimises: "log" is its part of Eq. 5 (minimax), "least_squares" the released code's."""
    if kind == "least_squares":
        return (adversarial_scores - 1).square().mean()
    return (1 - adversarial_scores).clamp_min(LOG_FLOOR).log().mean()


def norm_hinge(perturbation: Tensor, epsilon: float) -> Tensor:
    """E[max(‖G(x)‖² - ε, 0)] of perturbation (N, C, H, W): the negative of Eq. 4, to be minimised."""
    return (perturbation.flatten(1).square().sum(dim=1) - epsilon).clamp_min(0).mean()
