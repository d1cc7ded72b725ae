import json
import os
import shutil
import sys
import time
from dataclasses import replace

import fake_training
import pytest

from core.errors import LabError
from core.lab import Lab
from core.locks import process
from core.processes import MOST_WAITING, Trainings, command_line
from core.records import TrainSpec
from core.run_reader import PROCESS

SOON = 60
SLOW = 0.3  # seconds an epoch of a training that is to be caught at work

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the pretended training is ended by signals")


def plan(seed=0, epochs=3, **choices):
    return fake_training.plan(
        TrainSpec(dataset="noisy_digits", model="simvc", seed=seed, epochs=epochs, runs=1, **choices)
    )


@pytest.fixture
def make(tmp_path):
    made = []

    def trainings(pace=0.0, **knobs):
        made.append(Trainings(tmp_path / "runs", command=fake_training.command(pace), **knobs))
        return made[-1]

    yield trainings
    for one in made:
        for run in one.runs():
            if run.active:
                one.stop(run.id)
        assert one.join(SOON)


def wait(condition):
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_for_epoch(trainings, run, number=1):
    wait(lambda: len(trainings.run(run).logs) >= number)


def test_a_training_runs_in_a_process_of_its_own_to_its_end(make):
    trainings = make()
    trainings.submit(plan(seed=2))
    assert trainings.busy()
    assert trainings.join(SOON)
    (run,) = trainings.runs()
    assert (run.state, run.progress, run.error) == ("finished", 1.0, "")
    assert [log.epoch for log in run.logs] == [1, 2, 3]
    assert run.card.name == "simvc"
    assert run.spec == plan(seed=2).spec
    assert not trainings.busy()


def test_while_one_runs_the_others_wait_in_line_and_all_are_done(make):
    trainings = make(0.05)
    for seed in range(3):
        trainings.submit(plan(seed=seed))
    states = {run.spec.seed: (run.state, run.position) for run in trainings.runs()}
    assert states[0][0] in ("starting", "running")
    assert [states[seed] for seed in (1, 2)] == [("waiting", 1), ("waiting", 2)]
    assert trainings.join(SOON)
    assert {run.state for run in trainings.runs()} == {"finished"}


def test_a_training_that_a_terminal_started_counts(make):
    elsewhere, here = make(SLOW), make()
    elsewhere.submit(plan(seed=1, epochs=50))
    wait_for_epoch(elsewhere, plan(seed=1, epochs=50).run)
    here.submit(plan(seed=2))
    time.sleep(0.5)
    assert here.run(plan(seed=2).run).state == "waiting"
    elsewhere.stop(plan(seed=1, epochs=50).run)
    assert here.join(SOON)
    assert here.run(plan(seed=2).run).state == "finished"


def test_a_stopped_training_goes_on_where_it_was(make):
    trainings, run = make(SLOW), plan(epochs=6)
    trainings.submit(run)
    wait_for_epoch(trainings, run.run, 2)
    start = time.monotonic()
    trainings.stop(run.run)
    assert trainings.join(SOON)
    assert time.monotonic() - start < 5
    stopped = trainings.run(run.run)
    assert (stopped.state, stopped.error) == ("stopped", "")
    assert 2 <= len(stopped.logs) < 6
    trainings.submit(run)
    assert trainings.join(SOON)
    assert [log.epoch for log in trainings.run(run.run).logs] == [1, 2, 3, 4, 5, 6]
    assert trainings.run(run.run).state == "finished"


def test_a_training_that_waits_can_be_taken_out_of_the_line(make):
    trainings = make(SLOW)
    trainings.submit(plan(seed=0, epochs=50))
    trainings.submit(plan(seed=1))
    trainings.stop(plan(seed=1).run)
    assert trainings.run(plan(seed=1).run).state == "stopped"


def test_after_a_restart_of_the_server_a_run_is_seen_and_can_be_stopped(make):
    before, after, run = make(SLOW), make(), plan(epochs=50)
    before.submit(run)
    wait_for_epoch(before, run.run)
    assert after.run(run.run).state == "running"
    assert after.busy()
    after.stop(run.run)
    wait(lambda: not after.busy())
    assert after.run(run.run).state == "stopped"
    assert after.run(run.run).error == ""


def test_a_process_that_has_yet_to_take_the_lock_is_starting(make, tmp_path):
    trainings, run = make(), plan()
    trainings.submit(run)
    assert trainings.join(SOON)
    path = tmp_path / "runs" / run.run
    (path / "events.jsonl").unlink()
    (path / "card.json").unlink()
    this = process(os.getpid())
    (path / PROCESS).write_text(json.dumps({"pid": this.pid, "birth": this.birth}))
    assert make().run(run.run).state == "starting"
    (path / PROCESS).write_text(json.dumps({"pid": this.pid, "birth": "1"}))  # an earlier process of our number
    assert make().run(run.run).state == "stopped"
    (path / PROCESS).unlink()


def test_a_failure_is_the_sentence_the_process_said_last(make):
    trainings = make()
    trainings.submit(plan(seed=13))
    assert trainings.join(SOON)
    run = trainings.run(plan(seed=13).run)
    assert (run.state, run.error) == ("failed", "This seed fails on purpose.")
    trainings.submit(plan(seed=13))
    assert trainings.run(run.id).state != "failed"


def test_a_process_that_the_system_ends_has_failed_and_says_why(make):
    trainings = make()
    trainings.submit(plan(seed=14))
    assert trainings.join(SOON)
    run = trainings.run(plan(seed=14).run)
    assert run.state == "failed"
    assert "memory ran out" in run.error


def test_a_process_that_cannot_be_started_has_failed(tmp_path):
    trainings = Trainings(tmp_path, command=lambda plan: [str(tmp_path / "absent")])
    trainings.submit(plan())
    (run,) = trainings.runs()
    assert run.state == "failed"
    assert run.error == "The training could not be started: No such file or directory."


def test_the_same_training_is_not_started_twice(make):
    trainings = make(SLOW)
    trainings.submit(plan(epochs=50))
    with pytest.raises(LabError, match="waits or runs already"):
        trainings.submit(plan(epochs=50))


def test_the_line_has_an_end(make):
    trainings = make(SLOW)
    for seed in range(MOST_WAITING + 1):
        trainings.submit(plan(seed=100 + seed, epochs=50))
    with pytest.raises(LabError, match=f"{MOST_WAITING} trainings wait already"):
        trainings.submit(plan(seed=200))
    assert plan(seed=200).run not in [run.id for run in trainings.runs()]


def test_data_that_cannot_be_had_start_nothing(make):
    trainings = make()
    spec = TrainSpec(dataset="regdb", model="simvc")
    with pytest.raises(LabError, match="must be brought"):
        trainings.submit(fake_training.plan(spec, possible=False))
    assert trainings.runs() == ()


def test_removing_a_run_takes_its_folder_and_nothing_else(make, tmp_path):
    trainings = make()
    for seed in range(2):
        trainings.submit(plan(seed=seed))
    assert trainings.join(SOON)
    trainings.remove(plan(seed=0).run)
    assert [run.spec.seed for run in trainings.runs()] == [1]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [plan(seed=1).run]


def test_a_run_at_work_is_not_removed(make):
    trainings, run = make(SLOW), plan(epochs=50)
    trainings.submit(run)
    wait_for_epoch(trainings, run.run)
    with pytest.raises(LabError, match="Stop it before"):
        trainings.remove(run.run)
    assert trainings.run(run.run).logs


@pytest.mark.parametrize("name", ["", ".", "..", "../outside", "/etc", "a/b"])
def test_a_name_that_leads_elsewhere_is_no_run(make, tmp_path, name):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "spec.json").write_text("{}")
    for act in (make().remove, make().stop, make().run):
        with pytest.raises(LabError, match="There is no run called"):
            act(name)
    assert (tmp_path / "outside" / "spec.json").exists()


def test_a_link_to_another_folder_is_no_run(make, tmp_path):
    trainings = make()
    trainings.submit(plan())
    assert trainings.join(SOON)
    shutil.move(tmp_path / "runs" / plan().run, tmp_path / "outside")
    (tmp_path / "runs" / plan().run).symlink_to(tmp_path / "outside")
    assert trainings.runs() == ()
    with pytest.raises(LabError, match="There is no run called"):
        trainings.remove(plan().run)
    assert (tmp_path / "outside" / "spec.json").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", "{half", '{"dataset": 1}', json.dumps({"dataset": "a", "model": "b", "kind": "spell"})]
)
def test_a_folder_that_holds_no_run_is_left_out(make, tmp_path, content):
    (tmp_path / "runs" / "odd").mkdir(parents=True)
    (tmp_path / "runs" / "odd" / "spec.json").write_text(content)
    assert make().runs() == ()


def test_where_training_is_off_nothing_is_started_stopped_or_removed(make, monkeypatch):
    trainings = make()
    trainings.submit(plan())
    assert trainings.join(SOON)
    monkeypatch.setenv("LAB_TRAINING", "off")
    for act in (
        lambda: trainings.submit(plan(seed=1)),
        lambda: trainings.stop(plan().run),
        lambda: trainings.remove(plan().run),
    ):
        with pytest.raises(LabError, match="switched off"):
            act()
    assert [run.state for run in trainings.runs()] == ["finished"]


def test_the_process_that_is_started_does_what_the_command_says():
    made = fake_training.plan(TrainSpec(dataset="noisy_digits", model="simvc"))
    words = command_line(made)
    assert words[0] == sys.executable
    assert words[1:] == ["-P", "-m", "core", "train", "noisy_digits/simvc", "--seed", "0", "--quiet"]


@pytest.mark.slow
def test_a_real_training_is_started_stopped_and_ends_in_a_checkpoint(tmp_path, monkeypatch):
    for variable, name in (("LAB_CHECKPOINTS", "checkpoints"), ("LAB_DATA", "data")):
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    trainings = Trainings(tmp_path / "runs")
    spec = TrainSpec(dataset="patched_digits", model="simvc", samples=100, epochs=12, runs=1)
    run = Lab(device="cpu", runs=tmp_path / "runs").training_plan(spec)
    run = replace(run, command=f"{run.command} --device cpu")
    trainings.submit(run)
    end = time.monotonic() + 300
    while not trainings.run(run.run).logs:
        assert time.monotonic() < end
        time.sleep(0.05)
    trainings.stop(run.run)
    assert trainings.join(SOON)
    stopped = trainings.run(run.run)
    assert stopped.state == "stopped", stopped.error
    trainings.submit(run)
    assert trainings.join(300)
    ended = trainings.run(run.run)
    assert ended.state == "finished", ended.error
    assert len(ended.logs) == 12
    assert (tmp_path / "checkpoints/patched_digits/simvc.safetensors").is_file()
    assert ended.card.sha256
