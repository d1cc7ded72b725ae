import json
from dataclasses import asdict, replace

import fake_lab
import pytest
import torch

from core.data import DATASET_FACTS
from core.errors import LabError
from core.lab import Lab
from core.recipes import PAPERS, datasets_of, models_of
from core.records import EpochLog, TrainSpec
from core.run_reader import read_run
from core.store import ResultStore
from core.trainers import attacker_training, model_training
from core.training_intents import Intent, intend, model_recipe
from core.workload import epochs, progress, steps, trial_runs, whole_runs, work

TINY = TrainSpec(dataset="patched_digits", model="simvc", samples=100, epochs=2, runs=1)
MODEL = TrainSpec(dataset="noisy_digits", model="cl_mvc")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    store = ResultStore(shipped=tmp_path / "shipped", computed=tmp_path / "computed")
    return Lab(checkpoints=tmp_path / "checkpoints", runs=tmp_path / "runs", device="cpu", store=store)


def recipe(lab, **choices):
    return intend(lab.library, TrainSpec(**choices)).values


def put_card(lab, spec=MODEL, **changes):
    """A checkpoint's card without weights: what a plan looks at."""
    values = recipe(lab, **asdict(spec))
    card = replace(
        fake_lab.card(spec.name, spec.dataset), model=spec.model, kind=spec.kind, recipe=values, samples=400, **changes
    )
    path = lab.library.checkpoints / spec.dataset / f"{card.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(card)))
    lab.library.look_again()
    return card


def log(phase="clustering", epoch=1, of=4, run=1, runs=1):
    return EpochLog(
        phase=phase, epoch=epoch, epochs=of, terms={"a": 1.0}, seconds=2.0, seconds_left=0, run=run, runs=runs
    )


@pytest.mark.parametrize(
    ("model", "protocol"), [(m, p) for paper in PAPERS for m in paper.models for p in paper.protocols if p != "paper"]
)
def test_the_epochs_of_a_plan_are_those_that_are_trained(lab, model, protocol):
    dataset = next(name for name in ("patched_digits", "digits", *datasets_of(model)) if model in models_of(name))
    spec = TrainSpec(dataset=dataset, model=model, protocol=protocol)
    recipe = model_recipe(spec)
    intent = Intent(spec, recipe, model, recipe.runs, None)
    device = torch.device("cpu")
    shapes = DATASET_FACTS[spec.dataset].view_shapes
    training = model_training(intent.recipe, shapes, 3, seed=0, device=device, labels=torch.zeros(9, dtype=torch.int64))
    each = [phase.epochs for phase in training.phases]
    trials, whole = trial_runs(intent.values), whole_runs(intent.values)
    assert (trials > 0) == (protocol == "lab" and model in ("ar_dmvc", "ar_dmvc_am", "rcd_mvc"))
    assert epochs(intent.values) == trials * each[0] + whole * sum(each)


def test_an_attackers_epochs_are_both_its_phases(lab, trained):
    put_card(lab)
    intent = intend(lab.library, TrainSpec(dataset="noisy_digits", model="cl_mvc", kind="attacker", epochs=6))
    training = attacker_training(intent.recipe, trained, seed=0, device=torch.device("cpu"))
    assert epochs(intent.values) == sum(phase.epochs for phase in training.phases) == 9


def test_an_adversarial_epoch_counts_for_what_it_costs(lab):
    values = recipe(lab, dataset="noisy_digits", model="ar_dmvc_am")  # 12 epochs of warm-up, 68 with 5 PGD steps
    assert epochs(values) == 10 * 12 + 12 + 68
    assert work(values) == 10 * 12 + 12 + 68 * 7
    assert work(recipe(lab, dataset="noisy_digits", model="cl_mvc")) == 200


def test_steps_are_counted_in_the_batches_they_take(lab):
    values = recipe(lab, dataset="noisy_digits", model="rcd_mvc")  # 12 epochs in batches of 100, 80 in batches of 50
    assert steps(values, 898) == (10 * 12 + 12) * 8 + 80 * 17
    assert steps(recipe(lab, dataset="noisy_digits", model="ar_dmvc_am"), 898) == (10 * 12 + 12 + 68) * 8


def test_progress_goes_from_seed_to_seed_though_one_ends_early():
    assert progress({}, [], []) == 0
    assert progress({}, [], [log(epoch=2, runs=2)]) == 0.25
    assert progress({}, [], [log(epoch=2, of=2, runs=2)]) == 0.5
    assert progress({}, [], [log(epoch=4, run=2, runs=2)]) == 1


def test_progress_of_a_defense_counts_trials_and_what_an_epoch_costs(lab):
    values = recipe(lab, dataset="noisy_digits", model="ar_dmvc_am")
    trials = [log("warm-up", epoch=e, of=12, run=r, runs=10) for r in range(1, 11) for e in range(1, 13)]
    assert progress(values, trials[:60], []) == pytest.approx(60 / 608)
    whole = [log("warm-up" if e <= 12 else "adversarial training, ε = 0.2", epoch=e, of=80) for e in range(1, 81)]
    assert progress(values, trials, whole[:13]) == pytest.approx((120 + 12 + 7) / 608)
    assert progress(values, trials, whole) == 1


def test_a_plan_names_the_recipes_numbers_and_what_it_becomes(lab):
    plan = lab.training_plan(MODEL)
    assert (plan.usual.samples, plan.usual.batch_size, plan.usual.epochs, plan.usual.runs) == (898, 100, 20, 10)
    assert (plan.checkpoint, plan.taken, plan.made) == ("cl_mvc", False, False)
    assert plan.steps == 10 * 20 * 8
    assert plan.command == "python -m core train noisy_digits/cl_mvc"
    assert not (lab.library.checkpoints).exists()
    assert not lab.runs_folder.exists()


def test_the_numbers_a_spec_changes_leave_the_recipes_as_they_are(lab):
    plan = lab.training_plan(replace(MODEL, samples=200, epochs=3, runs=2, precision="bfloat16"))
    assert plan.usual == lab.training_plan(MODEL).usual
    assert plan.steps == 2 * 3 * 2
    assert plan.command.endswith("--samples 200 --epochs 3 --runs 2 --precision bfloat16")


def test_another_trainings_checkpoint_keeps_its_name_unless_it_is_replaced(lab):
    put_card(lab)
    plan = lab.training_plan(replace(MODEL, seed=5))
    assert plan.taken
    assert plan.checkpoint == f"cl_mvc-{plan.run.rpartition('-')[2]}"
    replacing = lab.training_plan(replace(MODEL, seed=5), replace_other=True)
    assert (replacing.checkpoint, replacing.run) == ("cl_mvc", plan.run)
    assert replacing.command == f"{plan.command} --overwrite"


def test_a_training_that_has_been_done_is_known(lab):
    put_card(lab)
    assert lab.training_plan(MODEL).made
    assert not lab.training_plan(replace(MODEL, epochs=3)).made


def test_without_anything_alike_the_time_is_not_guessed(lab):
    plan = lab.training_plan(MODEL)
    assert (plan.seconds, plan.run_bytes) == (None, None)
    assert plan.basis == "No training of this model on cpu is known here; its first epoch will tell."
    put_card(lab, replace(MODEL, model="simvc"))
    put_card(lab, MODEL, device="cuda:0")
    assert lab.training_plan(replace(MODEL, seed=5)).seconds is None


def test_the_time_grows_with_samples_and_epochs(lab):
    put_card(lab, training_seconds=100.0)  # 400 samples, 200 epochs
    plan = lab.training_plan(replace(MODEL, samples=200, epochs=10, runs=4))
    assert plan.seconds == pytest.approx(100 * 200 * 40 / (400 * 200))
    assert "took 100 s for 400 samples, 200 epochs over 10 seeds, on cpu in float32" in plan.basis


def test_the_time_is_taken_from_this_data_set_rather_than_scaled_from_another(lab):
    people = replace(MODEL, dataset="synthetic_people", epochs=10, runs=2)
    put_card(lab, people, training_seconds=50.0, view_shapes=((3, 64, 32),) * 2)
    far = lab.training_plan(replace(MODEL, samples=400))
    assert far.seconds == pytest.approx(50 / 20 * 200 * (2 * 28 * 28) / (2 * 3 * 64 * 32))
    assert "synthetic_people/cl_mvc" in far.basis
    put_card(lab, training_seconds=100.0)
    assert "noisy_digits/cl_mvc" in lab.training_plan(replace(MODEL, samples=400)).basis


def test_float32_is_reckoned_slower_than_the_bfloat16_that_was_measured(lab):
    fast = replace(MODEL, precision="bfloat16")
    put_card(lab, fast, training_seconds=100.0)
    assert lab.training_plan(replace(fast, samples=400)).seconds == pytest.approx(100)
    plan = lab.training_plan(replace(MODEL, samples=400))
    assert plan.seconds == pytest.approx(250)
    assert "times 2.5 for float32" in plan.basis


def test_data_that_must_be_fetched_or_brought_are_named_before(lab):
    assert lab.training_plan(MODEL).data == ""
    fetched = lab.training_plan(replace(MODEL, dataset="noisy_mnist"))
    assert fetched.possible
    assert "downloads it first, 12 MB" in fetched.data
    brought = lab.training_plan(replace(MODEL, dataset="regdb"))
    assert not brought.possible
    assert "RegDB is not in" in brought.data


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (replace(MODEL, model="cl_mv"), "Did you mean cl_mvc"),
        (replace(MODEL, dataset="numbers"), "no data set called"),
        (replace(MODEL, dataset="digits"), "There is no recipe for cl_mvc on digits"),
        (replace(MODEL, samples=99), "A batch of 100 needs at least as many samples, got 99"),
        (replace(MODEL, samples=899), "has 898 samples, fewer than 899"),
        (TrainSpec(dataset="noisy_digits", model="cl_mvc", kind="attacker"), "no checkpoint of noisy_digits"),
    ],
)
def test_what_cannot_be_trained_is_said_before(lab, spec, said):
    with pytest.raises(LabError, match=said):
        lab.training_plan(spec)


def test_a_training_leaves_what_a_page_shows(lab):
    logs = list(lab.train(TINY))
    run = read_run(lab.runs_folder / lab.training_plan(TINY).run)
    (card,) = lab.cards()
    assert (run.state, run.spec, run.logs, run.card) == ("finished", TINY, tuple(logs), card)
    assert run.recipe == card.recipe
    assert lab.training_plan(TINY).made


def test_a_defense_can_be_watched_while_its_seed_is_chosen(lab):
    spec = replace(TINY, model="ar_dmvc_am", runs=2)
    training = lab.train(spec)
    next(training)
    run = read_run(lab.runs_folder / lab.training_plan(spec).run)
    assert run.state == "running"
    assert [log.phase for log in run.trials] == ["warm-up"]
    assert run.logs == ()
    assert 0 < run.progress < 0.1
    training.close()
    assert read_run(lab.runs_folder / run.id).state == "stopped"


def test_the_same_training_twice_at_once_is_refused_in_one_sentence(lab):
    first = lab.train(TINY)
    next(first)
    with pytest.raises(LabError, match="This training runs already, in process"):
        next(lab.train(TINY))
    assert [log.epoch for log in first] == [2]
    assert len(lab.cards()) == 1


def test_a_training_that_fails_leaves_the_reason_until_it_is_started_again(lab, tmp_path):
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(LabError) as failure:
        list(lab.train(TINY))
    path = lab.runs_folder / lab.training_plan(TINY).run
    assert (read_run(path).state, read_run(path).error) == ("failed", str(failure.value))
    (tmp_path / "checkpoints").unlink()
    assert list(lab.train(TINY)) == []
    assert (read_run(path).state, read_run(path).error) == ("finished", "")


def test_an_error_of_the_program_leaves_its_first_line(lab, monkeypatch):
    def break_down(*arguments, **knobs):
        raise RuntimeError("out of paper\nand ink")

    monkeypatch.setattr("core.checkpoint_training._store_smaller", break_down)
    with pytest.raises(RuntimeError):
        list(lab.train(TINY))
    run = read_run(lab.runs_folder / lab.training_plan(TINY).run)
    assert run.error == "The training failed: out of paper"


def test_bad_input_leaves_no_run(lab):
    for spec in (replace(TINY, samples=100_000), replace(TINY, model="nothing")):
        with pytest.raises(LabError):
            list(lab.train(spec))
    assert not lab.runs_folder.exists()


def test_runs_from_before_there_were_cards_in_them_are_still_seen(lab):
    list(lab.train(TINY))
    path = lab.runs_folder / lab.training_plan(TINY).run
    (path / "card.json").unlink()
    words = json.loads((path / "spec.json").read_text())
    del words["recipe"], words["replace"]
    (path / "spec.json").write_text(json.dumps(words))
    run = read_run(path)
    assert (run.state, run.card, run.progress) == ("finished", None, 1.0)
