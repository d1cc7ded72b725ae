"""What an attack maximises: functions of the clean and the adversarial encoding, one number a sample (B,)."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

from core.errors import LabError
from core.losses.contrastive import sum_over_pairs
from core.losses.robust_contrastive import likeness
from core.registry import Registry
from core.types import LOG_FLOOR, Encoding

Objective = Callable[[Encoding, Encoding], Tensor]  # clean, adversarial -> (B,), to be maximised
Consensus = Literal["hidden", "fused", "probs"]
Strategy = Literal["own", "toward", "both"]
STRATEGIES: tuple[Strategy, ...] = ("own", "toward", "both")  # Table 4 of NCP-ACL: away from, toward, both


def view_distances(clean: Encoding, adversarial: Encoding) -> Tensor:
    """Squared distance of each view's embedding, summed over views, (B,): Eq. 2."""
    pairs = zip(clean.embeddings, adversarial.embeddings, strict=True)
    return torch.stack([(z - z_adversarial).square().sum(dim=1) for z, z_adversarial in pairs]).sum(dim=0)


def consensus_distance(clean: Encoding, adversarial: Encoding, consensus: Consensus = "hidden") -> Tensor:
    """Squared distance of the consensus, (B,): Eq. 3. "fused" is the paper's z*, "hidden" the released code's."""
    difference = getattr(clean, consensus) - getattr(adversarial, consensus)
    return torch.as_tensor(difference.square().sum(dim=1))


def complementarity() -> Objective:
    """Each view's embedding moves (Eq. 2)."""
    return view_distances


def consistency(*, consensus: Consensus = "hidden") -> Objective:
    """The consensus moves (Eq. 3)."""
    return lambda clean, adversarial: consensus_distance(clean, adversarial, consensus)


def both(
    *, complementarity_weight: float = 1.0, consistency_weight: float = 1.0, consensus: Consensus = "hidden"
) -> Objective:
    """Eq. 2 and Eq. 3 weighted and added: the paper's attack without its GAN."""
    return lambda clean, adversarial: (
        complementarity_weight * view_distances(clean, adversarial)
        + consistency_weight * consensus_distance(clean, adversarial, consensus)
    )


def assignment() -> Objective:
    """Cross-entropy against the clean sample's cluster: the field's usual objective, here without labels."""

    def cross_entropy(clean: Encoding, adversarial: Encoding) -> Tensor:
        kept = adversarial.probs.gather(1, clean.clusters[:, None]).squeeze(1)  # (B,)
        return -kept.clamp_min(LOG_FLOOR).log()

    return cross_entropy


def contrastive(*, temperature: float = 0.1) -> Objective:
    """The contrast between the adversarial views, over all pairs: what adversarial training ascends (Eq. 9).

    Of a single view it raises :class:`LabError`.
    """

    def contrast(clean: Encoding, adversarial: Encoding) -> Tensor:
        if len(adversarial.embeddings) == 1:
            raise LabError("The contrastive objective compares views, and here is only one; choose assignment.")
        return sum_over_pairs(adversarial.embeddings, temperature)

    return contrast


def neighbour_pursuit(embedding: Tensor, own: Tensor | None, neighbour: Tensor | None) -> Tensor:
    """-cos(embedding, own) + cos(embedding, neighbour) of rows (B, D), (B,): NCP-ACL's Eq. 4, to be maximised.

    Without ``neighbour`` it only leaves the own centroid, without ``own`` it only goes toward the neighbour (Table 4).
    """
    gain = torch.zeros_like(embedding[:, 0])
    if own is not None:
        gain = gain - likeness(embedding, own)
    return gain if neighbour is None else gain + likeness(embedding, neighbour)


def pursuit(centroids: Tensor, *, strategy: Strategy = "both", rank: int = 2) -> Objective:
    """Toward a neighbouring cluster of a representation with unit ``centroids`` (K, D).

    A sample's own centroid is the nearest to its clean representation, its neighbour's the ``rank``-th nearest.
    Raises :class:`LabError` for an unknown strategy and a rank that is not from 2 to K.
    """
    if strategy not in STRATEGIES:
        raise LabError(f"A strategy is one of {', '.join(STRATEGIES)}, got {strategy!r}.")
    if not 2 <= rank <= len(centroids):
        raise LabError(
            f"Of {len(centroids)} centroids, the neighbour's rank is from 2 to {len(centroids)}, got {rank}."
        )

    def gain(clean: Encoding, adversarial: Encoding) -> Tensor:
        nearest = neighbours(clean.hidden, centroids, rank)  # (B, rank)
        own = None if strategy == "toward" else centroids[nearest[:, 0]]
        neighbour = None if strategy == "own" else centroids[nearest[:, -1]]
        return neighbour_pursuit(adversarial.hidden, own, neighbour)

    return gain


def neighbours(embedding: Tensor, centroids: Tensor, count: int) -> Tensor:
    """The nearest ``count`` centroids (B, count) of rows (B, D) by cosine, nearest first."""
    return (normalize(embedding, dim=1) @ centroids.T).topk(count, dim=1).indices


def log_scores() -> Objective:
    """Cross-entropy of the logits against the clean class, without a floor; of a Magnet's, they are log-scores."""
    return lambda clean, adversarial: cross_entropy(adversarial.logits, clean.clusters, reduction="none")


def scores() -> Objective:
    """ClusTR's own attack on a Magnet: the cross-entropy as if its scores Σ exp(-d / 2s²) were logits.

    Far from its own centre a score, and with it the slope, is almost 0: that hides a model more than it hardens it.
    """
    return lambda clean, adversarial: cross_entropy(adversarial.logits.exp(), clean.clusters, reduction="none")


def margin() -> Objective:
    """How far the largest other logit is above the clean class's."""

    def difference(clean: Encoding, adversarial: Encoding) -> Tensor:
        return _others(clean, adversarial).amax(dim=1) - _own(clean, adversarial)

    return difference


def magnet() -> Objective:
    """The Magnet loss of a sample, from log-scores: the adaptive attack of ClusTR, here without the hinge."""

    def loss(clean: Encoding, adversarial: Encoding) -> Tensor:
        return _others(clean, adversarial).logsumexp(dim=1) - _own(clean, adversarial)

    return loss


def _own(clean: Encoding, adversarial: Encoding) -> Tensor:
    return adversarial.logits.gather(1, clean.clusters[:, None]).squeeze(1)


def _others(clean: Encoding, adversarial: Encoding) -> Tensor:
    own = one_hot(clean.clusters, adversarial.logits.shape[1]).bool()
    return adversarial.logits.masked_fill(own, -torch.inf)


OF_CLASSIFIERS = ("log_scores", "scores", "margin", "magnet")  # on logits; the others serve every clustering
BETWEEN_VIEWS = "contrastive"  # that one view alone does not have
# What is offered on a model, the usual one first. On classifiers that is the margin: PGD with it leaves the least on
# average over those of the digits, while distances of embeddings, which know of no class, leave far more.
OFFERED_ON_CLUSTERINGS = ("both", "complementarity", "consistency", "assignment", BETWEEN_VIEWS)
OFFERED_ON_CLASSIFIERS = ("margin", "log_scores", "assignment", "consistency")
OFFERED_ON_MAGNETS = (*OFFERED_ON_CLASSIFIERS, "magnet", "scores")
OBJECTIVES: Registry[Objective] = Registry(
    "objective",
    {
        "complementarity": complementarity,
        "consistency": consistency,
        "both": both,
        "assignment": assignment,
        "contrastive": contrastive,
        "log_scores": log_scores,
        "scores": scores,
        "margin": margin,
        "magnet": magnet,
    },
)
