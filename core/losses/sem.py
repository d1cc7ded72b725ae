"""SEM's contrast and the weights of its pairs of views (facts, section 2.7; Xu et al., NeurIPS 2023)."""

import math
from collections.abc import Collection

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from core.losses.ddc import squared_distances

MMD_SAMPLES = 2000  # upstream: the first of each view
MMD_KERNELS = 4
MMD_GROWTH = 4.0  # of the kernels' widths, from one to the next
MMD_FIRST = 1 / 16  # the first width relative to the mean squared distance
WIDTH_FLOOR = 1e-9  # ours: keeps the kernels of identical rows at 1


def info_nce(first: Tensor, second: Tensor, *, temperature: float = 1.0) -> Tensor:
    """NT-Xent (Chen et al., ICML 2020) of a pair of views (N, D), the mean over their 2N rows as anchors.

    Positive is the counterpart, negatives are all other rows but the anchor. The similarity is the dot product: SEM's
    rows have unit length already, nothing is normalised here.
    """
    rows = torch.cat((first, second))  # (2N, D)
    similarity = (rows @ rows.T / temperature).fill_diagonal_(-torch.inf)
    counterparts = torch.arange(len(rows), device=rows.device).roll(len(first))
    return cross_entropy(similarity, counterparts)


def cmi_weight(labels_a: Collection[int], labels_b: Collection[int]) -> float:
    """exp(NMI) - 1 of the cluster labels (N,) of two views, on the host as k-means gives them; 0 to e - 1."""
    return math.expm1(normalized_mutual_info_score(labels_a, labels_b))


def jsd_weight(a: Tensor, b: Tensor) -> Tensor:
    """exp(1 - JSD) - 1 of two views' features (N, D), softmaxed inside; e / 2 - 1 (nothing shared) to e - 1.

    JSD is the mean of the two KL divergences to the mixture, each a batch mean.
    """
    log_a, log_b = log_softmax(a, dim=1), log_softmax(b, dim=1)
    log_mixture = torch.logaddexp(log_a, log_b) - math.log(2)
    terms = log_a.exp() * (log_a - log_mixture) + log_b.exp() * (log_b - log_mixture)  # (N, D)
    return torch.expm1(1 - terms.sum(dim=1).mean() / 2)


def mmd_weight(a: Tensor, b: Tensor) -> Tensor:
    """exp(-MMD) of the first 2000 rows of two views (N, D) and (M, D); at most 1, which equal samples reach.

    The kernel is the sum of four Gaussians exp(-d² / w), w from a sixteenth of the mean squared distance between two
    rows of the pooled sample, each four times the one before. MMD is the biased estimate: means over all pairs.
    """
    a, b = a[:MMD_SAMPLES], b[:MMD_SAMPLES]
    pooled = torch.cat((a, b))
    squared = squared_distances(pooled).fill_diagonal_(0)
    n_pooled, n_first = len(pooled), len(a)
    width = (squared.sum() / (n_pooled * (n_pooled - 1)) * MMD_FIRST).clamp_min(WIDTH_FLOOR)
    similarity = torch.stack([torch.exp(-squared / (width * MMD_GROWTH**i)) for i in range(MMD_KERNELS)]).sum(dim=0)
    within = similarity[:n_first, :n_first].mean() + similarity[n_first:, n_first:].mean()
    return torch.exp(2 * similarity[:n_first, n_first:].mean() - within)
