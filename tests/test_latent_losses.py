import numpy as np
import pytest
import torch

from core.errors import LabError
from core.losses import latent
from core.metrics import latent_shift
from tests import reference

CLOSE = 1e-9  # float64 on both sides
N, D, K, PIXELS = 7, 5, 3, 12


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def assignments(seed=0, sharpness=2.0):
    return (sharpness * draw(N, K, seed=seed)).softmax(dim=1)


def pictures(seed=0):
    return draw(N, 1, 3, PIXELS // 3, seed=seed).sigmoid()


def rows(tensor):
    return tensor.flatten(1).tolist()


def test_the_squared_error_sums_pixels_and_averages_samples():
    expected = reference.squared_error(rows(pictures(1)), rows(pictures(2)))
    assert latent.squared_error(pictures(1), pictures(2)).item() == pytest.approx(expected, rel=CLOSE)


def test_the_gaussian_term_is_the_divergence_from_the_centres_weighed_by_the_assignment():
    mean, log_variance, centres = draw(N, D, seed=1), draw(N, D, seed=2), draw(K, D, seed=3)
    expected = reference.gaussian_term(*map(rows, (mean, log_variance, assignments(), centres)))
    found = latent.gaussian_term(mean, log_variance, assignments(), centres)
    assert found.item() == pytest.approx(expected, rel=CLOSE)


def test_the_gaussian_term_vanishes_at_a_centre_with_unit_variance():
    centres = draw(K, D)
    at = torch.tensor([0, 2, 1])
    probs = torch.eye(K, dtype=torch.float64)[at]
    assert latent.gaussian_term(centres[at], torch.zeros_like(centres), probs, centres).item() == pytest.approx(0)


def test_the_category_term_is_minus_the_entropy():
    found = latent.category_term(assignments())
    assert found.item() == pytest.approx(reference.category_term(rows(assignments())), rel=CLOSE)


def test_the_discrimination_is_the_released_cross_entropy():
    joint, product = draw(N, seed=1).sigmoid(), draw(N, seed=2).sigmoid()
    expected = reference.discrimination(joint.tolist(), product.tolist())
    assert latent.discrimination(joint, product).item() == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize("neighbours", [1, 3, 20])
def test_neighbours_are_tied_by_a_gaussian_both_ways_and_never_to_themselves(neighbours):
    expected = reference.neighbour_weights(rows(draw(N, D)), neighbours, 1.97)
    found = latent.nearest_neighbour_weights(draw(N, D), neighbours=neighbours, width=1.97)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-9)  # cdist


def test_the_graph_term_is_that_of_eq_5():
    weights = latent.nearest_neighbour_weights(draw(N, D), neighbours=3, width=1.97)
    expected = reference.graph_term(rows(weights), rows(assignments()))
    assert latent.graph_term(weights, assignments()).item() == pytest.approx(expected, rel=CLOSE)


def test_orthonormal_assignments_have_orthogonal_columns_of_the_length_of_the_batch():
    columns = latent.orthonormal(assignments())
    torch.testing.assert_close(columns.T @ columns, N * torch.eye(K, dtype=torch.float64), rtol=0, atol=1e-3)  # ridge


def test_the_attack_loss_is_the_codes_with_its_gamma_times_the_batch():
    code_gamma = 0.04
    tensors = (pictures(1), pictures(2), assignments(3), assignments(4), draw(N, D, seed=5))
    expected = reference.latent_attack(*map(rows, tensors), code_gamma)
    assert latent.attack_loss(*tensors, gamma=code_gamma * N).item() == pytest.approx(expected, rel=CLOSE)
    terms = latent.attack_terms(*tensors, gamma=code_gamma * N)
    assert set(terms) == {"pictures", "assignment", "size"}
    assert sum(terms.values()).item() == pytest.approx(expected, rel=CLOSE)


def test_the_attack_loss_does_not_depend_on_the_size_of_the_batch():
    tensors = (pictures(1), pictures(2), assignments(3), assignments(4), draw(N, D, seed=5))
    twice = [torch.cat([tensor, tensor]) for tensor in tensors]
    assert latent.attack_loss(*twice).item() == pytest.approx(latent.attack_loss(*tensors).item(), rel=CLOSE)


def test_the_size_of_a_perturbation_has_both_definitions():
    z, delta = draw(N, D, seed=1), 0.1 * draw(N, D, seed=2)
    found = latent_shift(z.numpy(), delta.numpy())
    assert found == pytest.approx(reference.latent_shift(rows(z), rows(delta)), rel=CLOSE)
    relative, absolute = found
    assert (relative, absolute) == (found.relative, found.absolute)


def test_the_size_of_a_perturbation_does_not_grow_with_the_samples():
    z, delta = draw(N, D, seed=1).numpy(), draw(N, D, seed=2).numpy()
    twice = latent_shift(np.concatenate([z, z]), np.concatenate([delta, delta]))
    assert twice == pytest.approx(latent_shift(z, delta), rel=CLOSE)


def test_a_dimension_that_is_nothing_counts_as_still_or_as_infinitely_far():
    z = np.array([[0.0, 1.0], [0.0, 1.0]])
    assert latent_shift(z, [[0.0, 0.5], [0.0, 0.5]]).relative == 25.0
    assert latent_shift(z, [[0.1, 0.5], [0.0, 0.5]]).relative == np.inf


@pytest.mark.parametrize("delta", [np.zeros((2, 3)), np.zeros(4), np.zeros((0, 2))])
def test_perturbations_of_another_shape_are_refused(delta):
    with pytest.raises(LabError, match="tables"):
        latent_shift(np.zeros((2, 2)), delta)
