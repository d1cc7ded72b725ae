"""Deep divergence-based clustering: the three terms of AR-DMVC's Eq. 15-18 (Trosten et al., CVPR 2021).

Shape letters: N samples, H hidden width, K clusters.
"""

from typing import Literal

import torch
from torch import Tensor

Width = Literal["released", "paper"]

RELATIVE_WIDTH = 0.15  # A.1 and the released code, which apply it to different things: see kernel
NUMERATOR_FLOOR = 1e-9  # released code; both floors keep an empty cluster's ratio at its maximum of 1
DENOMINATOR_FLOOR = 1e-18


def ddc_terms(hidden: Tensor, probs: Tensor, *, width: Width = "released") -> dict[str, Tensor]:
    """Separation, orthogonality and simplex terms of hidden (N, H) and probs (N, K); N >= 2, K >= 2.

    Source: Eq. 15 (separation), Eq. 16 (orthogonality), Eq. 17 (simplex) of AR-DMVC; their sum is Eq. 18.
    """
    similarity = kernel(hidden, width=width)
    return {
        "separation": divergence(probs, similarity),
        "orthogonality": orthogonality(probs),
        "simplex": divergence(corner_closeness(probs), similarity),
    }


def kernel(hidden: Tensor, *, width: Width = "released") -> Tensor:
    """Gaussian similarities (N, N) of hidden (N, H); the width follows the batch and has no gradient.

    "released": σ² = 0.15 · median d². "paper" (A.1): σ = 0.15 · median d. The median is over all N² pairs.
    """
    squared = squared_distances(hidden)  # (N, N)
    median = squared.detach().median()  # the lower median, as the released code takes it
    variance = median * (RELATIVE_WIDTH if width == "released" else RELATIVE_WIDTH**2)
    return torch.exp(-squared / (2 * variance.clamp_min(NUMERATOR_FLOOR)))


def squared_distances(rows: Tensor) -> Tensor:
    """Squared Euclidean distances (N, N) between rows (N, D), never negative."""
    norms = rows.square().sum(dim=1)
    return (norms[:, None] + norms[None, :] - 2 * rows @ rows.T).clamp_min(0)


def divergence(memberships: Tensor, similarity: Tensor) -> Tensor:
    """Mean Cauchy-Schwarz similarity of all pairs of clusters: memberships (N, K), similarity (N, N)."""
    overlap = memberships.T @ similarity @ memberships  # (K, K)
    own = overlap.diagonal()
    scale = (own[:, None] * own[None, :]).clamp_min(DENOMINATOR_FLOOR).sqrt()
    ratio = overlap.clamp_min(NUMERATOR_FLOOR) / scale
    n_clusters = len(own)
    return ratio.triu(diagonal=1).sum() * 2 / (n_clusters * (n_clusters - 1))


def orthogonality(probs: Tensor) -> Tensor:
    """Mean inner product of the assignments (N, K) of two different samples (Eq. 16)."""
    n_samples = len(probs)
    total = probs.sum(dim=0)
    return (total.square().sum() - probs.square().sum()) / (n_samples * (n_samples - 1))


def cluster_orthogonality(probs: Tensor) -> Tensor:
    """Mean inner product of the columns of two different clusters in probs (N, K); 0 to N / K².

    EAMC's form of Eq. 16, with AᵀA for AAᵀ (released code); not divided by N.
    """
    n_clusters = probs.shape[1]
    return (probs.T @ probs).triu(diagonal=1).sum() * 2 / (n_clusters * (n_clusters - 1))


def corner_closeness(probs: Tensor) -> Tensor:
    """exp(-‖a - e_j‖²) for every sample and simplex corner, (N, K) (Eq. 17)."""
    corners = torch.eye(probs.shape[1], dtype=probs.dtype, device=probs.device)
    return torch.exp(-(probs[:, None, :] - corners[None]).square().sum(dim=2))
