import math

import numpy as np
import pytest
import torch

from core.errors import LabError
from core.losses.mitigation import attack_mitigation
from core.theory import conditional_mutual_information, gap, mitigation_bound

SAMPLES, VERSIONS, CLUSTERS = 5, 4, 3
SHARPNESS = (0.05, 0.5, 5.0)  # of a Dirichlet distribution: almost one-hot, broad, almost uniform


def draw(sharpness, seed=0):
    """Probabilities of adversarial versions (N, S, K) and of clean samples (N, K)."""
    generator = np.random.default_rng(seed)
    alpha = np.full(CLUSTERS, sharpness)
    return generator.dirichlet(alpha, (SAMPLES, VERSIONS)), generator.dirichlet(alpha, SAMPLES)


def literal_information(versions):
    """I(x̃; ã | x) from the joint distribution p(x̃, ã | x), by the definition of mutual information."""
    values = []
    for sample in versions:
        total = 0.0
        for s in range(len(sample)):
            for k in range(len(sample[s])):
                joint = sample[s][k] / len(sample)
                marginal = sum(row[k] for row in sample) / len(sample)
                if joint > 0:
                    total += joint * math.log(joint / (marginal / len(sample)))
        values.append(total)
    return values


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_the_information_is_that_of_the_joint_distribution(sharpness):
    versions, _ = draw(sharpness)
    np.testing.assert_allclose(conditional_mutual_information(versions), literal_information(versions), atol=1e-9)


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_the_bound_is_the_loss_that_the_mitigator_minimises(sharpness):
    versions, clean = draw(sharpness)
    adversarial = torch.from_numpy(versions.reshape(-1, CLUSTERS))
    repeated = torch.from_numpy(clean.repeat(VERSIONS, axis=0))
    loss = attack_mitigation(adversarial, repeated, direction="adversarial_to_clean")
    assert mitigation_bound(versions, clean).mean() == pytest.approx(loss.item(), abs=1e-6)


@pytest.mark.parametrize("sharpness", SHARPNESS)
@pytest.mark.parametrize("seed", range(20))
def test_the_information_never_exceeds_the_bound(sharpness, seed):
    versions, clean = draw(sharpness, seed)
    information, bound = conditional_mutual_information(versions), mitigation_bound(versions, clean)
    assert (information <= bound + 1e-12).all()
    assert (information >= -1e-12).all()
    assert (information <= math.log(min(VERSIONS, CLUSTERS)) + 1e-12).all()


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_the_gap_is_what_the_bound_exceeds_the_information_by(sharpness):
    versions, clean = draw(sharpness)
    difference = mitigation_bound(versions, clean) - conditional_mutual_information(versions)
    np.testing.assert_allclose(gap(versions, clean), difference, atol=1e-9)


def test_versions_that_are_all_wrong_in_the_same_way_carry_no_information():
    versions = np.zeros((1, VERSIONS, CLUSTERS))
    versions[..., 1] = 1
    clean = np.array([[1.0, 0.0, 0.0]])
    assert conditional_mutual_information(versions) == pytest.approx(0, abs=1e-9)
    assert mitigation_bound(versions, clean)[0] > 20


def test_versions_in_clusters_of_their_own_carry_all_information():
    versions = np.eye(CLUSTERS)[None]
    assert conditional_mutual_information(versions)[0] == pytest.approx(math.log(CLUSTERS), abs=1e-9)


def test_without_an_attack_both_sides_are_nothing():
    _, clean = draw(0.5)
    versions = np.repeat(clean[:, None], VERSIONS, axis=1)
    np.testing.assert_allclose(mitigation_bound(versions, clean), 0, atol=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        np.full((2, 3), 1 / 3),
        np.full((2, 0, 3), 1 / 3),
        np.full((2, 2, 3), 0.5),
        np.full((1, 1, 2), np.nan),
        -np.eye(2)[None],
    ],
)
def test_what_are_no_probabilities_of_versions_is_refused(values):
    with pytest.raises(LabError, match="probabilities"):
        conditional_mutual_information(values)


def test_clean_probabilities_of_other_samples_are_refused():
    versions, clean = draw(0.5)
    with pytest.raises(LabError, match="not of the same samples"):
        mitigation_bound(versions, clean[:-1])
