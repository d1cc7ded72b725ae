import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256

import pytest

from core.__main__ import main
from core.attacks import ATTACKS
from core.data import DATASETS
from core.defenses import DEFENSES
from core.models import MODELS
from core.recipes import lab as lab_recipes
from tests.conftest import PROJECT

COMMANDS = ("list", "train", "attack", "evaluate", "sweep", "doctor")
TINY = ("--samples", "100", "--device", "cpu", "--quiet")  # one batch an epoch
SMALL = ("--runs", "1", *TINY)
FEW = ("--samples", "16", "--device", "cpu", "--quiet")


@contextmanager
def a_place_of_its_own(folder):
    """Every folder of the lab below ``folder``, no data and no network."""

    def refuse(*args, **kwargs):
        raise OSError(101, "Network is unreachable")

    with pytest.MonkeyPatch.context() as patch:
        for variable in ("HOME", "XDG_CACHE_HOME"):
            patch.setenv(variable, str(folder / "home"))
        patch.setenv("LAB_CHECKPOINTS", str(folder / "checkpoints"))
        patch.setenv("LAB_RUNS", str(folder / "runs"))
        patch.delenv("LAB_DATA", raising=False)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        yield folder


@pytest.fixture
def place(tmp_path):
    with a_place_of_its_own(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory):
    """A lab with a SiMVC of one epoch and an attacker of two against it."""
    recipe = lab_recipes.attacker
    with a_place_of_its_own(tmp_path_factory.mktemp("lab")) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab_recipes, "attacker", lambda dataset, model: replace(recipe(dataset, model), late_epochs=1))
        for words in (("patched_digits/simvc", *SMALL), ("patched_digits/simvc.gan", *TINY)):
            assert call("train", *words, "--epochs", "1") == 0
        yield folder


@pytest.fixture
def lab(trained_folder, place):
    """A copy of that lab, free to be damaged."""
    shutil.copytree(trained_folder / "checkpoints", place / "checkpoints")
    return place


def call(*words):
    """Run a command in this process; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["python -m core", *words])
        try:
            main()
        except SystemExit as stop:
            return stop.code or 0
    return 0


@pytest.fixture
def run(capsys):
    """Run a command; its exit code, standard output and standard error."""

    def run_command(*words):
        capsys.readouterr()
        code = call(*words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


def run_json(run, *words):
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, run):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "--json" in out
    assert "--help" in out


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("words", [(), ("fly",), ("list", "--nonsense"), ("attack",), ("train", "--seed", "x", "a/b")])
def test_a_wrong_command_line_shows_the_usage(words, place, run):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("usage:")
    assert "Traceback" not in err


def test_list_names_everything_there_is(lab, run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert all(name in out for registry in (DATASETS, MODELS, ATTACKS, DEFENSES) for name in registry)
    assert "patched_digits/simvc.gan" in out


def test_list_works_where_nothing_is_trained_yet(place, run):
    values = run_json(run, "list")
    assert values["checkpoints"] == []
    assert set(values["models"]) == set(MODELS)
    assert run("list")[0] == 0


def test_list_names_a_damaged_checkpoint_beside_the_good_ones(lab, run):
    (lab / "checkpoints/patched_digits/simvc.json").write_text("{half")
    code, out, err = run("list")
    assert code == 0
    assert "simvc.gan" in out
    assert err.count("\n") == 1
    assert "simvc.json is damaged" in err


def test_train_writes_a_checkpoint_whose_card_tells_how(lab, run):
    path = lab / "checkpoints/patched_digits"
    card = json.loads((path / "simvc.json").read_text())
    assert card["sha256"] == sha256((path / "simvc.safetensors").read_bytes()).hexdigest()
    assert (card["dataset"], card["model"], card["kind"], card["samples"]) == ("patched_digits", "simvc", "model", 100)
    assert card["command"] == "python -m core train patched_digits/simvc --samples 100 --epochs 1 --runs 1"
    assert card["recipe"]["schedule"]["epochs"] == 1
    assert set(card["scores"]) == {"train", "held_out"}
    attacker = json.loads((path / "simvc.gan.json").read_text())
    assert attacker["target_sha256"] == card["sha256"]
    assert {"clean", "gan_frozen", "gan_rematched", "noise_frozen", "noise_rematched"} == set(attacker["scores"])


def test_a_card_can_be_repeated_by_its_own_command(lab, place, run):
    card = json.loads((lab / "checkpoints/patched_digits/simvc.json").read_text())
    words = card["command"].removeprefix("python -m core ").split()
    again = run_json(run, *words, "--checkpoints", str(place / "elsewhere"), "--device", "cpu", "--quiet")
    assert again["sha256"] == card["sha256"]


def test_several_runs_of_a_defense_without_a_warm_up_can_be_trained(place, run):
    words = ("--protocol", "released", "--samples", "100", "--epochs", "1", "--runs", "2", "--device", "cpu", "--quiet")
    code, _, err = run("train", "patched_digits/ar_dmvc", *words)
    assert (code, err) == (0, "")


def test_an_attack_reports_both_matchings_and_its_controls(lab, run):
    words = ("attack", "patched_digits/simvc", "--attack", "fgsm", "--epsilon", "0.2", *FEW)
    values = run_json(run, *words)
    clean, attacked = values["frames"]
    assert values["spec"]["attack"]["epsilon"] == attacked["epsilon"] == 0.2
    assert clean["epsilon"] == 0
    assert max(clean["scores"]["linf"]) == 0
    assert max(attacked["scores"]["linf"]) <= 0.2 + 1e-6
    assert set(attacked["controls"]) == {"noise", "untrained_generator"}
    for scores in (clean["scores"], attacked["scores"], *attacked["controls"].values()):
        assert {"frozen", "rematched", "changed"} <= set(scores)
    code, out, _ = run(*words)
    assert code == 0
    assert all(word in out for word in ("ACC frozen", "ACC re-matched", "control noise", "16 held-out samples"))


def test_the_same_attack_gives_the_same_numbers(lab, run):
    words = ("attack", "patched_digits/simvc", "--steps", "2", *FEW)
    first, again = (run_json(run, *words) for _ in range(2))
    assert [frame["scores"] for frame in first["frames"]] == [frame["scores"] for frame in again["frames"]]


def test_a_step_size_of_ones_own_is_taken(lab, run):
    words = ("attack", "patched_digits/simvc", "--steps", "1", *FEW)
    short = run_json(run, *words, "--step-size", "0.01")
    usual = run_json(run, *words)
    assert short["spec"]["attack"]["relative_step_size"] == 0.01
    assert max(short["frames"][-1]["scores"]["l2"]) < max(usual["frames"][-1]["scores"]["l2"])


def test_an_attack_without_epsilon_takes_the_papers(lab, run):
    values = run_json(run, "attack", "patched_digits/simvc", "--attack", "noise", *FEW)
    assert values["frames"][-1]["epsilon"] == 0.3


def test_an_attack_on_some_views_leaves_the_others(lab, run):
    values = run_json(run, "attack", "patched_digits/simvc", "--attack", "noise", "--views", "0,2", *FEW)
    first, second, third = values["frames"][-1]["scores"]["linf"]
    assert second == 0 < min(first, third)


def test_a_sweep_runs_from_zero_to_epsilon_and_ends_as_the_attack_does(lab, run):
    words = ("patched_digits/simvc", "--attack", "pgd", "--steps", "2", "--epsilon", "0.2", *FEW)
    along = run_json(run, "sweep", *words, "--points", "3")["frames"]
    alone = run_json(run, "attack", *words)["frames"]
    assert [frame["epsilon"] for frame in along] == pytest.approx([0, 0.1, 0.2])
    assert along[0]["scores"] == alone[0]["scores"]
    assert along[-1]["scores"] == alone[-1]["scores"]


def test_evaluate_runs_every_attack_that_can_run(lab, run):
    values = run_json(run, "evaluate", "patched_digits/simvc", "--steps", "1", *FEW)
    assert set(values["clean"]) == {"train", "held_out"}
    assert set(values["attacks"]) == set(ATTACKS)
    (lab / "checkpoints/patched_digits/simvc.gan.json").unlink()
    values = run_json(run, "evaluate", "patched_digits/simvc", "--steps", "1", *FEW)
    assert set(values["attacks"]) == set(ATTACKS) - {"gan"}


def test_an_attacker_of_other_weights_is_not_used(lab, run):
    run("train", "patched_digits/simvc", "--epochs", "1", "--seed", "7", "--overwrite", *SMALL)
    code, out, err = run("attack", "patched_digits/simvc", "--attack", "gan", *FEW)
    assert (code, out) == (2, "")
    assert "python -m core train patched_digits/simvc.gan" in err


def test_the_doctor_finds_a_good_lab_good(lab, run):
    findings = run_json(run, "doctor", "--device", "cpu")
    assert {finding["state"] for finding in findings} <= {"good", "missing"}
    by_subject = {finding["subject"]: finding["state"] for finding in findings}
    assert by_subject["patched_digits/simvc"] == by_subject["trial attack"] == by_subject["torch"] == "good"
    assert by_subject["noisy_mnist"] == "missing"
    assert "weights match their card" in run("doctor", "--device", "cpu")[1]


def test_the_doctor_finds_a_damaged_checkpoint(lab, run):
    damage(lab, "changed")
    code, out, _ = run("doctor", "--device", "cpu")
    assert code == 1
    assert "!!  patched_digits/simvc" in out
    assert "Traceback" not in out


def damage(lab, how):
    path = lab / "checkpoints/patched_digits/simvc.safetensors"
    content = bytearray(path.read_bytes())
    if how == "truncated":
        del content[1000:]
    elif how == "changed":
        content[-1] ^= 1
    path.unlink()
    if how != "missing":
        path.write_bytes(content)


def is_one_sentence(err):
    return err.endswith(".\n"), err.count("\n"), "Traceback" in err


ON = "patched_digits/simvc"
MISTAKES = {
    "an unknown data set": ("train", "patched_digit/simvc"),
    "an unknown model": ("train", "patched_digits/simv"),
    "no model": ("train", "patched_digits"),
    "an empty model": ("attack", "patched_digits/"),
    "a path for a model": ("attack", "patched_digits/../simvc"),
    "no such checkpoint": ("attack", "patched_digits/cl_mvc"),
    "an attacker as a target": ("attack", "patched_digits/simvc.gan"),
    "an attacker of nothing": ("train", "patched_digits/cl_mvc.gan"),
    "ε below zero": ("attack", ON, "--epsilon", "-1"),
    "ε above one": ("attack", ON, "--epsilon", "2"),
    "ε not a number": ("attack", ON, "--epsilon", "nan"),
    "ε infinite": ("sweep", ON, "--epsilon", "inf"),
    "ε wrong in evaluate": ("evaluate", ON, "--epsilon", "2"),
    "ε wrong in l2": ("attack", ON, "--norm", "l2", "--epsilon", "-1"),
    "ε wrong in training": ("train", "patched_digits/simvc.gan", "--epsilon", "2"),
    "ε of a model": ("train", "patched_digits/simvc", "--epsilon", "0.2"),
    "runs of an attacker": ("train", "patched_digits/simvc.gan", "--runs", "2"),
    "neither one nor all": ("train",),
    "one and all": ("train", "patched_digits/simvc", "--all"),
    "a budget for one": ("train", "patched_digits/simvc", "--budget-minutes", "1"),
    "no workers": ("train", "--all", "--dataset", "patched_digits", "--workers", "0"),
    "all of an unknown data set": ("train", "--all", "--dataset", "mars"),
    "an unknown model measured": ("bench", "simcv"),
    "an empty batch measured": ("bench", "simvc", "--batch", "0"),
    "no samples": ("attack", ON, "--samples", "0"),
    "too many samples": ("attack", ON, "--samples", "100000"),
    "too many training samples": ("train", ON, "--samples", "100000"),
    "fewer samples than a batch": ("train", ON, "--samples", "50", "--runs", "1"),
    "no steps": ("attack", ON, "--steps", "0"),
    "no step size": ("attack", ON, "--step-size", "0"),
    "a step size that nothing has": ("attack", ON, "--attack", "noise", "--step-size", "0.5"),
    "no epochs": ("train", ON, "--epochs", "0"),
    "no runs": ("train", ON, "--runs", "0"),
    "one point": ("sweep", ON, "--points", "1"),
    "a view that is not there": ("attack", ON, "--views", "7"),
    "an unknown attack": ("attack", ON, "--attack", "pdg"),
    "an unknown objective": ("attack", ON, "--objective", "bth"),
    "an unknown device": ("attack", ON, "--device", "gpu"),
    "a seed that is too large": ("attack", ON, "--seed", "99999999999999999999999"),
    "a training seed that is too large": ("train", ON, "--seed", "99999999999999999999999", "--runs", "1"),
    "data that is not there": ("train", "noisy_mnist/simvc"),
    "data that must be brought": ("train", "regdb/simvc"),
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_sentence_and_exit_code_2(words, lab, run):
    before = sorted(path.name for path in (lab / "checkpoints").rglob("*"))
    code, out, err = run(*words, "--quiet")
    assert (code, out) == (2, "")
    assert is_one_sentence(err) == (True, 1, False), err
    assert sorted(path.name for path in (lab / "checkpoints").rglob("*")) == before


@pytest.mark.parametrize("how", ["truncated", "changed", "missing"])
@pytest.mark.parametrize("command", ["attack", "sweep", "evaluate"])
def test_damaged_weights_get_one_sentence_and_exit_code_2(command, how, lab, run):
    damage(lab, how)
    code, out, err = run(command, ON, *FEW)
    assert (code, out) == (2, "")
    assert is_one_sentence(err) == (True, 1, False), err
    assert "simvc.safetensors" in err


def test_a_damaged_card_gets_one_sentence_and_exit_code_2(lab, run):
    (lab / "checkpoints/patched_digits/simvc.json").write_text("{half")
    code, out, err = run("attack", ON, *FEW)
    assert (code, out) == (2, "")
    assert is_one_sentence(err) == (True, 1, False), err


def test_data_that_is_not_there_names_the_offline_choices(place, run):
    _, _, err = run("train", "noisy_mnist/simvc", "--quiet")
    assert "LAB_DATA" in err
    assert "noisy_digits" in err


def test_a_folder_that_cannot_be_written_gets_one_sentence_and_keeps_the_run(lab, run):
    blocked = lab / "blocked"
    blocked.write_text("a file where the folder should be")
    words = ("train", "patched_digits/comvc", "--epochs", "1", *SMALL)
    code, out, err = run(*words, "--checkpoints", str(blocked))
    assert (code, out) == (2, "")
    assert is_one_sentence(err) == (True, 1, False), err
    assert run_json(run, *words)["name"] == "comvc"  # its weights were kept: only the writing is done again


def start(*words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "core", *words]
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_real_process_ends_a_mistake_with_exit_code_2(place):
    process = start("attack", "patched_digits/absent")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, b"")
    assert is_one_sentence(err.decode()) == (True, 1, False)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one_bit_for_bit(place, run):
    words = ("train", "patched_digits/simvc", "--epochs", "4", *SMALL)
    unbroken = run_json(run, *words, "--checkpoints", str(place / "unbroken"))
    shutil.rmtree(place / "runs")

    process = start(*words)
    finished = finished_epochs(place)
    while not finished and process.poll() is None:
        time.sleep(0.02)
        finished = finished_epochs(place)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert 1 <= finished < 4
    assert not (place / "checkpoints").exists()

    resumed = run_json(run, *words)
    assert resumed["sha256"] == unbroken["sha256"]
    assert resumed["scores"] == unbroken["scores"]
    assert finished_epochs(place) == 4


def finished_epochs(place):
    logs = list((place / "runs").glob("*/events.jsonl"))
    return len(logs[0].read_text().splitlines()) if logs else 0
