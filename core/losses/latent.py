"""The terms of ALRDC: clustering in a latent space, the attack on it and the defense (Yang et al., NeurIPS 2020).

Shape letters: B samples, D latent dimensions, K clusters, P pixels of a picture. Weights are the caller's, but those
of :func:`attack_loss`, which are the released code's (facts, single-view, section 1.3).
"""

import math

import torch
from torch import Tensor

PROBABILITY_OFFSET = 1e-7  # released code: added inside the logarithm of an assignment
SCORE_OFFSET = 1e-6  # released code: added inside the logarithms of a discriminator


def squared_error(pictures: Tensor, others: Tensor) -> Tensor:
    """The squared difference of two sets of pictures (B, ...): summed over pixels, batch mean; >= 0."""
    return (pictures - others).square().flatten(1).sum(dim=1).mean()


def sample_normal(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A latent (B, D) of N(mean, exp(log_variance)) from standard ``noise`` (B, D)."""
    return mean + (log_variance / 2).exp() * noise


def gaussian_term(mean: Tensor, log_variance: Tensor, probs: Tensor, centres: Tensor) -> Tensor:
    """How far N(mean, exp(log_variance)) (B, D) is from N(centre, 1) of its clusters: batch mean of Σ_k y_k KL_k; >= 0.

    ``probs`` are (B, K), ``centres`` (K, D).
    """
    spread = (log_variance.exp() - 1 - log_variance).sum(dim=1, keepdim=True)  # (B, 1)
    squared = (mean[:, None] - centres).square().sum(dim=2)  # (B, K)
    return (probs * 0.5 * (spread + squared)).sum(dim=1).mean()


def category_term(probs: Tensor) -> Tensor:
    """Minus the entropy of each assignment (B, K), batch mean: its KL from the uniform one less log K; <= 0."""
    return (probs * (probs + PROBABILITY_OFFSET).log()).sum(dim=1).mean()


def discrimination(joint: Tensor, product: Tensor) -> Tensor:
    """What a discriminator and whoever feeds it minimise to make two things tell of each other; >= 0.

    ``joint`` and ``product`` are its probabilities (B,) of pairs that belong together and of shuffled pairs. Up to a
    constant it is minus twice a lower bound of the Jensen-Shannon divergence between the two.
    """
    return -((joint + SCORE_OFFSET).log() + (1 - product + SCORE_OFFSET).log()).mean()


def nearest_neighbour_weights(latents: Tensor, *, neighbours: int, width: float) -> Tensor:
    """W (B, B) of the Graph variant from latents (B, D): symmetric, zero on the diagonal.

    Each sample is tied to its ``neighbours`` nearest, itself counted as one of them, by exp(-d² / 2 width²).
    """
    squared = torch.cdist(latents, latents).square()
    nearest = squared.topk(min(neighbours, len(latents)), dim=1, largest=False).indices
    tied = torch.zeros_like(squared).scatter(1, nearest, 1.0)
    weights = tied * (-squared / (2 * width**2)).exp()
    symmetric: Tensor = (weights + weights.T) / 2
    return symmetric - torch.diag(symmetric.diagonal())


def graph_term(weights: Tensor, probs: Tensor) -> Tensor:
    """Σ_ij W_ij ‖y_i - y_j‖² / B² of weights (B, B) and assignments (B, K), Eq. 5; >= 0."""
    squared = (probs[:, None] - probs).square().sum(dim=2)  # (B, B)
    return (weights * squared).sum() / len(probs) ** 2


def orthonormal(probs: Tensor) -> Tensor:
    """The released code's change of assignments (B, K) before the graph term: columns orthogonal, of length √B."""
    gram = probs.T @ probs
    ridge = SCORE_OFFSET * torch.eye(len(gram), device=gram.device)  # an empty cluster has no direction of its own
    factor = torch.linalg.cholesky(gram + ridge)
    columns: Tensor = torch.linalg.solve_triangular(factor, probs.T, upper=False).T
    return columns * math.sqrt(len(probs))


def attack_terms(
    decoded: Tensor,
    perturbed_decoded: Tensor,
    probs: Tensor,
    perturbed_probs: Tensor,
    delta: Tensor,
    *,
    gamma: float = 40.0,
    picture_weight: float = 2.5,
    size_weight: float = 1.0,
) -> dict[str, Tensor]:
    """What a perturbation network minimises: ``pictures`` stay, the ``assignment`` leaves its cluster, δ stays small.

    ``decoded`` and ``perturbed_decoded`` are (B, C, H, W), the probabilities (B, K), ``delta`` (B, D). ``gamma`` weighs
    the batch mean of ⟨y, y'⟩: the released code sums 0.04 of it over batches of 1000, so that its γ grows with the
    batch, and ours is its γ times 1000.
    """
    return {
        "pictures": picture_weight * squared_error(decoded, perturbed_decoded),
        "assignment": gamma * (probs * perturbed_probs).sum(dim=1).mean(),
        "size": size_weight * delta.square().sum(dim=1).mean(),
    }


def attack_loss(
    decoded: Tensor,
    perturbed_decoded: Tensor,
    probs: Tensor,
    perturbed_probs: Tensor,
    delta: Tensor,
    *,
    gamma: float = 40.0,
    picture_weight: float = 2.5,
    size_weight: float = 1.0,
) -> Tensor:
    """The sum of :func:`attack_terms`."""
    weights = {"gamma": gamma, "picture_weight": picture_weight, "size_weight": size_weight}
    terms = attack_terms(decoded, perturbed_decoded, probs, perturbed_probs, delta, **weights)
    return torch.stack(list(terms.values())).sum()
