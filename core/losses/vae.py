"""The terms of Multi-VAE and the sampling of its common latent (facts, section 2.6; Xu et al., ICCV 2021).

Capacities, weights and the division by the number of pixels are the caller's.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softmax

LOG_OFFSET = 1e-12  # released code: added inside every logarithm of the common latent


def normal_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of the view-peculiar latent (N, D) from N(0, 1): batch mean, summed over dimensions; >= 0."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean(dim=0).sum()


def categorical_kl(probs: Tensor) -> Tensor:
    """KL divergence of the common latent's probabilities (N, K) from the uniform ones: batch mean; 0 to log K."""
    return math.log(probs.shape[1]) + (probs * (probs + LOG_OFFSET).log()).sum(dim=1).mean()


def reconstruction(pictures: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy of pictures in [0, 1] and logits, both (N, ...): summed over pixels, batch mean."""
    return binary_cross_entropy_with_logits(logits, pictures, reduction="sum") / len(pictures)


def gumbel_softmax(logits: Tensor, generator: Generator, *, temperature: float = 0.67) -> Tensor:
    """A relaxed one-hot sample (N, K) of softmax(logits), rows on the simplex; differentiable in the logits.

    The uniform numbers are drawn where the generator lives, so that a seed means the same on every device.
    """
    uniform = torch.rand(logits.shape, generator=generator, device=generator.device).to(logits)
    gumbel = -(-(uniform + LOG_OFFSET).log() + LOG_OFFSET).log()
    log_probs = (softmax(logits, dim=1) + LOG_OFFSET).log()
    return softmax((log_probs + gumbel) / temperature, dim=1)
