import json
import math
from dataclasses import asdict, replace

import pytest
from fake_lab import FakeLab

from core import sweep_scores
from core.errors import LabError
from core.records import AttackSpec, SweepSpec
from core.store import ResultStore

WEIGHTS, ATTACKER = "a" * 64, "b" * 64
SPEC = SweepSpec(
    attack=AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="gan", epsilon=0.3, samples=48, views=(1,)),
    points=4,
)


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "shipped", tmp_path / "computed")


@pytest.fixture(scope="module")
def report():
    *_, last = FakeLab().sweep(SPEC)
    return replace(last, subject=replace(last.subject, card_digest=WEIGHTS))


@pytest.fixture(scope="module")
def scores(report):
    return sweep_scores.scores_of(report, ATTACKER)


def path_of(store):
    (path,) = store.computed.rglob("*.json")
    return path


def flat(value):
    """Every number in a nest of dicts and tuples, NaN as None, to the digits that are kept."""
    if isinstance(value, dict):
        return {name: flat(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [flat(inner) for inner in value]
    return None if math.isnan(value) else round(value, sweep_scores.DIGITS)


def same(first, second):
    return all(flat(asdict(a)) == flat(asdict(b)) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("shipped", [True, False])
def test_what_was_kept_is_read_back(store, scores, shipped):
    sweep_scores.save(store, scores, shipped=shipped)
    read = sweep_scores.load(store, SPEC, WEIGHTS, ATTACKER)
    assert (read.spec, read.card_digest, read.attacker_digest) == (SPEC, WEIGHTS, ATTACKER)
    assert same(read.attack, scores.attack)
    assert set(read.controls) == {"noise", "untrained_generator"}
    assert all(same(read.controls[name], rows) for name, rows in scores.controls.items())


def test_a_label_without_a_sample_has_no_recall_before_and_after(store, scores):
    empty = replace(scores.attack[1], recall=(math.nan, *scores.attack[1].recall[1:]))
    sweep_scores.save(store, replace(scores, attack=(scores.attack[0], empty, *scores.attack[2:])))
    assert math.isnan(sweep_scores.load(store, SPEC, WEIGHTS, ATTACKER).attack[1].recall[0])


@pytest.mark.parametrize(
    ("spec", "weights", "attacker"),
    [
        (SPEC, "c" * 64, ATTACKER),
        (SPEC, WEIGHTS, "c" * 64),
        (SPEC, WEIGHTS, None),
        (replace(SPEC, points=5), WEIGHTS, ATTACKER),
        (replace(SPEC, attack=replace(SPEC.attack, seed=1)), WEIGHTS, ATTACKER),
    ],
)
def test_other_weights_or_another_spec_have_other_numbers(store, scores, spec, weights, attacker):
    sweep_scores.save(store, scores)
    assert sweep_scores.load(store, spec, weights, attacker) is None


def test_with_the_usual_step_size_a_spec_is_what_it_was_before_there_was_a_choice():
    pgd = replace(SPEC.attack, attack="pgd")
    assert pgd.digest == "eba549cd42b63fe39f7a25689feb676e3d3989511bae35123f7ed48fedda1dd1"
    assert "relative_step_size" not in replace(SPEC, attack=pgd).values["attack"]
    assert replace(pgd, relative_step_size=0.5).digest != pgd.digest


def test_a_result_under_another_results_name_is_absent(store, scores):
    sweep_scores.save(store, scores)
    path = path_of(store)
    values = json.loads(path.read_text())
    values["weights"] = "c" * 64
    path.write_text(json.dumps(values))
    assert sweep_scores.load(store, SPEC, WEIGHTS, ATTACKER) is None


@pytest.mark.parametrize(
    ("column", "content"),
    [
        ("accuracy", [1.0, 0.5, 0.2]),
        ("accuracy", [1.0, 0.5, 0.2, "0"]),
        ("accuracy", [1.0, 0.5, 0.2, None]),
        ("accuracy", [1.0, 0.5, 0.2, True]),
        ("nmi", [1.0, 0.5, 0.2, 7.0]),
        ("recall", [1.0, 0.5, 0.2, 0.1]),
        ("linf", [[0.1]] * 3),
        ("ari", None),
    ],
)
def test_numbers_that_are_none_make_a_result_absent(store, scores, column, content):
    sweep_scores.save(store, scores)
    path = path_of(store)
    values = json.loads(path.read_text())
    values["states"]["attack"][column] = content
    path.write_text(json.dumps(values))
    assert sweep_scores.load(store, SPEC, WEIGHTS, ATTACKER) is None


def test_a_state_that_is_missing_makes_a_result_absent(store, scores):
    sweep_scores.save(store, scores)
    path = path_of(store)
    values = json.loads(path.read_text())
    del values["states"]["attack"]
    path.write_text(json.dumps(values))
    assert sweep_scores.load(store, SPEC, WEIGHTS, ATTACKER) is None


def test_an_unfinished_sweep_is_not_kept(report):
    with pytest.raises(LabError, match="finished"):
        sweep_scores.scores_of(replace(report, frames=report.frames[:-1]))
