import csv
import json
import tomllib
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
from conftest import PROJECT
from fake_lab import FakeLab, card

from core.attacks import ATTACKS, OBJECTIVES
from core.figures import buffer as buffers
from core.figures import curves, stage, theme, words
from core.models import MODELS
from core.records import AttackSpec, SweepSpec
from core.sweep_scores import scores_of

VIEWS = ("original", "noisy partner")


def make_spec(**changes) -> SweepSpec:
    attack = {"dataset": "noisy_digits", "model": "cl_mvc", "attack": "pgd", "epsilon": 0.3, "samples": 64}
    points = changes.pop("points", 7)
    return SweepSpec(attack=AttackSpec(**{**attack, **changes}), points=points)


@pytest.fixture(scope="module")
def lab():
    return FakeLab()


@pytest.fixture(scope="module")
def report(lab):
    *_, last = lab.sweep(make_spec())
    return last


@pytest.fixture(scope="module")
def growing(lab):
    """The newest report of every number of frames."""
    return {len(report.frames): report for report in lab.sweep(make_spec())}


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


def pack(lab, report, **options):
    return unpack(stage.pack(report, lab.map(report), view_names=VIEWS, **options))


def test_stage_holds_every_frame_of_every_sample(lab, report):
    header, arrays = pack(lab, report)
    assert arrays["assigned"].shape == (7, 64)
    assert (arrays["assigned"] == [frame.clusters for frame in report.frames]).all()
    assert (arrays["labels"] == report.subject.labels).all()
    assert arrays["points"].shape == (7, 64, 2)
    assert len(header["verdicts"]) == len(header["table"]) == len(header["reach"]) == 7


def test_stage_counts_every_sample_in_the_confusion(lab, report):
    _, arrays = pack(lab, report)
    assert (arrays["counts"].sum(axis=(1, 2)) == 64).all()
    frame = report.frames[-1]
    assert arrays["counts"][-1, 3, 5] == ((report.subject.labels == 3) & (frame.clusters == 5)).sum()


def test_stage_pictures_are_within_one_grey_value(lab, report):
    header, arrays = pack(lab, report)
    for v in range(2):
        clean = arrays[f"clean{v}"].astype(float)
        shown = clean + arrays[f"delta{v}"][-1] * header["deltaScale"] * 255
        exact = report.frames[-1].views[v][header["shown"]] * 255
        assert np.abs(shown - exact).max() <= 1


def test_stage_keeps_a_perturbation_smaller_than_a_grey_value(lab):
    *_, tiny = lab.sweep(make_spec(epsilon=0.01, points=5))
    header, arrays = pack(lab, tiny)
    change = tiny.frames[1].views[0][header["shown"]] - tiny.frames[0].views[0][header["shown"]]
    assert np.abs(change).max() < 1 / 255
    assert np.abs(arrays["delta0"][0] * header["deltaScale"] - change).max() < 0.0001


def test_stage_arrays_are_aligned(lab):
    *_, odd = lab.sweep(make_spec(samples=61, points=3))
    buffer = stage.pack(odd, lab.map(odd), view_names=VIEWS)
    header, _ = unpack(buffer)
    assert (4 + int.from_bytes(buffer[:4], "little")) % buffers.ALIGN == 0
    assert all(place["offset"] % buffers.ALIGN == 0 for place in header["arrays"].values())


def test_stage_shows_the_clean_samples_before_any_attack(lab, growing):
    header, arrays = pack(lab, growing[1])
    assert arrays["delta0"].size == 0
    assert header["reach"] == [0.0]
    assert [row["role"] for row in header["table"][0]] == ["clean"]


def test_samples_are_shown_in_the_order_in_which_they_move(report):
    moves = stage.first_moves(report)[stage.shown_samples(report)]
    assert (np.diff(moves) >= 0).all()


def test_a_sample_that_moved_keeps_its_place_while_the_sweep_grows(growing):
    for n in range(1, 7):
        before, after = (stage.shown_samples(growing[k]) for k in (n, n + 1))
        moved = int((stage.first_moves(growing[n])[before] < 7).sum())
        assert (before[:moved] == after[:moved]).all()


def test_the_shown_samples_are_the_first_of_the_draw_whoever_moves(lab):
    *_, many = lab.sweep(make_spec(samples=128, points=3))
    assert sorted(stage.shown_samples(many)) == list(range(stage.MAX_SHOWN))


def test_large_pictures_are_shown_for_fewer_samples(report):
    large = np.zeros((64, 3, 128, 64), dtype=np.float32)
    frames = (replace(report.frames[0], views=(large, large)), *report.frames[1:])
    shown = len(stage.shown_samples(replace(report, frames=frames)))
    assert stage.MIN_SHOWN <= shown < stage.MAX_SHOWN
    assert shown * 2 * large[0].size * report.spec.points <= stage.PICTURE_BYTES


def test_matched_columns_make_a_right_diagonal():
    assert stage.matched_columns(np.array([2, 0, -1, 1]), 3) == [1, 3, 0, 2]
    assert stage.matched_columns(np.array([2, -1, 0]), 3) == [2, 1, 0]
    assert stage.matched_columns(np.array([2, 0]), 3) == [1, 0]


def test_clusters_without_a_label_have_a_sign(report):
    subject = replace(report.subject, matching=np.array([0, -1, 2, 3, 4, 5, 6, 7, 8, 9]))
    assert stage.cluster_names(subject)[:3] == ["0", "∅", "2"]
    subject = replace(subject, matching=np.array([-1, -1, 2, 3, 4, 5, 6, 7, 8, 9]))
    assert stage.cluster_names(subject)[:2] == ["∅1", "∅2"]


def test_the_stage_of_an_equal_report_has_an_equal_name(lab, report, growing):
    header, _ = pack(lab, report)
    assert header["id"] == pack(lab, report)[0]["id"]
    assert header["id"] != pack(lab, growing[3])[0]["id"]


def test_compared_runs_have_a_line_each_and_a_thin_one_for_their_control(report):
    runs = {"first": scores_of(report), "second": scores_of(report)}
    figure = curves.compare(runs, "NMI")
    assert [line.name for line in figure.data if line.showlegend] == ["first", "second"]
    assert len(figure.data) == 4
    assert list(figure.data[1].y) == [frame.scores.frozen.nmi for frame in report.frames]
    assert list(figure.data[0].y) == [frame.controls["noise"].frozen.nmi for frame in report.frames]
    assert figure.data[1].line.color != figure.data[3].line.color


def test_compared_runs_differ_in_more_than_colour():
    assert len({(run["dash"], run["symbol"]) for run in theme.RUNS}) == len(theme.RUNS)


def test_a_control_is_not_drawn_beside_itself(lab):
    *_, noise = lab.sweep(make_spec(attack="noise", points=3))
    assert len(curves.compare({"noise": scores_of(noise)}).data) == 1
    header, _ = pack(lab, noise)
    assert [row["role"] for row in header["table"][-1]] == ["clean", "attack", "untrained_generator"]


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_every_attack_has_a_name_and_a_sentence(attack):
    assert words.attack_name(attack) in words.ATTACK_NAMES.values()
    assert words.attack_sentence(attack).endswith(".")


@pytest.mark.parametrize(("knob", "named"), [("objective", words.GRADIENT_ATTACKS), ("steps", words.STEPPING_ATTACKS)])
def test_the_screens_offer_a_knob_to_the_attacks_that_have_it(knob, named):
    assert [name for name in ATTACKS if knob in signature(ATTACKS[name]).parameters] == list(named)


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_every_objective_has_a_name(objective):
    assert words.objective_name(objective) in words.OBJECTIVE_NAMES.values()


@pytest.mark.parametrize("model", list(MODELS))
def test_every_model_has_a_name(model):
    assert words.model_name(model) in words.MODEL_NAMES.values()


def test_a_protocol_is_part_of_a_models_name():
    assert words.model_name("cl_mvc.released") == "CL-MVC (released)"


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [(0, "0"), (0.2, "0.20"), (0.025, "0.025"), (0.0125, "0.0125"), (1.0, "1.00"), (1 / 24, "0.0417")],
)
def test_epsilon_is_written_short(epsilon, text):
    assert words.epsilon_text(epsilon) == text


def test_the_verdict_counts_what_moved(report):
    frame = report.frames[4]
    moved = int((frame.clusters != report.frames[0].clusters).sum())
    sentence = words.verdict(report, frame)
    assert sentence.startswith(f"At ε = 0.20, PGD moved {moved} of 64 samples to another cluster; ACC fell from ")
    assert f"signed noise {frame.controls['noise'].frozen.accuracy:.2f}" in sentence


def test_the_verdict_says_when_nothing_changed(report):
    still = replace(report.frames[1], clusters=report.frames[0].clusters, scores=report.frames[0].scores)
    assert "moved no sample to another cluster; ACC stayed at" in words.verdict(report, still)


def test_the_verdict_warns_of_scores_that_pass_for_logits(report):
    spec = replace(report.spec, attack=replace(report.spec.attack, objective="scores"))
    fading = replace(report, spec=spec)
    assert words.verdict(fading, fading.frames[4]).endswith("the objective margin says what this model withstands.")
    assert "withstands" not in words.verdict(fading, fading.frames[0])
    assert "withstands" not in words.verdict(report, report.frames[4])


def test_the_verdict_before_an_attack_does_not_speak_of_one(growing):
    assert words.verdict(growing[1], growing[1].frames[0]).startswith("No attack yet")
    assert words.verdict(growing[2], growing[2].frames[0]).startswith("At ε = 0 nothing is changed")


def test_the_protocol_names_all_a_number_depends_on(report):
    line = words.protocol(report.spec, report.subject.card_digest)
    parts = ("64 samples", "held-out", "PGD", "ε ≤ 0.30", "L∞", "10 steps", "seed 0", "evaluation mode", "frozen")
    assert all(part in line for part in (*parts, report.subject.card_digest[:8]))


def test_the_protocol_says_what_trained_the_attacker():
    trained = replace(card("cl_mvc.gan"), recipe={"trained_on": "held_out", "epsilon": 0.3}, samples=899)
    sentence = words.attacker_sentence(trained)
    assert sentence == "attacker trained on the attacked half itself (transductive), 899 samples at ε = 0.3"
    assert sentence in words.protocol(make_spec(attack="gan"), "0" * 64, sentence)
    assert "not recorded" in words.protocol(make_spec(attack="gan"), "0" * 64)


def test_the_command_repeats_the_sweep():
    spec = make_spec(views=(1,), steps=5, objective="assignment", points=13)
    assert words.command(spec) == (
        "python -m core sweep noisy_digits/cl_mvc --attack pgd --epsilon 0.3 --samples 64 --seed 0 "
        "--views 1 --steps 5 --objective assignment --points 13"
    )
    assert "--steps" not in words.command(make_spec(attack="gan"))


def test_a_step_size_of_ones_own_is_in_the_protocol_and_in_the_command():
    chosen, usual = (make_spec(relative_step_size=size) for size in (0.5, None))
    assert "10 steps of 0.5 ε" in words.attack_parts(chosen.attack)
    assert "10 steps" in words.attack_parts(usual.attack)
    assert "--step-size 0.5" in words.command(chosen)
    assert "--step-size" not in words.command(usual)


def test_the_csv_has_a_line_for_every_state_at_every_epsilon(report):
    text = words.sweep_csv(report)
    lines = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert len(lines) == 7 * 3
    assert float(lines[-3]["acc_frozen"]) == pytest.approx(report.frames[-1].scores.frozen.accuracy, abs=1e-5)
    assert text.startswith("# 64 samples")


def test_a_label_has_the_same_colour_in_every_model():
    first, second = theme.cluster_palette([2, 0, 1]), theme.cluster_palette([0, 1, 2])
    assert [first[1], first[2], first[0]] == second == list(theme.CLUSTERS[:3])


@pytest.mark.parametrize("matching", [[4, -1, 0, -1, 2], [-1, -1], [7, -1, 3], list(range(10))])
def test_no_two_clusters_share_a_colour_while_there_are_enough(matching):
    colours = theme.cluster_palette(matching)
    assert len(set(colours)) == len(matching)
    assert all(colours[k] == theme.cluster_color(label) for k, label in enumerate(matching) if label >= 0)


def test_the_app_uses_the_colours_of_the_theme():
    config = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())
    assert config["theme"]["chartCategoricalColors"] == list(theme.CLUSTERS)
    assert config["theme"]["chartDivergingColors"][0] == theme.DIVERGING[0]
    assert config["theme"]["light"]["linkColor"] == theme.ROLES_LIGHT["clean"]
    assert config["theme"]["dark"]["linkColor"] == theme.ROLES_DARK["clean"]


def test_lines_of_compared_runs_can_be_seen_on_both_backgrounds():
    config = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["theme"]
    for run in theme.RUNS:
        assert contrast(run["color"], config["light"]["backgroundColor"]) >= 3
        assert contrast(run["color"], config["dark"]["backgroundColor"]) >= 3


def test_role_colours_can_be_read_on_their_background():
    config = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["theme"]
    for roles, name in ((theme.ROLES_LIGHT, "light"), (theme.ROLES_DARK, "dark")):
        for color in roles.values():
            assert contrast(color, config[name]["backgroundColor"]) >= 4.5


def contrast(first: str, second: str) -> float:
    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
