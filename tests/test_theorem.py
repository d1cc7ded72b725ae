from dataclasses import replace

import numpy as np
import pytest

from core import theorem
from core.commands.theorem import SHIPPED
from core.errors import LabError
from core.lab import Lab
from core.runtime import PROJECT
from core.store import ResultStore
from core.theorem_records import TheoremSpec

WEIGHTS = "a" * 64
SPEC = TheoremSpec(
    dataset="blobs",
    model="cl_mvc",
    epsilons=(0.1, 0.6),
    samples=12,
    starts=2,
    steps=2,
    objectives=("assignment", "both"),
)
ROUNDING = 1e-5  # of float32


@pytest.fixture(scope="module")
def reports(trained_once, blobs):
    model = trained_once.eval()
    views = tuple(view[: SPEC.samples] for view in blobs.views)
    return list(theorem.measure(model, views, SPEC, WEIGHTS))


def test_the_report_grows_by_an_epsilon_at_a_time(reports):
    lengths = [len(report.curves["all"].bound) for report in reports]
    assert sorted(set(lengths)) == [0, 1, 2]
    assert lengths == sorted(lengths)
    assert [report.progress for report in reports] == sorted(report.progress for report in reports)
    assert reports[-1].finished
    assert not reports[0].finished
    assert reports[-1].progress == 1


def test_the_theorem_holds_for_every_sample_and_family(reports):
    assert set(reports[-1].curves) == {"all", "assignment", "both"}
    for curve in reports[-1].curves.values():
        assert curve.bound.shape == (2, SPEC.samples)
        assert (curve.information <= curve.bound + ROUNDING).all()
        assert ((curve.moved >= 0) & (curve.moved <= 1)).all()


def test_the_attack_moves_more_at_a_larger_epsilon(reports):
    curve = reports[-1].curves["all"]
    assert curve.bound[1].mean() > curve.bound[0].mean() > 0
    assert curve.moved[1].mean() > curve.moved[0].mean()


def test_all_versions_are_those_of_each_objective_together(reports):
    curves = reports[-1].curves
    together = (curves["assignment"].bound + curves["both"].bound) / 2
    np.testing.assert_allclose(curves["all"].bound, together, rtol=1e-4)


def test_one_objective_has_no_family_of_all():
    assert set(theorem.families(replace(SPEC, objectives=("both",)))) == {"both"}


def test_a_kept_measurement_is_read_for_the_same_weights_only(reports, tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    theorem.save(store, reports[-1])
    kept = theorem.load(store, SPEC, WEIGHTS)
    np.testing.assert_array_equal(kept.curves["both"].information, reports[-1].curves["both"].information)
    assert kept.finished
    assert theorem.load(store, SPEC, "b" * 64) is None
    assert theorem.load(store, replace(SPEC, seed=1), WEIGHTS) is None


def test_an_unfinished_measurement_is_not_kept(reports, tmp_path):
    with pytest.raises(LabError, match="finished"):
        theorem.save(ResultStore(tmp_path, tmp_path), reports[0])


@pytest.mark.parametrize(
    "wrong", [{"epsilons": ()}, {"epsilons": (2.0,)}, {"samples": 0}, {"starts": 0}, {"objectives": ()}]
)
def test_a_measurement_of_nothing_is_refused(wrong):
    with pytest.raises(LabError):
        replace(SPEC, **wrong)


@pytest.mark.parametrize("target", SHIPPED)
def test_a_measurement_of_the_shipped_weights_ships_and_the_theorem_holds_in_it(target, tmp_path):
    dataset, model = target.split("/")
    store = ResultStore(computed=tmp_path)
    kept = Lab(checkpoints=PROJECT / "checkpoints", store=store, device="cpu").kept_theorem(
        TheoremSpec(dataset=dataset, model=model)
    )
    assert kept is not None, "python -m core theorem measures it"
    for curve in kept.curves.values():
        assert (curve.information <= curve.bound + 1e-4).all()
        assert curve.bound[-1].mean() > curve.bound[0].mean()
