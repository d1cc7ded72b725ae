import math

import pytest
import torch
from torch import Tensor

from core.losses.contrastive import contrastive, contrastive_all_pairs, contrastive_rows, sum_over_pairs
from core.losses.ddc import ddc_terms
from core.losses.distillation import distillation
from core.losses.mitigation import attack_mitigation
from core.losses.realism import discriminator_loss, generator_loss, norm_hinge
from tests import reference

EXACT = {"rel": 1e-9, "abs": 1e-12}  # both sides compute in float64
N, D, K = 7, 5, 3


def rows(seed: int, n: int = N, width: int = D) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def probabilities(seed: int, n: int = N, k: int = K, sharpness: float = 2.0) -> Tensor:
    return (sharpness * rows(seed, n, k)).softmax(dim=1)


@pytest.mark.parametrize("width", ["released", "paper"])
@pytest.mark.parametrize(("n", "k"), [(7, 3), (6, 2), (5, 4)])
def test_ddc_terms_equal_the_printed_equations(width, n, k):
    hidden, probs = rows(1, n), probabilities(2, n, k)
    kernel = reference.gaussian_kernel(hidden.tolist(), width)
    terms = ddc_terms(hidden, probs, width=width)
    assert list(terms) == ["separation", "orthogonality", "simplex"]
    assert terms["separation"].item() == pytest.approx(reference.separation(probs.tolist(), kernel), **EXACT)
    assert terms["orthogonality"].item() == pytest.approx(reference.orthogonality(probs.tolist()), **EXACT)
    assert terms["simplex"].item() == pytest.approx(reference.simplex(probs.tolist(), kernel), **EXACT)


def test_an_empty_cluster_has_the_largest_separation_term():
    probs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert ddc_terms(rows(1, 3), probs)["separation"].item() == pytest.approx(1.0, **EXACT)


def test_ddc_is_best_where_far_apart_groups_have_a_cluster_each():
    groups = torch.tensor([0, 0, 0, 1, 1, 1])
    hidden = rows(1, 6) * 0.1 + 100.0 * groups[:, None]
    right, wrong = torch.eye(2, dtype=torch.float64)[groups], torch.eye(2, dtype=torch.float64)[[0, 1, 0, 1, 0, 1]]
    good, bad = ddc_terms(hidden, right), ddc_terms(hidden, wrong)
    assert good["separation"] < 1e-6
    assert good["separation"] < bad["separation"]
    assert good["orthogonality"].item() == pytest.approx(0.4)  # 6 of 15 pairs share a cluster


def test_the_kernel_width_follows_the_scale_but_has_no_gradient():
    hidden, probs = rows(1).requires_grad_(), probabilities(2)
    separation = ddc_terms(hidden, probs)["separation"]
    scaled = ddc_terms(3 * hidden, probs)["separation"]
    (gradient,) = torch.autograd.grad(separation, hidden)
    assert scaled.item() == pytest.approx(separation.item(), **EXACT)
    assert (gradient * hidden).sum().abs() > 1e-3  # a width with a gradient would make this derivative zero


def test_ddc_stays_finite_when_all_samples_are_the_same():
    hidden = torch.zeros(4, D, requires_grad=True)
    logits = torch.zeros(4, K, requires_grad=True)
    terms = ddc_terms(hidden, logits.softmax(dim=1))
    gradients = torch.autograd.grad(sum(terms.values()), [hidden, logits])
    assert all(term.isfinite() for term in terms.values())
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_contrastive_equals_the_loops(temperature):
    first, second = rows(1), rows(2)
    expected = reference.contrast(first.tolist(), second.tolist(), temperature)
    assert contrastive(first, second, temperature=temperature).item() == pytest.approx(expected, **EXACT)


def test_contrastive_of_each_anchor_equals_the_loops():
    first, second = rows(1), rows(2)
    forward = reference.contrast_one_direction(first.tolist(), second.tolist(), 0.1)
    backward = reference.contrast_one_direction(second.tolist(), first.tolist(), 0.1)
    expected = [a + b for a, b in zip(forward, backward, strict=True)]
    assert contrastive_rows(first, second, temperature=0.1).tolist() == pytest.approx(expected, **EXACT)


def test_contrastive_does_not_depend_on_the_order_of_views_or_samples():
    first, second = rows(1), rows(2)
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    loss = contrastive(first, second).item()
    assert contrastive(second, first).item() == pytest.approx(loss, **EXACT)
    assert contrastive(first[order], second[order]).item() == pytest.approx(loss, **EXACT)


def test_contrastive_does_not_depend_on_the_length_of_rows():
    first, second = rows(1), rows(2)
    assert contrastive(7 * first, 0.1 * second).item() == pytest.approx(contrastive(first, second).item(), **EXACT)


def test_contrastive_is_finite_at_float32_and_a_low_temperature():
    same = rows(1).float().repeat(2, 1)
    assert contrastive(same, -same, temperature=0.01).isfinite()


@pytest.mark.parametrize("n_views", [2, 3, 4])
@pytest.mark.parametrize("raw_weights", [None, (0.5, 0.2, -0.3, 0.9)])
def test_the_contrast_of_all_pairs_equals_the_loops(n_views, raw_weights):
    views = tuple(rows(seed) for seed in range(n_views))
    weights = None if raw_weights is None else list(raw_weights[:n_views])
    expected = reference.contrast_all_pairs([view.tolist() for view in views], 0.1, weights)
    tensor = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    assert contrastive_all_pairs(views, fusion_weights=tensor).item() == pytest.approx(expected, **EXACT)


def test_the_adaptive_factor_has_no_gradient():
    weights = torch.tensor([0.5, 0.2], dtype=torch.float64, requires_grad=True)
    first = rows(1).requires_grad_()
    loss = contrastive_all_pairs((first, rows(2)), fusion_weights=weights)
    assert torch.autograd.grad(loss, [weights, first], allow_unused=True)[0] is None


def test_a_single_view_has_no_contrast():
    assert contrastive_all_pairs((rows(1),)).item() == 0.0


def test_the_sum_over_pairs_is_the_sum_of_its_pairs():
    a, b, c = rows(1), rows(2), rows(3)
    pairs = [contrastive_rows(u, v, temperature=0.2) for u, v in ((a, b), (a, c), (b, c))]
    torch.testing.assert_close(sum_over_pairs((a, b, c), 0.2), sum(pairs))


@pytest.mark.parametrize("direction", ["adversarial_to_clean", "clean_to_adversarial"])
def test_the_attack_mitigator_equals_eq_12_in_both_directions(direction):
    adversarial, clean = probabilities(1), probabilities(2)
    expected = reference.mitigation(adversarial.tolist(), clean.tolist(), direction)
    assert attack_mitigation(adversarial, clean, direction=direction).item() == pytest.approx(expected, **EXACT)


def test_the_attack_mitigator_goes_from_adversarial_to_clean_unless_told():
    adversarial, clean = probabilities(1), probabilities(2)
    assert attack_mitigation(adversarial, clean) == attack_mitigation(
        adversarial, clean, direction="adversarial_to_clean"
    )
    assert attack_mitigation(adversarial, clean).item() != pytest.approx(attack_mitigation(clean, adversarial).item())


@pytest.mark.parametrize("direction", ["adversarial_to_clean", "clean_to_adversarial"])
def test_the_attack_mitigator_is_zero_for_equal_probabilities(direction):
    assert attack_mitigation(probabilities(1), probabilities(1), direction=direction).item() == 0.0


@pytest.mark.parametrize("direction", ["adversarial_to_clean", "clean_to_adversarial"])
def test_the_attack_mitigator_pulls_on_both_sides(direction):
    adversarial, clean = probabilities(1).requires_grad_(), probabilities(2).requires_grad_()
    gradients = torch.autograd.grad(attack_mitigation(adversarial, clean, direction=direction), [adversarial, clean])
    assert all(gradient.abs().sum() > 1e-3 for gradient in gradients)


@pytest.mark.parametrize("direction", ["adversarial_to_clean", "clean_to_adversarial"])
def test_the_attack_mitigator_is_finite_for_certain_clusters(direction):
    adversarial = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = attack_mitigation(adversarial, torch.tensor([[0.0, 1.0]]), direction=direction)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, adversarial)[0].isfinite().all()


def test_distillation_equals_the_cross_entropy_against_the_teacher():
    student, teacher = probabilities(1), probabilities(2)
    expected = reference.distillation(student.tolist(), teacher.tolist())
    assert distillation(student, teacher).item() == pytest.approx(expected, **EXACT)


def test_distillation_pulls_on_the_student_alone():
    student, teacher = probabilities(1).requires_grad_(), probabilities(2).requires_grad_()
    ours = torch.autograd.grad(distillation(student, teacher), [student, teacher], allow_unused=True)
    assert ours[0].abs().sum() > 1e-3
    assert ours[1] is None


def test_distillation_is_finite_for_a_student_that_is_certain_and_wrong():
    student = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = distillation(student, torch.tensor([[0.0, 1.0]]))
    assert loss.isfinite()
    assert torch.autograd.grad(loss, student)[0].isfinite().all()


@pytest.mark.parametrize(("kind", "name"), [("log", "paper"), ("least_squares", "released")])
def test_the_gan_terms_equal_eq_5_and_the_released_least_squares(kind, name):
    clean, adversarial = probabilities(1)[:, 0], probabilities(2)[:, 0]
    judge, forger = reference.realism([clean.tolist()], [adversarial.tolist()], name)
    assert discriminator_loss(clean, adversarial, kind=kind).item() == pytest.approx(judge, **EXACT)
    assert generator_loss(adversarial, kind=kind).item() == pytest.approx(forger, **EXACT)


@pytest.mark.parametrize("kind", ["log", "least_squares"])
def test_the_gan_terms_are_finite_for_a_certain_discriminator(kind):
    certain = torch.tensor([0.0, 1.0], requires_grad=True)
    losses = discriminator_loss(certain, certain, kind=kind) + generator_loss(certain, kind=kind)
    assert losses.isfinite()
    assert torch.autograd.grad(losses, certain)[0].isfinite().all()


def test_the_hinge_equals_minus_eq_4():
    perturbation = 0.2 * rows(1, 6, 4).reshape(6, 1, 2, 2)
    expected = reference.constraint([perturbation.flatten(1).tolist()], 0.15, "paper")
    assert expected > 0
    assert norm_hinge(perturbation, 0.15).item() == pytest.approx(expected, **EXACT)


def test_the_hinge_lets_small_perturbations_be():
    assert norm_hinge(torch.full((2, 1, 3, 3), 0.1), epsilon=math.sqrt(0.09)).item() == 0.0
