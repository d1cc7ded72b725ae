"""Mutual information between views: InfoDDC's term (facts, section 2.4; Trosten et al., CVPR 2023).

An embedding's rows are distributions over its D dimensions: softmaxed encoder outputs.
"""

from itertools import combinations

import torch
from torch import Tensor

FLOOR = 1e-9  # released code: of the joint distribution and of both marginals, by clamping


def mutual_information(first: Tensor, second: Tensor, *, alpha: float = 9.0) -> Tensor:
    """What InfoDDC minimises for a pair of views (N, D), rows on the simplex: -(I + alpha · (H + H)) of their joint.

    The joint distribution (D, D) is the sum of the samples' outer products, made symmetric and divided by its sum.
    """
    overlap = first.T @ second
    joint = (overlap + overlap.T) / 2
    joint = joint / joint.sum()
    marginal = joint.sum(dim=0).clamp_min(FLOOR).log()  # (D,), the same for rows and columns of a symmetric joint
    joint = joint.clamp_min(FLOOR)
    return -(joint * (joint.log() - (alpha + 1) * (marginal[:, None] + marginal[None, :]))).sum()


def mutual_information_all_pairs(
    embeddings: tuple[Tensor, ...], *, alpha: float = 9.0, reference_pairs: bool = False
) -> Tensor:
    """Sum of the term over the pairs of views u < v, each (N, D); zero for a single view. The weight is the caller's.

    ``reference_pairs`` adds the pair (u, u) of every view but the last, as the released loops do.
    """
    pairs = list(combinations(embeddings, 2))
    if reference_pairs:
        pairs += [(view, view) for view in embeddings[:-1]]
    if not pairs:
        return embeddings[0].new_zeros(())
    return torch.stack([mutual_information(u, v, alpha=alpha) for u, v in pairs]).sum()
