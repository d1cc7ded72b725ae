from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from core.attacks.base import Budget
from core.attacks.objectives import STRATEGIES, neighbour_pursuit, neighbours, pursuit
from core.augmentation import AUGMENTATIONS
from core.defenses import contrastive
from core.defenses.contrastive import ADVERSARIAL, CLEAN, Adversary, Pair
from core.errors import LabError
from core.lars import Lars
from core.losses.robust_contrastive import faithfulness, high_frequencies, nt_xent, nt_xent_rows, steadiness
from core.models.normalisation import SeveralBatchNorms
from core.models.representation import Neighbourhood
from core.recipes import RECIPES, ncp_acl
from core.trainers import model_training
from core.training import Phase, Supervised, Update, cosine, fit, restore, sgd, snapshot
from core.types import Encoding
from tests import reference
from tests.conftest import make_blobs, make_model, shrunk

EXACT = 1e-5  # float32 against loops in float64
ADVERSARY = Adversary(budget=Budget(epsilon=0.1), steps=2, step_size=0.05)
DISTORT = AUGMENTATIONS.make("distort")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


def floats(tensor):
    return tensor.detach().double().tolist()


@pytest.fixture(scope="module")
def data():
    return make_blobs(48, n_views=1)


def make_pair(data, **options):
    """A student after a step of learning, its own teacher, with clusters."""
    model = make_model("ncp_acl", n_views=1, widths=(4, 6, 8), grid=(3, 4), **options)
    pair = Pair(model)
    with torch.no_grad():
        model.train().represent(data.views, CLEAN)
    pair.eval()
    pair.begin()
    model.choose_clusters(model.all_representations(data.views, CLEAN), seed=0)
    pair.teacher.place_means(data.views, 4, seed=0)
    return pair


# Losses


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("temperature", [0.2, 0.5])
def test_nt_xent_is_eq_1_for_any_number_of_versions(count, temperature):
    versions = [rows(5, 4, seed=i) for i in range(count)]
    expected = reference.nt_xent([floats(v) for v in versions], temperature)
    assert nt_xent(*versions, temperature=temperature).item() == pytest.approx(expected, rel=EXACT)
    assert nt_xent_rows(*versions, temperature=temperature).shape == (5 * count,)


def test_the_two_terms_of_eq_3_are_negative_cosines():
    clean, taught, attacked = (rows(6, 5, seed=i) for i in range(3))
    ours = faithfulness(clean, taught) + 6 * steadiness(attacked, clean)
    assert ours.item() == pytest.approx(reference.ncp_acl(*map(floats, (clean, taught, attacked)), 6), rel=EXACT)


def test_neighbour_pursuit_is_eq_4_and_each_part_of_it_a_strategy():
    embedding, own, neighbour = (rows(7, 5, seed=i) for i in range(3))
    both = neighbour_pursuit(embedding, own, neighbour)
    expected = [
        reference.neighbour_pursuit(*row) for row in zip(*map(floats, (embedding, own, neighbour)), strict=True)
    ]
    assert both.tolist() == pytest.approx(expected, rel=1e-4, abs=EXACT)
    alone = neighbour_pursuit(embedding, own, None) + neighbour_pursuit(embedding, None, neighbour)
    torch.testing.assert_close(alone, both)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("rank", [2, 4])
def test_a_pursuit_goes_from_the_nearest_centroid_to_that_of_its_rank(strategy, rank):
    centroids = nn.functional.normalize(rows(5, 4, seed=9), dim=1)
    clean, there = (Encoding((), z, z, z.softmax(dim=1)) for z in (rows(6, 4, seed=1), rows(6, 4, seed=2)))
    order = (nn.functional.normalize(clean.hidden, dim=1) @ centroids.T).argsort(dim=1, descending=True)
    own, neighbour = centroids[order[:, 0]], centroids[order[:, rank - 1]]
    chosen = {"own": (own, None), "toward": (None, neighbour), "both": (own, neighbour)}[strategy]
    expected = neighbour_pursuit(there.hidden, *chosen)
    torch.testing.assert_close(pursuit(centroids, strategy=strategy, rank=rank)(clean, there), expected)


def test_an_impossible_pursuit_is_refused_in_a_sentence():
    with pytest.raises(LabError, match="own, toward, both"):
        pursuit(torch.eye(3), strategy="away")
    with pytest.raises(LabError, match="from 2 to 3, got 4"):
        pursuit(torch.eye(3), rank=4)


def test_high_frequencies_are_what_a_disc_of_the_spectrum_leaves():
    wave = torch.arange(16) * 2 * torch.pi / 16
    low, high = (wave * 2).cos().expand(16, 16), (wave * 7).cos().expand(16, 16)
    left = high_frequencies((3 + low + high)[None, None], 4.0)
    torch.testing.assert_close(left, high[None, None], rtol=0, atol=EXACT)


# Batch norm


def test_each_kind_of_input_has_batch_norms_of_its_own(data):
    pair = make_pair(data)
    student = pair.student.train()
    norms = [module for module in student.modules() if isinstance(module, SeveralBatchNorms)]
    before = [[s.running_mean.clone() for s in norm.sets] for norm in norms]
    student.represent((data.views[0] * 0.5,), ADVERSARIAL)
    for norm, (clean, adversarial) in zip(norms, before, strict=True):
        assert torch.equal(norm.sets[CLEAN].running_mean, clean)
        assert not torch.equal(norm.sets[ADVERSARIAL].running_mean, adversarial)
        assert norm.active == ADVERSARIAL


def test_what_is_used_after_training_is_the_adversarial_set(data):
    student = make_pair(data).student
    with torch.no_grad():
        for norm in (module for module in student.modules() if isinstance(module, SeveralBatchNorms)):
            norm.sets[CLEAN].weight.mul_(3)
    encoding = student.encode(data.views)
    assert torch.equal(encoding.hidden, student.represent(data.views, ADVERSARIAL))
    assert not torch.allclose(encoding.hidden, student.represent(data.views, CLEAN))


def test_the_second_stage_starts_with_equal_sets_and_its_own_teacher(data):
    pair = make_pair(data)
    here, there = (pair.student.represent(data.views, kind) for kind in (CLEAN, ADVERSARIAL))
    assert torch.equal(here, there)
    assert torch.equal(pair.teacher.represent(data.views, CLEAN), here)
    assert not any(parameter.requires_grad for parameter in pair.teacher.parameters())
    assert not pair.train().teacher.training


# The methods

LOSSES = {
    "simclr": partial(contrastive.simclr, augmentation=DISTORT, temperature=0.5),
    "ncp_acl": partial(contrastive.ncp_acl, adversary=ADVERSARY, weight=6.0, strategy="both", rank=2),
    "deacl": partial(contrastive.deacl, adversary=ADVERSARY, weight=2.0),
    "acl": partial(contrastive.acl, adversary=ADVERSARY, augmentation=DISTORT, temperature=0.5, adversarial_weight=1.2),
    "advcl": partial(
        contrastive.advcl, adversary=ADVERSARY, augmentation=DISTORT, temperature=0.5, scale=2.0, radius=6.0
    ),
    "rocl": partial(contrastive.rocl, adversary=ADVERSARY, augmentation=DISTORT, temperature=0.5, weight=0.1),
    "pseudo_trades": partial(contrastive.pseudo_trades, adversary=ADVERSARY, weight=6.0),
}
every_loss = pytest.mark.parametrize("name", list(LOSSES))


@every_loss
def test_a_loss_is_finite_follows_its_generator_and_leaves_the_teacher_alone(name, data):
    pair = make_pair(data).train()
    before = {key: tensor.clone() for key, tensor in pair.teacher.state_dict().items()}
    loss = LOSSES[name](pair)
    first, again, other = (loss(data.views, seeded(seed)) for seed in (1, 1, 2))
    assert all(term.isfinite() and term.shape == () for term in first.values())
    assert any(not torch.equal(first[term], other[term]) for term in first)
    assert set(first) == set(again)
    sum(first.values()).backward()
    moved = [parameter.grad for parameter in pair.student.networks.parameters() if parameter.grad is not None]
    assert moved
    assert all(gradient.isfinite().all() for gradient in moved)
    assert all(torch.equal(before[key], tensor) for key, tensor in pair.teacher.state_dict().items())


@pytest.mark.parametrize("name", ["ncp_acl", "deacl"])
def test_the_distillation_is_eq_3_at_the_adversarial_pictures(name, data):
    pair = make_pair(data)
    terms = LOSSES[name](pair)(data.views, seeded(4))
    weight = 6.0 if name == "ncp_acl" else 2.0
    clean = pair.student.represent(data.views, CLEAN)
    if name == "ncp_acl":
        objective = pursuit(pair.student.centroid_rows())
    else:
        objective = lambda _, there: -nn.functional.cosine_similarity(there.hidden, clean.detach(), dim=1)  # noqa: E731
    attacked = pair.student.represent(ADVERSARY(pair.student, data.views, objective, seeded(4)), ADVERSARIAL)
    expected = reference.ncp_acl(floats(clean), floats(clean), floats(attacked), weight)
    assert sum(term.item() for term in terms.values()) == pytest.approx(expected, rel=1e-4)


def test_the_adversary_leaves_the_own_cluster_further_than_noise_does(data):
    pair = make_pair(data)
    view = Neighbourhood(pair.student).eval()
    strong = replace(ADVERSARY, steps=10, step_size=0.025)
    objective = pursuit(view.centres)
    pushed = view.encode(strong(view, data.views, objective, seeded()))
    noisy = view.encode(strong.budget.random_start(data.views, seeded()))
    clean = view.encode(data.views)
    assert objective(clean, pushed).mean() > objective(clean, noisy).mean() + 0.01
    assert torch.equal(neighbours(clean.hidden, view.centres, 1)[:, 0], clean.clusters)


def test_the_head_learns_labels_from_representations_that_stay(data):
    model = make_pair(data).student
    before = {name: tensor.clone() for name, tensor in model.networks.state_dict().items()}
    first = model.all_representations(data.views, ADVERSARIAL)[:, 0]
    head = contrastive.LinearFineTuning(model, (first > first.median()).long(), None)
    update = Update(Supervised(head.terms, head.targets), sgd(model.head.parameters(), 1.0, weight_decay=0.0))
    phase = Phase("head", 12, model.head, (update,), start=head.prepare, refresh=head.remember)
    logs = list(fit([phase], data, batch_size=16, generator=seeded()))
    assert logs[-1].total < logs[0].total
    assert all(torch.equal(before[name], tensor) for name, tensor in model.networks.state_dict().items())


# Phases


@pytest.mark.parametrize("name", ncp_acl.MODELS)
def test_a_training_that_stops_goes_on_bit_for_bit(name, data):
    def make():
        return model_training(
            shrunk(RECIPES.make(f"digits/{name}")),
            data.view_shapes,
            4,
            seed=3,
            device=torch.device("cpu"),
            labels=data.labels,
        )

    whole = make()
    logs = list(fit(whole.phases, data, batch_size=12, generator=whole.generator))
    part = make()
    running = fit(part.phases, data, batch_size=12, generator=part.generator)
    done = [next(running), next(running)]
    kept = snapshot(part.phases, part.generator)
    later = make()
    restore(later.phases, later.generator, kept)
    rest = list(fit(later.phases, data, batch_size=12, generator=later.generator, earlier=done))
    assert [log.terms for log in [*done, *rest]] == [log.terms for log in logs]
    other = later.result.state_dict()
    assert all(torch.equal(tensor, other[key]) for key, tensor in whole.result.state_dict().items())


def test_dynacl_lets_its_attacked_contrast_grow_and_its_augmentation_fade(data):
    recipe = shrunk(RECIPES.make("digits/dynacl"))
    training = model_training(recipe, data.view_shapes, 4, seed=0, device=torch.device("cpu"), labels=data.labels)
    names = [phase.name for phase in training.phases]
    assert names == ["SimCLR", "dynacl, part 1", "dynacl, part 2", "linear head"]
    assert training.phases[1].updates[0].optimizer is training.phases[2].updates[0].optimizer


def test_a_phase_refreshes_before_every_epoch_and_follows_its_rates(data):
    network, seen = nn.Linear(1, 1), []
    optimizer = torch.optim.SGD(network.parameters(), lr=9.0)

    def terms(views, generator):
        return {"loss": 0 * network.weight.sum()}

    phase = Phase(
        "p", 3, network, (Update(terms, optimizer),), rates=(0.3, 0.2, 0.1),
        start=lambda views: seen.append("start"),
        refresh=lambda views: seen.append("refresh"),
    )  # fmt: skip
    rates = [optimizer.param_groups[0]["lr"] for _ in fit([phase], data, batch_size=48, generator=seeded())]
    assert seen == ["start", "refresh", "refresh", "refresh"]
    assert rates == [0.3, 0.2, 0.1]


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine():
    rates = cosine(0.5, 6, warm_up=2, first=0.2)
    assert rates == pytest.approx((0.3, 0.4, 0.5, 0.5 * (1 + 2**-0.5) / 2, 0.25, 0.5 * (1 - 2**-0.5) / 2))


def test_lars_steps_fit_the_size_of_a_layers_weights():
    weight, bias = nn.Parameter(torch.full((3, 4), 2.0)), nn.Parameter(torch.ones(4))
    optimizer = Lars([weight, bias], 0.1, weight_decay=0.0)
    weight.grad, bias.grad = torch.full((3, 4), 1000.0), torch.full((4,), 2.0)
    optimizer.step()
    assert (2.0 - weight).norm().item() == pytest.approx(0.02 * 2 * 12**0.5, rel=1e-4)
    torch.testing.assert_close(bias.detach(), torch.full((4,), 0.8))


def test_the_full_settings_network_has_batch_norms_for_each_kind_of_input():
    model = make_model("ncp_acl", n_views=1, network="resnet18", projector=(8, 4)).eval()
    norms = [module for module in model.modules() if isinstance(module, SeveralBatchNorms)]
    assert len(norms) == 20  # one of the stem, two of each of eight blocks, one of each of three shortcuts
    view = torch.rand(2, 1, 16, 16, generator=seeded())
    with torch.no_grad():
        norms[0].sets[CLEAN].bias.add_(1)
        assert model.represent((view,), CLEAN).shape == (2, 512)
        assert not torch.allclose(model.represent((view,), CLEAN), model.represent((view,), ADVERSARIAL))


@pytest.mark.parametrize("name", ["crop_and_flip", "distort", "colours"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_augmentation_keeps_the_shape_and_the_range_and_follows_its_generator(name, channels):
    view = torch.rand(6, channels, 28, 28, generator=seeded())
    augment = AUGMENTATIONS.make(name)
    (first,), (again,), (other,) = (augment((view,), seeded(seed)) for seed in (1, 1, 2))
    assert first.shape == view.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ["distort", "colours"])
def test_an_augmentation_without_strength_leaves_pictures_as_they_are(name):
    view = torch.rand(6, 3, 28, 28, generator=seeded())
    (changed,) = AUGMENTATIONS.make(name, strength=0.0)((view,), seeded())
    same = (changed - view).abs().flatten(1).amax(dim=1) < 1e-4
    mirrored = (changed - view.flip(3)).abs().flatten(1).amax(dim=1) < 1e-4
    assert (same | mirrored).all()
    assert name == "colours" or same.all()
