"""The attack mitigator of AR-DMVC-AM: Eq. 12, the bound on I(x̃; ã | x) of Theorem 4.2."""

from typing import Literal

from torch import Tensor

Direction = Literal["adversarial_to_clean", "clean_to_adversarial"]

RELEASED_SMOOTHING = 1e-4  # released code: added to both distributions, not renormalised
LOG_FLOOR = 1e-12  # keeps log p finite in float32; far below any probability that matters


def attack_mitigation(
    adversarial_probs: Tensor, clean_probs: Tensor, *, direction: Direction = "adversarial_to_clean"
) -> Tensor:
    """Mean KL divergence between the cluster probabilities (N, K) of adversarial and clean samples.

    "adversarial_to_clean" is KL(ã ‖ a) as printed in Eq. 12. "clean_to_adversarial" is the released code's:
    KL(a ‖ ã) with 1e-4 added to both. The gradient flows through both arguments.
    """
    if direction == "adversarial_to_clean":
        first, second = adversarial_probs.clamp_min(LOG_FLOOR), clean_probs.clamp_min(LOG_FLOOR)
    else:
        first, second = clean_probs + RELEASED_SMOOTHING, adversarial_probs + RELEASED_SMOOTHING
    return (first * (first.log() - second.log())).sum(dim=1).mean()
