"""Theorem 4.2 of AR-DMVC in numbers: what a clustering keeps of an attack, and the bound that the mitigator minimises.

Shape letters: N samples, S adversarial versions of each, K clusters. Versions are equally likely, so that p(x̃ | x) is
uniform over S pictures and every expectation is a finite sum. All results are in nats.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import LabError

Doubles = NDArray[np.float64]

FLOOR = 1e-12  # keeps log p finite, as the loss does (core/losses/mitigation.py)
SUM_TOLERANCE = 1e-3  # of float32 probabilities


def conditional_mutual_information(adversarial_probs: ArrayLike) -> Doubles:
    """I(x̃; ã | x) of each sample, (N,), from p(ã | x̃_s) in (N, S, K): Eq. 11.

    The mean over versions of KL(p(ã | x̃_s) ‖ p(ã | x)), where p(ã | x) is the mean of p(ã | x̃_s) over s. It lies in
    [0, log min(S, K)] and is 0 where all versions of a sample are assigned alike, wrongly or not.
    Raises :class:`LabError` for what are no probabilities of that shape.
    """
    versions = _probabilities(adversarial_probs, axes=3)
    return _mean(_divergence(versions, versions.mean(axis=1, keepdims=True)))


def mitigation_bound(adversarial_probs: ArrayLike, clean_probs: ArrayLike) -> Doubles:
    """KL(p(ã | x̃) ‖ p(a | x)) of each sample, (N,), the mean over its versions: Eq. 12.

    From p(ã | x̃_s) in (N, S, K) and p(a | x) in (N, K). It exceeds :func:`conditional_mutual_information` by
    :func:`gap`, which is never negative: Theorem 4.2. Raises :class:`LabError` as that does.
    """
    versions, clean = _pair(adversarial_probs, clean_probs)
    return _mean(_divergence(versions, clean[:, None]))


def gap(adversarial_probs: ArrayLike, clean_probs: ArrayLike) -> Doubles:
    """KL(p(ã | x) ‖ p(a | x)) of each sample, (N,): what the bound exceeds the information by.

    It is how far the attack moves a sample on average over its versions; the last line of the proof (A.2) drops it.
    """
    versions, clean = _pair(adversarial_probs, clean_probs)
    return _divergence(versions.mean(axis=1), clean)


def _divergence(first: Doubles, second: Doubles) -> Doubles:
    """KL(first ‖ second) over the last axis."""
    divergence: Doubles = (first * (np.log(first) - np.log(second))).sum(axis=-1)
    return divergence


def _mean(values: Doubles) -> Doubles:
    """Over versions: (N, S) to (N,)."""
    mean: Doubles = values.mean(axis=1)
    return mean


def _pair(adversarial_probs: ArrayLike, clean_probs: ArrayLike) -> tuple[Doubles, Doubles]:
    versions, clean = _probabilities(adversarial_probs, axes=3), _probabilities(clean_probs, axes=2)
    if (len(versions), versions.shape[2]) != clean.shape:
        raise LabError(f"Versions {versions.shape} and clean probabilities {clean.shape} are not of the same samples.")
    return versions, clean


def _probabilities(values: ArrayLike, *, axes: int) -> Doubles:
    """The values in double precision, floored, and with sums of exactly one."""
    probs = np.asarray(values, dtype=np.float64)
    if probs.ndim != axes or not probs.size:
        raise LabError(f"Cluster probabilities need {axes} axes and a value in each, got an array of {probs.shape}.")
    if not (np.isfinite(probs).all() and (probs >= 0).all() and np.allclose(probs.sum(axis=-1), 1, atol=SUM_TOLERANCE)):
        raise LabError("Cluster probabilities are not negative and sum to one, but these do not.")
    floored = probs.clip(FLOOR)
    normalised: Doubles = floored / floored.sum(axis=-1, keepdims=True)
    return normalised
