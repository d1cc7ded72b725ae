from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import N_SAMPLES
from fake_lab import FakeLab
from fake_lab import card as fake_card
from test_figures import unpack
from test_own_files import refusal

from core.attacks import ATTACKS
from core.figures import probe as figures
from core.frames import encode
from core.own.probe import make_reference, probe
from core.own.records import MOST_SEEN, ProbeReport, seen
from core.records import AttackSpec, SweepSpec
from core.types import Encoding

VIEWS = ("original", "noisy partner")
CONTROLS = ("noise", "untrained_generator")


@pytest.fixture(scope="module")
def reference(blobs, trained_once):
    return make_reference(blobs, encode(trained_once.eval(), blobs.views), 4, N_SAMPLES)


@pytest.fixture
def card(blobs):
    return replace(fake_card("cl_mvc"), dataset="blobs", view_shapes=blobs.view_shapes, n_clusters=4)


def own_views(blobs, count: int):
    return tuple(view[:count].numpy() for view in blobs.views)


def spec(count: int, attack: str = "pgd", **changes) -> SweepSpec:
    made = {"dataset": "blobs", "model": "cl_mvc", "attack": attack, "epsilon": 0.3, "samples": count, "steps": 3}
    return SweepSpec(attack=AttackSpec(**{**made, **changes}), points=4)


def run(card, model, views, reference, sweep) -> list[ProbeReport]:
    attack = ATTACKS.make(sweep.attack.attack)
    return list(probe(sweep, card, model, attack, views, reference, controls=CONTROLS))


def test_a_sample_of_the_reference_is_its_own_nearest_neighbour(card, trained, blobs, reference):
    clean, *_ = run(card, trained, own_views(blobs, 5), reference, spec(5))
    np.testing.assert_array_equal(clean.frames[0].neighbours[:, 0], np.arange(5))
    np.testing.assert_allclose(clean.frames[0].distances[:, 0], 0, atol=1e-4)
    np.testing.assert_array_equal(clean.frames[0].clusters, reference.clusters[:5])
    assert (np.diff(clean.frames[0].distances, axis=1) >= 0).all()


def test_one_sample_alone_is_clustered_as_among_others(card, trained, blobs, reference):
    alone, *_ = run(card, trained, own_views(blobs, 1), reference, spec(1))
    among, *_ = run(card, trained, own_views(blobs, 9), reference, spec(9))
    np.testing.assert_allclose(alone.frames[0].probs[0], among.frames[0].probs[0], atol=1e-5)


@pytest.mark.parametrize("attack", ["noise", "fgsm", "pgd"])
def test_every_frame_stays_within_its_budget(card, trained, blobs, reference, attack):
    *_, last = run(card, trained, own_views(blobs, 3), reference, spec(3, attack))
    assert len(last.frames) == 4
    assert last.progress == 1
    for frame in last.frames:
        for moved, clean in zip(frame.views, last.frames[0].views, strict=True):
            assert np.abs(moved - clean).max() <= frame.epsilon + 1e-6
            assert moved.min() >= 0
            assert moved.max() <= 1
        assert set(frame.controls) == (set(CONTROLS) if frame.epsilon else set())
    assert np.abs(last.frames[-1].views[0] - last.frames[0].views[0]).max() > 0.1


def test_of_attacked_samples_only_the_pictures_are_kept_that_are_shown(card, trained, blobs, reference):
    *_, last = run(card, trained, own_views(blobs, 100), reference, spec(100, "noise"))
    for frame in last.frames[1:]:
        assert len(frame.clusters) == 100
        for view in frame.views:
            assert len(view) == MOST_SEEN
            assert view.base is None  # else all of them stay in memory
    assert seen(2 * 3 * 128 * 64, 13) < 10


def test_typical_samples_are_members_and_nearest_to_the_mean(blobs):
    hidden = torch.randn(N_SAMPLES, 5, generator=torch.Generator().manual_seed(0))
    apart = Encoding((), hidden, hidden, torch.eye(4)[blobs.labels])
    typical = make_reference(blobs, apart, 4, N_SAMPLES).typical
    for k in range(4):
        members = np.flatnonzero(blobs.labels.numpy() == k)
        inside = hidden[members].numpy()
        far = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
        np.testing.assert_array_equal(typical[k], members[np.argsort(far)[:8]])


def test_a_cluster_without_members_has_no_typical_samples(blobs, trained):
    encoding = encode(trained, blobs.views)
    assert (make_reference(blobs, encoding, 6, 160).typical[4:] == -1).all()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda views: (views[0],), "shapes"),
        (lambda views: (views[0], views[1][:2]), "shapes"),
        (lambda views: (views[0], views[1][:, :, :10]), "shapes"),
        (lambda views: (views[0], np.full_like(views[1], np.nan)), "finite"),
        (lambda views: (views[0], views[1] + 1), "0 to 1"),
    ],
)
def test_views_that_do_not_fit_are_refused(card, trained, blobs, reference, break_it, says):
    assert says in refusal(run, card, trained, break_it(own_views(blobs, 3)), reference, spec(3))


@pytest.mark.parametrize("changes", [{"samples": 513}, {"target_mode": "train"}, {"norm": "l2"}, {"views": (5,)}])
def test_choices_that_do_not_go_with_own_samples_are_refused(card, trained, blobs, reference, changes):
    refusal(run, card, trained, own_views(blobs, 3), reference, spec(3, **changes))


@pytest.fixture(scope="module")
def lab():
    return FakeLab()


@pytest.fixture(scope="module")
def report(lab):
    digits = lab.pictures["noisy_digits"][:3]
    sweep = SweepSpec(
        attack=AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="pgd", epsilon=0.6, samples=3), points=4
    )
    *_, last = lab.probe(sweep, (digits, digits))
    return last


def pack(lab, report, **changes):
    options = {"view_names": VIEWS, "names": ("a.png", "b.png", "c.png"), "identity": "x"} | changes
    return unpack(figures.pack(report, lab.map(report), **options))


def test_the_buffer_holds_neighbours_whose_pictures_travel(lab, report):
    header, arrays = pack(lab, report)
    reference = report.reference
    assert arrays["near"].shape == (4, 3, 8)
    rows = np.array(header["aroundIndex"])[arrays["near"][2, 1]]
    np.testing.assert_array_equal(rows, reference.index[report.frames[2].neighbours[1]])
    place = arrays["near"][2, 1, 0]
    expected = np.rint(reference.views[0][report.frames[2].neighbours[1, 0]] * 255)
    np.testing.assert_array_equal(arrays["around0"][place], expected)
    assert header["aroundLabel"][place] == str(reference.labels[report.frames[2].neighbours[1, 0]])


def test_the_buffer_holds_typical_samples_of_every_cluster_on_the_way(lab, report):
    header, _ = pack(lab, report)
    for k in {int(k) for frame in report.frames for k in frame.clusters}:
        assert [header["aroundCluster"][row] for row in header["typical"][k]] == [k] * len(header["typical"][k])
        assert header["typical"][k]


def test_the_buffer_holds_probabilities_and_pictures(lab, report):
    header, arrays = pack(lab, report)
    np.testing.assert_allclose(arrays["probs"] / 65535, np.stack([f.probs for f in report.frames]), atol=1e-5)
    rebuilt = arrays["clean0"] / 255 + arrays["delta0"][-1] * header["deltaScale"]
    np.testing.assert_allclose(rebuilt, report.frames[-1].views[0], atol=0.01)


def test_no_label_is_claimed_for_what_somebody_brought(lab, report):
    header, arrays = pack(lab, report)
    assert header["classes"] == ["none (yours)"]
    assert not arrays["labels"].any()
    assert "ACC" not in str(header)


def test_clusters_are_shown_while_there_is_nothing_else(lab):
    header, arrays = unpack(figures.pack_clusters(lab.reference("noisy_digits", "cl_mvc"), VIEWS))
    assert header["id"] == "clusters"
    assert len(header["typical"]) == 10
    assert all(len(rows) == 8 for rows in header["typical"])
    assert arrays["around0"].shape[0] == len(header["aroundIndex"]) == 80


def test_verdicts_speak_of_one_sample_and_of_all(report):
    names = ("a.png", "b.png", "c.png")
    assert figures.verdict(report, 0, 1, names).startswith("b.png falls into cluster 1 with confidence ")
    last = figures.verdict(report, 3, 0, names)
    assert last.startswith("At ε = 0.60, PGD moves a.png from cluster 0 to ")
    assert "Controls of the same size: under signed noise it stays" in last
    moved = int((report.frames[3].clusters != report.frames[0].clusters).sum())
    assert f"Of all 3, {moved} left their clean cluster (signed noise 0, untrained generator 0)." in last


def test_the_protocol_names_what_numbers_depend_on(report):
    said = figures.protocol(report)
    for part in ("3 samples of your own", "PGD on all views", "ε ≤ 0.60", "10 steps", "seed 0", "weights 9f2c41d0"):
        assert part in said
    assert "the first 600 held-out samples" in said
