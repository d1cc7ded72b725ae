"""The most ACC that any model whatever can keep on samples under an L∞ budget: a property of the data alone.

Two samples of different labels that are within 2ε of each other in every pixel of every view can both be turned into
the same pictures, so that at most one of them is still right there. The fewest samples that must fail so are a vertex
cover of these conflicts; its linear relaxation is no larger, hence the ceiling is one (Bhagoji et al., NeurIPS 2019).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from core.records import Floats, Integers, check_epsilon

ROUNDING = 1e-6  # of float32 pixels


def distances(views: Sequence[Floats]) -> NDArray[np.float32]:
    """The largest difference of any pixel of any view, (N, N), of V x (N, …) in [0, 1]."""
    rows = [view.reshape(len(view), -1) for view in views]
    return np.array([np.max([np.abs(row - row[i]).max(axis=1) for row in rows], axis=0) for i in range(len(rows[0]))])


def ceiling(apart: Floats, labels: Integers, epsilon: float) -> float:
    """The share of samples (N,) that can be right at ε, from their :func:`distances` (N, N); 1 without conflicts.

    Raises :class:`LabError` for an ε outside [0, 1].
    """
    check_epsilon(epsilon, "linf")
    first, second = np.nonzero(np.triu((apart <= 2 * epsilon + ROUNDING) & (labels[:, None] != labels)))
    if not len(first):
        return 1.0
    places = np.arange(len(first))
    ends = csr_matrix(
        (np.ones(2 * len(first)), (np.r_[places, places], np.r_[first, second])), shape=(len(first), len(labels))
    )
    failing = linprog(np.ones(len(labels)), A_ub=-ends, b_ub=-np.ones(len(first)), bounds=(0, 1))
    return 1.0 - float(failing.fun) / len(labels)
