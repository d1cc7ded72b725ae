import json
import shutil
from dataclasses import replace

import pytest
import torch
from conftest import PROJECT

from core.data import DATASET_FACTS, DATASETS
from core.errors import LabError
from core.figures import trial_words
from core.lab import Lab
from core.records import TrainSpec
from core.store import ResultStore
from core.studies import kept, plans
from core.studies.records import STATES, Change, TransferSpec, TrialSpec
from core.studies.trial import UNTRAINED, changed, changed_attacker
from core.tables import MODELS, concerns
from core.training_intents import attacker_recipe, model_recipe, repeats, training_of

TRAIN = TrainSpec(dataset="patched_digits", model="simvc", samples=100, epochs=2, runs=1)
QUICK = TrialSpec(train=TRAIN, epsilons=(0.1, 0.3), states=("noise", "gan"), attacker_epochs=1, scored_samples=24)


def make_lab(folder):
    return Lab(checkpoints=folder, runs=folder / "runs", device="cpu", store=ResultStore(folder / "a", folder / "b"))


def finish(steps):
    """The number of steps, and what they return."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return count, end.value
        count += 1


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A lab in which the quick trial was made, how many epochs it took, and its record."""
    lab = make_lab(tmp_path_factory.mktemp("trial"))
    return lab, *finish(lab.studies.trial(QUICK))


def test_a_trial_comes_back_as_it_was_kept(done):
    lab, _, record = done
    back = lab.studies.kept_trial(QUICK)
    assert back.provenance == record.provenance
    assert set(back.states) == {"noise", "gan"}
    for state, rows in record.states.items():
        pairs = zip(back.states[state], rows, strict=True)
        assert all(a.frozen.accuracy == pytest.approx(b.frozen.accuracy, abs=1e-6) for a, b in pairs)
    assert back.clean.frozen.nmi == pytest.approx(record.clean.frozen.nmi, abs=1e-6)
    assert lab.studies.kept_trial(replace(QUICK, epsilons=(0.1, 0.2))) is None


def test_a_trial_trains_model_and_attacker_and_says_where_its_numbers_come_from(done):
    _, epochs, record = done
    assert epochs == 2 + 1  # of the model, and of the attacker without a late phase
    source = record.provenance
    assert (source.training_samples, source.scored_samples, source.chosen_seed) == (100, 24, 0)
    assert len(source.data_sha256) == 64
    assert source.seconds > 0


def test_what_a_trial_has_trained_is_not_trained_again(done):
    lab, _, record = done
    epochs, again = finish(lab.studies.trial(QUICK))
    assert epochs == 0
    assert again.states == record.states


def test_trials_that_differ_in_their_attacker_share_the_model(done):
    lab, _, record = done
    other = replace(QUICK, change=Change(consistency_weight=0.0))
    epochs, again = finish(lab.studies.trial(other))
    assert epochs == 1
    assert again.clean == record.clean


def test_a_trial_that_is_stopped_goes_on_to_the_same_numbers(tmp_path, done):
    lab = make_lab(tmp_path)
    steps = lab.studies.trial(QUICK)
    next(steps)
    steps.close()
    assert lab.studies.kept_trial(QUICK) is None
    epochs, record = finish(lab.studies.trial(QUICK))
    assert epochs == 2
    assert record.states == done[2].states


def test_no_checkpoint_comes_of_a_trial(done):
    lab = done[0]
    assert lab.cards() == ()


def test_scores_by_epoch_end_with_those_of_the_trained_model(tmp_path):
    spec = replace(QUICK, states=("noise", "pgd_assignment"), epsilons=(0.2,), by_epoch=True, scored_samples=6)
    lab = make_lab(tmp_path)
    _, record = finish(lab.studies.trial(spec))
    assert [row.epoch for row in record.epochs] == [1, 2]
    assert set(record.epochs[0].scores) == {"clean", "noise", "pgd_assignment"}
    last = record.epochs[-1].scores
    assert last["clean"] == record.clean.frozen
    assert last["noise"] == record.states["noise"][0].frozen
    assert lab.studies.kept_trial(spec).epochs == record.epochs


def test_transfer_between_classes_scores_only_the_classes_asked_for(tmp_path):
    train = replace(TRAIN, dataset="noisy_digits", samples=200, epochs=1)
    spec = TrialSpec(
        train=train,
        epsilons=(0.3,),
        classes=(0, 1, 2, 3, 4),
        scored_on="noisy_digits",
        scored_classes=(5, 6, 7, 8, 9),
        states=("noise",),
        scored_samples=50,
    )
    lab = make_lab(tmp_path)
    _, record = finish(lab.studies.trial(spec))
    assert len(record.clean.recall) == 5
    first = lab.library.parts("noisy_digits")[0].labels[:200]
    assert record.provenance.training_samples == int((first < 5).sum())
    assert "classes 0–4" in trial_words.protocol(record)
    assert "classes 5–9" in trial_words.protocol(record)


def test_pictures_of_another_shape_are_refused(tmp_path):
    spec = replace(QUICK, scored_on="synthetic_people")
    with pytest.raises(LabError, match="shapes"):
        finish(make_lab(tmp_path).studies.trial(spec))


@pytest.mark.parametrize("damage", ["{", '{"spec": 1}', None])
def test_a_damaged_trial_counts_as_absent(done, damage, tmp_path):
    record = done[2]
    store = ResultStore(tmp_path / "a", tmp_path / "b")
    kept.save_trial(store, record, shipped=True)
    (path,) = (tmp_path / "a").rglob("*.json")
    if damage is None:
        values = json.loads(path.read_text())
        values["states"]["noise"]["accuracy"] = [7, 7]
        damage = json.dumps(values)
    path.write_text(damage)
    assert kept.load_trial(store, QUICK) is None


@pytest.mark.parametrize(
    "change",
    [
        {"epsilons": ()},
        {"epsilons": (2.0,)},
        {"states": ("rain",)},
        {"scored_samples": 1},
        {"train": replace(TRAIN, kind="attacker", runs=None)},
        {"train": replace(TRAIN, runs=2), "by_epoch": True},
    ],
)
def test_a_trial_that_makes_no_sense_is_refused(change):
    with pytest.raises(LabError):
        replace(QUICK, **change)


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_a_weight_is_a_finite_number_of_at_least_zero(value):
    with pytest.raises(LabError, match="adversarial weight"):
        Change(adversarial_weight=value)


def test_every_state_can_be_made():
    assert {*UNTRAINED, "gan"} == set(STATES)


def test_a_change_changes_what_it_names_and_nothing_else():
    recipe = model_recipe(TrainSpec(dataset="noisy_digits", model="ar_dmvc_am"))
    wish = Change(adversarial_weight=7.0, mitigation_weight=3.0, inner_epsilon=0.3)
    defense = changed(recipe, wish).defense
    assert (defense.adversarial_weight, defense.mitigation_weight) == (7.0, 3.0)
    shares = [stage.epsilon / defense.stages[-1].epsilon for stage in defense.stages]
    before = [stage.epsilon / recipe.defense.stages[-1].epsilon for stage in recipe.defense.stages]
    assert defense.stages[-1].epsilon == pytest.approx(0.3)
    assert shares == pytest.approx(before)
    assert changed(recipe, Change()) == recipe
    assert replace(changed(recipe, wish), defense=recipe.defense) == recipe


def test_a_change_of_the_attacker_changes_its_weights_alone():
    recipe = attacker_recipe(TrainSpec(dataset="noisy_digits", model="cl_mvc"), "cl_mvc")
    other = changed_attacker(recipe, Change(complementarity_weight=0.0))
    assert other.complementarity_weight == 0
    assert replace(other, complementarity_weight=recipe.complementarity_weight) == recipe


@pytest.mark.parametrize("wish", [Change(adversarial_weight=1.0), Change(inner_epsilon=0.1)])
def test_a_model_without_adversarial_training_has_none_to_change(wish):
    recipe = model_recipe(TrainSpec(dataset="noisy_digits", model="simvc"))
    with pytest.raises(LabError, match="no adversarial training"):
        changed(recipe, wish)


def test_some_classes_of_a_data_set_are_counted_anew():
    data = DATASETS.make("noisy_digits", root=None)
    some = data.only((7, 2))
    assert some.class_names == (data.class_names[7], data.class_names[2])
    assert (data.labels[some.index] == torch.tensor([7, 2])[some.labels]).all()
    assert len(some) == int(((data.labels == 7) | (data.labels == 2)).sum())
    assert data.only(()) is data


@pytest.mark.parametrize("classes", [(10,), (-1,), (1, 1)])
def test_classes_that_are_not_there_are_refused(classes):
    with pytest.raises(LabError, match="classes 0 to 9"):
        DATASETS.make("noisy_digits", root=None).only(classes)


@pytest.mark.parametrize("scale", plans.SCALES)
def test_a_plan_has_every_trial_once_and_released_first(scale):
    trials = plans.plan(["noisy_mnist", "noisy_fashion"], MODELS, scale)
    assert len(set(trials)) == len(trials)
    assert [trial.train.protocol for trial in trials[:20]] == ["released"] * 20
    assert [trial.train.dataset for trial in trials[:20]] == ["noisy_mnist"] * 10 + ["noisy_fashion"] * 10
    assert all((trial.train.samples is None) == (scale in ("full", "model")) for trial in trials)


@pytest.mark.parametrize(("dataset", "is_real"), [("noisy_mnist", True), ("noisy_digits", False)])
@pytest.mark.parametrize("model", ["simvc", "ar_dmvc_am"])
def test_a_long_trial_has_the_epochs_of_the_recipe_and_a_small_one_fewer(dataset, is_real, model):
    specs = (plans.table_1(dataset, model, "released", 0), plans.weights(dataset, 0.1, 0.1))
    for spec in specs if model in plans.DEFENSES else specs[:1]:
        full, long, small = (plans.sized(spec, scale) for scale in ("full", "long", "small"))
        assert (long.train.epochs, long.attacker_epochs) == (full.train.epochs, full.attacker_epochs) == (None, None)
        assert long.train.samples == small.train.samples == (plans.SMALL_SAMPLES if is_real else None)
        assert long.scored_samples == small.scored_samples < full.scored_samples
        assert (small.attacker_epochs is not None) == is_real


@pytest.mark.parametrize("model", ["simvc", "ar_dmvc_am"])
def test_a_trial_of_its_models_scale_cuts_the_attacker_and_what_is_scored_alone(model):
    full, whole, small = (
        plans.sized(plans.table_1("noisy_mnist", model, "released", 0), scale) for scale in ("full", "model", "small")
    )
    assert whole.train == replace(full.train, runs=1, precision="bfloat16")
    assert model_recipe(whole.train).runs == model_recipe(full.train).runs  # one, by this protocol
    assert whole.attacker_epochs == small.attacker_epochs
    assert small.scored_samples < whole.scored_samples < full.scored_samples


def test_a_small_trial_beside_a_checkpoint_is_its_training_from_another_seed():
    lab = Lab(checkpoints=PROJECT / "checkpoints", device="cpu")
    cards = {(card.dataset, card.model): card for card in lab.cards() if concerns(card) and card.protocol == "lab"}
    datasets = sorted({dataset for dataset, _ in cards})
    whole = {
        place
        for place, card in cards.items()
        if DATASET_FACTS[card.dataset].origin != "embedded" and training_of(card).samples is None
    }
    trials = plans.plan(datasets, MODELS, "small", [training_of(card) for card in cards.values()])
    long_trials = plans.plan(datasets, MODELS, "long", [training_of(card) for card in cards.values()])
    for seed in plans.SEEDS["lab"]:
        beside = {
            (t.train.dataset, t.train.model): t for t in trials if t.train.seed == seed and t.train.protocol == "lab"
        }
        assert beside.keys() >= cards.keys()
        parts = cards.keys() - whole
        assert {place for place, card in cards.items() if repeats(beside[place].train, card)} == parts
        assert all(beside[place].train.samples for place in whole)  # a part of the data, which is not beside all of it
        assert {beside[place] for place in parts} <= set(long_trials)  # another number of epochs would not be beside it
    whole_trials = plans.plan(datasets, MODELS, "model", [training_of(card) for card in cards.values()])
    for (dataset, model), card in cards.items():  # those of all samples too
        trainings = {t.train for t in whole_trials if (t.train.dataset, t.train.model) == (dataset, model)}
        assert {t.seed for t in trainings if t.protocol == "lab" and repeats(t, card)} >= {*plans.SEEDS["lab"]}
    usual = plans.plan(datasets, MODELS, "small")
    assert set(usual) - set(trials)  # a recipe of fewer runs or epochs is somewhere followed
    assert all(trial.train.seed in plans.SEEDS["lab"] for trial in set(usual) ^ set(trials))


@pytest.mark.parametrize(
    "words", ["", "--seed", "--seed one", "--seeds 3", "--seed -1", "--seed 0", "--runs 2 --seed 3", "--epsilon 0.1"]
)
def test_a_command_that_a_card_cannot_have_is_no_training(words):
    card = next(card for card in Lab(checkpoints=PROJECT / "checkpoints", device="cpu").cards())
    usual = f"python -m core train {card.dataset}/{card.model}"
    assert training_of(replace(card, command=usual)) == TrainSpec(dataset=card.dataset, model=card.model)
    assert training_of(replace(card, command=f"{usual} {words or 'now'}")) is None


def test_a_coarse_grid_comes_before_a_fine_one():
    grid = [trial.change for trial in plans.plan(["noisy_digits"], MODELS, "full") if trial.change.adversarial_weight]
    assert len(grid) == 49
    assert all(change.adversarial_weight in plans.COARSE for change in grid[:16])
    assert all(change.mitigation_weight in plans.COARSE for change in grid[:16])


def test_the_rows_of_table_2_are_the_papers_and_two_stand_ins():
    rows = plans.table_2_rows()
    assert [row.published is not None for row in rows] == [True] * 8 + [False] * 2
    assert all(len(classes) == 5 for row in rows for _, classes in row.parts)
    assert all(DATASET_FACTS[row.scored_on[0]].origin == "embedded" for row in rows[8:])


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    """A lab with two shipped models of one data set and their attackers."""
    folder = tmp_path_factory.mktemp("transfer")
    (folder / "noisy_digits").mkdir()
    for name in ("cl_mvc", "ar_dmvc_am"):
        for path in (PROJECT / "checkpoints" / "noisy_digits").glob(f"{name}.*"):
            shutil.copy(path, folder / "noisy_digits")
    return make_lab(folder)


def test_attackers_are_turned_on_every_model(two_models):
    spec = TransferSpec(dataset="noisy_digits", epsilon=0.3, samples=64)
    shares = []
    steps = two_models.studies.transfer(spec)
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            record = end.value
            break
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert set(record.accuracy) == {(a, t) for a in record.attackers for t in record.targets}
    assert record.kept("cl_mvc", "cl_mvc") < 0.5 < record.clean["cl_mvc"]
    assert two_models.studies.kept_transfer(spec) == record


def test_a_transfer_on_other_weights_is_another_one(two_models):
    spec = TransferSpec(dataset="noisy_digits", epsilon=0.3, samples=16)
    finish(two_models.studies.transfer(spec))
    assert two_models.studies.kept_transfer(spec) is not None
    other = kept.load_transfer(two_models._store, spec, {"cl_mvc": "0" * 64})
    assert other is None


def test_a_transfer_needs_a_usable_budget_and_samples():
    for wrong in ({"epsilon": 2.0}, {"samples": 1}):
        with pytest.raises(LabError):
            TransferSpec(**{"dataset": "noisy_digits", "epsilon": 0.3} | wrong)
