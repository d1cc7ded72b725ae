import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_blobs, make_model
from fake_lab import FakeLab
from PIL import Image

from core.attacks.base import Budget
from core.attacks.pgd import ProjectedGradientDescent
from core.errors import LabError
from core.figures import steps
from core.frames import attack_in_chunks, draw_order
from core.records import AttackSpec, SweepSpec
from core.trace_records import MOST, TraceReport, TraceSpec
from core.traces import find_rows, random_starts, trace

VIEWS = ("original", "noisy partner")
SPEC = TraceSpec(dataset="noisy_digits", model="cl_mvc", samples=(943, 944, 940), epsilon=0.15, steps=6)
ROUNDING = 1e-6  # of float32 pixels in [0, 1]
SEED = 3


def unpack(buffer: bytes):
    length = int.from_bytes(buffer[:4], "little")
    header = json.loads(buffer[4 : 4 + length])
    arrays = {
        name: np.frombuffer(
            buffer, place["dtype"], count=int(np.prod(place["shape"])), offset=4 + length + place["offset"]
        ).reshape(place["shape"])
        for name, place in header["arrays"].items()
    }
    return header, arrays


@pytest.fixture(scope="module")
def lab():
    return FakeLab()


@pytest.fixture(scope="module")
def report(lab) -> TraceReport:
    *_, last = lab.trace(SPEC)
    assert {c is None for c in last.crossings} == {True, False}, "the samples shall include both kinds"
    return last


@pytest.fixture(scope="module")
def packed(lab, report):
    return unpack(steps.pack(report, lab.map(report), view_names=VIEWS))


@pytest.fixture(scope="module")
def held_out():
    return make_blobs().split()[1]


def follow(held_out, **changes) -> list[TraceReport]:
    samples = tuple(held_out.index[:5].tolist())
    wish = {
        "dataset": "blobs",
        "model": "cl_mvc",
        "samples": samples,
        "epsilon": 0.2,
        "steps": 3,
        "seed": SEED,
        **changes,
    }
    matching = np.arange(4)
    return list(
        trace(TraceSpec(**wish), make_model().eval(), held_out, whole=160, matching=matching, card_digest="0" * 64)
    )


def attacked(held_out, n_samples: int, **knobs):
    """What the attack of a sweep makes of the first samples that the seed draws."""
    drawn = held_out.take(draw_order(len(held_out), SEED)[:n_samples])
    attack = ProjectedGradientDescent(steps=3, **knobs)
    *_, (_, views) = attack_in_chunks(attack, make_model().eval(), drawn.views, Budget(epsilon=0.2), seed=SEED)
    return drawn, views


def test_a_trace_ends_where_the_attack_on_the_same_samples_ends(held_out):
    drawn, views = attacked(held_out, len(held_out))
    last = follow(held_out, samples=tuple(drawn.index.tolist()))[-1]
    for traced, expected in zip(last.frames[-1].views, views, strict=True):
        np.testing.assert_array_equal(traced, expected.numpy())


def test_a_sample_goes_the_same_way_whoever_comes_with_it(held_out):
    together = follow(held_out)[-1]
    alone = follow(held_out, samples=together.spec.samples[2:3])[-1]
    for one, several in zip(alone.frames, together.frames, strict=True):
        np.testing.assert_allclose(one.probs[0], several.probs[2], atol=1e-4)
    np.testing.assert_array_equal(alone.frames[1].views[0][0], together.frames[1].views[0][2])


def test_a_report_comes_after_every_step(held_out):
    reports = follow(held_out)
    assert [len(report.frames) for report in reports] == [1, 2, 3, 4, 5]
    assert reports[-1].progress == 1
    assert reports[-1].iterations == (-1, 0, 1, 2, 3)


def test_the_first_frame_is_clean_and_no_frame_leaves_the_budget(held_out):
    frames = follow(held_out, views=(1,))[-1].frames
    assert frames[0].linf.max() == 0
    assert frames[0].objective.max() == 0
    for frame in frames[1:]:
        assert frame.linf[0].max() == 0
        assert 0 < frame.linf[1].max() <= 0.2 + ROUNDING
        assert all(view.min() >= 0 and view.max() <= 1 for view in frame.views)


def test_distances_are_those_of_the_pictures(held_out):
    clean, *_, last = follow(held_out)[-1].frames
    delta = (last.views[1] - clean.views[1]).reshape(5, -1)
    np.testing.assert_allclose(last.l2[1], np.linalg.norm(delta, axis=1), rtol=1e-5)
    np.testing.assert_allclose(last.linf[1], np.abs(delta).max(axis=1), rtol=1e-5)


def test_the_objective_of_a_frame_is_that_of_its_pictures(held_out):
    report = follow(held_out, objective="assignment")[-1]
    home = report.clusters[0]
    for frame in report.frames:
        np.testing.assert_allclose(frame.objective, -np.log(frame.probs[np.arange(5), home]), rtol=1e-4, atol=1e-6)


def test_a_step_size_of_ones_own_is_taken(held_out):
    report = follow(held_out, relative_step_size=0.05, steps=1)[-1]
    _, start, last = report.frames
    assert report.step_size == 0.05 * report.spec.epsilon
    assert np.abs(last.views[0] - start.views[0]).max() <= report.step_size + ROUNDING


def test_random_starts_are_those_of_an_attack_on_the_whole_part(held_out):
    order = draw_order(len(held_out), SEED)
    budget = Budget(epsilon=0.2)
    starts = random_starts(held_out, order[[4, 1]], budget, seed=SEED)
    everywhere = budget.random_start(held_out.take(order).views, torch.Generator().manual_seed(SEED))
    for some, every in zip(starts, everywhere, strict=True):
        assert torch.equal(some, every[[4, 1]])


def test_random_starts_are_drawn_piece_by_piece_as_the_attack_draws_them(held_out, monkeypatch):
    monkeypatch.setattr("core.traces.chunk_size", lambda mode: 32)
    monkeypatch.setattr("core.frames.CHUNK", 32)
    drawn, views = attacked(held_out, len(held_out), step_size=0.0)  # that stays at its start
    starts = random_starts(held_out, draw_order(len(held_out), SEED)[[70, 3, 40]], Budget(epsilon=0.2), seed=SEED)
    assert len(drawn) == 80
    for start, stayed in zip(starts, views, strict=True):
        assert torch.equal(start, stayed[[70, 3, 40]])


def test_rows_are_found_by_the_place_in_the_whole_data_set(held_out):
    places = held_out.index[[7, 2]].tolist()
    assert find_rows(held_out, places, 160).tolist() == [7, 2]


@pytest.mark.parametrize("place", [160, -1, 10**9])
def test_a_place_outside_the_data_set_is_refused(held_out, place):
    with pytest.raises(LabError, match=f"blobs has samples 0 to 159, and no sample {place}"):
        find_rows(held_out, [place], 160)


def test_a_training_sample_is_refused(held_out):
    place = next(place for place in range(160) if place not in held_out.index.tolist())
    with pytest.raises(LabError, match=f"Sample {place} of blobs is in the part that models are trained on"):
        find_rows(held_out, [place], 160)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": ()}, "1 to 128 different samples, got 0"),
        ({"samples": (5, 5)}, "different samples"),
        ({"samples": tuple(range(MOST + 1))}, "got 129"),
        ({"relative_step_size": 0.0}, "above 0 and up to 2"),
        ({"relative_step_size": float("nan")}, "above 0 and up to 2"),
        ({"epsilon": 2.0}, "ε must lie in"),
        ({"steps": 0}, "from 1 to 100,000 steps"),
        ({"views": ()}, "at least one view"),
        ({"objective": "contrastive"}, "compares a batch"),
    ],
)
def test_a_spec_that_cannot_be_followed_is_refused(changes, said):
    with pytest.raises(LabError, match=said):
        replace(SPEC, **changes)


def test_specs_that_differ_have_different_digests():
    specs = {SPEC, replace(SPEC, seed=1), replace(SPEC, samples=(943,)), replace(SPEC, relative_step_size=0.1)}
    assert len({spec.digest for spec in specs}) == 4


def test_margins_are_negative_exactly_where_a_sample_is_away(report):
    away = report.clusters != report.clusters[0]
    assert away.any()
    np.testing.assert_array_equal(report.margins < 0, away)
    np.testing.assert_array_equal(report.log_margins < 0, away)


def test_a_margin_is_the_clean_clusters_probability_less_the_largest_other(report):
    probs, home = report.frames[3].probs[0], report.clusters[0, 0]
    others = np.delete(probs, home)
    assert report.margins[3, 0] == pytest.approx(probs[home] - others.max())
    assert report.log_margins[3, 0] == pytest.approx(np.log(probs[home] / others.max()), rel=1e-4)


def test_rivals_are_never_the_clean_cluster(report):
    assert (report.rivals != report.clusters[0]).all()


def test_a_crossing_is_the_first_iteration_away_from_the_clean_cluster(report):
    for s, crossing in enumerate(report.crossings):
        away = np.flatnonzero(report.clusters[:, s] != report.clusters[0, s])
        assert crossing == (report.iterations[away[0]] if len(away) else None)


def test_a_margin_of_a_certain_cluster_is_finite(report):
    certain = np.eye(10, dtype=np.float32)[:3]
    frames = tuple(replace(frame, probs=certain) for frame in report.frames)
    assert np.isfinite(replace(report, frames=frames).log_margins).all()


def test_the_buffer_holds_every_iteration_of_every_sample(report, packed):
    header, arrays = packed
    assert header["iterations"] == [-1, 0, 1, 2, 3, 4, 5, 6]
    assert header["index"] == list(SPEC.samples)
    assert arrays["assigned"].shape == (8, 3)
    assert arrays["probs"].shape == (8, 3, 10)
    assert arrays["points"].shape == (8, 3, 2)
    np.testing.assert_array_equal(arrays["assigned"], report.clusters)
    for name in ("objective", "margin", "kept", "rival"):
        assert np.shape(header["lines"][name]) == (8, 3)
    for name in ("linf", "l2"):
        assert np.shape(header["lines"][name]) == (2, 8, 3)


def test_pictures_in_the_buffer_are_the_reports(report, packed):
    header, arrays = packed
    for v in range(2):
        shown = arrays[f"delta{v}"][-1] * header["deltaScale"]
        real = report.frames[-1].views[v] - report.frames[0].views[v]
        assert np.abs(shown - real).max() <= header["deltaScale"] / 2 + ROUNDING


def test_the_buffer_opens_at_the_first_samples_crossing_unless_told(lab, report):
    crossed = replace(report, spec=replace(SPEC))
    header, _ = unpack(steps.pack(crossed, lab.map(report), view_names=VIEWS))
    assert header["start"] == report.crossings[0]
    header, _ = unpack(steps.pack(crossed, lab.map(report), view_names=VIEWS, start=2))
    assert header["start"] == 2


def test_bars_are_different_clusters_in_the_order_of_their_labels(report, packed):
    header, _ = packed
    assert header["bars"] == list(range(10))[::-1]


def test_pictures_of_long_traces_are_thinned_from_the_first_to_the_last(report, monkeypatch):
    size = sum(view.size for view in report.frames[0].views)
    assert steps.pictured_frames(report) == list(range(8))
    monkeypatch.setattr(steps, "PICTURE_BYTES", 4 * size)
    thinned = steps.pictured_frames(report)
    assert thinned[0] == 0
    assert thinned[1] == 1
    assert thinned[-1] == 7
    assert len(thinned) < 8
    growing = replace(report, frames=report.frames[:6])
    assert steps.pictured_frames(growing) == [f for f in thinned if f < 6]


def test_a_trace_that_has_just_begun_can_be_packed(lab, report):
    first = replace(report, frames=report.frames[:1])
    header, arrays = unpack(steps.pack(first, lab.map(first), view_names=VIEWS))
    assert header["start"] is None
    assert arrays["assigned"].shape == (1, 3)
    assert header["pictured"] == [0]


def test_the_strip_marks_what_is_chosen(lab):
    attack = AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="noise", epsilon=0.3, samples=12)
    clean = next(lab.sweep(SweepSpec(attack=attack, points=2)))
    header, arrays = unpack(steps.pack_choice(clean, (943,)))
    assert header["chosen"] == [943]
    assert header["index"] == clean.subject.index.tolist()
    assert arrays["thumbs"].shape == (12, 1, 28, 28)
    assert header["names"][0] == f"label {clean.subject.labels[0]}"


def test_the_verdict_tells_the_story(report):
    s, crossing = next((s, c) for s, c in enumerate(report.crossings) if c is not None and c > 1)
    f = crossing + 1
    assert f"PGD crosses at {crossing}." in steps.verdict(report, 0, s)
    assert steps.verdict(report, 1, s).startswith(f"The random start leaves sample {SPEC.samples[s]} in cluster")
    home = report.subject.cluster_names[report.clusters[0, s]]
    assert f"is still in its clean cluster {home}" in steps.verdict(report, f - 1, s)
    assert f"At iteration {crossing} of 6 sample {SPEC.samples[s]} leaves cluster" in steps.verdict(report, f, s)
    assert "margin −" in steps.verdict(report, f, s)
    assert f"since iteration {crossing}" in steps.verdict(report, 7, s)


def test_the_verdict_says_when_a_sample_stays(report):
    s = report.crossings.index(None)
    assert "PGD does not move it to another cluster within 6 steps" in steps.verdict(report, 0, s)
    assert "is still in its clean cluster" in steps.verdict(report, 7, s)


def test_the_verdict_of_a_growing_trace_does_not_know_the_end(report):
    s = report.crossings.index(None)
    assert "PGD is on its way" in steps.verdict(replace(report, frames=report.frames[:3]), 0, s)


def test_a_sample_that_comes_back_is_said_to(report):
    s = next(s for s, c in enumerate(report.crossings) if c is not None)
    back = replace(report, frames=(*report.frames[:-1], report.frames[0]))
    assert "comes back to its clean cluster" in steps.verdict(back, 7, s)


def test_the_table_has_a_row_a_sample_and_iteration(report):
    first, *lines = steps.trace_csv(report).splitlines()
    assert first.startswith("# PGD on all views of each held-out sample alone")
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert len(rows) == 3 * 8
    assert [row["iteration"] for row in rows[:3]] == ["-1", "0", "1"]
    assert float(rows[7]["margin"]) == pytest.approx(report.margins[7, 0], rel=1e-4)
    assert float(rows[9]["l2_view2"]) == pytest.approx(report.frames[1].l2[1, 1], rel=1e-4)
    total = sum(float(rows[3][f"p_cluster{k}"]) for k in range(10))
    assert total == pytest.approx(1, abs=1e-4)


def test_the_protocol_says_everything_a_number_depends_on(report):
    said = steps.protocol(report)
    for part in ("ε ≤ 0.15", "6 steps of 0.0625", "objective both", "seed 0", "L∞", "weights 9f2c41d0"):
        assert part in said


def test_the_animation_has_a_moment_an_iteration(report):
    image = Image.open(io.BytesIO(steps.animation(report, VIEWS)))
    assert image.format == "GIF"
    assert image.n_frames == 8


def test_a_long_animation_is_thinned(report, monkeypatch):
    monkeypatch.setattr(steps, "GIF_FRAMES", 4)
    image = Image.open(io.BytesIO(steps.animation(report, VIEWS)))
    assert 4 <= image.n_frames <= 5
