import json
from dataclasses import replace

import numpy as np
import pytest
from fake_lab import FakeLab

from core.errors import LabError
from core.figures import glimpse, limits, theorem
from core.records import AttackSpec, SweepReport, SweepSpec
from core.theorem_records import TheoremSpec

VIEWS = ("original", "noisy partner")


def sweep(attack: str, samples: int = 5, model: str = "cl_mvc") -> SweepReport:
    attack_spec = AttackSpec(dataset="noisy_digits", model=model, attack=attack, epsilon=0.3, samples=samples)
    return list(FakeLab().sweep(SweepSpec(attack=attack_spec, points=4)))[-1]


@pytest.fixture(scope="module")
def reports():
    return sweep("noise"), sweep("pgd")


def read(buffer: bytes):
    """The header, and the arrays by name."""
    length = int.from_bytes(buffer[:4], "little")
    header = json.loads(buffer[4 : 4 + length])
    arrays = {}
    for name, place in header["arrays"].items():
        size = int(np.prod(place["shape"]))
        found = np.frombuffer(buffer, place["dtype"], size, 4 + length + place["offset"])
        arrays[name] = found.reshape(place["shape"])
    return header, arrays


def test_a_glimpse_adds_up_to_the_attacked_pictures(reports):
    header, arrays = read(glimpse.pack(reports, subject=reports[0].subject, view_names=VIEWS))
    for r, report in enumerate(reports):
        for v in range(2):
            shown = arrays[f"clean{v}"] / 255 + header["scales"][r] * arrays[f"delta{r}_{v}"][-1]
            assert np.abs(shown - report.frames[-1].views[v]).max() < 0.005
        np.testing.assert_array_equal(arrays[f"assigned{r}"], [frame.clusters for frame in report.frames])


def test_a_glimpse_names_clusters_as_many_samples_do(reports):
    subject = replace(reports[0].subject, matching=np.arange(10)[::-1].copy())
    header, _ = read(glimpse.pack(reports, subject=subject, view_names=VIEWS, start=0.2))
    assert header["clusters"] == list("9876543210")
    assert header["rows"] == ["Signed noise", "PGD"]
    assert header["start"] == 0.2


def test_the_glimpses_verdict_counts_what_moved(reports):
    header, arrays = read(glimpse.pack(reports, subject=reports[0].subject, view_names=VIEWS))
    assert "nothing is changed" in header["verdicts"][0]
    moved = [int((arrays[f"assigned{r}"][-1] != arrays[f"assigned{r}"][0]).sum()) for r in (0, 1)]
    assert header["verdicts"][-1] == (
        f"At ε = 0.30, of 5 samples signed noise moved {moved[0]}, PGD moved {moved[1]} to another cluster."
    )
    assert moved[1] > moved[0]


def test_sweeps_of_other_samples_are_no_glimpse(reports):
    with pytest.raises(LabError, match="same samples"):
        glimpse.pack((reports[0], sweep("pgd", samples=6)), subject=reports[0].subject, view_names=VIEWS)


@pytest.fixture(scope="module")
def measured():
    lab = FakeLab()
    return [
        list(lab.theorem(TheoremSpec(dataset="noisy_digits", model=model)))[-1] for model in ("cl_mvc", "ar_dmvc_am")
    ]


def test_the_theorems_figure_shows_both_sides_of_every_model_from_zero_on(measured):
    figure = theorem.curves(measured, "assignment")
    assert len(figure.data) == 4
    for trace, report in zip(figure.data[::2], measured, strict=True):
        assert list(trace.x) == [0, *report.spec.epsilons]
        np.testing.assert_allclose(trace.y[1:], report.curves["assignment"].bound.mean(axis=1))
    assert [title.text for title in figure.layout.annotations] == ["CL-MVC", "AR-DMVC-AM"]


def test_the_theorems_sentences_say_numbers_protocol_and_whether_it_held(measured):
    assert "CL-MVC at ε = 0.30: I = 0.30, bound 1.20 nats" in theorem.sentence(measured[0], "all")
    assert "640 pairs" in theorem.verdict(measured, "all")
    assert "in all of them" in theorem.verdict(measured, "all")
    assert "4 random starts for each objective (assignment and both)" in theorem.protocol(measured[0])


def test_a_broken_theorem_would_be_said(measured):
    curve = measured[0].curves["all"]
    wrong = replace(measured[0], curves={"all": replace(curve, information=curve.bound + 1)})
    assert "not in 320" in theorem.verdict([wrong], "all")


def test_a_growing_measurement_has_a_figure(measured):
    first = next(FakeLab().theorem(measured[0].spec))
    assert len(theorem.curves([first], "all").data[0].x) == 2


@pytest.fixture(scope="module")
def kept():
    lab, found = FakeLab(), {}
    for attack in ("gan", "pgd"):
        report = sweep(attack, samples=64)
        lab.keep(report)
        found[attack] = lab.scores(report.spec)
    return {"cl_mvc": found, "ar_dmvc": {}}


def test_the_limits_are_read_at_their_epsilon(kept):
    rows = limits.rows(kept, 0.2)
    gan = kept["cl_mvc"]["gan"]
    clean, noise = gan.attack[0].frozen.accuracy, gan.controls["noise"][2].frozen.accuracy
    assert rows["cl_mvc"][:3] == [clean, noise, gan.attack[2].frozen.accuracy]
    assert rows["cl_mvc"][4] is None
    assert rows["ar_dmvc"] == [None] * 5
    assert limits.rows(kept, 0.25)["cl_mvc"] == [None] * 5


def test_the_table_of_limits_writes_every_number_and_says_what_is_missing(kept):
    rows = limits.rows(kept, 0.2)
    written = [note.text for note in limits.table(rows).layout.annotations]
    assert len(written) == 10
    assert written.count("not run") == 6
    assert f"{rows['cl_mvc'][2]:.2f}" in written
    assert "AR-DMVC: not run" in limits.sentence(rows, 0.2)
