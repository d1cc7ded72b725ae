import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from core.attacks import ATTACKS, OBJECTIVES
from core.attacks.autoattack import AutoPGD, Ensemble, FastAdaptiveBoundary, Square, apgd, dlr, margin, targeted_dlr
from core.attacks.autoattack import ensemble as ensemble_module
from core.attacks.autoattack.apgd import checkpoints
from core.attacks.autoattack.fab import reach
from core.attacks.autoattack.logit_losses import cross_entropy, ranked
from core.attacks.autoattack.square import square_share
from core.attacks.base import Attack, Budget, Step, query
from core.attacks.objectives import OF_CLASSIFIERS
from core.ensemble_records import EnsembleOutcome
from core.errors import LabError
from core.figures import ensemble_words
from core.frames import attack_in_chunks
from core.library import Library
from core.models import MODELS
from core.models.base import ClusteringModel
from core.types import Encoding
from tests import reference
from tests.conftest import PROJECT, make_model

WIDTH = 6
STEPS = 20
DOUBLE = 1e-9  # of numbers computed twice in float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


class Pixels(ClusteringModel):
    """Linear logits of all views' pixels side by side, so that the border of every cluster is known."""

    def __init__(self, n_views=1, n_clusters=4, channels=1, head=None):
        super().__init__(((channels, WIDTH, WIDTH),) * n_views, n_clusters)
        n_pixels = n_views * channels * WIDTH * WIDTH
        self.weight = nn.Parameter(torch.randn(n_clusters, n_pixels, generator=seeded(1)) / 3, requires_grad=False)
        self.head = head or (lambda logits: logits)

    def embed(self, views):
        return tuple(view.flatten(1) for view in views)

    def cluster(self, embeddings):
        fused = torch.cat(embeddings, dim=1)
        logits = self.head(fused @ self.weight.to(fused).T)
        return Encoding(embeddings, fused, fused, logits.softmax(dim=1), logits)

    def loss_terms(self, views, encoding, generator=None):
        return {}


def pictures(n_samples=8, n_views=1, channels=1):
    return tuple(drawn(n_samples, channels, WIDTH, WIDTH, seed=v).float() for v in range(n_views))


def clusters(model, views):
    with torch.no_grad():
        return model.encode(views).clusters


def left(model, views, adversarial):
    """How many samples are no longer in their cluster."""
    return int((clusters(model, views) != clusters(model, adversarial)).sum())


@pytest.fixture
def views(blobs):
    return tuple(view[:12] for view in blobs.views)


@pytest.fixture
def logits():
    return 6 * drawn(40, 7) - 3


def test_dlr_is_its_equation(logits):
    labels = torch.arange(40) % 7
    expected = [reference.dlr(row, label) for row, label in zip(logits.tolist(), labels.tolist(), strict=True)]
    torch.testing.assert_close(dlr(logits, labels).tolist(), expected, rtol=0, atol=DOUBLE)


def test_targeted_dlr_is_its_equation(logits):
    labels, targets = torch.arange(40) % 7, (torch.arange(40) + 2) % 7
    rows = zip(logits.tolist(), labels.tolist(), targets.tolist(), strict=True)
    expected = [reference.targeted_dlr(*row) for row in rows]
    torch.testing.assert_close(targeted_dlr(logits, labels, targets).tolist(), expected, rtol=0, atol=DOUBLE)


@pytest.mark.parametrize(("scale", "shift"), [(1, 5), (100, 0), (0.01, -3)])
def test_dlr_does_not_change_with_shift_or_scale(scale, shift, logits):
    labels, targets = torch.arange(40) % 7, (torch.arange(40) + 2) % 7
    for loss in (partial(dlr, labels=labels), partial(targeted_dlr, labels=labels, targets=targets)):
        torch.testing.assert_close(loss(scale * logits + shift), loss(logits), rtol=0, atol=1e-6)  # of the 1e-12 below


def test_dlr_is_above_zero_where_the_sample_has_left_its_cluster(logits):
    labels = torch.zeros(40, dtype=torch.int64)
    gone = logits.argmax(dim=1) != 0
    assert 0 < gone.sum() < 40
    assert torch.equal(dlr(logits, labels) > 0, gone)
    assert torch.equal(margin(logits, labels) > 0, gone)


def test_dlr_needs_clusters_enough_and_says_how_many():
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(LabError, match="at least 3 clusters, got 2"):
        dlr(torch.rand(2, 2, generator=seeded()), labels)
    with pytest.raises(LabError, match="at least 4 clusters, got 3"):
        targeted_dlr(torch.rand(2, 3, generator=seeded()), labels, labels + 1)


def test_apgd_looks_at_its_step_size_where_the_paper_says():
    assert checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)
    assert list(checkpoints(100)) == reference.apgd_checkpoints(100)


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 40])
def test_checkpoints_of_few_steps_are_steps(steps):
    places = checkpoints(steps)
    assert list(places) == sorted({*places})
    assert all(1 <= place <= steps for place in places)


def test_apgd_is_algorithm_1():
    heights, waves = 2 * drawn(WIDTH * WIDTH, seed=2) - 1, 30 * drawn(WIDTH * WIDTH, seed=3)
    clean = (drawn(3, 1, WIDTH, WIDTH),)
    budget, rows, steps = Budget(epsilon=0.3), range(3), 100
    attack = AutoPGD(
        steps=steps, objective=lambda _, there: (heights * (waves * there.fused).sin()).sum(dim=1) + there.fused.sum(1)
    )
    start = budget.random_start(clean, seeded())[0].flatten(1)
    found = [step.views[0].flatten(1) for step in attack.steps(Still(), clean, budget, generator=seeded())]

    def value(row):
        waving = math.fsum(h * math.sin(w * x) for h, w, x in zip(heights.tolist(), waves.tolist(), row, strict=True))
        return waving + math.fsum(row)

    def slope(row):
        return [h * w * math.cos(w * x) + 1 for h, w, x in zip(heights.tolist(), waves.tolist(), row, strict=True)]

    for i in rows:
        places = reference.auto_pgd(value, slope, clean[0][i].flatten().tolist(), start[i].tolist(), 0.3, steps)
        best = start[i].tolist()
        for step, place in zip(found, places, strict=True):
            best = max(best, place, key=value)
            assert value(step[i].tolist()) == pytest.approx(value(best), abs=DOUBLE)


class Still(Pixels):
    """Every picture is in cluster 0, so that no sample is ever moved."""

    def cluster(self, embeddings):
        probs = embeddings[0].new_tensor([[1.0, 0.0]]).expand(len(embeddings[0]), 2)
        return Encoding(embeddings, embeddings[0], embeddings[0], probs)


def climb(**changes):
    """Three samples that climbed at 9, 9 and 1 of 10 steps since the last checkpoint."""
    row, place = torch.ones(3), (torch.zeros(3, 1, 2, 2),)
    state = {"here": place, "before": place, "gain": row, "gradients": place, "best": (place[0] + 1,), "answer": place}
    state |= {"best_gain": 2 * row, "best_gradients": place, "moved": row < 0, "step_size": row}
    state |= {"improved": torch.tensor([9, 9, 1]), "checked_gain": row, "halved": row < 0}
    return apgd._Climb(**(state | changes))


def test_a_step_is_halved_where_few_steps_climbed_and_the_climb_goes_on_from_the_best():
    checked = climb().check(10)
    assert checked.step_size.tolist() == [1, 1, 0.5]
    assert checked.here[0][:, 0, 0, 0].tolist() == [0, 0, 1]
    assert checked.gain.tolist() == [1, 1, 2]
    assert checked.halved.tolist() == [False, False, True]


def test_a_step_is_halved_where_the_best_is_no_better_unless_it_was_halved_before():
    halved = torch.tensor([False, True, False])
    checked = climb(checked_gain=torch.tensor([2.0, 2.0, 1.0]), halved=halved).check(10)
    assert checked.step_size.tolist() == [0.5, 1, 0.5]


def test_the_first_checkpoint_asks_for_progress_alone():
    ask = partial(query, Still(), lambda there: there.fused.sum(dim=1), covered=(True,))
    start = apgd._start(pictures(3), ask, torch.zeros(3, dtype=torch.int64), 1.0)
    assert replace(start, improved=torch.tensor([9, 9, 9])).check(10).step_size.tolist() == [1, 1, 1]


def test_apgd_is_never_weaker_than_its_start(trained, views):
    budget = Budget(epsilon=0.02)
    labels = clusters(trained, views)

    def gain(adversarial):
        with torch.no_grad():
            return cross_entropy(trained.encode(adversarial).logits, labels)

    start = budget.random_start(views, seeded())
    steps = list(AutoPGD(steps=STEPS).steps(trained, views, budget, generator=seeded()))
    stay = labels == clusters(trained, steps[-1].views)
    assert stay.any()
    assert (gain(steps[-1].views) >= gain(start) - 1e-6)[stay].all()
    assert gain(steps[-1].views).mean() > gain(start).mean()


@pytest.mark.parametrize("epsilon", [0.05, 0.07])
def test_apgd_moves_no_fewer_than_pgd_with_as_many_steps(epsilon, trained, blobs):
    budget, views = Budget(epsilon=epsilon), tuple(view[:32] for view in blobs.views)
    pgd = ATTACKS.make("pgd", steps=STEPS, objective="assignment")(trained, views, budget, generator=seeded())
    auto = AutoPGD(steps=STEPS)(trained, views, budget, generator=seeded())
    assert 0 < left(trained, views, pgd) <= left(trained, views, auto) <= 32


def test_apgd_keeps_the_iterate_that_was_in_another_cluster():
    model, views = Pixels(), pictures(20)
    # Upwards first, out of the cluster, and then back: the last iterate alone would not do.
    attack = AutoPGD(steps=8, objective=lambda clean, there: -margin(there.logits, clean.clusters))
    budget = Budget(epsilon=0.1)
    start = budget.random_start(views, seeded())
    gone = clusters(model, start) != clusters(model, views)
    assert gone.any()
    result = attack(model, views, budget, generator=seeded())
    assert (clusters(model, result) != clusters(model, views))[gone].all()


def test_the_smallest_change_is_the_smallest():
    start, slopes = (drawn(5, 1, WIDTH, WIDTH),), (2 * drawn(5, 1, WIDTH, WIDTH, seed=1) - 1,)
    rise = torch.tensor([0.1, 1.0, 3.0, 5.0, 1e3], dtype=torch.float64)
    (change,) = reach(start, slopes, rise, Budget(epsilon=0.1))
    for i in range(5):
        row = (start[0][i].flatten().tolist(), slopes[0][i].flatten().tolist(), rise[i].item())
        assert change[i].abs().max().item() == pytest.approx(
            min(reference.smallest_linf_change(*row), change[i].abs().max().item()), abs=1e-6
        )
    reached = (slopes[0] * change).flatten(1).sum(dim=1)
    torch.testing.assert_close(reached[:4], rise[:4], rtol=0, atol=1e-5)
    assert (start[0] + change >= 0).all()
    assert (start[0] + change <= 1).all()


def test_the_smallest_change_in_l2_is_along_the_slope():
    start, slopes = (torch.full((3, 1, WIDTH, WIDTH), 0.5),), (torch.randn(3, 1, WIDTH, WIDTH, generator=seeded()),)
    rise = torch.tensor([0.1, -0.5, 1.0])
    (change,) = reach(start, slopes, rise, Budget(epsilon=0.1, norm="l2"))
    square = slopes[0].flatten(1).square().sum(dim=1)
    torch.testing.assert_close(change, slopes[0] * (rise / square)[:, None, None, None], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_views", [1, 2])
def test_fab_finds_the_nearest_border_of_a_linear_model(n_views):
    model, views = Pixels(n_views), tuple(0.3 + 0.4 * view for view in pictures(10, n_views))
    with torch.no_grad():
        z = model.encode(views).logits
    own, other = z.argmax(dim=1), ranked(z, 1)
    slope = model.weight[other] - model.weight[own]
    nearest = (z.gather(1, own[:, None]) - z.gather(1, other[:, None])).squeeze(1) / slope.abs().sum(dim=1)
    attack = FastAdaptiveBoundary(steps=30, rank=1)
    result = attack(model, views, Budget(epsilon=0.25), generator=seeded())
    assert (nearest < 0.25).all()
    assert left(model, views, result) == 10
    changed = torch.stack([(a - b).abs().flatten(1).amax(dim=1) for a, b in zip(result, views, strict=True)]).amax(0)
    assert (changed <= 1.06 * nearest + 1e-5).all()  # it steps 5 % over the border


@pytest.mark.parametrize(
    ("query_", "share"), [(1, 0.8), (10, 0.8), (11, 0.4), (51, 0.2), (2001, 0.8 / 64), (10_000, 0.8 / 512)]
)
def test_squares_shrink_as_published(query_, share):
    assert square_share(query_, 10_000) == pytest.approx(share)
    assert square_share(query_ * 2, 20_000) == pytest.approx(share)


class Blind(Pixels):
    """Refuses to be asked for a gradient."""

    def encode(self, views):
        assert not torch.is_grad_enabled()
        return super().encode(views)


@pytest.mark.parametrize(("n_views", "channels"), [(1, 3), (2, 1)])
def test_square_climbs_square_by_square_without_a_gradient(n_views, channels):
    model, views = Blind(n_views, channels=channels), pictures(6, n_views, channels)
    budget = Budget(epsilon=0.02)
    steps = list(Square(queries=60).steps(model, views, budget, generator=seeded()))
    gains = torch.stack([step.objective for step in steps])
    assert (gains.diff(dim=0) >= 0).all()
    assert (gains[-1] > gains[0]).all()
    for before, after in pairwise(steps):
        touched = [
            (a - b).abs().flatten(2).amax(dim=1) > 0 for a, b in zip(before.views, after.views, strict=True)
        ]  # of each view (B, H W)
        assert sum(bool(view.any()) for view in touched) <= 1
    pairs = zip(steps[0].views, steps[-1].views, strict=True)
    assert all(not torch.equal(a, b) for a, b in pairs)  # views take turns


def test_square_leaves_a_sample_alone_once_it_has_moved():
    model, views = Pixels(), pictures(12)
    steps = list(Square(queries=200).steps(model, views, Budget(epsilon=0.15), generator=seeded()))
    gone = steps[0].objective > 0
    assert gone.any()
    assert not gone.all()
    assert torch.equal(steps[-1].views[0][gone], steps[0].views[0][gone])
    assert left(model, views, steps[-1].views) > int(gone.sum())


class Mover(Attack):
    """Moves the samples at ``places`` of the batch it gets, and remembers the batch."""

    def __init__(self, *places):
        super().__init__()
        self.places = list(places)
        self.seen = []

    def perturb(self, model, views, budget, *, generator):
        self.seen.append(views[0])
        moved = views[0].clone()
        own = model.encode((moved[self.places],)).clusters
        change = 10 * (model.weight[(own + 1) % 4] - model.weight[own])
        moved[self.places] += change.reshape(-1, 1, WIDTH, WIDTH)
        yield Step((moved,))


def run_members(monkeypatch, model, views, *members, **knobs):
    monkeypatch.setattr(Ensemble, "_members", lambda self, n_clusters, n_views: iter(members))
    *_, last = Ensemble(**knobs).steps(model, views, Budget(epsilon=1), generator=seeded())
    return last


def test_each_member_meets_only_what_the_others_left(monkeypatch):
    model, views = Pixels(), pictures(6)
    first, second, third = Mover(0, 3), Mover(1, 2), Mover()
    last = run_members(monkeypatch, model, views, ("first", first), ("second", second), ("third", third))
    assert torch.equal(second.seen[0], views[0][[1, 2, 4, 5]])
    assert torch.equal(third.seen[0], views[0][[1, 5]])
    assert last.findings.moved_by.tolist() == [0, -1, 1, 0, 1, -1]
    assert left(model, views, last.views) == 4


def test_nothing_runs_once_every_sample_has_moved(monkeypatch):
    model, views = Pixels(), pictures(4)
    idle = Mover(0)
    last = run_members(monkeypatch, model, views, ("first", Mover(0, 1, 2, 3)), ("second", idle))
    assert idle.seen == []
    assert last.progress == 1


def test_restarts_count_together_under_one_name(monkeypatch):
    model, views = Pixels(), pictures(6)
    last = run_members(monkeypatch, model, views, ("pgd", Mover(0)), ("pgd", Mover(0)), ("square", Mover(0)))
    assert last.findings.members == ("pgd", "square")
    assert last.findings.moved_by.tolist() == [0, 0, 1, -1, -1, -1]


def test_a_sample_that_nobody_moves_gets_its_highest_cross_entropy():
    model, views, budget = Pixels(2), pictures(40, 2), Budget(epsilon=0.01)
    result = ATTACKS.make("ensemble", steps=2, restarts=1)(model, views, budget, generator=seeded())
    labels = clusters(model, views)
    stay = labels == clusters(model, result)
    assert stay.any()
    for name, member in Ensemble(steps=2, restarts=1)._members(4, 2):
        alone = member(model, views, budget, generator=seeded())
        with torch.no_grad():
            worst, theirs = (cross_entropy(model.encode(x).logits, labels) for x in (result, alone))
        assert (worst >= theirs - 1e-2)[stay].all(), name  # of other random starts


def test_the_ensemble_moves_no_fewer_than_any_of_its_members():
    model, views, budget = Pixels(2), pictures(60, 2), Budget(epsilon=0.03)
    worst = left(model, views, Ensemble(steps=5, restarts=1)(model, views, budget, generator=seeded()))
    for name, member in Ensemble(steps=5, restarts=1)._members(4, 2):
        assert left(model, views, member(model, views, budget, generator=seeded())) <= worst, name
    assert 0 < worst < 60


def names(n_clusters, n_views, **knobs):
    return [name for name, _ in Ensemble(steps=1, **knobs)._members(n_clusters, n_views)]


def test_the_standard_members_stand_first_and_pgd_meets_every_objective():
    members = names(10, 2)
    assert members[:20] == ["apgd_ce", *["apgd_dlr"] * 9, *["fab"] * 9, "square"]
    met = [name for name in OBJECTIVES if name not in OF_CLASSIFIERS]  # those are on logits, as the standard is
    assert members[20:] == [f"pgd_{objective}" for objective in met for _ in range(5)]
    assert [attack.n_steps for _, attack in Ensemble()._members(10, 2)][:20] == [100] * 19 + [5000]
    assert {attack.n_steps for name, attack in Ensemble()._members(10, 2) if name.startswith("pgd")} == {40}


def test_members_that_need_more_clusters_or_views_are_left_out():
    assert names(3, 2).count("apgd_dlr") == 1
    assert names(3, 2).count("fab") == 2
    assert "apgd_dlr" not in names(2, 2)
    assert "pgd_contrastive" not in names(10, 1)


@pytest.mark.parametrize("n_clusters", [2, 3, 4])
@pytest.mark.parametrize("n_views", [1, 3])
def test_the_ensemble_takes_any_number_of_clusters_and_views(n_clusters, n_views):
    model, views = Pixels(n_views, n_clusters), pictures(6, n_views)
    result = Ensemble(steps=2, restarts=1)(model, views, Budget(epsilon=0.2), generator=seeded())
    assert left(model, views, result) > 0


def test_a_transfer_asks_the_surrogate_and_not_the_target():
    class Unasked(Pixels):
        def encode(self, views):
            raise AssertionError

    surrogate, views = Pixels(), pictures(6)
    attack = ensemble_module.Transfer(AutoPGD(steps=5), surrogate)
    result = attack(Unasked(), views, Budget(epsilon=0.1), generator=seeded())
    assert left(surrogate, views, result) > 0


def test_the_surrogate_of_a_defended_model_is_the_undefended_one_on_the_same_data():
    library = Library(checkpoints=PROJECT / "checkpoints", data=None, device=torch.device("cpu"))
    for dataset in ("noisy_digits", "patched_digits"):
        undefended = library.card(dataset, "cl_mvc")
        assert library.undefended(library.card(dataset, "ar_dmvc_am")) == undefended
        assert library.undefended(undefended) is None


def outcome(model, views, epsilon=0.02):
    running = attack_in_chunks(Ensemble(steps=1, targets=1, restarts=1), model, views, Budget(epsilon=epsilon), seed=0)
    shares = []
    while True:
        try:
            shares.append(next(running)[0])
        except StopIteration as end:
            assert shares == sorted(shares)
            assert shares[-1] == 1
            return end.value


def test_the_outcome_counts_every_sample_of_every_piece():
    model, views, epsilon = Pixels(), pictures(160), 0.03
    found = outcome(model, views, epsilon)
    attack = Ensemble(steps=1, targets=1, restarts=1)
    *_, (_, adversarial) = attack_in_chunks(attack, model, views, Budget(epsilon=epsilon), seed=0)
    assert found.samples == 160
    assert 0 < sum(found.moved.values()) == left(model, views, adversarial) < 160
    assert found.survivors == 160 - sum(found.moved.values())
    assert found.warnings == ()


def test_probabilities_in_place_of_logits_are_noticed():
    found = outcome(Pixels(head=lambda logits: logits.softmax(dim=1)), pictures(6))
    assert found.probabilities == 1
    assert "probabilities" in found.warnings


def test_gradients_that_vanish_are_noticed():
    found = outcome(Pixels(head=lambda logits: logits.round()), pictures(6))
    assert found.zero_gradients == 1
    assert "zero_gradients" in found.warnings
    assert outcome(Pixels(), pictures(6)).zero_gradients == 0


def test_a_model_that_gives_no_gradient_at_all_is_still_attacked():
    model, views = Pixels(head=lambda logits: logits.detach()), pictures(12)
    found = outcome(model, views, epsilon=0.1)
    assert found.zero_gradients == 1
    assert sum(found.moved.values()) > 0


def test_what_moves_without_a_gradient_after_those_with_one_is_masking():
    quiet = {"samples": 9, "probabilities": 0.0, "zero_gradients": 0.0}
    assert EnsembleOutcome(moved={"apgd_ce": 5, "square": 0, "transfer": 0}, **quiet).warnings == ()
    assert EnsembleOutcome(moved={"apgd_ce": 5, "square": 1, "transfer": 0}, **quiet).warnings == ("masking",)
    assert EnsembleOutcome(moved={"apgd_ce": 5, "square": 0, "transfer": 2}, **quiet).warnings == ("masking",)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_softmax_of_every_models_logits_are_its_probabilities(name, blobs):
    model, views = make_model(name).eval(), tuple(view[:9] for view in blobs.views)
    with torch.no_grad():
        model.fit_clusters(tuple(view[:40] for view in blobs.views), seed=0)
        encoding = model.encode(views)
    torch.testing.assert_close(encoding.logits.softmax(dim=1), encoding.probs, rtol=1e-4, atol=1e-6)


def test_logits_keep_a_gradient_where_probabilities_have_lost_theirs(trained, views):
    with torch.no_grad():
        trained.head.logits.weight.mul_(300)
    labels = clusters(trained, views)
    slopes = []
    for gain in (lambda at: margin(at.logits, labels), lambda at: margin(at.probs, labels)):
        gradients = query(trained, gain, views, (True, True)).gradients
        slopes.append(torch.stack(gradients).abs().sum(dim=(0, 2, 3, 4)))
    assert (slopes[0] > 0).all()
    assert (slopes[1] == 0).any()


@pytest.mark.parametrize("make", [AutoPGD, FastAdaptiveBoundary, Ensemble, partial(Square)])
def test_no_attack_has_no_steps(make):
    with pytest.raises(LabError, match=r"at least 1|or more"):
        make(**({"queries": 0} if isinstance(make, partial) else {"steps": 0}))


OUTCOME = {"samples": 9, "probabilities": 0.0, "zero_gradients": 0.0}


def test_the_ensembles_sentence_names_who_moved_how_many():
    outcome = EnsembleOutcome(moved={"apgd_ce": 5, "fab": 0, "pgd_assignment": 1}, **OUTCOME)
    assert ensemble_words.sentence(outcome) == "Moved first by: APGD 5, PGD on the assignment 1. 3 of 9 stay."
    nobody = EnsembleOutcome(moved={"apgd_ce": 0}, **OUTCOME)
    assert ensemble_words.sentence(nobody) == "None of its members moved any sample. 9 of 9 stay."


def test_every_member_of_the_ensemble_has_a_name_and_every_warning_a_sentence():
    members = {name for name, _ in Ensemble(generators=object(), surrogate=object())._members(10, 2)}
    assert {name for name in members if not name.startswith("pgd_")} == set(ensemble_words.MEMBER_NAMES)
    told = {"samples": 9, "probabilities": 0.5, "zero_gradients": 0.25}
    outcome = EnsembleOutcome(moved={"square": 1}, **told)
    assert set(outcome.warnings) == set(ensemble_words.WARNINGS)
    assert "25% of the samples" in ensemble_words.sentence(outcome)
    assert "1 moved under what asks for no gradient" in ensemble_words.sentence(outcome)
