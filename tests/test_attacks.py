import copy
import inspect
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from core.attacks import ATTACKS, OBJECTIVES
from core.attacks.base import Budget, still
from core.attacks.gan import GanObjective
from core.attacks.generators import Discriminator, PerturbationGenerator, make_discriminators, make_generators
from core.errors import LabError
from core.models.base import ClusteringModel
from core.types import Encoding
from tests import reference
from tests.conftest import SIDE, make_model

EPSILON = 0.1
ROUNDING = 1e-6  # of x + δ - x in float32, per pixel
LENGTH_ROUNDING = 1e-5  # the same, over the pixels of a view
CPU = torch.device("cpu")

VARIANTS = ("uniform noise", "pgd on clusters", "pgd in training mode")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def untrained(std=1.0, seed=0):
    return make_generators(((1, SIDE, SIDE),) * 2, weight_std=std, generator=seeded(seed), device=CPU).eval()


def make_attack(name, **knobs):
    made = {
        "uniform noise": lambda: ATTACKS.make("noise", kind="uniform", **knobs),
        "pgd": lambda: ATTACKS.make("pgd", steps=3, **knobs),
        "pgd on clusters": lambda: ATTACKS.make("pgd", steps=3, objective="assignment", **knobs),
        "pgd in training mode": lambda: ATTACKS.make("pgd", steps=3, **({"target_mode": "train"} | knobs)),
        "ensemble": lambda: ATTACKS.make("ensemble", steps=2, targets=1, restarts=1, **knobs),
        "gan": lambda: ATTACKS.make("gan", generators=untrained(), **knobs),
    }
    return made[name]() if name in made else ATTACKS.make(name, **knobs)


every_attack = pytest.mark.parametrize("name", [*ATTACKS, *VARIANTS])
every_norm = pytest.mark.parametrize("norm", ["linf", "l2"])
every_mode = pytest.mark.parametrize("target_mode", ["eval", "train"])


@pytest.fixture
def views(blobs):
    return tuple(view[:12] for view in blobs.views)


class Linear(ClusteringModel):
    """Its embedding is the picture itself, so that the best perturbation of a linear objective is known."""

    def embed(self, views):
        return tuple(view.flatten(1) for view in views)

    def cluster(self, embeddings):
        fused = torch.stack(embeddings).mean(dim=0)
        return Encoding(embeddings, fused, fused, fused[:, : self.n_clusters].softmax(dim=1))

    def loss_terms(self, views, encoding):
        return {}


@every_attack
@every_norm
def test_stays_inside_the_budget_and_the_pixel_range(name, norm, trained, views):
    epsilon = EPSILON if norm == "linf" else 1.5
    budget = Budget(epsilon=epsilon, norm=norm)
    for step in make_attack(name).steps(trained, views, budget, generator=seeded()):
        for clean, adversarial in zip(views, step.views, strict=True):
            delta = (adversarial - clean).flatten(1)
            length = delta.abs().amax() if norm == "linf" else delta.norm(dim=1).amax()
            assert length <= epsilon + (ROUNDING if norm == "linf" else LENGTH_ROUNDING)
            assert 0 <= adversarial.min() <= adversarial.max() <= 1
            assert adversarial.shape == clean.shape
            assert adversarial.dtype == torch.float32


@every_attack
@every_norm
def test_uses_the_budget_it_has(name, norm, trained, views):
    epsilon = EPSILON if norm == "linf" else 1.5
    result = make_attack(name)(trained, views, Budget(epsilon=epsilon, norm=norm), generator=seeded())
    delta = (result[0] - views[0]).flatten(1)
    longest = delta.abs().amax() if norm == "linf" else delta.norm(dim=1).amax()
    assert longest > epsilon / 2


@every_attack
@pytest.mark.parametrize("attacked", [0, 1])
def test_leaves_other_views_alone(name, attacked, trained, views):
    result = make_attack(name)(trained, views, Budget(epsilon=EPSILON, views=(attacked,)), generator=seeded())
    assert torch.equal(result[1 - attacked], views[1 - attacked])
    assert not torch.equal(result[attacked], views[attacked])


@every_attack
@every_norm
def test_epsilon_zero_changes_nothing(name, norm, trained, views):
    result = make_attack(name)(trained, views, Budget(epsilon=0, norm=norm), generator=seeded())
    assert all(torch.equal(a, b) for a, b in zip(result, views, strict=True))


@every_attack
def test_does_not_touch_the_clean_pictures(name, trained, views):
    views = tuple(view.clone() for view in views)
    before = [view.clone() for view in views]
    make_attack(name)(trained, views, Budget(epsilon=EPSILON), generator=seeded())
    assert all(torch.equal(a, b) for a, b in zip(views, before, strict=True))
    assert not any(view.requires_grad for view in views)


def in_the_middle_of_training(model, views):
    """In training mode but for one part, with one frozen parameter and with gradients."""
    model.train()
    model.encoders[1].eval()
    sum(model.loss_terms(views, model.encode(views)).values()).backward()
    model.head.logits.bias.requires_grad_(False)
    return model


def everything_about(model):
    return {
        "modes": {name: module.training for name, module in model.named_modules()},
        "flags": {name: parameter.requires_grad for name, parameter in model.named_parameters()},
        "gradients": {name: copy.deepcopy(parameter.grad) for name, parameter in model.named_parameters()},
        "state": copy.deepcopy(model.state_dict()),
        "attributes": {name: set(vars(module)) for name, module in model.named_modules()},
    }


def assert_unchanged(model, before):
    after = everything_about(model)
    for part in ("modes", "flags", "attributes"):
        assert after[part] == before[part]
    assert all(torch.equal(after["state"][name], tensor) for name, tensor in before["state"].items())
    for name, gradient in before["gradients"].items():
        same = after["gradients"][name] is None if gradient is None else torch.equal(after["gradients"][name], gradient)
        assert same, name


@every_attack
@every_mode
def test_leaves_the_model_exactly_as_it_was(name, target_mode, trained, views):
    model = in_the_middle_of_training(trained, views)
    before = everything_about(model)
    make_attack(name, target_mode=target_mode)(model, views, Budget(epsilon=EPSILON), generator=seeded())
    assert_unchanged(model, before)


@every_mode
def test_leaves_the_model_as_it_was_when_cancelled(target_mode, trained, views):
    model = in_the_middle_of_training(trained, views)
    before = everything_about(model)
    steps = make_attack("pgd", target_mode=target_mode).steps(model, views, Budget(epsilon=EPSILON))
    next(steps)
    steps.close()
    assert_unchanged(model, before)


@every_mode
def test_leaves_the_model_as_it_was_when_the_objective_fails(target_mode, trained, views):
    def broken(clean, adversarial):
        raise RuntimeError("broken")

    model = in_the_middle_of_training(trained, views)
    before = everything_about(model)
    attack = ATTACKS.make("pgd", objective=broken, target_mode=target_mode)
    with pytest.raises(RuntimeError, match="broken"):
        attack(model, views, Budget(epsilon=EPSILON))
    assert_unchanged(model, before)


def test_two_attacks_under_way_on_one_model_do_not_disturb_each_other(trained, views):
    budget = Budget(epsilon=EPSILON)
    attacks = [make_attack("pgd", target_mode=mode) for mode in ("train", "eval")]
    alone = [attack(trained, views, budget, generator=seeded()) for attack in attacks]
    before = everything_about(trained)
    under_way = [attack.steps(trained, views, budget, generator=seeded()) for attack in attacks]
    *_, last = zip(*under_way, strict=True)  # a step of one, a step of the other, …
    assert_unchanged(trained, before)
    for views_alone, step in zip(alone, last, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(views_alone, step.views, strict=True))


@pytest.mark.parametrize("training", [False, True])
def test_the_model_has_the_mode_asked_for_and_no_gradients_while_attacked(training, trained, views):
    model = in_the_middle_of_training(trained, views)
    before = everything_about(model)
    subject = still(model, training=training)
    assert {module.training for module in subject.modules()} == {training}
    assert not any(parameter.requires_grad for parameter in subject.parameters())
    assert_unchanged(model, before)


def test_a_still_copy_shares_the_weights_of_its_model(trained):
    subject = still(trained)
    pairs = zip(trained.state_dict().values(), subject.state_dict().values(), strict=True)
    assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)


def test_attacks_on_two_threads_do_not_disturb_each_other(trained, views):
    budget = Budget(epsilon=EPSILON)
    attacks = [make_attack("pgd", target_mode=mode) for mode in ("train", "eval")] * 4
    model = in_the_middle_of_training(trained, views)
    alone = [attack(model, views, budget, generator=seeded()) for attack in attacks]
    before = everything_about(model)
    with ThreadPoolExecutor(len(attacks)) as pool:
        results = list(pool.map(lambda attack: attack(model, views, budget, generator=seeded()), attacks))
    assert_unchanged(model, before)
    for one, other in zip(alone, results, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_target_mode_decides_what_the_attack_sees(trained, views):
    results = [
        make_attack("pgd", target_mode=mode)(trained, views, Budget(epsilon=EPSILON), generator=seeded())
        for mode in ("eval", "train")
    ]
    assert not torch.equal(results[0][0], results[1][0])


@every_attack
def test_the_same_generator_gives_the_same_result(name, trained, views):
    attack, budget = make_attack(name), Budget(epsilon=EPSILON)
    first = attack(trained, views, budget, generator=seeded(5))
    second = attack(trained, views, budget, generator=seeded(5))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@every_attack
def test_no_generator_means_seed_zero(name, trained, views):
    attack, budget = make_attack(name), Budget(epsilon=EPSILON)
    first = attack(trained, views, budget)
    second = attack(trained, views, budget, generator=seeded(0))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["noise", "uniform noise", "untrained_generator", "pgd"])
def test_another_seed_gives_another_result(name, trained, views):
    attack, budget = make_attack(name), Budget(epsilon=EPSILON)
    assert not torch.equal(
        attack(trained, views, budget, generator=seeded(1))[0], attack(trained, views, budget, generator=seeded(2))[0]
    )


@every_attack
def test_leaves_the_global_randomness_alone(name, trained, views):
    attack = make_attack(name)
    before = torch.get_rng_state()
    attack(trained, views, Budget(epsilon=EPSILON), generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


@every_attack
def test_never_sees_a_label(name):
    attack = make_attack(name)
    for function in (attack.__call__, attack.steps, attack.perturb):
        assert not {"labels", "label", "targets", "y", "data"} & set(inspect.signature(function).parameters)


@every_attack
def test_works_where_gradients_are_switched_off(name, trained, views):
    attack, budget = make_attack(name), Budget(epsilon=EPSILON)
    expected = attack(trained, views, budget, generator=seeded())
    with torch.no_grad():
        result = attack(trained, views, budget, generator=seeded())
    assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))


@every_attack
def test_the_result_is_free_of_the_graph(name, trained, views):
    result = make_attack(name)(trained, views, Budget(epsilon=EPSILON), generator=seeded())
    assert not any(view.requires_grad for view in result)


def damage(model, views, adversarial):
    with torch.no_grad():
        return OBJECTIVES.make("both")(model.encode(views), model.encode(adversarial)).mean().item()


@pytest.mark.parametrize(
    "name", [name for name in ATTACKS if "objective" in inspect.signature(ATTACKS[name]).parameters]
)
@pytest.mark.parametrize("epsilon", [0.05, 0.1, 0.2])
def test_beats_noise_at_equal_budget(name, epsilon, trained, blobs):
    views = tuple(view[:40] for view in blobs.views)
    budget = Budget(epsilon=epsilon)
    result = make_attack(name)(trained, views, budget, generator=seeded())
    noise = [make_attack("noise")(trained, views, budget, generator=seeded(seed)) for seed in range(3)]
    assert damage(trained, views, result) > 1.5 * max(damage(trained, views, control) for control in noise)


@every_norm
def test_more_steps_do_more_damage(norm, trained, views):
    budget = Budget(epsilon=0.1 if norm == "linf" else 1.5, norm=norm)
    few = ATTACKS.make("pgd", steps=1)(trained, views, budget, generator=seeded())
    many = ATTACKS.make("pgd", steps=10)(trained, views, budget, generator=seeded())
    assert damage(trained, views, many) > damage(trained, views, few)


def test_pgd_shows_every_step_and_returns_the_last(trained, views):
    attack, budget = ATTACKS.make("pgd", steps=4), Budget(epsilon=EPSILON)
    steps = list(attack.steps(trained, views, budget, generator=seeded()))
    result = attack(trained, views, budget, generator=seeded())
    assert len(steps) == 4
    assert all(torch.equal(a, b) for a, b in zip(steps[-1].views, result, strict=True))
    assert all(step.objective.shape == step.distance.shape == (12,) for step in steps)
    assert steps[-1].objective.mean() > steps[0].objective.mean()


def test_a_steps_objective_is_that_of_the_views_before_it(trained, views):
    attack, budget = ATTACKS.make("pgd", steps=3), Budget(epsilon=EPSILON)
    steps = list(attack.steps(trained, views, budget, generator=seeded()))
    with torch.no_grad():
        expected = OBJECTIVES.make("both")(trained.encode(views), trained.encode(steps[0].views))
    torch.testing.assert_close(steps[1].objective, expected, rtol=1e-4, atol=1e-4)


@every_norm
def test_a_steps_distance_is_the_largest_over_views(norm, trained, views):
    budget = Budget(epsilon=0.1 if norm == "linf" else 1.0, norm=norm, views=(1,))
    (step,) = make_attack("noise").steps(trained, views, budget)
    delta = (step.views[1] - views[1]).flatten(1)
    expected = delta.abs().amax(dim=1) if norm == "linf" else delta.norm(dim=1)
    torch.testing.assert_close(step.distance, expected)
    assert (expected > 0).all()


@every_norm
@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_finds_the_known_best_answer_of_a_linear_objective(name, norm):
    model = Linear(((1, 4, 4), (1, 4, 4)), 3)
    views = tuple(0.4 + 0.2 * torch.rand(5, 1, 4, 4, generator=seeded(v)) for v in range(2))
    slope = torch.randn(16, generator=seeded(7))
    attack = ATTACKS.make(
        name,
        objective=lambda clean, adversarial: (adversarial.embeddings[0] * slope).sum(dim=1),
        **({"steps": 20, "step_size": 0.1} if name == "pgd" else {}),
    )
    result = attack(model, views, Budget(epsilon=0.1, norm=norm), generator=seeded())
    unit = slope.sign() if norm == "linf" else slope / slope.norm()
    best = views[0] + 0.1 * unit.reshape(1, 1, 4, 4)
    gained = ((result[0] - views[0]).flatten(1) * slope).sum(dim=1)
    possible = ((best - views[0]).flatten(1) * slope).sum(dim=1)
    # One step from a random point of the l2 sphere does not reach its pole; everything else does.
    share = 0.9 if (name, norm) == ("fgsm", "l2") else 0.999
    assert (gained >= share * possible).all()
    assert (gained <= possible + ROUNDING * 16).all()


@pytest.mark.parametrize("given", [{"step_size": 0.01}, {"relative_step_size": 0.05}])
def test_a_given_step_size_is_the_step_size(given):
    model = Linear(((1, 4, 4),), 3)
    views = (torch.full((2, 1, 4, 4), 0.5),)
    attack = ATTACKS.make("pgd", steps=3, objective=lambda clean, adversarial: adversarial.fused.sum(dim=1), **given)
    positions = [step.views[0] for step in attack.steps(model, views, Budget(epsilon=0.2))]
    inside = (positions[2] - views[0]).abs() < 0.199
    torch.testing.assert_close((positions[1] - positions[0])[inside], torch.full((int(inside.sum()),), 0.01))


def test_a_step_has_one_size():
    with pytest.raises(LabError, match="give step_size or relative_step_size"):
        ATTACKS.make("pgd", step_size=0.01, relative_step_size=0.5)


def test_fgsm_lands_on_a_corner_of_the_box(trained, views):
    views = tuple(torch.full_like(view, 0.5) for view in views)
    result = make_attack("fgsm")(trained, views, Budget(epsilon=EPSILON), generator=seeded())
    moved = torch.stack([(a - b).abs() for a, b in zip(result, views, strict=True)])
    assert (moved > EPSILON - ROUNDING).float().mean() > 0.95  # the gradient is exactly zero at a few pixels


@pytest.mark.parametrize(("kind", "share"), [("sign", 1.0), ("uniform", 0.0)])
def test_noise_is_of_its_kind(kind, share, trained, views):
    views = tuple(torch.full_like(view, 0.5) for view in views)
    result = ATTACKS.make("noise", kind=kind)(trained, views, Budget(epsilon=EPSILON), generator=seeded())
    delta = torch.stack(result) - 0.5
    assert (delta.abs() > EPSILON - 1e-5).float().mean().item() == pytest.approx(share, abs=0.01)
    assert delta.mean().item() == pytest.approx(0, abs=0.005)  # 13,824 draws: standard error below 0.001
    expected = EPSILON if kind == "sign" else EPSILON / math.sqrt(3)
    assert delta.std().item() == pytest.approx(expected, rel=0.02)


def test_an_untrained_generator_already_fills_most_of_the_budget(trained, views):
    views = tuple(torch.full_like(view, 0.5) + 0.1 * view for view in views)
    result = make_attack("untrained_generator")(trained, views, Budget(epsilon=EPSILON), generator=seeded())
    delta = torch.stack([(a - b).abs() for a, b in zip(result, views, strict=True)])
    assert (delta > EPSILON - ROUNDING).float().mean() > 0.8


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_pgd_ascends_every_objective(objective, trained, views):
    attack = ATTACKS.make("pgd", steps=6, objective=objective)
    steps = list(attack.steps(trained, views, Budget(epsilon=EPSILON), generator=seeded()))
    assert steps[0].objective.shape == (12,)
    assert steps[-1].objective.mean() > steps[0].objective.mean()


def test_what_compares_views_is_refused_on_one():
    alone = Encoding((torch.ones(3, 2),), torch.ones(3, 2), torch.ones(3, 2), torch.full((3, 2), 0.5))
    with pytest.raises(LabError, match="compares views, and here is only one; choose assignment"):
        OBJECTIVES.make("contrastive")(alone, alone)


def as_rows(tensors):
    return [tensor.double().tolist() for tensor in tensors]


@pytest.fixture
def encodings(trained, views):
    shifted = tuple((view + 0.05).clamp(0, 1) for view in views)
    with torch.no_grad():
        return trained.encode(views), trained.encode(shifted)


def test_the_objectives_are_eq_2_and_eq_3(encodings):
    clean, moved = encodings
    views = reference.complementarity(as_rows(clean.embeddings), as_rows(moved.embeddings), "paper")
    hidden = reference.consistency(clean.hidden.double().tolist(), moved.hidden.double().tolist(), "paper")
    fused = reference.consistency(clean.fused.double().tolist(), moved.fused.double().tolist(), "paper")
    results = {
        "complementarity": (OBJECTIVES.make("complementarity"), views),
        "consistency": (OBJECTIVES.make("consistency"), hidden),
        "on fused": (OBJECTIVES.make("consistency", consensus="fused"), fused),
        "both": (OBJECTIVES.make("both"), views + hidden),
        "weighted": (OBJECTIVES.make("both", complementarity_weight=5, consistency_weight=2), 5 * views + 2 * hidden),
    }
    for name, (objective, expected) in results.items():
        assert objective(clean, moved).mean().item() == pytest.approx(expected, rel=1e-4), name


def test_the_assignment_objective_is_the_cross_entropy_against_the_clean_cluster(encodings):
    clean, moved = encodings
    expected = [
        -math.log(probs[row.index(max(row))])
        for row, probs in zip(clean.probs.double().tolist(), moved.probs.double().tolist(), strict=True)
    ]
    assert OBJECTIVES.make("assignment")(clean, moved).tolist() == pytest.approx(expected, rel=1e-4)


def test_the_contrastive_objective_is_the_contrast_of_the_adversarial_views(encodings):
    clean, moved = encodings
    expected = reference.contrast(*as_rows(moved.embeddings), temperature=0.1)
    assert OBJECTIVES.make("contrastive")(clean, moved).mean().item() == pytest.approx(expected, rel=1e-4)


def make_gan_objective(target, protocol, std=0.05, **changes):
    chosen = {
        "paper": {"distance": "squared_mean", "constraint": "hinge", "gan_loss": "log", "consensus": "fused"},
        "released": {
            "distance": "norm_sum",
            "constraint": "clamp",
            "gan_loss": "least_squares",
            "consensus": "hidden",
        },
    }[protocol]
    knobs = {
        "target": target,
        "generators": untrained(std=0.5),
        "discriminators": make_discriminators(
            ((1, SIDE, SIDE),) * 2, weight_std=std, generator=seeded(3), device=CPU
        ).eval(),
        "budget": Budget(epsilon=EPSILON),
        "complementarity_weight": 5.0,
        "consistency_weight": 3.0,
        "constraint_weight": 2.0,
        "target_mode": "eval",
    }
    return GanObjective(**(knobs | chosen | changes))


@pytest.mark.parametrize("protocol", ["paper", "released"])
def test_the_gan_terms_are_those_of_the_protocol(protocol, trained, views):
    objective = make_gan_objective(trained, protocol)
    with torch.no_grad():
        drawn = objective.generators(views)
        if protocol == "released":
            drawn = tuple(d.clamp(-EPSILON, EPSILON) for d in drawn)
        adversarial = tuple((v + d).clamp(0, 1) for v, d in zip(views, drawn, strict=True))
        before, after = trained.encode(views), trained.encode(adversarial)
        clean_scores = [d(v).double().tolist() for d, v in zip(objective.discriminators, views, strict=True)]
        scores = [d(v).double().tolist() for d, v in zip(objective.discriminators, adversarial, strict=True)]
        judged = objective.discriminator_terms(views, seeded())
        forged = objective.generator_terms(views, seeded())
    judge, forger = reference.realism(clean_scores, scores, protocol)
    a, b = (before.fused, after.fused) if protocol == "paper" else (before.hidden, after.hidden)
    views_moved = reference.complementarity(as_rows(before.embeddings), as_rows(after.embeddings), protocol)
    expected = {
        "complementarity": -5 * views_moved,
        "consistency": -3 * reference.consistency(a.double().tolist(), b.double().tolist(), protocol),
        "constraint": 2 * reference.constraint(as_rows(d.flatten(1) for d in drawn), EPSILON, protocol),
        "realism": forger,
    }
    assert {name: term.item() for name, term in forged.items()} == pytest.approx(expected, rel=1e-4)
    assert {name: term.item() for name, term in judged.items()} == pytest.approx({"discriminator": judge}, rel=1e-4)


@every_mode
def test_the_gan_losses_train_their_own_networks_and_never_the_target(target_mode, trained, views):
    objective = make_gan_objective(trained, "released", target_mode=target_mode)
    before = everything_about(in_the_middle_of_training(trained, views))
    sum(objective.discriminator_terms(views, seeded()).values()).backward()
    assert all(parameter.grad is None for parameter in objective.generators.parameters())
    assert all(parameter.grad is not None for parameter in objective.discriminators.parameters())
    sum(objective.generator_terms(views, seeded()).values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in objective.generators[0][-2].parameters())
    assert_unchanged(trained, before)


def test_the_gan_leaves_views_outside_its_budget_alone(trained, views):
    partial = make_gan_objective(trained, "released", budget=Budget(epsilon=EPSILON, views=(0,)))
    terms = partial.generator_terms(views, seeded())
    gradients = torch.autograd.grad(sum(terms.values()), list(partial.generators[1].parameters()), allow_unused=True)
    assert all(gradient is None or not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("shape", [(1, 24, 24), (1, 28, 28), (1, 32, 32), (3, 128, 64)])
def test_generators_and_discriminators_fit_every_size_they_accept(shape):
    views = (torch.rand(3, *shape, generator=seeded()),)
    generators = make_generators((shape,), weight_std=0.02, generator=seeded(), device=CPU)
    discriminators = make_discriminators((shape,), weight_std=0.02, generator=seeded(), device=CPU)
    with torch.no_grad():
        drawn, scores = generators(views)[0], discriminators[0](views[0])
    assert drawn.shape == views[0].shape
    assert drawn.abs().max() <= 1
    assert scores.shape == (3,)
    assert scores.min() > 0
    assert scores.max() < 1


def test_the_gans_networks_have_the_released_number_of_parameters():
    assert sum(parameter.numel() for parameter in PerturbationGenerator(1).parameters()) == 11_936
    assert sum(parameter.numel() for parameter in Discriminator(1).parameters()) == 10_553


@pytest.mark.parametrize("side", [16, 20, 27, 30])
def test_the_gan_refuses_sizes_its_networks_do_not_return(side):
    with pytest.raises(LabError, match="multiples of 4"):
        make_generators(((1, side, side),), weight_std=0.02, generator=seeded(), device=CPU)


def test_generators_depend_on_their_seed_alone():
    torch.manual_seed(1)
    first = untrained(seed=4)
    torch.manual_seed(2)
    second, other = untrained(seed=4), untrained(seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first[0][0].weight, other[0][0].weight)


@pytest.mark.parametrize("epsilon", [-1, -1e-9, 1.0001, 2, math.nan, math.inf])
def test_a_budget_outside_the_pixel_scale_is_refused(epsilon):
    with pytest.raises(LabError, match=r"ε must lie in \[0, 1\]"):
        Budget(epsilon=epsilon)


@pytest.mark.parametrize("epsilon", [-1, math.nan, math.inf])
def test_an_impossible_length_is_refused(epsilon):
    with pytest.raises(LabError, match="L2"):
        Budget(epsilon=epsilon, norm="l2")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: Budget(epsilon=0.1, norm="l1"), "linf or l2"),
        (lambda: Budget(epsilon=0.1, views=()), "at least one view"),
        (lambda: ATTACKS.make("pgd", steps=0), "at least 1 step"),
        (lambda: ATTACKS.make("pgd", objective="bth"), "Did you mean both"),
        (lambda: ATTACKS.make("pdg"), "Did you mean pgd"),
        (lambda: ATTACKS.make("noise", kind="salt"), "sign or uniform"),
        (lambda: ATTACKS.make("pgd", target_mode="test"), "eval or train"),
    ],
)
def test_wrong_knobs_are_refused_with_what_would_work(act, said):
    with pytest.raises(LabError, match=said):
        act()


@pytest.mark.parametrize("wrong", [(2,), (-1,), (0, 5)])
def test_a_view_that_is_not_there_is_refused(wrong, trained, views):
    with pytest.raises(LabError, match="views 0 to 1"):
        make_attack("noise")(trained, views, Budget(epsilon=EPSILON, views=wrong))


@every_norm
def test_projecting_twice_is_projecting_once(norm, views):
    budget = Budget(epsilon=0.3, norm=norm)
    proposed = tuple(view + torch.randn(view.shape, generator=seeded()) for view in views)
    once = budget.project(views, proposed)
    twice = budget.project(views, once)
    for a, b in zip(once, twice, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=ROUNDING)


def test_the_attack_works_on_one_and_on_three_views():
    for n_views in (1, 3):
        model = make_model("simvc", n_views=n_views).eval()
        views = tuple(torch.rand(3, 1, SIDE, SIDE, generator=seeded(v)) for v in range(n_views))
        result = ATTACKS.make("pgd", steps=2)(model, views, Budget(epsilon=EPSILON))
        assert len(result) == n_views
        assert all(not torch.equal(a, b) for a, b in zip(result, views, strict=True))
