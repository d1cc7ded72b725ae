from itertools import combinations

import numpy as np
import pytest

from core.ceiling import ceiling, distances
from core.errors import LabError


def drawn(n=12, seed=0):
    generator = np.random.default_rng(seed)
    views = [generator.random((n, 1, 2, 2)).astype(np.float32) for _ in range(2)]
    return views, generator.integers(0, 3, n)


def most_that_can_be_right(views, labels, epsilon):
    """Every subset of samples, the largest without two of different labels whose balls meet in every view."""
    n = len(labels)

    def meet(i, j):
        return all(np.abs(view[i] - view[j]).max() <= 2 * epsilon for view in views)

    conflicts = [(i, j) for i, j in combinations(range(n), 2) if labels[i] != labels[j] and meet(i, j)]
    sizes = [
        bin(chosen).count("1") for chosen in range(2**n) if not any(chosen >> i & chosen >> j & 1 for i, j in conflicts)
    ]
    return max(sizes) / n


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("epsilon", [0.2, 0.3, 0.4])
def test_the_ceiling_is_never_below_what_can_be_right(seed, epsilon):
    views, labels = drawn(seed=seed)
    assert ceiling(distances(views), labels, epsilon) >= most_that_can_be_right(views, labels, epsilon) - 1e-9


def test_a_pair_that_meets_costs_one_of_the_two():
    views = [np.array([[0.0], [0.5], [1.0]], dtype=np.float32)]
    labels = np.array([0, 1, 1])
    assert ceiling(distances(views), labels, 0.24) == 1
    assert ceiling(distances(views), labels, 0.25) == pytest.approx(2 / 3)


def test_samples_of_one_label_are_in_nobodys_way():
    views, labels = drawn()
    assert ceiling(distances(views), np.zeros_like(labels), 1.0) == 1


def test_a_view_that_stays_apart_is_enough():
    near, far = np.zeros((2, 3), dtype=np.float32), np.array([[0.0], [0.9]], dtype=np.float32)
    labels = np.array([0, 1])
    assert ceiling(distances([near]), labels, 0.3) == 0.5
    assert ceiling(distances([near, far]), labels, 0.3) == 1


def test_the_ceiling_only_falls_as_epsilon_grows():
    views, labels = drawn(40)
    found = [ceiling(distances(views), labels, epsilon) for epsilon in (0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1
    assert found[-1] < 1


def test_an_impossible_epsilon_is_refused():
    with pytest.raises(LabError, match=r"epsilon|ε"):
        ceiling(distances(drawn()[0]), drawn()[1], 1.5)
