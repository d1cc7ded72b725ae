import pytest
import streamlit as st
from fake_lab import FakeLab

from core.figures import pins
from core.records import AttackSpec, SweepSpec
from core.sweep_scores import scores_of
from pages.ui import pins as pinning

ATTACK = {"dataset": "noisy_digits", "model": "cl_mvc", "attack": "pgd", "epsilon": 0.15}


def spec(**changes):
    return SweepSpec(attack=AttackSpec(**{**ATTACK, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"views": (1,)},
        {"views": (0, 1), "steps": 3},
        {"objective": "assignment", "seed": 9, "samples": 64},
        {"relative_step_size": 0.5},
    ],
)
def test_a_pinned_run_survives_the_address(changes):
    assert pins.from_text(pins.as_text(spec(**changes))) == spec(**changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noisy_digits",
        "a~b~c~x~1~0~all~10~both",
        "a~b~c~0.1~0~0~all~10~both",
        "a~b~c~7~9~0~all~10~both",
        "a~b~c~nan~9~0~all~10~both",
        "a~b~c~0.1~9~0~x~10~both",
        "a~b~c~0.1~9~0~all~10~both~more",
        "a~b~pgd~0.1~9~0~all~10~both~9",
        "a~b~gan~0.1~9~0~all~10~both~0.5",
        "a~b~pgd~0.1~9~0~all~10~both~0.5~0.5",
    ],
)
def test_what_is_no_run_is_none(text):
    assert pins.from_text(text) is None


def test_runs_that_differ_have_names_that_differ():
    runs = [
        spec(),
        spec(steps=20),
        spec(relative_step_size=0.5),
        spec(seed=1),
        spec(views=(0,)),
        spec(objective="assignment"),
        spec(attack="gan"),
    ]
    assert len({pins.name(run) for run in runs}) == len(runs)


def test_a_row_compares_with_the_first_run():
    lab = FakeLab()
    runs = {}
    for attack in ("noise", "pgd"):
        *_, report = lab.sweep(SweepSpec(attack=AttackSpec(**{**ATTACK, "attack": attack, "epsilon": 0.3}), points=3))
        runs[attack] = scores_of(report)
    first, second = pins.rows(runs)
    assert first["to the first"] == 0
    assert second["to the first"] == pytest.approx(second["ACC"] - first["ACC"])
    assert second["ACC"] == runs["pgd"].attack[-1].frozen.accuracy
    assert second["ACC under noise"] == runs["pgd"].controls["noise"][-1].frozen.accuracy


def test_a_button_that_is_off_pins_no_more_than_there_may_be(monkeypatch):
    kept, told = {}, {}
    monkeypatch.setattr(st, "session_state", kept)
    monkeypatch.setattr(st, "query_params", told)
    for seed in range(pins.MOST + 3):
        pinning._toggle(spec(seed=seed))
    assert pinning.pinned() == [spec(seed=seed) for seed in range(pins.MOST)]
    assert len(told["pin"]) == pins.MOST
    pinning._toggle(spec(seed=0))
    assert pinning.pinned() == [spec(seed=seed) for seed in range(1, pins.MOST)]
