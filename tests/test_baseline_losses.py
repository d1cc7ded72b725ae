import math

import pytest
import torch
from torch import Tensor

from core.losses.ddc import cluster_orthogonality
from core.losses.eamc import attention_loss, discriminator_loss, generator_loss
from core.losses.information import mutual_information, mutual_information_all_pairs
from core.losses.sem import cmi_weight, info_nce, jsd_weight, mmd_weight
from core.losses.vae import categorical_kl, gumbel_softmax, normal_kl, reconstruction
from tests import baseline_reference as reference

EXACT = {"rel": 1e-9, "abs": 1e-12}  # both sides compute in float64
N, D, K = 7, 5, 3
ORDER = torch.tensor([3, 1, 6, 0, 2, 5, 4])


def rows(seed: int, n: int = N, width: int = D) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit_rows(seed: int, n: int = N) -> Tensor:
    return torch.nn.functional.normalize(rows(seed, n), dim=1)


def probabilities(seed: int, n: int = N, k: int = K, sharpness: float = 2.0) -> Tensor:
    return (sharpness * rows(seed, n, k)).softmax(dim=1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def finite_with_gradients(loss: Tensor, *inputs: Tensor) -> bool:
    gradients = torch.autograd.grad(loss, inputs)
    return bool(loss.isfinite()) and all(gradient.isfinite().all() for gradient in gradients)


# InfoDDC


@pytest.mark.parametrize("alpha", [0.0, 1.5, 9.0])
@pytest.mark.parametrize(("n", "k"), [(7, 3), (2, 6), (1, 4)])
def test_mutual_information_equals_the_loops(alpha, n, k):
    first, second = probabilities(1, n, k), probabilities(2, n, k)
    expected = reference.mutual_information(first.tolist(), second.tolist(), alpha)
    assert mutual_information(first, second, alpha=alpha).item() == pytest.approx(expected, **EXACT)


def test_mutual_information_floors_the_joint_and_the_marginals():
    first = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)  # nobody in the third
    loss = mutual_information(first, first)
    assert loss.item() == pytest.approx(reference.mutual_information(first.tolist(), first.tolist(), 9.0), **EXACT)
    # Σ -P (ln P - 10 ln p - 10 ln q) is -19 ln 2 over the two full cells; the seven floored ones weigh next to nothing
    assert loss.item() == pytest.approx(-19 * math.log(2), rel=1e-6)


def test_mutual_information_weighs_the_entropies_with_nine_unless_told():
    first, second = probabilities(1), probabilities(2)
    assert mutual_information(first, second) == mutual_information(first, second, alpha=9.0)
    assert mutual_information_all_pairs((first, second)) == mutual_information(first, second, alpha=9.0)


def test_mutual_information_does_not_depend_on_the_order_of_views_samples_or_dimensions():
    first, second = probabilities(1), probabilities(2)
    loss = mutual_information(first, second).item()
    assert mutual_information(second, first).item() == pytest.approx(loss, **EXACT)
    assert mutual_information(first[ORDER], second[ORDER]).item() == pytest.approx(loss, **EXACT)
    assert mutual_information(first.roll(1, 1), second.roll(1, 1)).item() == pytest.approx(loss, **EXACT)


def test_mutual_information_is_least_where_views_agree_on_balanced_clusters():
    corners = torch.eye(3, dtype=torch.float64)
    agreeing, balanced = corners.repeat(2, 1), corners[[0, 0, 1, 1, 2, 2]]
    best = mutual_information(agreeing, agreeing)
    assert best.item() == pytest.approx(-19 * math.log(3), rel=1e-6)  # -I - 9 (H + H), each ln 3
    assert best < mutual_information(agreeing, balanced)
    assert best < mutual_information(corners[[0, 0, 0, 0, 1, 2]], corners[[0, 0, 0, 0, 1, 2]])


@pytest.mark.parametrize("reference_pairs", [False, True])
@pytest.mark.parametrize("n_views", [2, 3, 4])
def test_mutual_information_of_all_pairs_equals_the_loops(n_views, reference_pairs):
    views = tuple(probabilities(seed) for seed in range(n_views))
    expected = reference.mutual_information_all_pairs([view.tolist() for view in views], 4.0, reference_pairs)
    loss = mutual_information_all_pairs(views, alpha=4.0, reference_pairs=reference_pairs)
    assert loss.item() == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("reference_pairs", [False, True])
def test_a_single_view_has_no_mutual_information(reference_pairs):
    loss = mutual_information_all_pairs((probabilities(1),), reference_pairs=reference_pairs)
    assert loss.item() == 0.0
    assert loss.dtype == torch.float64


def test_mutual_information_is_finite_for_certain_rows_in_float32():
    logits = torch.tensor([[200.0, 0.0, -200.0], [200.0, 0.0, -200.0]], requires_grad=True)
    assert finite_with_gradients(mutual_information(logits.softmax(1), logits.softmax(1)), logits)


# Multi-VAE


def test_the_kl_to_the_normal_equals_the_loops():
    mean, log_variance = rows(1), rows(2)
    expected = reference.normal_kl(mean.tolist(), log_variance.tolist())
    assert normal_kl(mean, log_variance).item() == pytest.approx(expected, **EXACT)


def test_the_kl_to_the_normal_is_torch_s_own():
    mean, log_variance = rows(1), rows(2)
    latent = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(latent, prior).sum(dim=1).mean()
    assert normal_kl(mean, log_variance).item() == pytest.approx(expected.item(), **EXACT)


def test_the_kl_to_the_normal_is_zero_at_the_prior_and_nowhere_else():
    zero = torch.zeros(N, D)
    assert normal_kl(zero, zero).item() == 0.0
    assert normal_kl(zero + 0.1, zero) > 0
    assert normal_kl(zero, zero + 0.1) > 0
    assert normal_kl(zero, zero - 0.1) > 0


def test_the_kl_to_the_normal_is_finite_at_extremes_in_float32():
    mean = torch.tensor([[1e6, -1e6, 0.0]], requires_grad=True)
    log_variance = torch.tensor([[-80.0, 0.0, 80.0]], requires_grad=True)
    assert finite_with_gradients(normal_kl(mean, log_variance), mean, log_variance)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_the_kl_to_the_uniform_equals_the_loops(k):
    probs = probabilities(1, k=k)
    assert categorical_kl(probs).item() == pytest.approx(reference.categorical_kl(probs.tolist()), **EXACT)


def test_the_kl_to_the_uniform_is_zero_at_the_prior_and_log_k_for_certain_rows():
    assert categorical_kl(torch.full((N, 4), 0.25, dtype=torch.float64)).item() == pytest.approx(0.0, abs=1e-10)
    assert categorical_kl(torch.eye(4, dtype=torch.float64)).item() == pytest.approx(math.log(4), rel=1e-10)


def test_the_kl_to_the_uniform_is_finite_for_certain_rows_in_float32():
    probs = torch.eye(3, requires_grad=True)
    assert finite_with_gradients(categorical_kl(probs), probs)


def test_reconstruction_equals_the_loops():
    pictures, logits = rows(1).sigmoid(), 3 * rows(2)
    expected = reference.reconstruction(pictures.tolist(), logits.tolist())
    assert reconstruction(pictures, logits).item() == pytest.approx(expected, **EXACT)


def test_reconstruction_sums_over_all_pixels_and_averages_over_samples():
    pictures, logits = rows(1, 4, 12).sigmoid(), rows(2, 4, 12)
    loss = reconstruction(pictures, logits).item()
    assert reconstruction(pictures.reshape(4, 3, 2, 2), logits.reshape(4, 3, 2, 2)).item() == pytest.approx(
        loss, **EXACT
    )
    assert reconstruction(pictures.repeat(5, 1), logits.repeat(5, 1)).item() == pytest.approx(loss, **EXACT)
    assert reconstruction(pictures.repeat(1, 5), logits.repeat(1, 5)).item() == pytest.approx(5 * loss, **EXACT)


def test_reconstruction_is_exact_where_the_sigmoid_has_saturated_in_float32():
    pictures = torch.tensor([[0.0, 1.0, 1.0]])
    logits = torch.tensor([[300.0, -500.0, 200.0]], requires_grad=True)
    loss = reconstruction(pictures, logits)
    assert loss.item() == pytest.approx(800.0)
    assert torch.autograd.grad(loss, logits)[0].tolist() == [[1.0, -1.0, 0.0]]


@pytest.mark.parametrize("temperature", [0.3, 0.67, 2.0])
def test_gumbel_softmax_equals_the_loops(temperature):
    logits = rows(1, N, K)
    uniform = torch.rand(N, K, generator=seeded(5)).double()
    expected = reference.gumbel_softmax(logits.tolist(), uniform.tolist(), temperature)
    drawn = gumbel_softmax(logits, seeded(5), temperature=temperature)
    assert drawn.flatten().tolist() == pytest.approx([x for row in expected for x in row], **EXACT)


def test_gumbel_softmax_follows_the_seed_and_has_a_default_temperature():
    logits = rows(1, N, K)
    drawn = gumbel_softmax(logits, seeded(5))
    assert torch.equal(drawn, gumbel_softmax(logits, seeded(5), temperature=0.67))
    assert not torch.equal(drawn, gumbel_softmax(logits, seeded(6)))


def test_gumbel_softmax_draws_from_its_generator_only():
    before = torch.get_rng_state()
    generator = seeded(5)
    first, second = gumbel_softmax(rows(1), generator), gumbel_softmax(rows(1), generator)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gumbel_softmax_keeps_its_rows_on_the_simplex(dtype):
    drawn = gumbel_softmax(rows(1, 100, K).to(dtype), seeded(5))
    assert drawn.dtype == dtype
    assert (drawn >= 0).all()
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(100, dtype=dtype))


def test_gumbel_softmax_is_nearly_one_hot_when_cold_and_nearly_uniform_when_hot():
    logits = rows(1, 200, K)
    assert gumbel_softmax(logits, seeded(5), temperature=1e-3).amax(dim=1).mean() > 0.99
    assert (gumbel_softmax(logits, seeded(5), temperature=1e3) - 1 / K).abs().max() < 0.02


def test_gumbel_softmax_chooses_clusters_as_often_as_they_are_probable():
    probs = torch.tensor([0.6, 0.3, 0.1])
    drawn = gumbel_softmax(probs.log().expand(20_000, 3), seeded(5), temperature=0.1)
    shares = torch.bincount(drawn.argmax(dim=1), minlength=3) / 20_000
    torch.testing.assert_close(shares, probs, atol=0.015, rtol=0)  # four standard deviations


def test_gumbel_softmax_passes_the_gradient_to_its_logits():
    logits = rows(1, N, K).requires_grad_()
    (gradient,) = torch.autograd.grad(gumbel_softmax(logits, seeded(5))[:, 0].sum(), logits)
    assert (gradient[:, 0] > 0).all()
    assert (gradient[:, 1:] < 0).all()


def test_gumbel_softmax_is_finite_for_certain_rows_in_float32():
    logits = torch.tensor([[1e4, -1e4, 0.0]]).repeat(1000, 1).requires_grad_()
    drawn = gumbel_softmax(logits, seeded(5), temperature=0.1)
    assert drawn.isfinite().all()
    assert torch.autograd.grad(drawn[:, 0].sum(), logits)[0].isfinite().all()


# SEM


@pytest.mark.parametrize("temperature", [0.2, 1.0])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_info_nce_equals_the_loops(temperature, n):
    first, second = unit_rows(1, n), unit_rows(2, n)
    expected = reference.info_nce(first.tolist(), second.tolist(), temperature)
    assert info_nce(first, second, temperature=temperature).item() == pytest.approx(expected, **EXACT)


def test_info_nce_takes_dot_products_as_they_are_at_temperature_one():
    first, second = rows(1), rows(2)
    expected = reference.info_nce(first.tolist(), second.tolist(), 1.0)
    assert info_nce(first, second).item() == pytest.approx(expected, **EXACT)


def test_info_nce_does_not_depend_on_the_order_of_views_or_samples():
    first, second = unit_rows(1), unit_rows(2)
    loss = info_nce(first, second).item()
    assert info_nce(second, first).item() == pytest.approx(loss, **EXACT)
    assert info_nce(first[ORDER], second[ORDER]).item() == pytest.approx(loss, **EXACT)


def test_info_nce_is_least_for_counterparts_that_agree():
    first = torch.eye(4, dtype=torch.float64)
    agreeing = info_nce(first, first).item()
    assert agreeing == pytest.approx(math.log(math.e + 6) - 1, **EXACT)  # one counterpart and six orthogonal rows
    assert agreeing < info_nce(first, first.roll(1, 0)).item()


def test_info_nce_is_finite_at_float32_and_a_low_temperature():
    first = unit_rows(1).float().requires_grad_()
    assert finite_with_gradients(info_nce(first, -first, temperature=1e-3), first)


def test_the_cmi_weight_equals_the_counts():
    a, b = [0, 0, 1, 1, 2, 2, 2], [1, 1, 1, 0, 2, 2, 0]
    expected = reference.cmi_weight(a, b)
    assert 0.1 < expected < 1.5
    for convert in (list, torch.tensor, lambda labels: torch.tensor(labels).numpy()):
        weight = cmi_weight(convert(a), convert(b))
        assert type(weight) is float
        assert weight == pytest.approx(expected, **EXACT)


def test_the_cmi_weight_is_e_minus_one_for_the_same_clusters_and_zero_for_independent_ones():
    assert cmi_weight([0, 0, 1, 1], [0, 0, 1, 1]) == pytest.approx(math.e - 1, **EXACT)
    assert cmi_weight([0, 0, 1, 1], [5, 5, 3, 3]) == pytest.approx(math.e - 1, **EXACT)  # names do not matter
    assert cmi_weight([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0.0, abs=1e-12)


def test_the_jsd_weight_equals_the_loops():
    a, b = 2 * rows(1), rows(2)
    assert jsd_weight(a, b).item() == pytest.approx(reference.jsd_weight(a.tolist(), b.tolist()), **EXACT)


def test_the_jsd_weight_is_greatest_for_equal_features_and_the_same_in_both_orders():
    a, b = rows(1), rows(2)
    assert jsd_weight(a, a).item() == pytest.approx(math.e - 1, **EXACT)
    assert jsd_weight(a, a + 3).item() == pytest.approx(math.e - 1, **EXACT)  # softmax: a shift of all does nothing
    assert jsd_weight(a, b) < jsd_weight(a, a)
    assert jsd_weight(b, a).item() == pytest.approx(jsd_weight(a, b).item(), **EXACT)


def test_the_jsd_weight_has_a_floor_and_is_finite_in_float32():
    a = torch.tensor([[1e3, 0.0, -1e3]]).requires_grad_()
    b = torch.tensor([[-1e3, 0.0, 1e3]]).requires_grad_()
    assert jsd_weight(a, b).item() == pytest.approx(math.e / 2 - 1, rel=1e-6)  # JSD is at most ln 2
    assert finite_with_gradients(jsd_weight(a, b), a, b)


@pytest.mark.parametrize(("n", "m"), [(7, 7), (5, 3), (2, 6)])
def test_the_mmd_weight_equals_the_loops(n, m):
    a, b = rows(1, n), 1 + rows(2, m)
    assert mmd_weight(a, b).item() == pytest.approx(reference.mmd_weight(a.tolist(), b.tolist()), **EXACT)


def test_the_mmd_weight_is_one_for_the_same_sample_and_less_the_farther_it_is_shifted():
    a = rows(1, 40)
    weights = [mmd_weight(a, a + shift).item() for shift in (0.0, 0.5, 1.0, 4.0)]
    assert weights[0] == pytest.approx(1.0, **EXACT)
    assert mmd_weight(a, a.flip(0)).item() == pytest.approx(1.0, **EXACT)
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[1] > 1.01 * weights[3]


def test_the_mmd_weight_does_not_depend_on_order_scale_or_place():
    a, b = rows(1), 1 + rows(2)
    weight = mmd_weight(a, b).item()
    assert mmd_weight(b, a).item() == pytest.approx(weight, **EXACT)
    assert mmd_weight(3 * a, 3 * b).item() == pytest.approx(weight, **EXACT)
    assert mmd_weight(a + 2, b + 2).item() == pytest.approx(weight, **EXACT)
    assert mmd_weight(a[ORDER], b).item() == pytest.approx(weight, **EXACT)


def test_the_mmd_weight_looks_at_the_first_two_thousand_of_each():
    many, few = rows(1, 2001, 1).float(), 1 + rows(2, 3, 1).float()
    later, last = many.clone(), many.clone()
    later[2000], last[1999] = 1e3, 1e3
    weight = mmd_weight(many, few).item()
    assert mmd_weight(later, few).item() == weight
    assert mmd_weight(last, few).item() != pytest.approx(weight, rel=1e-3)
    assert mmd_weight(few, later).item() == pytest.approx(weight, rel=1e-5)


def test_the_mmd_weight_is_finite_when_all_rows_are_the_same():
    same = torch.ones(4, D)
    assert mmd_weight(same, same).item() == pytest.approx(1.0)


# EAMC


@pytest.mark.parametrize("k", [2, 3, 6])
def test_cluster_orthogonality_equals_the_loops(k):
    probs = probabilities(1, k=k)
    expected = reference.cluster_orthogonality(probs.tolist())
    assert cluster_orthogonality(probs).item() == pytest.approx(expected, **EXACT)


def test_cluster_orthogonality_is_zero_for_certain_clusters_and_grows_with_the_batch():
    assert cluster_orthogonality(torch.eye(3)[[0, 1, 1, 2]]).item() == 0.0
    uniform = torch.full((N, 4), 0.25, dtype=torch.float64)
    assert cluster_orthogonality(uniform).item() == pytest.approx(N / 16, **EXACT)  # its largest, N / K²
    assert cluster_orthogonality(uniform.repeat(3, 1)).item() == pytest.approx(3 * N / 16, **EXACT)


@pytest.mark.parametrize("n_views", [1, 2, 3])
def test_the_attention_loss_equals_the_loops(n_views):
    views = tuple((seed + 1) * rows(seed) for seed in range(n_views))
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)[:n_views]
    fused = rows(9)
    expected = reference.attention_loss([view.tolist() for view in views], fused.tolist(), weights.tolist())
    assert attention_loss(views, fused, weights).item() == pytest.approx(expected, **EXACT)


def test_the_attention_loss_is_zero_where_the_fused_kernel_is_the_mixture():
    first = rows(1)
    weights = torch.tensor([0.4, 0.6], dtype=torch.float64)
    assert attention_loss((first, first), first, weights).item() == pytest.approx(0.0, abs=1e-12)
    assert attention_loss((first, 5 * first), 2 * first, weights).item() == pytest.approx(0.0, abs=1e-12)  # own widths
    assert attention_loss((first, rows(2)), first, weights) > 0.01


def test_the_attention_loss_pulls_on_everything_but_no_width():
    first, second, fused = (rows(seed).requires_grad_() for seed in range(3))
    weights = torch.tensor([0.4, 0.6], dtype=torch.float64, requires_grad=True)
    inputs = [first, second, fused, weights]
    gradients = torch.autograd.grad(attention_loss((first, second), fused, weights), inputs)
    assert all(gradient.abs().sum() > 1e-3 for gradient in gradients)
    for inward, gradient in zip(inputs[:3], gradients[:3], strict=True):
        assert (gradient * inward).sum().abs() > 1e-3  # a width with a gradient would make this derivative zero


def test_the_attention_loss_is_finite_when_all_samples_are_the_same_in_float32():
    first, second = (torch.zeros(4, D, requires_grad=True) for _ in range(2))
    weights = torch.tensor([0.5, 0.5], requires_grad=True)
    loss = attention_loss((first, second), 0.5 * first + 0.5 * second, weights)
    assert finite_with_gradients(loss, first, second, weights)


@pytest.mark.parametrize("n_discriminators", [1, 2, 3])
def test_the_adversarial_losses_equal_the_loops(n_discriminators):
    first = tuple(2 * rows(seed)[:, 0] for seed in range(n_discriminators))
    other = tuple(2 * rows(seed + 10)[:, 0] for seed in range(n_discriminators))
    first_lists, other_lists = [row.tolist() for row in first], [row.tolist() for row in other]
    fooled, told = reference.generator_loss(other_lists), reference.discriminator_loss(first_lists, other_lists)
    assert generator_loss(other).item() == pytest.approx(fooled, **EXACT)
    assert discriminator_loss(first, other).item() == pytest.approx(told, **EXACT)


def test_the_generator_and_the_discriminator_want_opposite_scores():
    low, high = torch.full((N,), -5.0), torch.full((N,), 5.0)
    assert generator_loss((high,)) < generator_loss((low,))
    assert (
        discriminator_loss((high,), (low,)) < discriminator_loss((low,), (low,)) < discriminator_loss((low,), (high,))
    )


def test_a_single_view_has_no_adversarial_losses():
    assert generator_loss(()).item() == 0.0
    assert discriminator_loss((), ()).item() == 0.0


def test_the_adversarial_losses_ask_for_as_many_scores_of_the_first_view():
    with pytest.raises(ValueError, match="shorter"):
        discriminator_loss((torch.zeros(N), torch.zeros(N)), (torch.zeros(N),))


def test_the_adversarial_losses_push_on_certain_discriminators_in_float32():
    scores = torch.tensor([-500.0, 500.0], requires_grad=True)
    loss = generator_loss((scores,))
    assert loss.item() == pytest.approx(250.0)
    assert torch.autograd.grad(loss, scores)[0].tolist() == [-0.5, 0.0]
    assert finite_with_gradients(discriminator_loss((scores,), (scores,)), scores)
