import copy
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from core.attack_making import usual_objective
from core.attacks import ATTACKS
from core.checkpoint_training import _far
from core.checkpoints import load_card, weights_path
from core.errors import LabError
from core.frames import clean_scores
from core.lab import CONTROLS, Lab
from core.recipes import lab as lab_recipe
from core.records import AttackSpec, SweepSpec, TrainSpec
from core.store import ResultStore
from tests.conftest import PROJECT

TARGET = "patched_digits"
MODEL = TrainSpec(dataset=TARGET, model="cl_mvc", epochs=2, runs=1)
ATTACKER = TrainSpec(dataset=TARGET, model="cl_mvc", kind="attacker", epochs=1)
SPEC = AttackSpec(dataset=TARGET, model="cl_mvc", attack="pgd", epsilon=0.2, samples=24, steps=2)
ROUNDING = 1e-6  # of float32 pixels in [0, 1]


def exhaust(training):
    """Run a training to its end; its card."""
    while True:
        try:
            next(training)
        except StopIteration as end:
            return end.value


def make_lab(folder):
    store = ResultStore(folder / "shipped", folder / "computed")
    return Lab(checkpoints=folder / "checkpoints", runs=folder / "runs", device="cpu", store=store)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = make_lab(tmp_path_factory.mktemp("lab"))
    exhaust(made.train(MODEL))
    exhaust(made.train(ATTACKER))
    return made


@pytest.fixture
def trained(lab, tmp_path):
    """A lab of its own with the same model and attacker, for tests that change checkpoints."""
    shutil.copytree(lab.library.checkpoints.parent, tmp_path, dirs_exist_ok=True)
    return make_lab(tmp_path)


def test_a_sweep_begins_with_the_clean_samples(lab):
    report = next(lab.sweep(SweepSpec(attack=SPEC, points=3)))
    assert [frame.epsilon for frame in report.frames] == [0.0]
    assert report.progress == 0
    assert report.frames[0].scores.changed == 0
    assert report.frames[0].scores.linf == (0.0, 0.0, 0.0)


def test_a_sweep_grows_along_its_grid(lab):
    spec = SweepSpec(attack=SPEC, points=4)
    reports = list(lab.sweep(spec))
    counts = [len(report.frames) for report in reports]
    assert counts == sorted(counts)
    assert tuple(frame.epsilon for frame in reports[-1].frames) == pytest.approx(spec.epsilons)
    assert reports[-1].finished
    assert not reports[-2].finished or reports[-2].frames == reports[-1].frames


def test_progress_rises_to_one(lab):
    progress = [report.progress for report in lab.sweep(SweepSpec(attack=SPEC, points=3))]
    assert progress == sorted(progress)
    assert progress[-1] == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_stays_in_its_budget(lab, attack):
    report = lab.attack(replace(SPEC, attack=attack))
    assert max(report.attacked.scores.linf) <= SPEC.epsilon + ROUNDING
    assert all(view.min() >= 0 and view.max() <= 1 for view in report.attacked.views)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_same_spec_gives_the_same_result(lab, attack):
    spec = replace(SPEC, attack=attack, samples=8)
    first, second = lab.attack(spec), lab.attack(spec)
    for one, other in zip(first.attacked.views, second.attacked.views, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.attacked.scores == second.attacked.scores


def test_the_ensemble_has_the_attacker_trained_against_the_weights(lab):
    report = lab.attack(replace(SPEC, attack="ensemble", samples=4, steps=1))
    assert ("gan" in report.attacked.ensemble.moved) == ("gan" in lab.attacks(TARGET, "cl_mvc"))
    assert "transfer" not in report.attacked.ensemble.moved  # an undefended model has no other it came from
    assert lab.attack(SPEC).attacked.ensemble is None


def test_the_seed_chooses_the_samples(lab):
    first, second = (lab.attack(replace(SPEC, attack="noise", seed=seed)).subject.index for seed in (0, 1))
    assert set(first) != set(second)


def test_a_card_has_the_scores_of_the_weights_as_they_are_stored(tmp_path, monkeypatch):
    tried = []
    moved = iter([1.0])  # by 8 bits, the first that are tried: whether they do in truth hangs on the processor

    def find_narrow(tensors, bits, holds):
        tried.append((bits, holds(tensors)))
        return frozenset(name for name, tensor in tensors.items() if tensor.ndim > 1)

    monkeypatch.setattr("core.checkpoint_training._far", lambda *tables: next(moved, None) or _far(*tables))
    monkeypatch.setattr("core.checkpoint_training.find_narrow", find_narrow)
    made = make_lab(tmp_path)
    card = exhaust(made.train(replace(MODEL, epochs=1, samples=100)))
    assert (card.bits, tried) == (16, [(16, True)])
    with safe_open(weights_path(tmp_path / "checkpoints" / TARGET / card.name), "pt") as stored:
        assert any(stored.get_slice(name).get_dtype() == "I8" for name in stored.keys())  # noqa: SIM118
    model, (_, held_out) = made.library.model(card), made.library.parts(TARGET)
    assert asdict(clean_scores(model, held_out)) == pytest.approx(card.scores["held_out"])


def test_bits_are_chosen_on_some_samples_and_scores_are_of_all(tmp_path, monkeypatch):
    scored = []

    def counted(model, data):
        scored.append(len(data))
        return clean_scores(model, data)

    monkeypatch.setattr("core.checkpoint_training.clean_scores", counted)
    monkeypatch.setattr("core.checkpoint_training.SCORED", 60)
    exhaust(make_lab(tmp_path).train(replace(MODEL, epochs=1, samples=100)))
    *choosing, train, held_out = scored
    assert len(choosing) >= 4
    assert set(choosing) == {60}
    assert (train, held_out) == (100, 60)


def test_samples_come_from_the_held_out_half(lab):
    _, held_out = lab.library.parts(TARGET)
    report = lab.attack(replace(SPEC, attack="noise", samples=len(held_out)))
    assert set(report.subject.index) == set(held_out.index.tolist())


@pytest.mark.parametrize("attack", ATTACKS)
def test_controls_stand_beside_every_attack(lab, attack):
    report = lab.attack(replace(SPEC, attack=attack, samples=8))
    assert tuple(report.attacked.controls) == CONTROLS
    for scores in report.attacked.controls.values():
        assert max(scores.linf) <= SPEC.epsilon + ROUNDING


def test_attacks_on_the_same_samples_share_their_controls_and_others_do_not(lab):
    controls = {name: lab.attack(replace(SPEC, attack=name)).attacked.controls for name in ("fgsm", "noise")}
    assert controls["fgsm"] is controls["noise"]
    for other in (
        replace(SPEC, seed=7),
        replace(SPEC, epsilon=0.05),
        replace(SPEC, norm="l2"),
        replace(SPEC, views=(1,)),
    ):
        assert lab.attack(other).attacked.controls != controls["fgsm"]


def test_noise_equals_its_own_control(lab):
    report = lab.attack(replace(SPEC, attack="noise"))
    assert report.attacked.scores == report.attacked.controls["noise"]


def test_only_chosen_views_are_attacked(lab):
    report = lab.attack(replace(SPEC, views=(1,)))
    changes = [np.abs(a - b).max() for a, b in zip(report.clean.views, report.attacked.views, strict=True)]
    assert changes[0] == changes[2] == 0 < changes[1]
    assert report.attacked.controls["noise"].linf[0] == 0


def test_the_released_target_mode_leaves_the_shared_model_alone(lab):
    card = lab.library.card(TARGET, "cl_mvc")
    before = {name: t.clone() for name, t in lab.library.model(card).state_dict().items()}
    lab.attack(replace(SPEC, target_mode="train"))
    model = lab.library.model(card)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_pca_map_places_every_frame(lab):
    *_, report = lab.sweep(SweepSpec(attack=SPEC, points=3))
    record = lab.map(report)
    assert record.points.shape == (3, SPEC.samples, 2)
    assert record.reference.shape == (len(record.reference_clusters), 2)
    assert np.isfinite(record.points).all()


def test_clean_samples_lie_on_their_reference_points(lab):
    report = next(lab.sweep(SweepSpec(attack=SPEC, points=2)))
    record = lab.map(report)
    held_out = lab.library.parts(TARGET)[1].index.tolist()
    rows = [held_out.index(i) for i in report.subject.index]
    np.testing.assert_allclose(record.points[0], record.reference[rows], atol=1e-3)  # batches round differently


def test_a_stored_umap_is_not_fitted_again(lab, monkeypatch):
    report = next(lab.sweep(SweepSpec(attack=SPEC, points=2)))
    fits = []

    def fit(hidden):
        from core.projection import umap_projection

        fits.append(len(hidden))
        return umap_projection(hidden, np.random.default_rng(0).normal(size=(len(hidden), 2)))

    monkeypatch.setattr("core.maps.fit_umap", fit)
    first = lab.map(report, "umap")
    second = make_lab(lab.library.checkpoints.parent).map(report, "umap")  # as after a restart
    assert len(fits) == 1
    np.testing.assert_array_equal(first.points, second.points)


def test_a_umap_can_be_fitted_to_ship_with_the_lab(lab, tmp_path, monkeypatch):
    from core.projection import umap_projection

    monkeypatch.setattr("core.maps.fit_umap", lambda hidden: umap_projection(hidden, np.zeros((len(hidden), 2))))
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    shipping = Lab(checkpoints=lab.library.checkpoints, device="cpu", store=store)
    shipping.fit_map(lab.library.card(TARGET, "cl_mvc"))
    assert [path for path in (tmp_path / "shipped").rglob("*") if path.is_file()]
    monkeypatch.setattr("core.maps.encode", lambda *_: pytest.fail("what has a map is encoded again"))
    shipping.fit_map(lab.library.card(TARGET, "cl_mvc"))


def test_an_unknown_map_is_refused_with_those_there_are(lab):
    report = next(lab.sweep(SweepSpec(attack=SPEC, points=2)))
    with pytest.raises(LabError, match="pca or umap, got 'tsne'"):
        lab.map(report, "tsne")


def test_a_model_that_says_no_numbers_is_to_be_trained_again(lab, monkeypatch):
    card = lab.library.card(TARGET, "cl_mvc")
    broken = copy.deepcopy(lab.library.model(card))
    for parameter in broken.parameters():
        parameter.fill_(float("nan"))
    monkeypatch.setattr(lab.library, "model", lambda card: broken)
    with pytest.raises(LabError, match="not numbers; train it again"):
        next(lab.sweep(SweepSpec(attack=replace(SPEC, seed=99), points=2)))


def test_evaluation_scores_both_parts(lab):
    card = lab.library.card(TARGET, "cl_mvc")
    scores = lab.evaluate(TARGET, "cl_mvc")
    for part in ("train", "held_out"):
        assert scores[part].accuracy == pytest.approx(card.scores[part]["accuracy"])


def test_an_attackers_card_has_the_noise_control(lab):
    card = lab.attacker(TARGET, "cl_mvc")
    assert {"clean", "noise_frozen", "gan_frozen", "gan_rematched"} <= set(card.scores)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dataset": "noisy_digit"}, "Did you mean noisy_digits"),
        ({"model": "clmvc"}, "Did you mean cl_mvc"),
        ({"attack": "pgt"}, "Did you mean pgd"),
        ({"objective": "bath"}, "Did you mean both"),
        ({"samples": 10_000}, "fewer than 10000"),
        ({"views": (7,)}, "There is no view 7"),
    ],
)
def test_what_is_not_there_is_named(lab, changes, sentence):
    with pytest.raises(LabError, match=sentence):
        lab.attack(replace(SPEC, **changes))


@pytest.mark.parametrize("epsilon", [-1.0, 2.0, float("nan"), float("inf")])
def test_an_impossible_budget_is_refused(epsilon):
    with pytest.raises(LabError, match="ε must lie in"):
        replace(SPEC, epsilon=epsilon)


@pytest.mark.slow
def test_a_finished_training_is_not_done_again(trained):
    first = load_card(trained.library.checkpoints, TARGET, "cl_mvc")
    assert list(trained.train(MODEL)) == []
    assert load_card(trained.library.checkpoints, TARGET, "cl_mvc").sha256 == first.sha256


def test_another_training_never_replaces_a_checkpoint_unasked(trained):
    first = load_card(trained.library.checkpoints, TARGET, "cl_mvc")
    second = exhaust(trained.train(replace(MODEL, seed=5)))
    assert second.name.startswith("cl_mvc-")
    assert load_card(trained.library.checkpoints, TARGET, "cl_mvc") == first


def test_overwriting_replaces_a_checkpoint_and_its_attacker_is_offered_no_more(trained):
    assert "gan" in trained.attacks(TARGET, "cl_mvc")
    second = exhaust(trained.train(replace(MODEL, seed=5), overwrite=True))
    assert load_card(trained.library.checkpoints, TARGET, "cl_mvc") == second
    assert "gan" not in trained.attacks(TARGET, "cl_mvc")
    with pytest.raises(LabError, match=r"train patched_digits/cl_mvc\.gan"):
        trained.attack(replace(SPEC, attack="gan"))


def test_a_defense_trains_from_the_trial_with_the_lowest_loss(trained, monkeypatch):
    monkeypatch.setitem(lab_recipe.EPOCHS, TARGET, 3)
    spec = TrainSpec(dataset=TARGET, model="ar_dmvc", epochs=1, runs=2, seed=3)
    training = trained.train(spec)
    trials = []
    for log in training:
        if log.phase == "warm-up" and log.runs == 2:
            trials.append(log)
        if log.runs == 1:
            break
    training.close()
    totals = {run: [log.total for log in trials if log.run == run][-1] for run in (1, 2)}
    best = min(totals, key=totals.get)
    again = [log.total for log in trials if log.run == best]
    assert log.total == pytest.approx(again[0])  # the chosen seed starts as it did in its trial


def offered(monkeypatch, *models, n_views=1):
    """What the lab offers on cards of these models."""
    made = Lab(checkpoints=PROJECT / "checkpoints", device="cpu")
    card = made.library.card("digits", "nominal")
    shapes = card.view_shapes * n_views
    cards = {name: replace(card, model=name, name=name, view_shapes=shapes) for name in models}
    monkeypatch.setattr(made.library, "card", lambda dataset, name: cards[name])
    return made.objectives("digits", *models)


@pytest.mark.parametrize("classifier", ["nominal", "trades", "simclr", "ncp_acl"])
def test_a_classifier_is_asked_for_its_margin_first_and_for_no_mixture_of_embeddings(monkeypatch, classifier):
    assert offered(monkeypatch, classifier) == ("margin", "log_scores", "assignment", "consistency")


def test_only_a_magnet_has_the_attacks_of_clustr(monkeypatch):
    assert offered(monkeypatch, "clustr")[-2:] == ("magnet", "scores")
    assert set(offered(monkeypatch, "clustr", "nominal")) == set(offered(monkeypatch, "nominal"))


def test_a_clustering_has_the_papers_sum_first_and_the_contrast_only_between_views(monkeypatch):
    assert offered(monkeypatch, "cl_mvc", n_views=2) == (
        "both", "complementarity", "consistency", "assignment", "contrastive",
    )  # fmt: skip
    assert "contrastive" not in offered(monkeypatch, "conv_ae")


def test_of_both_kinds_together_the_assignment_is_the_usual_one(monkeypatch):
    assert offered(monkeypatch, "conv_ae", "nominal", "clustr") == ("assignment", "consistency")


def test_an_objective_is_only_the_business_of_attacks_that_have_one():
    library = Lab(checkpoints=PROJECT / "checkpoints", device="cpu").library
    usual = {name: usual_objective(library, "digits", "clustr", name) for name in ("pgd", "fgsm", "noise", "ensemble")}
    assert usual == {"pgd": "margin", "fgsm": "margin", "noise": "both", "ensemble": "both"}
    assert usual_objective(library, "noisy_digits", "cl_mvc", "pgd") == "both"
