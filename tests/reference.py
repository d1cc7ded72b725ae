"""The papers' equations, slowly and literally: loops over plain floats, no vectorisation, nothing from core.

Sources: AR-DMVC = Huang et al., ICML 2024 (equation numbers are its own); "released" = its public code;
CoMVC = Trosten et al., CVPR 2021; NT-Xent = Chen et al., ICML 2020. Rows are lists of floats.
"""

import math
from itertools import pairwise

Rows = list[list[float]]


def dot(a: list[float], b: list[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def squared_distance(a: list[float], b: list[float]) -> float:
    return math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))


# Deep divergence-based clustering (AR-DMVC, Appendix A.1, Eq. 15-18)


def gaussian_kernel(hidden: Rows, width: str) -> Rows:
    """κ_ab = exp(-‖h_a - h_b‖² / (2 σ²)), the median over all n² pairs, self pairs included, lower of the two.

    A.1: σ is 15 % of the median pairwise distance. Released: σ² is 15 % of the median squared distance.
    """
    n = len(hidden)
    squared = [[squared_distance(hidden[a], hidden[b]) for b in range(n)] for a in range(n)]
    in_order = sorted(d for row in squared for d in row)
    lower_median = in_order[(n * n - 1) // 2]
    variance = 0.15 * lower_median if width == "released" else (0.15 * math.sqrt(lower_median)) ** 2
    return [[math.exp(-squared[a][b] / (2 * variance)) for b in range(n)] for a in range(n)]


def separation(memberships: Rows, kernel: Rows) -> float:
    """Eq. 15: the mean over i < j of Q_ij / √(Q_ii Q_jj), Q_ij = Σ_a Σ_b m_ai κ_ab m_bj, floored as released."""
    n, k = len(memberships), len(memberships[0])

    def overlap(i: int, j: int) -> float:
        return math.fsum(memberships[a][i] * kernel[a][b] * memberships[b][j] for a in range(n) for b in range(n))

    pairs = [(i, j) for i in range(k - 1) for j in range(i + 1, k)]
    ratios = [max(overlap(i, j), 1e-9) / math.sqrt(max(overlap(i, i) * overlap(j, j), 1e-18)) for i, j in pairs]
    return math.fsum(ratios) / math.comb(k, 2)


def orthogonality(probs: Rows) -> float:
    """Eq. 16: the mean over sample pairs i < j of a_i · a_j."""
    n = len(probs)
    return math.fsum(dot(probs[i], probs[j]) for i in range(n - 1) for j in range(i + 1, n)) / math.comb(n, 2)


def simplex(probs: Rows, kernel: Rows) -> float:
    """Eq. 17: Eq. 15 with m_aj = exp(-‖a_a - e_j‖²), e_j the j-th corner of the simplex."""
    k = len(probs[0])
    corners = [[float(i == j) for i in range(k)] for j in range(k)]
    return separation([[math.exp(-squared_distance(row, corner)) for corner in corners] for row in probs], kernel)


# Contrast between views (the released form of AR-DMVC's Eq. 7: NT-Xent as CoMVC codes it)


def unit(row: list[float]) -> list[float]:
    length = math.sqrt(dot(row, row))
    return [x / length for x in row]


def contrast_one_direction(anchors: Rows, others: Rows, temperature: float) -> list[float]:
    """-log of exp(s_ii / τ) over the positive, the n - 1 other partners and the n - 1 other anchors, per anchor."""
    anchors, others = [unit(row) for row in anchors], [unit(row) for row in others]
    losses = []
    for i, anchor in enumerate(anchors):
        positive = dot(anchor, others[i]) / temperature
        negatives = [dot(anchor, other) / temperature for j, other in enumerate(others) if j != i]
        negatives += [dot(anchor, other) / temperature for j, other in enumerate(anchors) if j != i]
        losses.append(math.log(math.fsum(math.exp(s) for s in [positive, *negatives])) - positive)
    return losses


def contrast(first: Rows, second: Rows, temperature: float) -> float:
    """Both directions summed, each the mean over its anchors."""
    forward = contrast_one_direction(first, second, temperature)
    backward = contrast_one_direction(second, first, temperature)
    return math.fsum(forward) / len(first) + math.fsum(backward) / len(second)


def contrast_all_pairs(views: list[Rows], temperature: float, raw_weights: list[float] | None) -> float:
    """Σ_{u<v} of the pair's contrast times 2 / (V (V - 1)) times ω, the smallest softmax fusion weight (or 1)."""
    n_views = len(views)
    omega = 1.0
    if raw_weights is not None:
        omega = min(math.exp(w) for w in raw_weights) / math.fsum(math.exp(w) for w in raw_weights)
    total = math.fsum(contrast(views[u], views[v], temperature) for u in range(n_views) for v in range(u + 1, n_views))
    return omega * 2 / (n_views * (n_views - 1)) * total


# The attack mitigator (AR-DMVC, Eq. 12)


def mitigation(adversarial: Rows, clean: Rows, direction: str) -> float:
    """Printed: mean KL(ã ‖ a). Released: mean KL(a ‖ ã) with 1e-4 added to both and no renormalising."""

    def divergence(p: list[float], q: list[float]) -> float:
        return math.fsum(x * math.log(x / y) for x, y in zip(p, q, strict=True))

    if direction == "adversarial_to_clean":
        pairs = zip(adversarial, clean, strict=True)
    else:
        smooth_clean = [[x + 1e-4 for x in row] for row in clean]
        smooth_adversarial = [[x + 1e-4 for x in row] for row in adversarial]
        pairs = zip(smooth_clean, smooth_adversarial, strict=True)
    return math.fsum(divergence(p, q) for p, q in pairs) / len(clean)


# The GAN attack (AR-DMVC, Eq. 2-6; "released" where the code differs)


def complementarity(clean_views: list[Rows], adversarial_views: list[Rows], kind: str) -> float:
    """Eq. 2: Σ_v E ‖C^v(x) - C^v(x + G(x))‖². Released: half the sum over views and batch of ‖·‖."""
    return math.fsum(consistency(z, z_adv, kind) for z, z_adv in zip(clean_views, adversarial_views, strict=True))


def consistency(clean: Rows, adversarial: Rows, kind: str) -> float:
    """Eq. 3: E ‖C(x) - C(x + G(x))‖². Released: half the sum over the batch of ‖·‖."""
    squared = [squared_distance(a, b) for a, b in zip(clean, adversarial, strict=True)]
    if kind == "paper":
        return math.fsum(squared) / len(squared)
    return 0.5 * math.fsum(math.sqrt(d) for d in squared)


def constraint(perturbations: list[Rows], epsilon: float, kind: str) -> float:
    """What Eq. 6 adds: minus Eq. 4, Σ_v E min(ε - ‖G‖², 0). Released: Σ_v E ‖clamped G‖."""
    total = 0.0
    for rows in perturbations:
        squared = [dot(row, row) for row in rows]
        if kind == "paper":
            total -= math.fsum(min(epsilon - d, 0.0) for d in squared) / len(rows)
        else:
            total += math.fsum(math.sqrt(d) for d in squared) / len(rows)
    return total


def realism(clean_scores: Rows, adversarial_scores: Rows, kind: str) -> tuple[float, float]:
    """What D and what G minimise, scores per view. Eq. 5: Σ_v E [log D(x) + log(1 - D(x + G(x)))], min G, max D.

    Released: least squares on the scores of all views in one row.
    """
    if kind == "paper":
        fooled = math.fsum(mean([math.log(1 - d) for d in view]) for view in adversarial_scores)
        return -math.fsum(mean([math.log(d) for d in view]) for view in clean_scores) - fooled, fooled
    clean_row = [d for view in clean_scores for d in view]
    adversarial_row = [d for view in adversarial_scores for d in view]
    judge = mean([(d - 1) ** 2 for d in clean_row]) + mean([d**2 for d in adversarial_row])
    return judge, mean([(d - 1) ** 2 for d in adversarial_row])


# AutoAttack (Croce & Hein, ICML 2020; FAB in the same year's other paper)


def dlr(logits: list[float], label: int) -> float:
    """Eq. 6."""
    falling = sorted(logits, reverse=True)
    rival = max(z for i, z in enumerate(logits) if i != label)
    return -(logits[label] - rival) / (falling[0] - falling[2])


def targeted_dlr(logits: list[float], label: int, target: int) -> float:
    """Eq. 7."""
    falling = sorted(logits, reverse=True)
    return -(logits[label] - logits[target]) / (falling[0] - 0.5 * (falling[2] + falling[3]))


def apgd_checkpoints(steps: int) -> list[int]:
    """p_0 = 0, p_1 = 0.22, p_j+1 = p_j + max(p_j - p_j-1 - 0.03, 0.06), in whole hundredths; w_j = ceil(p_j N)."""
    hundredths = [0, 22]
    while hundredths[-1] < 100:
        hundredths.append(hundredths[-1] + max(hundredths[-1] - hundredths[-2] - 3, 6))
    return [math.ceil(p * steps / 100) for p in hundredths[1:] if p <= 100]


def auto_pgd(value, slope, clean: list[float], start: list[float], epsilon: float, steps: int) -> Rows:
    """Algorithm 1 for one sample in the linf ball: where it stands after each step, the step size looked at after it.

    A halved step goes on from the best place; the objective there is then the one the next step is compared with.
    """

    def project(row: list[float]) -> list[float]:
        near = [min(max(y, x - epsilon), x + epsilon) for x, y in zip(clean, row, strict=True)]
        return [min(max(y, 0.0), 1.0) for y in near]

    here, before, best, size = start, start, start, 2 * epsilon
    values, best_value, best_at_check, halved_at_check, last = [value(start)], value(start), value(start), True, 0
    improved, places = [], []
    for k in range(1, steps + 1):
        signs = [(g > 0) - (g < 0) for g in slope(here)]
        ahead = project([x + size * sign for x, sign in zip(here, signs, strict=True)])
        alpha = 0.75 if k > 1 else 1.0
        mixed = [x + alpha * (z - x) + (1 - alpha) * (x - b) for x, z, b in zip(here, ahead, before, strict=True)]
        before, here = here, project(mixed)
        improved.append(value(here) > values[-1])
        values.append(value(here))
        if values[-1] > best_value:
            best, best_value = here, values[-1]
        if k in apgd_checkpoints(steps):
            first = sum(improved[last:k]) <= 0.75 * (k - last)
            second = not halved_at_check and best_at_check == best_value
            halved_at_check, best_at_check, last = first or second, best_value, k
            if halved_at_check:
                size, here = size / 2, best
                values.append(best_value)
        places.append(here)
    return places


def smallest_linf_change(start: list[float], slopes: list[float], rise: float) -> float:
    """The smallest t for which |d_i| <= t, start + d in [0, 1] and Σ slope · d = rise >= 0 can be, by its kinks."""

    def most(t: float) -> float:
        rooms = [(1 - x if s > 0 else x) for x, s in zip(start, slopes, strict=True)]
        return math.fsum(abs(s) * min(t, room) for s, room in zip(slopes, rooms, strict=True))

    kinks = sorted({0.0, 1.0, *start, *(1 - x for x in start)})
    for low, high in pairwise(kinks):
        if most(high) >= rise:
            return low + (high - low) * (rise - most(low)) / (most(high) - most(low))
    return 1.0


def distillation(student: Rows, teacher: Rows) -> float:
    """Cross-entropy of the student against its teacher: -1/N Σ_n Σ_k t_nk log s_nk."""
    return mean(
        [-math.fsum(t * math.log(s) for s, t in zip(*pair, strict=True)) for pair in zip(student, teacher, strict=True)]
    )


# ALRDC (Yang et al., NeurIPS 2020): Eq. 3 and 5 of the supplement; attack, defense and MIE as in its public code


def squared_error(pictures: Rows, others: Rows) -> float:
    """Σ over pixels of the batch mean of (x - x')²."""
    n_pixels = len(pictures[0])
    return math.fsum(mean([(a[p] - b[p]) ** 2 for a, b in zip(pictures, others, strict=True)]) for p in range(n_pixels))


def gaussian_term(means: Rows, log_variances: Rows, probs: Rows, centres: Rows) -> float:
    """The batch mean of Σ_k y_k KL(N(z, e^v) ‖ N(μ_k, I)), KL = -1/2 Σ_d (1 + v - (z - μ)² - e^v)."""
    each = []
    for z, v, y in zip(means, log_variances, probs, strict=True):
        total = 0.0
        for k, centre in enumerate(centres):
            terms = [1 + v[d] - (z[d] - centre[d]) ** 2 - math.exp(v[d]) for d in range(len(z))]
            total += y[k] * -0.5 * math.fsum(terms)
        each.append(total)
    return mean(each)


def category_term(probs: Rows) -> float:
    """Σ_k of the batch mean of y_k log(y_k + 1e-7)."""
    return math.fsum(mean([y[k] * math.log(y[k] + 1e-7) for y in probs]) for k in range(len(probs[0])))


def discrimination(joint: list[float], product: list[float]) -> float:
    """-mean[log D(u, v) + log(1 - D(u, shuffled v))], 1e-6 inside the logarithms."""
    pairs = zip(joint, product, strict=True)
    return -mean([math.log(own + 1e-6) + math.log(1 - other + 1e-6) for own, other in pairs])


def neighbour_weights(latents: Rows, neighbours: int, width: float) -> Rows:
    """W: each row's nearest, itself counted, by exp(-d² / 2 width²); (W + W^T) / 2, without the diagonal."""
    n = len(latents)
    one_way = [[0.0] * n for _ in range(n)]
    for i in range(n):
        squared = [squared_distance(latents[i], latents[j]) for j in range(n)]
        for j in sorted(range(n), key=lambda j: squared[j])[:neighbours]:
            one_way[i][j] = math.exp(-squared[j] / (2 * width**2))
    return [[0.0 if i == j else (one_way[i][j] + one_way[j][i]) / 2 for j in range(n)] for i in range(n)]


def graph_term(weights: Rows, probs: Rows) -> float:
    """1/n² Σ_ij W_ij ‖y_i - y_j‖² (Eq. 5)."""
    n = len(probs)
    each = [weights[i][j] * squared_distance(probs[i], probs[j]) for i in range(n) for j in range(n)]
    return math.fsum(each) / n**2


def latent_attack(
    decoded: Rows, perturbed_decoded: Rows, probs: Rows, perturbed_probs: Rows, delta: Rows, code_gamma: float
) -> float:
    """2.5 Σ_pixels mean (x̂ - x̂')² + γ Σ_batch ⟨y, y'⟩ + Σ_d mean δ²: the code's γ multiplies a sum over the batch."""
    overlap = math.fsum(dot(y, other) for y, other in zip(probs, perturbed_probs, strict=True))
    size = math.fsum(mean([row[d] ** 2 for row in delta]) for d in range(len(delta[0])))
    return 2.5 * squared_error(decoded, perturbed_decoded) + code_gamma * overlap + size


def latent_shift(latents: Rows, delta: Rows) -> tuple[float, float]:
    """D in percent and per sample: the means over dimensions of Σ|δ_d| / Σ|z_d| and of the batch mean of |δ_d|."""
    dims = range(len(latents[0]))
    shares = [math.fsum(abs(r[d]) for r in delta) / math.fsum(abs(r[d]) for r in latents) for d in dims]
    return 100 * mean(shares), mean([mean([abs(r[d]) for r in delta]) for d in dims])


# ClusTR (Alfarra et al., BMVC 2021) and its baselines


def trades(clean_logits, adversarial_logits, labels, beta):
    total = 0.0
    for clean, adversarial, label in zip(
        clean_logits.tolist(), adversarial_logits.tolist(), labels.tolist(), strict=True
    ):
        p, q = softmax_of(clean), softmax_of(adversarial)
        total += -math.log(p[label]) + beta * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(labels)


def qtrades(clean_logits, adversarial_logits, labels, beta):
    total = 0.0
    for clean, adversarial, label in zip(
        clean_logits.tolist(), adversarial_logits.tolist(), labels.tolist(), strict=True
    ):
        p, q = softmax_of(clean), softmax_of(adversarial)
        total += -math.log(p[label]) - beta * sum(a * math.log(b) for a, b in zip(p, q, strict=True))
    return total / len(labels)


def softmax_of(row):
    powers = [math.exp(value) for value in row]
    return [power / sum(powers) for power in powers]


def magnet(features, labels, centres, centre_classes, alpha, variance=None):
    """Eq. 3 sample by sample, with plain exponentials."""
    features, centres = features.double().tolist(), centres.double().tolist()
    labels, classes = labels.tolist(), centre_classes.tolist()

    def squared(a, b):
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

    own = [
        min(squared(f, c) for c, k in zip(centres, classes, strict=True) if k == label)
        for f, label in zip(features, labels, strict=True)
    ]
    variance = sum(own) / (len(own) - 1) if variance is None else variance
    total = 0.0
    for feature, label, nearest in zip(features, labels, own, strict=True):
        numerator = math.exp(-nearest / (2 * variance) - alpha)
        others = [
            math.exp(-squared(feature, c) / (2 * variance)) for c, k in zip(centres, classes, strict=True) if k != label
        ]
        total += max(0.0, -math.log(numerator / sum(others)))
    return total / len(labels)


def magnet_probs(features, centres, centre_classes, variance, near=None):
    """Eq. 4 sample by sample, over the ``near`` nearest clusters of each (D_near; None for all)."""
    rows = []
    for feature in features.double().tolist():
        scores = [0.0] * (max(centre_classes.tolist()) + 1)
        found = []
        for centre, k in zip(centres.double().tolist(), centre_classes.tolist(), strict=True):
            found.append((sum((x - y) ** 2 for x, y in zip(feature, centre, strict=True)), k))
        for distance, k in sorted(found)[:near]:
            scores[k] += math.exp(-distance / (2 * variance))
        rows.append([score / sum(scores) for score in scores])
    return rows


# NCP-ACL (submitted to ICLR 2025), Eq. 1, 3 and 4


def cosine(a: list[float], b: list[float]) -> float:
    return dot(unit(a), unit(b))


def nt_xent(versions: list[Rows], temperature: float) -> float:
    """Eq. 1: every version of every sample as anchor, each of its other versions as the positive; the mean."""
    rows = [unit(row) for version in versions for row in version]
    n_samples, losses = len(versions[0]), []
    for i, anchor in enumerate(rows):
        shares = [math.exp(dot(anchor, row) / temperature) for j, row in enumerate(rows) if j != i]
        total = math.fsum(shares)
        for j, row in enumerate(rows):
            if j != i and j % n_samples == i % n_samples:
                losses.append(-math.log(math.exp(dot(anchor, row) / temperature) / total))
    return mean(losses)


def ncp_acl(clean: Rows, taught: Rows, attacked: Rows, weight: float) -> float:
    """Eq. 3, CosSim being minus the cosine."""
    kept = mean([-cosine(a, b) for a, b in zip(clean, taught, strict=True)])
    return kept + weight * mean([-cosine(a, b) for a, b in zip(attacked, clean, strict=True)])


def neighbour_pursuit(embedding: list[float], own: list[float], neighbour: list[float]) -> float:
    """Eq. 4: CosSim to the own centroid minus CosSim to the neighbour's."""
    return -cosine(embedding, own) - (-cosine(embedding, neighbour))
