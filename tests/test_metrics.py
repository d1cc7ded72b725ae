from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from core.errors import LabError
from core.metrics import accuracy, attack_scores, confusion, match, recall, score

SCORES = ("accuracy", "nmi", "ari")


def random_clustering(seed, samples=50, n_labels=4, n_clusters=4):
    generator = np.random.default_rng(seed)
    return generator.integers(0, n_labels, samples), generator.integers(0, n_clusters, samples)


def brute_force_accuracy(labels, clusters, n_labels, n_clusters):
    """The best share over all one-to-one maps, with imaginary labels for clusters that are left over."""
    size = max(n_labels, n_clusters)
    return max(np.mean(np.array(order)[clusters] == labels) for order in permutations(range(size)))


@pytest.mark.parametrize("name", SCORES)
def test_a_perfect_clustering_scores_one(name):
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert getattr(score(labels, np.array([2, 2, 0, 0, 1, 1])), name) == pytest.approx(1)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_does_not_depend_on_cluster_names(name):
    labels, clusters = random_clustering(0)
    renamed = np.array([3, 1, 0, 2])[clusters]
    assert getattr(score(labels, renamed), name) == pytest.approx(getattr(score(labels, clusters), name))


@pytest.mark.parametrize("name", SCORES)
def test_a_score_does_not_depend_on_the_order_of_samples(name):
    labels, clusters = random_clustering(0)
    order = np.random.default_rng(1).permutation(len(labels))
    assert getattr(score(labels[order], clusters[order]), name) == pytest.approx(getattr(score(labels, clusters), name))


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_symmetric(name):
    labels, clusters = random_clustering(2, n_clusters=3)
    assert getattr(score(labels, clusters), name) == pytest.approx(getattr(score(clusters, labels), name))


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_a_plain_float(name):
    assert type(getattr(score(*random_clustering(0)), name)) is float


@pytest.mark.parametrize("name", SCORES)
def test_a_score_allows_an_empty_cluster(name):
    labels = np.array([0, 0, 1, 1])
    assert getattr(score(labels, np.array([5, 5, 2, 2])), name) == pytest.approx(1)


def test_scores_are_those_of_scikit_learn():
    labels, clusters = random_clustering(3)
    found = score(labels, clusters)
    assert found.nmi == normalized_mutual_info_score(labels, clusters, average_method="arithmetic")
    assert found.ari == adjusted_rand_score(labels, clusters)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n_labels", "n_clusters"), [(4, 4), (2, 5), (5, 2), (1, 3), (3, 1)])
def test_accuracy_is_the_best_over_all_permutations(seed, n_labels, n_clusters):
    labels, clusters = random_clustering(seed, 20, n_labels, n_clusters)
    expected = brute_force_accuracy(labels, clusters, n_labels, n_clusters)
    assert score(labels, clusters).accuracy == pytest.approx(expected)
    matching = match(labels, clusters, n_labels=n_labels, n_clusters=n_clusters)
    assert accuracy(labels, clusters, matching) == pytest.approx(expected)


def test_confusion_counts_labels_by_row_and_clusters_by_column():
    table = confusion([0, 0, 1, 2], [1, 1, 0, 1], n_labels=3, n_clusters=4)
    assert table.tolist() == [[0, 2, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert table.dtype == np.int64


def test_matching_gives_the_label_of_each_cluster():
    assert match([0, 0, 1, 1, 2], [2, 2, 0, 0, 1]).tolist() == [1, 2, 0]


def test_matching_weighs_all_clusters_together():
    # Cluster 0 prefers label 0 by one sample, cluster 1 by three: the sum decides.
    labels, clusters = [0, 0, 0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert match(labels, clusters).tolist() == [1, 0]


def test_matching_leaves_spare_clusters_without_a_label():
    assert match([0, 0, 0, 1], [0, 0, 1, 2]).tolist() == [0, -1, 1]


def test_matching_gives_no_label_without_a_sample_that_supports_it():
    assert match([0, 0, 1], [0, 0, 2], n_clusters=3, n_labels=3).tolist() == [0, -1, 1]


def test_matching_of_real_labels_equals_scipy():
    labels, clusters = random_clustering(4, 500, 10, 10)
    rows, columns = linear_sum_assignment(-confusion(labels, clusters, n_labels=10, n_clusters=10))
    assert match(labels, clusters)[columns].tolist() == rows.tolist()


def test_a_frozen_matching_is_kept():
    assert accuracy([0, 1, 1], [0, 0, 1], [1, 0]) == pytest.approx(1 / 3)


def test_an_unmatched_cluster_is_never_right():
    assert accuracy([0, 1], [0, 1], [-1, 1]) == 0.5


@pytest.mark.parametrize("seed", range(10))
def test_frozen_accuracy_never_beats_the_rematched_one(seed):
    labels, clean = random_clustering(seed)
    _, attacked = random_clustering(seed + 100)
    matching = match(labels, clean, n_clusters=4, n_labels=4)
    assert accuracy(labels, attacked, matching) <= score(labels, attacked).accuracy


def test_recall_is_the_accuracy_of_each_label():
    labels, clusters = random_clustering(5)
    matching = match(labels, clusters)
    shares = recall(labels, clusters, matching, 4)
    expected = [accuracy(labels[labels == k], clusters[labels == k], matching) for k in range(4)]
    np.testing.assert_allclose(shares, expected)


def test_recall_is_missing_where_a_label_has_no_sample():
    np.testing.assert_array_equal(recall([0, 2], [0, 1], [0, 2], 4), [1, np.nan, 1, np.nan])


# Attack scores


def attacked_samples(samples=30):
    generator = np.random.default_rng(0)
    labels, clean = random_clustering(6, samples)
    _, clusters = random_clustering(7, samples)
    clean_views = tuple(generator.random((samples, 1, 5, 6), dtype=np.float32) for _ in range(2))
    views = (clean_views[0] + np.float32(0.25), clean_views[1].copy())
    return labels, clean, clusters, match(labels, clean), clean_views, views


def test_attack_scores_report_both_matchings():
    labels, _, clusters, matching, *_ = sample = attacked_samples()
    found = attack_scores(*sample)
    assert found.frozen.accuracy == accuracy(labels, clusters, matching)
    assert found.rematched == score(labels, clusters)
    assert found.frozen.accuracy < found.rematched.accuracy
    assert (found.frozen.nmi, found.frozen.ari) == (found.rematched.nmi, found.rematched.ari)


def test_attack_scores_count_moved_samples():
    _, clean, clusters, *_ = sample = attacked_samples()
    assert attack_scores(*sample).changed == pytest.approx(sum(clean != clusters) / len(clean))


def test_attack_scores_hold_the_recall_of_each_label():
    labels, _, clusters, matching, *_ = sample = attacked_samples()
    np.testing.assert_allclose(attack_scores(*sample).recall, recall(labels, clusters, matching, 4))


def test_attack_scores_have_a_recall_for_labels_that_no_sample_has():
    labels, clean, clusters, matching, *views = attacked_samples()
    found = attack_scores(labels, clean, clusters, [*matching, -1], *views)
    assert len(found.recall) == 5
    assert np.isnan(found.recall[4])
    assert len(attack_scores(labels, clean, clusters, matching, *views, n_labels=7).recall) == 7


def test_attack_scores_measure_each_view():
    found = attack_scores(*attacked_samples())
    assert found.linf == pytest.approx((0.25, 0), abs=1e-7)
    assert found.l2 == pytest.approx((0.25 * np.sqrt(30), 0), abs=1e-6)


def test_l2_is_a_mean_over_samples_and_linf_the_largest():
    labels, clean, clusters, matching, clean_views, _ = attacked_samples()
    still = tuple(view.copy() for view in clean_views)
    still[0][0, 0, 0, 0] -= 0.5
    found = attack_scores(labels, clean, clusters, matching, clean_views, still)
    assert found.l2[0] == pytest.approx(0.5 / len(labels), rel=1e-5)
    assert found.linf[0] == pytest.approx(0.5, rel=1e-5)


def test_unmoved_samples_have_the_clean_scores():
    labels, clean, _, matching, views, _ = attacked_samples()
    found = attack_scores(labels, clean, clean, matching, views, views)
    assert found.changed == 0
    assert found.frozen == found.rematched == score(labels, clean)
    assert found.l2 == found.linf == (0.0, 0.0)


def test_attack_scores_are_plain_floats():
    found = attack_scores(*attacked_samples())
    assert {type(value) for value in (found.changed, *found.recall, *found.l2, *found.linf)} == {float}


def test_views_of_other_shapes_are_refused():
    *sample, clean_views, views = attacked_samples()
    with pytest.raises(LabError, match="cannot be compared"):
        attack_scores(*sample, clean_views, views[:1])
    with pytest.raises(LabError, match="cannot be compared"):
        attack_scores(*sample, [view[:5] for view in clean_views], [view[:5] for view in views])


# Bad input

BAD = {
    "lengths": ([0, 1, 1], [0, 1], "3 labels but 2 clusters"),
    "empty": ([], [], "at least one"),
    "table": ([[0], [1]], [0, 1], "shape"),
    "missing": ([0.0, np.nan], [0, 1], "infinite or missing"),
    "infinite": ([0, 1], [0.0, np.inf], "infinite or missing"),
    "fraction": ([0, 1], [0.0, 1.5], "fraction"),
    "negative": ([0, -1], [0, 1], "count from 0"),
    "words": (["a", "b"], [0, 1], "whole numbers"),
}


@pytest.mark.parametrize(
    "function", [score, match, lambda a, b: accuracy(a, b, [0, 1]), lambda a, b: recall(a, b, [0, 1], 2)]
)
@pytest.mark.parametrize(("labels", "clusters", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_a_sentence(function, labels, clusters, words):
    with pytest.raises(LabError, match=words):
        function(labels, clusters)


def test_whole_floats_are_taken():
    assert score(np.array([0.0, 1.0]), np.array([1.0, 0.0])).accuracy == 1


def test_a_cluster_without_a_place_in_the_matching_is_refused():
    with pytest.raises(LabError, match="cluster 2"):
        accuracy([0, 1], [0, 2], [0, 1])


def test_a_label_beyond_the_table_is_refused():
    with pytest.raises(LabError, match="label 3"):
        confusion([0, 3], [0, 1], n_labels=3, n_clusters=2)
