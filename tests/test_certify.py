from dataclasses import replace

import numpy as np
import pytest
import torch

from core.certify import measure, plane
from core.certify.results import (
    ATTACKS,
    HONEST,
    METHODS,
    SETS,
    PlaneFrame,
    PlaneReport,
    PlaneSpec,
    RobustResult,
    RobustSpec,
    certified,
    load_plane,
    load_robust,
    radii,
    save_plane,
    save_robust,
)
from core.certify.tables import RobustLine, claims, honest, lines, median_radius, plane_specs
from core.data import DATASETS
from core.errors import LabError
from core.figures import certify as figures
from core.figures.plane import pack
from core.published.clustr import PRINTED, ROWS
from core.recipes import clustr
from core.store import ResultStore
from tests.conftest import make_blobs, make_model


@pytest.fixture
def store(tmp_path):
    return ResultStore(shipped=tmp_path / "shipped", computed=tmp_path / "computed")


def row(model, *, paper, log, clean=0.95, **others):
    accuracy = dict.fromkeys(ATTACKS, paper) | dict.fromkeys(HONEST, log) | {"noise": clean} | others
    slopes = {"scores": (1e-9, 1e-7), "log_scores": (3.0, 2.0)}
    return RobustResult(
        spec=RobustSpec(dataset="digits", model=model),
        card_digest=model,
        clean=clean,
        accuracy=accuracy,
        still={"scores": 0.5, "log_scores": 0.0},
        along=(0.0, 0.1),
        slopes=slopes,
    )


RESULTS = {
    "nominal": row("nominal", paper=0.24, log=0.24),
    "magnet": row("magnet", paper=0.19, log=0.03, clean=0.94),
    "clustr": row("clustr", paper=0.20, log=0.04),
    "clustr_qtrades": row("clustr_qtrades", paper=0.75, log=0.72),
    "at": row("at", paper=0.70, log=0.70),
    "free_at": row("free_at", paper=0.6, log=0.6),
    "trades": row("trades", paper=0.8, log=0.8),
}


class Card:
    def __init__(self, name):
        self.name, self.dataset, self.sha256 = name, "digits", name


def made_lines(results=RESULTS):
    return lines("digits", [Card(name) for name in results], lambda spec, sha: results.get(sha))


def report(model="clustr", *, seed=0, factor=1.0):
    frame = PlaneFrame(
        phase="magnet",
        epoch=3,
        weights=np.zeros(522, dtype=np.float32),
        centres=np.array([[0, 0], [1, 0]], dtype=np.float32),
        accuracy=0.75,
        steepest=1.5,
        bound=2.0,
        product=8.0,
        distances=np.array([0.2, 0.4, -0.1, 0.6], dtype=np.float32) * np.float32(factor),
    )
    return PlaneReport(
        spec=PlaneSpec(dataset="two_moons", model=model, seed=seed),
        points=np.random.default_rng(0).random((4, 2)).astype(np.float32),
        labels=np.array([0, 1, 0, 1]),
        class_names=("upper moon", "lower moon"),
        frames=(replace(frame, bound=0.0, phase="new weights", epoch=0), frame),
        progress=1.0,
    )


def test_a_row_and_a_training_are_read_back_as_they_were_kept(store):
    save_robust(store, RESULTS["clustr"], shipped=True)
    assert load_robust(store, RESULTS["clustr"].spec, "clustr") == RESULTS["clustr"]
    assert load_robust(store, RESULTS["clustr"].spec, "other weights") is None
    save_plane(store, report())
    kept = load_plane(store, report().spec)
    assert (kept.spec, kept.class_names, kept.finished) == (report().spec, report().class_names, True)
    assert [frame.bound for frame in kept.frames] == [0.0, 2.0]
    np.testing.assert_array_equal(kept.frames[1].distances, report().frames[1].distances)


def test_a_damaged_result_is_none(store):
    path = save_robust(store, RESULTS["clustr"]) or next(store.computed.rglob("*.json"))
    path = next(store.computed.rglob("*.json"))
    path.write_text(path.read_text().replace('"clean": 0.95', '"clean": true'))
    assert load_robust(store, RESULTS["clustr"].spec, "clustr") is None


def test_the_certified_curve_counts_points_that_are_right_with_a_longer_radius():
    frame = report().frames[1]
    np.testing.assert_allclose(radii(frame, 2.0), [0.1, 0.2, -0.05, 0.3], rtol=1e-6)
    grid = np.array([0.0, 0.15, 0.25, 0.4], dtype=np.float32)
    np.testing.assert_allclose(certified(frame, 2.0, grid), [0.75, 0.5, 0.25, 0.0])
    assert median_radius(report()) == pytest.approx(0.15)  # the wrong point counts as 0


def test_the_number_to_believe_is_the_lowest_of_the_honest_attacks():
    mixed = replace(RESULTS["clustr"], accuracy=RESULTS["clustr"].accuracy | {"paper_20": 0.01, "margin_20": 0.02})
    assert honest(mixed) == 0.02


def judged(results=RESULTS, planes=None):
    return {claim.text: claim for claim in claims(made_lines(results), planes or {})}


def test_claims_follow_the_numbers():
    planes = {r.spec: r for r in (report("magnet"), report("clustr", factor=2.0))}
    verdicts = [claim.verdict for claim in judged(planes=planes).values()]
    assert verdicts == ["not held", "not held", "held", "not held", "not held", "held", "not testable here"]
    better = RESULTS | {"clustr": row("clustr", paper=0.6, log=0.6), "clustr_qtrades": row("x", paper=0.9, log=0.9)}
    worse = {r.spec: r for r in (report("magnet", factor=3.0), report("clustr"))}
    verdicts = [claim.verdict for claim in judged(better, worse).values()]
    assert verdicts == ["held", "held", "held", "held", "held", "not held", "not testable here"]


def test_claims_without_numbers_are_not_judged():
    assert {claim.verdict for claim in judged({}).values()} == {"not testable here"}
    assert all(claim.command.startswith("python -m core ") for claim in judged({}).values())


def test_what_is_missing_says_the_command_that_makes_it():
    rows = {line.model: line for line in made_lines({"nominal": None})}
    assert rows["nominal"].remedy == "python -m core certify digits"
    assert rows["clustr"].remedy == "python -m core train digits/clustr"
    (first, *_) = lines("mnist", [], lambda spec, sha: None)
    assert first.remedy == "python -m core train mnist/nominal --samples 4000"


def test_the_printed_rows_are_the_paper_s():
    assert set(ROWS) == set(clustr.MODELS)
    assert PRINTED["CIFAR-10", "clustr_qtrades"].pgd_100 == 74.04
    assert PRINTED["CIFAR-10", "clustr"].pgd_20 == 49.04
    assert PRINTED["SVHN", "magnet"].pgd_100 == 38.59
    assert PRINTED["CIFAR-100", "clustr_qtrades"].clean == 69.25
    assert len(figures.printed_rows()) == len(PRINTED) == 21


def test_the_table_in_words_names_the_verdict_and_the_protocol():
    rows = made_lines()
    assert "keeps 20.0 %" in figures.verdict(rows)
    assert "**4.0 %**" in figures.verdict(rows)
    assert "256 samples of the held-out half of digits" in figures.protocol(rows)
    text = figures.csv_text(rows)
    assert text.startswith("# Accuracy in percent")
    assert "ClusTR,95.0,95.0,20.0,20.0,4.0" in text
    assert [r["method"] for r in figures.rows(rows)][:3] == ["Nominal training", "Free AT", "AT"]


def test_the_curve_of_fading_slopes_has_both_objectives_on_a_logarithmic_axis():
    line = next(line for line in made_lines() if line.model == "clustr")
    figure = figures.fading(line)
    assert figure.layout.yaxis.type == "log"
    assert [len(trace.y) for trace in figure.data] == [2, 2]
    assert "the scores are 20,000,000 times flatter" in figures.fading_sentence(line)


def test_the_certified_curves_have_a_band_and_a_line_for_each_start():
    planes = {r.spec: r for r in (report("magnet"), report("clustr"), report("clustr", seed=1, factor=2))}
    figure = figures.certified_curves(planes, "two_moons")
    assert [trace.name for trace in figure.data if trace.name] == list(figures.TITLES.values())
    assert "(2 seeds)" in figures.certified_sentence(planes, "two_moons")
    assert not figures.certified_curves({}, "two_moons").data
    assert figures.counter_example().data


def test_the_buffer_of_the_plane_holds_every_frame_s_network():
    buffer = pack((report("magnet"), report("clustr")), (0.25, 0.5), "Look.")
    length = int.from_bytes(buffer[:4], "little")
    assert b'"point": [0.25, 0.5]' in buffer[4 : 4 + length]
    assert b'"weights1": {"dtype": "float32", "shape": [2, 522]' in buffer[4 : 4 + length]


def test_figure_3_is_every_seed_of_both_starts_on_both_sets():
    specs = plane_specs()
    assert len(set(specs)) == len(specs) == 3 * len(SETS) * len(METHODS)
    assert {spec.seed for spec in specs[:4]} == {0}
    with pytest.raises(LabError, match="In the plane there are"):
        PlaneSpec(dataset="digits", model="clustr")


@pytest.mark.parametrize("name", SETS)
def test_the_points_of_the_plane_are_400_in_the_unit_square(name):
    data = DATASETS.make(name)
    points = data.views[0]
    assert points.shape == (400, 1, 1, 2)
    assert 0 <= points.min() < points.max() <= 1
    assert data.labels.bincount().tolist() == [200, 200]
    assert torch.equal(points, DATASETS.make(name).views[0])


def test_a_measured_row_is_right_under_no_attack_more_often_than_without_one(monkeypatch):
    monkeypatch.setattr(measure, "WAY", 3)
    short = {name: (objective, steps and 2) for name, (objective, steps) in ATTACKS.items() if name != "ensemble"}
    monkeypatch.setattr(measure, "ATTACKS", short)
    whole = make_blobs(40)
    data = replace(whole, views=whole.views[:1])
    model = make_model("magnet", n_views=1).eval()
    model.place(data.views, data.labels)
    *_, (share, result) = measure.measure(model, data, RobustSpec(dataset="digits", model="magnet", samples=40), "x")
    assert share == 1
    assert result.accuracy.keys() == short.keys()
    assert all(value <= result.clean for value in result.accuracy.values())
    assert result.slopes.keys() == {"scores", "log_scores"}
    assert len(result.along) == len(result.slopes["scores"]) == 11


def test_a_training_in_the_plane_shows_its_epochs_and_ends_with_a_proof(monkeypatch):
    recipe = clustr.recipe("two_moons", "clustr", protocol="lab")
    schedule = replace(recipe.schedule, pretraining_epochs=3, epochs=2)
    monkeypatch.setattr(plane.RECIPES, "make", lambda name: replace(recipe, schedule=schedule))
    data = DATASETS.make("two_moons").split()
    reports = list(plane.train_in_the_plane(PlaneSpec(dataset="two_moons", model="clustr"), data))
    frames = reports[-1].frames
    assert [frame.epoch for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert [frame.phase for frame in frames][:2] == ["new weights", "warm start"]
    assert [frame.bound > 0 for frame in frames] == [False] * 5 + [True]
    assert frames[-1].steepest <= frames[-1].bound <= frames[-1].product
    assert frames[-1].weights.shape == (522,)
    assert reports[-1].finished
    assert not reports[-2].finished
    right = (frames[-1].distances > 0).mean()
    assert right == pytest.approx(frames[-1].accuracy, abs=0.01)


@pytest.mark.parametrize(("end", "said"), [(0.01, "are 100 times flatter"), (2.0, "are no flatter")])
def test_slopes_that_do_not_fade_are_not_said_to(end, said):
    result = row("clustr", paper=0.3, log=0.0)
    faded = replace(result, slopes={"scores": (2.0, end), "log_scores": (0.1, 1.0)})
    line = RobustLine(dataset="digits", model="clustr", spec=result.spec, result=faded, remedy="")
    assert f"the scores {said}." in figures.fading_sentence(line)
