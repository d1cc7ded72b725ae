"""Contrast between views: the released NT-Xent form of AR-DMVC's Eq. 7 (facts, section 2.4).

The printed Eq. 7 has no positive in its denominator and no average; the released code is the field's NT-Xent,
with negatives from the other view and from the anchor's own view.
"""

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, softmax


def contrastive(first: Tensor, second: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Contrast of a pair of views (N, D) each, rows normalised inside; both directions summed."""
    return contrastive_rows(first, second, temperature=temperature).mean()


def contrastive_rows(first: Tensor, second: Tensor, *, temperature: float = 0.1) -> Tensor:
    """The contrast of each sample as anchor, both directions summed, (N,)."""
    first, second = normalize(first, dim=1), normalize(second, dim=1)
    return one_direction(first, second, temperature) + one_direction(second, first, temperature)


def one_direction(anchors: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Cross-entropy (N,) of finding each anchor's partner among the others and the other anchors."""
    across = anchors @ others.T / temperature  # (N, N), the partner on the diagonal
    within = (anchors @ anchors.T / temperature).fill_diagonal_(-torch.inf)
    partners = torch.arange(len(anchors), device=anchors.device)
    return cross_entropy(torch.cat((across, within), dim=1), partners, reduction="none")


def contrastive_all_pairs(
    embeddings: tuple[Tensor, ...], *, temperature: float = 0.1, fusion_weights: Tensor | None = None
) -> Tensor:
    """Contrast of every pair of views u < v, each (N, D), times 2 / (V (V - 1)); zero for a single view.

    ``fusion_weights`` (V,), before their softmax, multiply it by the smallest weight, without a gradient: the
    adaptive factor of CoMVC. The loss weight 0.1 is the caller's.
    """
    n_views = len(embeddings)
    if n_views == 1:
        return embeddings[0].new_zeros(())
    total = sum_over_pairs(embeddings, temperature).mean() * 2 / (n_views * (n_views - 1))
    if fusion_weights is None:
        return total
    return total * softmax(fusion_weights.detach(), dim=0).min()


def sum_over_pairs(embeddings: tuple[Tensor, ...], temperature: float) -> Tensor:
    """Contrast of each sample (N,), summed over the pairs of views u < v; at least two views."""
    pairs = [contrastive_rows(u, v, temperature=temperature) for u, v in combinations(embeddings, 2)]
    return torch.stack(pairs).sum(dim=0)
