import math

import pytest
import torch
from sklearn.metrics import silhouette_score

from core.clustering import silhouette, silhouettes, spherical_kmeans
from core.errors import LabError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bundles(n_samples=120, n_bundles=4, width=6):
    """Directions in four bundles, of any length."""
    generator = seeded()
    axes = 4 * torch.randn(n_bundles, width, generator=generator)
    rows = axes[torch.arange(n_samples) % n_bundles] + 0.4 * torch.randn(n_samples, width, generator=generator)
    return rows * (0.2 + 3 * torch.rand(n_samples, 1, generator=generator))


def angle(row, other):
    dot = sum(a * b for a, b in zip(row, other, strict=True))
    return dot / math.hypot(*row) / math.hypot(*other)


def test_directions_in_bundles_are_found_whatever_their_length():
    labels, centroids = spherical_kmeans(bundles(), 4, generator=seeded())
    expected = torch.arange(120) % 4
    assert len({(a, b) for a, b in zip(labels.tolist(), expected.tolist(), strict=True)}) == 4
    torch.testing.assert_close(centroids.norm(dim=1), torch.ones(4))


def test_at_the_end_each_row_is_at_its_nearest_centroid_which_is_the_direction_of_its_members():
    rows = bundles()
    labels, centroids = spherical_kmeans(rows, 6, generator=seeded(3))
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        cosines = [angle(row, centroid) for centroid in centroids.tolist()]
        assert cosines[label] >= max(cosines) - 1e-5
    for k, centroid in enumerate(centroids.double().tolist()):
        members = [[x / math.hypot(*row) for x in row] for row in rows[labels == k].double().tolist()]
        total = [sum(column) for column in zip(*members, strict=True)]
        assert centroid == pytest.approx([x / math.hypot(*total) for x in total], abs=1e-5)


def test_no_cluster_is_left_empty():
    rows = torch.cat((torch.ones(30, 3), -torch.ones(2, 3), torch.eye(3)))
    start = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.01], [1.0, 1.02, 1.0], [1.0, 1.0, 1.03], [1.03, 1.0, 1.0]])
    labels, centroids = spherical_kmeans(rows, 5, generator=seeded(), init=start)
    assert sorted(labels.unique().tolist()) == [0, 1, 2, 3, 4]
    assert centroids.isfinite().all()


def test_the_generator_decides_the_seeding_and_a_start_needs_none():
    rows = bundles()
    first, again = (spherical_kmeans(rows, 9, generator=seeded(1))[1] for _ in range(2))
    assert torch.equal(first, again)
    warm = spherical_kmeans(rows, 9, generator=seeded(5), init=first)[1]
    torch.testing.assert_close(warm, first, rtol=0, atol=1e-5)


def test_more_clusters_than_samples_are_refused():
    with pytest.raises(LabError, match="choose 1 to 3"):
        spherical_kmeans(torch.eye(3), 4, generator=seeded())


@pytest.mark.parametrize("n_clusters", [2, 5, 9])
def test_the_silhouette_is_scikit_learns_with_cosine_distance(n_clusters):
    rows = bundles()
    labels, _ = spherical_kmeans(rows, n_clusters, generator=seeded())
    labels[0] = n_clusters  # a cluster of one
    expected = silhouette_score(rows.numpy(), labels.numpy(), metric="cosine")
    assert silhouette(rows, labels).item() == pytest.approx(expected, abs=1e-5)


def test_the_silhouette_is_highest_at_the_true_number_of_bundles():
    curve = silhouettes(bundles(), (2, 3, 4, 6, 9), generator=seeded())
    assert curve.argmax() == 2


def test_one_cluster_has_no_silhouette():
    with pytest.raises(LabError, match="at least two"):
        silhouette(torch.eye(3), torch.zeros(3, dtype=torch.int64))
