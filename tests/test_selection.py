import numpy as np
import pytest
from fake_lab import FakeLab

from core.figures import selection, stage
from core.records import AttackSpec, SweepSpec


@pytest.fixture(scope="module")
def report():
    spec = AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="pgd", epsilon=0.3, samples=96)
    *_, last = FakeLab().sweep(SweepSpec(attack=spec, points=5))
    return last


@pytest.mark.parametrize(
    "text", ["", "cell.clean.3.5", "cell.now.0.10_flow.2.7_lasso.12.45_sample.12", "lasso.899", "sample.0"]
)
def test_a_selection_is_recognised(text):
    assert selection.is_selection(text)


@pytest.mark.parametrize(
    "text",
    ["cell", "cell.later.1.2", "flow.1", "lasso", "lasso.", "lasso.-1", "flow.1.2_", "_", "cell.now.1.2 ", "<b>", "x"],
)
def test_what_is_no_selection_is_not(text):
    assert not selection.is_selection(text)


def test_a_selection_too_long_for_a_link_is_none():
    assert not selection.is_selection("lasso" + ".1234567" * 1000)


def test_a_cell_is_a_label_in_a_cluster_clean_or_now(report):
    clean, now = report.frames[0].clusters, report.frames[-1].clusters
    for k in range(10):
        picked = selection.chosen(report, f"cell.now.3.{k}")
        assert (picked == ((report.subject.labels == 3) & (now == k))).all()
        picked = selection.chosen(report, f"cell.clean.3.{k}")
        assert (picked == ((report.subject.labels == 3) & (clean == k))).all()


def test_flows_take_every_sample_once(report):
    counts = [selection.chosen(report, f"flow.{a}.{b}").sum() for a in range(10) for b in range(10)]
    assert sum(counts) == len(report.subject.labels)
    assert max(counts) > 0


def test_now_is_the_frame_nearest_to_epsilon(report):
    middle = report.frames[2]
    k = int(middle.clusters[0])
    picked = selection.chosen(report, f"flow.{int(report.frames[0].clusters[0])}.{k}", middle.epsilon + 0.01)
    assert picked[0]
    assert (middle.clusters[picked] == k).all()


def test_parts_are_taken_together_and_a_pointed_sample_chooses_nothing(report):
    first = report.subject.index[:4]
    lasso = "lasso." + ".".join(map(str, first))
    assert selection.chosen(report, lasso).nonzero()[0].tolist() == [0, 1, 2, 3]
    label = int(report.subject.labels[0])
    both = selection.chosen(report, f"{lasso}_cell.clean.{label}.{int(report.frames[0].clusters[0])}_sample.{first[3]}")
    assert both[0]
    assert not both[4:].any()


def test_the_pictures_of_what_is_chosen_travel_first(report):
    rows = np.arange(90, 96)
    lasso = "lasso." + ".".join(map(str, report.subject.index[rows]))
    shown = stage.shown_samples(report, selection.chosen(report, lasso))
    assert set(rows) <= set(shown.tolist())
    assert len(shown) == stage.MAX_SHOWN
    assert not set(rows) & set(stage.shown_samples(report).tolist())
