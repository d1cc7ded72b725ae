"""Losses of supervised robust training, on logits: TRADES (Zhang et al., ICML 2019) and QTRADES (ClusTR, section 3.3).

They take labels; see :class:`core.training.Supervised`, the one place from which training has them.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy


def divergence(clean_logits: Tensor, adversarial_logits: Tensor) -> Tensor:
    """KL(p(x) ‖ p(x_adv)) of each sample (B,), p the softmax of logits (B, K); gradients flow through both."""
    clean = clean_logits.log_softmax(dim=1)
    return (clean.exp() * (clean - adversarial_logits.log_softmax(dim=1))).sum(dim=1)


def soft_cross_entropy(clean_logits: Tensor, adversarial_logits: Tensor) -> Tensor:
    """H(p(x), p(x_adv)) = -Σ p(x) log p(x_adv) of each sample (B,); gradients flow through both."""
    return -(clean_logits.softmax(dim=1) * adversarial_logits.log_softmax(dim=1)).sum(dim=1)


def trades(clean_logits: Tensor, adversarial_logits: Tensor, labels: Tensor, *, beta: float) -> Tensor:
    """Mean cross-entropy of clean logits (B, K) with labels (B,), plus β times the mean KL(p(x) ‖ p(x_adv))."""
    return cross_entropy(clean_logits, labels) + beta * divergence(clean_logits, adversarial_logits).mean()


def qtrades(clean_logits: Tensor, adversarial_logits: Tensor, labels: Tensor, *, beta: float) -> Tensor:
    """As :func:`trades`, with the cross-entropy H(p(x), p(x_adv)) in place of the divergence; β is the paper's λ."""
    return cross_entropy(clean_logits, labels) + beta * soft_cross_entropy(clean_logits, adversarial_logits).mean()
