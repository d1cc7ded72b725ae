"""The Magnet loss of ClusTR (Alfarra et al., BMVC 2021, Eq. 3) and its inference (Eq. 4), both in the log domain.

Shape letters: N samples, D features, J centres, each of one of C classes. d are squared distances, s² the variance.
"""

import torch
from torch import Tensor

ABSENT = -1e4  # a class without a centre: its probability is 0, its gradient too, and no difference is infinite


def magnet(
    features: Tensor,
    labels: Tensor,
    centres: Tensor,
    centre_classes: Tensor,
    *,
    alpha: float,
    variance: Tensor | None = None,
) -> Tensor:
    """Mean of relu(α + d_own / 2s² + log Σ exp(-d / 2s²)), the sum over the centres of other classes; a scalar.

    features (N, D), labels (N,), centres (J, D), centre_classes (J,). d_own is to the nearest centre of the own class;
    ``variance`` is s², by default Σ d_own / (N - 1), and gradients flow through all of it.
    """
    return magnet_losses(features, labels, centres, centre_classes, alpha=alpha, variance=variance).mean()


def magnet_losses(
    features: Tensor,
    labels: Tensor,
    centres: Tensor,
    centre_classes: Tensor,
    *,
    alpha: float,
    variance: Tensor | None = None,
) -> Tensor:
    """:func:`magnet` of each sample, (N,)."""
    distances = squared_distances(features, centres)
    is_own = centre_classes == labels[:, None]  # (N, J)
    own = distances.masked_fill(~is_own, torch.inf).amin(dim=1)
    spread = own_variance(own) if variance is None else variance
    others = (-distances / (2 * spread)).masked_fill(is_own, -torch.inf).logsumexp(dim=1)
    return (alpha + own / (2 * spread) + others).relu()


def own_variance(own: Tensor) -> Tensor:
    """s² of squared distances (N,) to the own centre: Σ / (N - 1)."""
    return own.sum() / (len(own) - 1)


def squared_distances(features: Tensor, centres: Tensor) -> Tensor:
    """(N, J), without the square root whose gradient is infinite at a centre."""
    return (features[:, None] - centres).square().sum(dim=2)


def log_scores(
    features: Tensor,
    centres: Tensor,
    centre_classes: Tensor,
    variance: Tensor,
    *,
    n_classes: int,
    n_nearest: int | None = None,
) -> Tensor:
    """log Σ_j exp(-d_cj / 2s²) for each class c, (N, C): the logarithm of Eq. 4's numerator.

    With ``n_nearest`` the sum is over a sample's nearest centres alone (D_near of the paper, L of its code). A class
    without one among them has no score: its logit is :data:`ABSENT` below the lowest.
    """
    scaled = -squared_distances(features, centres) / (2 * variance)  # (N, J)
    is_of = (centre_classes == torch.arange(n_classes, device=centres.device)[:, None])[None]  # (1, C, J)
    if n_nearest is not None and n_nearest < len(centres):
        near = torch.zeros_like(scaled).scatter(1, scaled.topk(n_nearest, dim=1).indices, 1.0).bool()
        is_of = is_of & near[:, None]  # (N, C, J)
    scores = torch.where(is_of, scaled[:, None], -torch.inf).logsumexp(dim=2)
    is_there = is_of.any(dim=2)
    lowest = torch.where(is_there, scores, 0.0).detach().amin(dim=1, keepdim=True)  # (N, 1), at most 0
    return torch.where(is_there, scores, (lowest + ABSENT) if n_nearest is not None else ABSENT)


def nearest_scores(
    features: Tensor, centres: Tensor, centre_classes: Tensor, variance: Tensor, *, n_classes: int
) -> Tensor:
    """-d / 2s² of each class's nearest centre, (N, C): the rule that the certificate is about."""
    scaled = -squared_distances(features, centres) / (2 * variance)
    is_of = centre_classes == torch.arange(n_classes, device=centres.device)[:, None]
    return torch.where(is_of, scaled[:, None], -torch.inf).amax(dim=2).clamp_min(ABSENT)


def magnet_probs(
    features: Tensor, centres: Tensor, centre_classes: Tensor, variance: Tensor, *, n_nearest: int | None = None
) -> Tensor:
    """Eq. 4: probabilities of the classes 0 to the largest of ``centre_classes``, (N, C)."""
    n_classes = int(centre_classes.max()) + 1
    scores = log_scores(features, centres, centre_classes, variance, n_classes=n_classes, n_nearest=n_nearest)
    return scores.softmax(dim=1)
