from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from core.attacks import ATTACKS
from core.attacks.base import Attack, Budget, Step
from core.augmentation import shift
from core.defenses import DEFENSES
from core.defenses.robust_distillation import Distillation
from core.recipes import RECIPES
from core.trainers import model_training
from core.training import Phase, Update, adam, fit
from tests import reference

BUDGET = Budget(epsilon=0.1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Brighter(Attack):
    """Adds ε everywhere, so that a test knows the adversarial views."""

    def perturb(self, model, views, budget, *, generator):
        yield Step(tuple(view + budget.epsilon for view in views))


def make_loss(model, **knobs):
    knobs = {"attack": Brighter(), "budget": BUDGET, "adversarial_weight": 2.0, "decay": 0.9} | knobs
    return DEFENSES.make("rcd_mvc", model=model, **knobs)


def pgd(objective="assignment"):
    return ATTACKS.make("pgd", steps=3, objective=objective)


@pytest.fixture
def views(blobs):
    return tuple(view[:16] for view in blobs.views)


@pytest.fixture
def network(trained):
    """A student that is no longer its teacher."""
    made = Distillation(trained)
    with torch.no_grad():
        for parameter in made.student.parameters():
            parameter.mul_(1.1)
    return made


def rows(model, views):
    return model.encode(views).probs.double().tolist()


def test_the_student_learns_its_teachers_clusters_clean_and_attacked(network, views):
    terms = make_loss(network)(views, seeded())
    taught = rows(network.teacher, views)
    brighter = tuple((view + BUDGET.epsilon).clamp(0, 1) for view in views)
    clean, attacked = (reference.distillation(rows(network.student, batch), taught) for batch in (views, brighter))
    assert terms["distillation"].item() == pytest.approx(clean, rel=1e-4)
    assert terms["adversarial_distillation"].item() == pytest.approx(2 * attacked, rel=1e-4)


def test_the_teacher_sees_the_pictures_before_they_are_moved(network, views):
    terms = make_loss(network, augmentation=shift)(views, seeded(3))
    moved = shift(views, seeded(3))
    expected = reference.distillation(rows(network.student, moved), rows(network.teacher, views))
    assert terms["distillation"].item() == pytest.approx(expected, rel=1e-4)


def test_the_inner_attack_meets_the_student_of_the_moment(network, views):
    attack = pgd()
    expected = attack(network.student, views, BUDGET, generator=seeded())
    taught, attacked = rows(network.teacher, views), rows(network.student, expected)
    terms = make_loss(network, attack=attack)(views, seeded())
    assert terms["adversarial_distillation"].item() == pytest.approx(
        2 * reference.distillation(attacked, taught), rel=1e-4
    )


def test_only_the_student_learns(network, views):
    sum(make_loss(network, attack=pgd())(views, seeded()).values()).backward()
    assert all(parameter.grad is None for parameter in (*network.teacher.parameters(), *network.average.parameters()))
    gradients = [parameter.grad for parameter in network.student.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_batch_norm_keeps_the_teachers_statistics(network, views):
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.train()
    make_loss(network, attack=pgd())(views, seeded())
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())


def test_the_average_moves_towards_the_student_by_its_share(network, views):
    before = [parameter.clone() for parameter in network.average.parameters()]
    make_loss(network, decay=0.9)(views, seeded())
    for old, now, new in zip(before, network.average.parameters(), network.student.parameters(), strict=True):
        torch.testing.assert_close(now, 0.9 * old + 0.1 * new)


def test_a_beginning_makes_teacher_and_average_of_the_student(network, views):
    network.student.encoders[0][3].running_mean.add_(1)
    network.begin(views)
    student = network.student.state_dict()
    for copy in (network.teacher, network.average):
        assert all(torch.equal(tensor, student[name]) for name, tensor in copy.state_dict().items())


class Idle(Attack):
    """Changes nothing, so that a test knows who survives."""

    def perturb(self, model, views, budget, *, generator):
        yield Step(views)


def moved(network, by):
    """The average with other weights."""
    with torch.no_grad():
        for parameter in network.average.parameters():
            parameter.add_(by)
    return [parameter.clone() for parameter in network.average.parameters()]


def kept(network, weights):
    return all(map(torch.equal, network.best.parameters(), weights))


def test_the_average_with_most_survivors_is_kept_the_later_of_two(network, views):
    def select():
        network.select(views, attack=Idle(), budget=BUDGET)

    select()
    assert network.survivors == 1
    alike = moved(network, 1e-6)
    select()
    assert kept(network, alike)
    for parameter in network.average.parameters():
        parameter.data.zero_()  # all samples in one cluster
    worse = moved(network, 0)
    select()
    assert kept(network, alike)
    assert not kept(network, worse)
    network.settle()
    assert all(map(torch.equal, network.average.parameters(), alike))


def test_survivors_are_counted_under_the_attack_of_the_average(network, views):
    attack, budget = pgd(), Budget(epsilon=0.3)
    network.select(views, attack=attack, budget=budget)
    attacked = attack(network.average, views, budget, generator=seeded())
    survived = network.average.encode(attacked).clusters == network.teacher.encode(views).clusters
    assert 0 < survived.float().mean() < 1
    assert network.survivors == survived.float().mean()


def test_a_training_ends_with_its_best_average_of_the_full_epsilon(blobs):
    recipe = RECIPES.make("noisy_digits/rcd_mvc")
    stages = tuple(replace(stage, epochs=1) for stage in recipe.defense.stages)
    inner = replace(recipe.defense.inner, steps=1)
    defense = replace(recipe.defense, warm_up_epochs=1, stages=stages, inner=inner, batch_size=20)
    recipe = replace(recipe, defense=defense, batch_size=20)
    data = blobs.take(torch.arange(40))
    training = model_training(recipe, data.view_shapes, data.n_clusters, seed=0, device=torch.device("cpu"))
    network = training.phases[-1].network
    counted = []
    for _ in fit(training.phases, data, batch_size=recipe.batch_size, generator=training.generator):
        counted.append(network.survivors.item())
    assert counted[:3] == [-1, -1, -1]
    assert 0 <= counted[-1] <= 1
    with torch.no_grad():  # as if an earlier one had been better than any can be
        network.survivors.fill_(2)
        best = [parameter.mul_(1.01).clone() for parameter in network.best.parameters()]
    training.finish(data.views)
    assert training.result is network.average
    assert all(map(torch.equal, network.average.parameters(), best))


@pytest.mark.slow
def test_a_student_holds_where_its_teacher_falls(trained, blobs):
    data, budget = blobs.take(torch.arange(80)), Budget(epsilon=0.3)
    network = Distillation(trained)
    loss = make_loss(network, attack=pgd(), budget=budget, decay=0.5)
    phase = Phase("distillation", 5, network, (Update(loss, adam(network.student.parameters(), 1e-3)),))
    teacher = deepcopy(network.teacher)
    for _ in fit([phase], data, batch_size=20, generator=seeded()):
        pass
    clusters = teacher.encode(data.views).clusters
    kept = {}
    for name, model in (("teacher", teacher), ("student", network.average)):
        attacked = pgd()(model, data.views, budget, generator=seeded(1))
        kept[name] = (model.encode(attacked).clusters == clusters).float().mean().item()
    assert kept["student"] > kept["teacher"] + 0.3
