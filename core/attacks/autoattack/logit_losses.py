"""What AutoAttack's members maximise: functions of logits (B, K) and of the clusters (B,) to leave, giving (B,)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from core.attacks.objectives import Objective
from core.errors import LabError
from core.types import Encoding

TINY = 1e-12  # keeps a ratio finite where all logits are equal
LOOKS_LIKE_ONE = 1e-4  # how far the sum of a row of probabilities may be from 1


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(z)_y, from logits and therefore without a floor."""
    return functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """max_{i≠y} z_i - z_y: above 0 where the sample has left its cluster."""
    own = functional.one_hot(labels, logits.shape[1]).bool()
    return logits.masked_fill(own, -torch.inf).amax(dim=1) - _at(logits, labels)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio: -(z_y - max_{i≠y} z_i) / (z_π1 - z_π3), π in falling order (Croce & Hein, Eq. 6).

    Shifting and scaling the logits leaves it as it is. Raises :class:`LabError` for fewer than 3 clusters.
    """
    _at_least(3, logits, "The DLR loss")
    falling = logits.sort(dim=1, descending=True).values
    return margin(logits, labels) / (falling[:, 0] - falling[:, 2] + TINY)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """-(z_y - z_t) / (z_π1 - (z_π3 + z_π4) / 2), t the cluster to go to (Croce & Hein, Eq. 7).

    Shifting and scaling the logits leaves it as it is. Raises :class:`LabError` for fewer than 4 clusters.
    """
    _at_least(4, logits, "The targeted DLR loss")
    falling = logits.sort(dim=1, descending=True).values
    difference = _at(logits, targets) - _at(logits, labels)
    return difference / (falling[:, 0] - (falling[:, 2] + falling[:, 3]) / 2 + TINY)


def ranked(logits: Tensor, rank: int) -> Tensor:
    """The cluster (B,) in place ``rank`` of the falling order of logits (B, K): 0 is the most probable one."""
    return logits.argsort(dim=1, descending=True, stable=True)[:, rank]


def on_logits(loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """An objective of a loss on logits: away from the clean sample's cluster."""
    return lambda clean, adversarial: loss(adversarial.logits, clean.clusters)


def towards(rank: int) -> Objective:
    """The targeted DLR loss towards the clean sample's ``rank``-th other cluster, 1 being the nearest."""

    def objective(clean: Encoding, adversarial: Encoding) -> Tensor:
        return targeted_dlr(adversarial.logits, clean.clusters, ranked(clean.logits, rank))

    return objective


def look_like_probabilities(logits: Tensor) -> Tensor:
    """Whether rows of logits (B, K) lie in [0, 1] and sum to one, (B,) bool: a softmax too many."""
    inside = ((logits >= 0) & (logits <= 1)).all(dim=1)
    return inside & ((logits.sum(dim=1) - 1).abs() < LOOKS_LIKE_ONE)


def _at(logits: Tensor, places: Tensor) -> Tensor:
    return logits.gather(1, places[:, None]).squeeze(1)


def _at_least(count: int, logits: Tensor, what: str) -> None:
    if logits.shape[1] < count:
        raise LabError(f"{what} needs at least {count} clusters, got {logits.shape[1]}; use the cross-entropy.")
