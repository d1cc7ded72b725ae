import contextlib
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from core.errors import LabError
from core.projection import NEIGHBOURS, fit_pca, fit_umap, umap_projection


def samples(count=60, width=8, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.normal(0, 4, (3, width))
    return (centres[np.arange(count) % 3] + generator.normal(0, 1, (count, width))).astype(np.float32)


def umap_like(hidden):
    """A UMAP projection without UMAP: each reference sample at a random place."""
    points = np.random.default_rng(9).normal(0, 5, (len(hidden), 2)).astype(np.float32)
    return umap_projection(hidden, points)


FITTED = {"pca": fit_pca, "umap": umap_like}


@pytest.fixture(params=FITTED)
def projection(request):
    return FITTED[request.param](samples())


def test_places_are_float32_pairs(projection):
    placed = projection.place(samples(7, seed=1))
    assert placed.shape == (7, 2)
    assert placed.dtype == np.float32
    assert projection.place(np.empty((0, 8))).shape == (0, 2)


def test_a_sample_is_placed_alone_as_in_company(projection):
    moved = samples(20, seed=1)
    together = projection.place(moved)
    alone = np.concatenate([projection.place(row[None]) for row in moved])
    np.testing.assert_allclose(together, alone, atol=1e-5)  # float32 of numbers below 20


def test_places_follow_the_order_of_the_samples(projection):
    moved = samples(20, seed=1)
    order = np.random.default_rng(0).permutation(len(moved))
    np.testing.assert_allclose(projection.place(moved[order]), projection.place(moved)[order], atol=1e-5)


@pytest.mark.parametrize("hidden", [np.zeros((3, 5)), np.zeros(8), np.full((1, 8), np.nan), np.full((1, 8), np.inf)])
def test_samples_that_do_not_fit_are_refused(projection, hidden):
    with pytest.raises(LabError):
        projection.place(hidden)


# PCA


def test_pca_equals_scikit_learn_up_to_sign():
    hidden = samples()
    expected = PCA(2).fit(hidden.astype(np.float64)).transform(samples(10, seed=1))
    placed = fit_pca(hidden).place(samples(10, seed=1))
    signs = np.sign((expected * placed).sum(axis=0))
    np.testing.assert_allclose(placed, expected * signs, atol=1e-4)  # axes are kept in float32


def test_pca_does_not_depend_on_the_order_or_the_sign_of_what_it_is_fitted_on():
    hidden = samples()
    shuffled = hidden[np.random.default_rng(0).permutation(len(hidden))]
    np.testing.assert_allclose(fit_pca(shuffled).axes, fit_pca(hidden).axes, atol=1e-5)
    np.testing.assert_allclose(fit_pca(-hidden).axes, fit_pca(hidden).axes, atol=1e-5)


def test_the_largest_weight_of_each_axis_is_positive():
    axes = fit_pca(samples()).axes
    assert (axes[[0, 1], np.abs(axes).argmax(axis=1)] > 0).all()


def test_pca_of_a_shifted_set_is_the_same_map():
    hidden = samples()
    np.testing.assert_allclose(fit_pca(hidden + 3).place(hidden + 3), fit_pca(hidden).place(hidden), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8), (2, 8), (5, 1)])
def test_pca_of_very_little_lies_on_a_line(shape):
    placed = fit_pca(samples(*shape)).place(samples(*shape))
    assert np.isfinite(placed).all()
    np.testing.assert_allclose(placed[:, 1], 0, atol=1e-5)


@pytest.mark.parametrize("fit", [fit_pca, fit_umap])
@pytest.mark.parametrize("hidden", [np.empty((0, 4)), np.full((9, 4), np.nan), np.zeros(9), np.zeros((9, 0))])
def test_a_map_is_not_fitted_on_unusable_samples(fit, hidden):
    with pytest.raises(LabError):
        fit(hidden)


# Placement between neighbours


def test_reference_samples_are_placed_exactly():
    projection = umap_like(samples(700))  # more than one block
    np.testing.assert_array_equal(projection.place(projection.reference), projection.points)


def test_reference_samples_far_from_the_origin_are_placed_exactly():
    projection = umap_like(samples() + 3000)  # where squared distances lose their last digits
    np.testing.assert_array_equal(projection.place(projection.reference), projection.points)


def literal_place(projection, sample):
    distances = np.sqrt(((projection.reference.astype(np.float64) - sample) ** 2).sum(axis=1))
    nearest = sorted(range(len(distances)), key=lambda row: distances[row])[:NEIGHBOURS]
    weights = [1 / distances[row] for row in nearest]
    return sum(w * projection.points[row] for w, row in zip(weights, nearest, strict=True)) / sum(weights)


def test_new_samples_lie_at_the_inverse_distance_mean_of_their_neighbours():
    projection = umap_like(samples())
    moved = samples(10, seed=1)
    expected = [literal_place(projection, sample) for sample in moved]
    np.testing.assert_allclose(projection.place(moved), expected, atol=1e-5)


def test_a_tiny_move_of_a_sample_is_a_small_move_on_the_map():
    projection = umap_like(samples())
    placed = projection.place(projection.reference + np.float32(1e-4))
    # 2.8e-4 away from a point whose 11 neighbours are 1.5 away or more, on a map about 20 wide: at most 0.04.
    assert np.abs(placed - projection.points).max() < 0.05


def test_of_equal_reference_samples_the_first_decides():
    hidden = samples()
    hidden[5] = hidden[2]
    projection = umap_like(hidden)
    np.testing.assert_array_equal(projection.place(hidden[5][None])[0], projection.points[2])


def test_fewer_reference_samples_than_neighbours_are_enough():
    projection = umap_like(samples(3))
    np.testing.assert_allclose(projection.place(samples(4, seed=1)).shape, (4, 2))


# UMAP


def test_a_stored_map_places_as_the_fitted_one():
    fitted = umap_like(samples())
    again = umap_projection(fitted.reference, fitted.points)
    moved = samples(20, seed=1)
    np.testing.assert_array_equal(again.place(moved), fitted.place(moved))


@pytest.mark.parametrize(
    "points", [np.zeros((5, 2)), np.zeros((60, 3)), np.full((60, 2), np.nan), np.zeros(60)], ids=str
)
def test_points_of_other_samples_are_no_map(points):
    with pytest.raises(LabError):
        umap_projection(samples(), points)


def test_umap_needs_four_samples():
    with pytest.raises(LabError, match="at least 4"):
        fit_umap(samples(3))


def test_umap_runs_in_one_thread_at_a_time(monkeypatch):
    meeting, met = threading.Barrier(2), []

    class Umap:
        def __init__(self, **_):
            pass

        def fit_transform(self, hidden):
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(timeout=0.2)
                met.append(True)
            return hidden[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    threads = [threading.Thread(target=fit_umap, args=(samples(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not met


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_gives_the_same_again():
    hidden = samples(60)
    projection = fit_umap(hidden, seed=1)
    np.testing.assert_array_equal(projection.place(hidden), projection.points)
    np.testing.assert_array_equal(fit_umap(hidden, seed=1).points, projection.points)
    groups = np.stack([projection.points[np.arange(60) % 3 == group] for group in range(3)])
    spread = groups.std(axis=1).max()
    centres = groups.mean(axis=1)
    apart = min(np.linalg.norm(centres[a] - centres[b]) for a, b in [(0, 1), (0, 2), (1, 2)])
    assert apart > 2 * spread
