import pytest
import torch

from core.attacks import ATTACKS
from core.attacks.base import Attack, Budget, Step
from core.defenses import DEFENSES
from core.training import Phase, Update, fit
from tests import reference
from tests.conftest import make_model, make_phase

BUDGET = Budget(epsilon=0.1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Brighter(Attack):
    """Adds ε everywhere, so that a test knows the adversarial views."""

    def perturb(self, model, views, budget, *, generator):
        yield Step(tuple(view + budget.epsilon for view in views))


def make_defense(name, model, *, attack=None, adversarial_weight=0.5, **knobs):
    if name == "ar_dmvc_am":
        knobs = {"mitigation_weight": 2.0, "direction": "adversarial_to_clean", "detach_clean": False} | knobs
    return DEFENSES.make(
        name,
        model=model,
        attack=attack or Brighter(),
        budget=BUDGET,
        adversarial_weight=adversarial_weight,
        **knobs,
    )


every_defense = pytest.mark.parametrize("name", ["ar_dmvc", "ar_dmvc_am"])


@pytest.fixture
def views(blobs):
    return tuple(view[:16] for view in blobs.views)


@pytest.fixture
def learner(trained):
    return trained.train()


def encodings(model, views):
    """Clean and brighter, each normalised by its own batch."""
    brighter = tuple((view + BUDGET.epsilon).clamp(0, 1) for view in views)
    return model.encode(views), model.encode(brighter), brighter


@every_defense
def test_the_loss_is_eq_10_clean_plus_weighted_adversarial(name, learner, views):
    terms = make_defense(name, learner)(views, seeded())
    clean, adversarial, brighter = encodings(learner, views)
    for term, expected in learner.loss_terms(views, clean).items():
        torch.testing.assert_close(terms[term], expected)
    for term, expected in learner.loss_terms(brighter, adversarial).items():
        torch.testing.assert_close(terms[f"adversarial_{term}"], 0.5 * expected)


@pytest.mark.parametrize("direction", ["adversarial_to_clean", "clean_to_adversarial"])
def test_ar_dmvc_am_adds_eq_12(direction, learner, views):
    terms = make_defense("ar_dmvc_am", learner, direction=direction)(views, seeded())
    clean, adversarial, _ = encodings(learner, views)
    expected = 2 * reference.mitigation(adversarial.probs.double().tolist(), clean.probs.double().tolist(), direction)
    assert terms["mitigation"].item() == pytest.approx(expected, rel=1e-4)


def test_ar_dmvc_has_no_mitigator(learner, views):
    plain, mitigated = (set(make_defense(name, learner)(views, seeded())) for name in ("ar_dmvc", "ar_dmvc_am"))
    assert mitigated - plain == {"mitigation"}


@pytest.mark.parametrize("detach_clean", [False, True])
def test_the_mitigator_pulls_on_the_clean_side_unless_told_not_to(detach_clean, learner, views):
    parameters = list(learner.parameters())
    term = make_defense("ar_dmvc_am", learner, detach_clean=detach_clean)(views, seeded())["mitigation"]
    ours = torch.autograd.grad(term, parameters, allow_unused=True)
    clean, adversarial, _ = encodings(learner, views)
    kept = clean.probs.detach() if detach_clean else clean.probs
    divergence = (adversarial.probs * (adversarial.probs / kept).log()).sum(dim=1).mean()
    expected = torch.autograd.grad(2 * divergence, parameters, allow_unused=True)
    for a, b in zip(ours, expected, strict=True):
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)  # through two forwards in float32


@every_defense
@pytest.mark.parametrize("target_mode", ["eval", "train"])
def test_the_inner_attack_leaves_no_trace_in_the_running_statistics(name, target_mode, learner, views):
    attack = ATTACKS.make("pgd", steps=3, objective="contrastive", target_mode=target_mode)
    counter = learner.encoders[0][3].num_batches_tracked
    before = counter.item()
    make_defense(name, learner, attack=attack)(views, seeded())
    assert counter.item() == before + 2  # the clean and the adversarial forward


@every_defense
@pytest.mark.parametrize("target_mode", ["eval", "train"])
def test_the_loss_can_be_minimised_with_the_inner_attack_inside(name, target_mode, learner, views):
    attack = ATTACKS.make("pgd", steps=2, objective="contrastive", target_mode=target_mode)
    terms = make_defense(name, learner, attack=attack)(views, seeded())
    assert all(parameter.grad is None for parameter in learner.parameters())
    sum(terms.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in learner.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in learner.parameters())


@every_defense
def test_the_generator_drives_the_inner_attack(name, learner, views):
    attack = ATTACKS.make("pgd", steps=1, objective="contrastive", target_mode="train")
    defense = make_defense(name, learner, attack=attack)
    first, again, other = (defense(views, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first["adversarial_separation"], again["adversarial_separation"])
    assert not torch.equal(first["adversarial_separation"], other["adversarial_separation"])


def test_the_inner_attack_meets_the_model_of_the_moment(learner, views):
    attack = ATTACKS.make("pgd", steps=1, objective="contrastive", target_mode="train")
    defense = make_defense("ar_dmvc", learner, attack=attack)
    before = defense(views, seeded())["adversarial_contrastive"]
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.mul_(1.5)
    assert not torch.equal(defense(views, seeded())["adversarial_contrastive"], before)


def test_hardening_lowers_what_it_minimises_more_than_plain_training_does(blobs):
    data = blobs.take(torch.arange(80))
    after = {}
    for hardened in (False, True):
        model = make_model()
        attack = ATTACKS.make("pgd", steps=2, objective="contrastive", target_mode="train")
        loss = make_defense("ar_dmvc_am", model, attack=attack, adversarial_weight=1.0)
        hardening = Phase("hardening", 4, model, (Update(loss, torch.optim.Adam(model.parameters(), lr=1e-3)),))
        last = hardening if hardened else make_phase(model, epochs=4)
        for _ in fit([make_phase(model, epochs=4), last], data, batch_size=40, generator=seeded()):
            pass
        model.train()  # so few epochs leave running statistics behind
        terms = loss(data.views, seeded(3))
        after[hardened] = {name: term.item() for name, term in terms.items()}
    assert after[True]["mitigation"] < 0.5 * after[False]["mitigation"]  # a tenth is usual
    assert after[True]["adversarial_contrastive"] < after[False]["adversarial_contrastive"]
