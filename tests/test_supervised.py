from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.attacks.base import Budget
from core.defenses import DEFENSES
from core.defenses.supervised import FreeAdversary
from core.errors import LabError
from core.losses.robust import qtrades, trades
from core.recipes import RECIPES, clustr
from core.trainers import model_training
from core.training import Phase, Supervised, Update, fit, restore, snapshot
from tests import reference
from tests.conftest import N_CLASSES, SIDE, make_blobs, make_model

CPU = torch.device("cpu")
SHAPES = ((1, SIDE, SIDE),)
BUDGET = Budget(epsilon=0.1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def few():
    whole = make_blobs(48)
    return replace(whole, views=whole.views[:1])


@pytest.fixture
def logits():
    clean, adversarial = (3 * torch.randn(6, 4, generator=seeded(seed)) for seed in (1, 2))
    return clean, adversarial, torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
def test_trades_is_its_equation(logits, beta):
    torch.testing.assert_close(trades(*logits, beta=beta), torch.tensor(reference.trades(*logits, beta)))


@pytest.mark.parametrize("beta", [0.0, 8.0])
def test_qtrades_is_its_equation(logits, beta):
    torch.testing.assert_close(qtrades(*logits, beta=beta), torch.tensor(reference.qtrades(*logits, beta)))


def test_a_supervised_loss_gets_the_targets_of_its_own_samples(few):
    point, seen = torch.nn.Linear(1, 1), []
    places = {tuple(picture.flatten().tolist()): i for i, picture in enumerate(few.views[0])}

    def loss(views, targets, generator):
        seen.extend(zip([places[tuple(p.flatten().tolist())] for p in views[0]], targets.tolist(), strict=True))
        return {"loss": point.weight.sum()}

    update = Update(Supervised(loss, few.labels), torch.optim.SGD(point.parameters(), lr=0.1))
    list(fit([Phase("told", 1, point, (update,))], few, batch_size=8, generator=seeded()))
    assert len(seen) == 48
    assert all(few.labels[row] == target for row, target in seen)


def test_a_phase_may_choose_its_own_batches(few):
    point, seen = torch.nn.Linear(1, 1), []

    def loss(views, targets, generator):
        seen.append(targets.tolist())
        return {"loss": point.weight.sum()}

    update = Update(Supervised(loss, torch.arange(48)), torch.optim.SGD(point.parameters(), lr=0.1))
    phase = Phase("chosen", 1, point, (update,), batches=lambda views, size, generator: [torch.tensor([5, 5, 7])] * 2)
    list(fit([phase], few, batch_size=8, generator=seeded()))
    assert seen == [[5, 5, 7]] * 2


def test_a_classifier_has_no_loss_and_no_training_without_labels(few):
    model = make_model("nominal", n_views=1)
    with pytest.raises(LabError, match="trained with labels"):
        model.loss_terms(few.views, model.encode(few.views))
    with pytest.raises(LabError, match="trained with labels"):
        training_of("nominal", few, labels=None)


def training_of(name, few, *, labels=(), **changes):
    recipe = RECIPES.make(f"digits/{name}")
    schedule = replace(recipe.schedule, pretraining_epochs=1, epochs=2)
    recipe = replace(recipe, schedule=schedule, batch_size=12, **changes)
    told = few.labels if labels == () else labels
    return model_training(recipe, SHAPES, N_CLASSES, seed=0, device=CPU, labels=told)


def run(training, few, earlier=(), stop=None):
    logs = []
    for log in fit(training.phases, few, batch_size=12, generator=training.generator, earlier=earlier):
        logs.append(log)
        if len(logs) == stop:
            break
    return logs


@pytest.mark.parametrize("name", clustr.MODELS)
def test_every_classifier_starts_warm_then_trains_and_resumes_bit_for_bit(name, few):
    whole = training_of(name, few)
    logs = run(whole, few)
    own = "magnet" if name in clustr.MAGNETS else "training"
    assert [log.phase for log in logs] == ["warm start", own, own]
    half = training_of(name, few)
    first = run(half, few, stop=2)
    kept = snapshot(half.phases, half.generator)
    again = training_of(name, few)
    restore(again.phases, again.generator, kept)
    run(again, few, earlier=first)
    weights = again.result.state_dict()
    assert all(torch.equal(weights[key], tensor) for key, tensor in whole.result.state_dict().items())


def test_a_classifier_learns_its_labels(few):
    training = training_of("nominal", few)
    phases = [replace(training.phases[-1], epochs=25)]
    list(fit(phases, few, batch_size=12, generator=seeded()))
    assert (training.result.encode(few.views).clusters == few.labels).all()


def test_at_minimises_the_cross_entropy_at_attacked_views(few):
    model = make_model("at", n_views=1)
    clean = cross_entropy(model.encode(few.views).logits, few.labels)
    loss = DEFENSES.make("at", model=model, budget=BUDGET, steps=3, step_size=0.05)
    attacked = loss(few.views, few.labels, seeded())["adversarial_cross_entropy"]
    silent = DEFENSES.make("at", model=model, budget=Budget(epsilon=0.0), steps=1, step_size=0.05)
    torch.testing.assert_close(silent(few.views, few.labels, seeded())["adversarial_cross_entropy"], clean)
    assert attacked > clean


@pytest.mark.parametrize(
    ("name", "term", "loss"), [("trades", "divergence", trades), ("qtrades", "consistency", qtrades)]
)
def test_a_consistency_defense_is_its_loss_at_attacked_views(name, term, loss, few):
    model = make_model(name, n_views=1).eval()
    knobs = {"model": model, "steps": 1, "step_size": 0.1, "weight": 6.0}
    terms = DEFENSES.make(name, budget=Budget(epsilon=0.0), **knobs)(few.views, few.labels, seeded())
    assert set(terms) == {"cross_entropy", term}
    logits = model.encode(few.views).logits
    torch.testing.assert_close(sum(terms.values()), loss(logits, logits, few.labels, beta=6.0))
    attacked = DEFENSES.make(name, budget=BUDGET, **knobs)(few.views, few.labels, seeded())
    assert attacked[term] > terms[term]


def test_free_at_keeps_its_perturbation_and_moves_it_by_the_gradient_of_training(few):
    model, views = make_model("free_at", n_views=1).eval(), tuple(view[:8] for view in few.views)
    adversary = FreeAdversary(8, SHAPES)
    loss = adversary.loss(model, budget=BUDGET)
    inputs = views[0].clone().requires_grad_()
    (slope,) = torch.autograd.grad(cross_entropy(model.encode((inputs,)).logits, few.labels[:8]), inputs)
    total = sum(loss(views, few.labels[:8], seeded()).values())
    torch.autograd.grad(total, list(model.parameters()), retain_graph=True)  # reaches the weights alone
    assert not adversary.delta0.any()
    update = Update(Supervised(loss, few.labels[:8]), torch.optim.SGD(model.parameters(), lr=0.0))
    data = replace(few, views=views, labels=few.labels[:8])
    one = Phase("free", 1, model, (update,), batches=lambda v, size, g: [torch.arange(8)])
    list(fit([one], data, batch_size=8, generator=seeded()))
    inside = (views[0] > 0) & (views[0] < 1)
    torch.testing.assert_close(adversary.delta0[inside], 0.1 * slope.sign()[inside])
    list(fit([one], data, batch_size=8, generator=seeded()))
    assert adversary.delta0.abs().max() <= 0.1 + 1e-6
