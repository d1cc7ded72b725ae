"""The terms of the other models, slowly and literally: loops over plain floats, no vectorisation, nothing from core.

Sources: InfoDDC = Trosten et al., CVPR 2023; Multi-VAE = Xu et al., ICCV 2021; SEM = Xu et al., NeurIPS 2023;
EAMC = Zhou and Shen, CVPR 2020; "released" = their public code. Rows are lists of floats.
"""

import math

from tests.reference import Rows, dot, gaussian_kernel, mean, squared_distance


def softmax(row: list[float]) -> list[float]:
    total = math.fsum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


# InfoDDC


def mutual_information(first: Rows, second: Rows, alpha: float) -> float:
    """-Σ_ij P_ij (ln P_ij - (α + 1) ln p_i - (α + 1) ln q_j), P = sym(Z_uᵀ Z_v) / its sum; all floored at 1e-9."""
    width = range(len(first[0]))
    overlap = [[math.fsum(a[i] * b[j] for a, b in zip(first, second, strict=True)) for j in width] for i in width]
    symmetric = [[(overlap[i][j] + overlap[j][i]) / 2 for j in width] for i in width]
    total = math.fsum(x for row in symmetric for x in row)
    joint = [[x / total for x in row] for row in symmetric]
    of_rows = [max(math.fsum(joint[i][j] for j in width), 1e-9) for i in width]
    of_columns = [max(math.fsum(joint[i][j] for i in width), 1e-9) for j in width]
    loss = 0.0
    for i in width:
        for j in width:
            p = max(joint[i][j], 1e-9)
            loss -= p * (math.log(p) - (alpha + 1) * math.log(of_rows[i]) - (alpha + 1) * math.log(of_columns[j]))
    return loss


def mutual_information_all_pairs(views: list[Rows], alpha: float, reference_pairs: bool) -> float:
    """Σ over u < v. Released: u = 0 .. V - 2 and v = u .. V - 1."""
    total = 0.0
    for u in range(len(views) - 1):
        for v in range(u if reference_pairs else u + 1, len(views)):
            total += mutual_information(views[u], views[v], alpha)
    return total


# Multi-VAE


def normal_kl(means: Rows, log_variances: Rows) -> float:
    """Σ_d of the batch mean of -½ (1 + ln σ² - μ² - σ²)."""
    total = 0.0
    for d in range(len(means[0])):
        pairs = [(m[d], lv[d]) for m, lv in zip(means, log_variances, strict=True)]
        total += mean([-0.5 * (1 + lv - m**2 - math.exp(lv)) for m, lv in pairs])
    return total


def categorical_kl(probs: Rows) -> float:
    """ln k plus the batch mean of Σ_j α_j ln(α_j + 1e-12)."""
    return math.log(len(probs[0])) + mean([math.fsum(p * math.log(p + 1e-12) for p in row) for row in probs])


def reconstruction(pictures: Rows, logits: Rows) -> float:
    """The mean binary cross-entropy of all pixels, x̂ = 1 / (1 + e^-logit), times the number of pixels P."""
    losses = []
    for picture, row in zip(pictures, logits, strict=True):
        for pixel, logit in zip(picture, row, strict=True):
            guess = 1 / (1 + math.exp(-logit))
            losses.append(-pixel * math.log(guess) - (1 - pixel) * math.log(1 - guess))
    return mean(losses) * len(pictures[0])


def gumbel_softmax(logits: Rows, uniform: Rows, temperature: float) -> Rows:
    """softmax((ln(α + 1e-12) + g) / τ), α = softmax(logits), g = -ln(-ln(u + 1e-12) + 1e-12)."""
    samples = []
    for row, draws in zip(logits, uniform, strict=True):
        gumbel = [-math.log(-math.log(u + 1e-12) + 1e-12) for u in draws]
        log_probs = [math.log(p + 1e-12) for p in softmax(row)]
        samples.append(softmax([(x + g) / temperature for x, g in zip(log_probs, gumbel, strict=True)]))
    return samples


# SEM


def info_nce(first: Rows, second: Rows, temperature: float) -> float:
    """NT-Xent over the 2n rows: -ln of e^(s_ij / τ) over Σ_{l≠i} e^(s_il / τ), j the counterpart of i; the mean."""
    rows, n = first + second, len(first)
    losses = []
    for i in range(2 * n):
        counterpart = i + n if i < n else i - n
        others = [math.exp(dot(rows[i], rows[j]) / temperature) for j in range(2 * n) if j != i]
        losses.append(math.log(math.fsum(others)) - dot(rows[i], rows[counterpart]) / temperature)
    return math.fsum(losses) / (2 * n)


def normalized_information(a: list[int], b: list[int]) -> float:
    """I(a; b) / ((H(a) + H(b)) / 2), from counts."""
    n = len(a)

    def share(x: int, y: int) -> float:
        return sum(i == x and j == y for i, j in zip(a, b, strict=True)) / n

    def entropy(labels: list[int]) -> float:
        shares = [labels.count(x) / n for x in set(labels)]
        return -math.fsum(p * math.log(p) for p in shares)

    cells = [(share(x, y), a.count(x) / n, b.count(y) / n) for x in set(a) for y in set(b)]
    information = math.fsum(p * math.log(p / (p_a * p_b)) for p, p_a, p_b in cells if p > 0)
    return information / ((entropy(a) + entropy(b)) / 2)


def cmi_weight(a: list[int], b: list[int]) -> float:
    return math.exp(normalized_information(a, b)) - 1


def jsd_weight(a: Rows, b: Rows) -> float:
    """e^(1 - JSD) - 1, JSD = ½ (KL(p ‖ m) + KL(q ‖ m)), each a batch mean, p and q softmaxed, m = (p + q) / 2."""
    to_mixture_p, to_mixture_q = [], []
    for row_a, row_b in zip(a, b, strict=True):
        p, q = softmax(row_a), softmax(row_b)
        m = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
        to_mixture_p.append(math.fsum(x * math.log(x / z) for x, z in zip(p, m, strict=True)))
        to_mixture_q.append(math.fsum(y * math.log(y / z) for y, z in zip(q, m, strict=True)))
    return math.exp(1 - (mean(to_mixture_p) + mean(to_mixture_q)) / 2) - 1


def mmd_weight(a: Rows, b: Rows) -> float:
    """e^-MMD, MMD = mean k(a, a') + mean k(b, b') - 2 mean k(a, b), k = Σ_{i=0..3} e^(-d² / (base · 4^i)).

    base is a sixteenth of the mean d² over the ordered pairs of different rows of the pooled sample.
    """
    a, b = a[:2000], b[:2000]
    pooled = a + b
    indices = range(len(pooled))
    base = mean([squared_distance(pooled[i], pooled[j]) for i in indices for j in indices if i != j]) / 16

    def similarity(x: list[float], y: list[float]) -> float:
        return math.fsum(math.exp(-squared_distance(x, y) / (base * 4**i)) for i in range(4))

    def mean_similarity(left: Rows, right: Rows) -> float:
        return mean([similarity(x, y) for x in left for y in right])

    return math.exp(-(mean_similarity(a, a) + mean_similarity(b, b) - 2 * mean_similarity(a, b)))


# EAMC


def cluster_orthogonality(probs: Rows) -> float:
    """2 / (k (k - 1)) Σ_{i<j} (AᵀA)_ij, not divided by n."""
    k = len(probs[0])
    pairs = [(i, j) for i in range(k - 1) for j in range(i + 1, k)]
    return 2 / (k * (k - 1)) * math.fsum(row[i] * row[j] for i, j in pairs for row in probs)


def attention_loss(views: list[Rows], fused: Rows, weights: list[float]) -> float:
    """‖K - Σ_v w_v K_v‖² (Frobenius), every kernel with its own σ² = 0.15 · median d²."""
    target, kernels = gaussian_kernel(fused, "released"), [gaussian_kernel(rows, "released") for rows in views]
    indices = range(len(fused))
    total = 0.0
    for a in indices:
        for b in indices:
            mixed = math.fsum(w * kernel[a][b] for w, kernel in zip(weights, kernels, strict=True))
            total += (target[a][b] - mixed) ** 2
    return total


def binary_cross_entropy(logits: list[float], label: float) -> float:
    guesses = [1 / (1 + math.exp(-x)) for x in logits]
    return mean([-label * math.log(p) - (1 - label) * math.log(1 - p) for p in guesses])


def generator_loss(scores: Rows) -> float:
    """Σ_v BCE(D_v(z_v), 1)."""
    return math.fsum(binary_cross_entropy(row, 1.0) for row in scores)


def discriminator_loss(first_scores: Rows, other_scores: Rows) -> float:
    """Σ_v BCE(D_v(z_v), 0) + BCE(D_v(z_0), 1)."""
    terms = zip(first_scores, other_scores, strict=True)
    return math.fsum(binary_cross_entropy(other, 0.0) + binary_cross_entropy(first, 1.0) for first, other in terms)
