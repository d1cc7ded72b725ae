"""EAMC's attention and adversarial terms (facts, section 2.5; Zhou and Shen, CVPR 2020).

Discriminator v, one for every view but the first, tells the first view (label 1) from view v (label 0). Its scores
are logits (N,).
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from core.losses.ddc import kernel


def attention_loss(embeddings: tuple[Tensor, ...], fused: Tensor, weights: Tensor) -> Tensor:
    """‖K - Σ_v w_v K_v‖² (Frobenius) of embeddings (N, D) a view, fused (N, D) and the views' weights (V,).

    Each Gaussian kernel takes the width of its own rows: σ² = 0.15 · median d², without a gradient.
    """
    combined = torch.stack([weight * kernel(rows) for weight, rows in zip(weights, embeddings, strict=True)]).sum(dim=0)
    return (kernel(fused) - combined).square().sum()


def generator_loss(scores: tuple[Tensor, ...]) -> Tensor:
    """What the encoders minimise: the cross-entropy of every discriminator's scores of its view with label 1.

    Summed over discriminators, zero without any (a single view).
    """
    return sum((cross_entropy_with(1.0, row) for row in scores), start=torch.zeros(()))


def discriminator_loss(first_scores: tuple[Tensor, ...], other_scores: tuple[Tensor, ...]) -> Tensor:
    """What the discriminators minimise, summed: their scores of the first view with 1, of their own view with 0."""
    pairs = zip(first_scores, other_scores, strict=True)
    terms = (cross_entropy_with(1.0, first) + cross_entropy_with(0.0, other) for first, other in pairs)
    return sum(terms, start=torch.zeros(()))


def cross_entropy_with(label: float, scores: Tensor) -> Tensor:
    """Binary cross-entropy of logits (N,) with one label for all, the batch mean."""
    return binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))
