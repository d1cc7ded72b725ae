import json
from dataclasses import replace

import numpy as np
import pytest
from fake_lab import FakeLab
from test_figures import contrast, unpack

from core.confusions import confusions_of
from core.figures import defense, robustness, theme
from core.records import AttackScores, AttackSpec, Scores, SweepScores, SweepSpec
from core.sweep_scores import scores_of

SPEC = SweepSpec(
    attack=AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="gan", epsilon=0.3, samples=48), points=7
)
VIEWS = ("original", "noisy partner")
BACKGROUNDS = {"light": "#ffffff", "dark": "#11151c"}


def on(model: str, spec: SweepSpec = SPEC) -> SweepSpec:
    return replace(spec, attack=replace(spec.attack, model=model))


@pytest.fixture(scope="module")
def lab():
    return FakeLab()


def last(lab, spec):
    *_, report = lab.sweep(spec)
    return report


@pytest.fixture(scope="module")
def columns(lab):
    """Every model under the attack, with what a stronger one leaves."""
    return {
        model: defense.Column(last(lab, on(model)), harder=last(lab, robustness.stronger(on(model))))
        for model in defense.MODELS
    }


def pack(lab, columns, **options):
    stages = {
        model: defense.small_stage(column.report, lab.map(column.report), view_names=VIEWS, attacker="")
        for model, column in columns.items()
    }
    return unpack(defense.pack(SPEC, columns, stages, **{"problems": {}, **options}))


def test_matrices_of_an_earlier_run_come_along_until_the_attack_has_run(lab, columns):
    sweep = columns["ar_dmvc"].report
    clean, matrices = replace(sweep, frames=sweep.frames[:1]), confusions_of(sweep)
    early = {model: replace(column, report=clean, matrices=matrices) for model, column in columns.items()}
    _, arrays = pack(lab, early)
    counts = arrays[defense.matrices_of("ar_dmvc")]
    np.testing.assert_array_equal(counts.reshape(matrices.counts.shape), matrices.counts)
    assert counts.sum() == SPEC.points * SPEC.attack.samples
    _, arrays = pack(lab, {model: replace(column, matrices=matrices) for model, column in columns.items()})
    assert not [name for name in arrays if name.endswith("matrices")]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([1.0, 0.95, 0.9, 0.89, 0.95], 2),
        ([1.0, 0.89], 0),
        ([0.8, 0.8, 0.72, 0.72], 3),
        ([0.8], 0),
        ([0.0, 0.0], 1),
    ],
)
def test_a_model_holds_as_long_as_it_keeps_nine_tenths_of_its_own_accuracy(values, place):
    assert robustness.held(values) == place


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 0.95, 0.95, 0.5, 0.5, 0.5, 0.5], "holds up to ε = 0.10"),
        ([1.0, 0.5], "does not hold even at ε = 0.05"),
        ([1.0] * 7, "holds over the whole range, up to ε = 0.30"),
        ([1.0] * 3, "holds so far, up to ε = 0.10"),
        ([1.0], "has not been attacked yet"),
    ],
)
def test_up_to_where_a_model_holds_is_said(values, words):
    assert robustness.holding(SPEC, values) == words


def test_the_stronger_attack_is_pgd_on_the_assignment_with_everything_else_the_same():
    harder = robustness.stronger(SPEC)
    assert harder == replace(
        SPEC, attack=replace(SPEC.attack, attack="pgd", objective="assignment", steps=robustness.STEPS[0])
    )


def test_stronger_than_pgd_takes_the_usual_steps():
    chosen = replace(SPEC.attack, attack="pgd", objective="assignment", steps=100, relative_step_size=0.5)
    for attack in (chosen, replace(chosen, steps=10), replace(chosen, objective="both")):
        assert robustness.stronger(replace(SPEC, attack=attack)).attack.relative_step_size is None
    assert robustness.phrase(chosen) == "PGD on the assignment (100 steps of 0.5 ε)"


def test_stronger_than_pgd_has_as_many_steps_and_then_more():
    pgd = replace(SPEC, attack=replace(SPEC.attack, attack="pgd", steps=25))
    assert robustness.stronger(pgd).attack.steps == 25
    ladder = [pgd]
    while (harder := robustness.stronger(ladder[-1])) is not None:
        ladder.append(harder)
    *pgds, ensemble = ladder[1:]
    assert [rung.attack.steps for rung in pgds] == [25, 40, 100]
    assert all(rung.attack.objective == "assignment" for rung in pgds)
    assert (ensemble.attack.attack, ensemble.attack.steps) == ("ensemble", 100)


def test_stronger_than_a_short_ensemble_is_a_full_one():
    short = replace(SPEC, attack=replace(SPEC.attack, attack="ensemble", steps=10))
    full = robustness.stronger(short)
    assert (full.attack.attack, full.attack.steps) == ("ensemble", 100)
    assert robustness.stronger(full) is None
    assert robustness.phrase(short.attack) == "the ensemble (10 of 100 steps)"


def test_an_attack_is_told_from_others_by_its_phrase():
    attack = robustness.stronger(SPEC).attack
    assert robustness.phrase(SPEC.attack) == "GAN"
    assert robustness.phrase(attack) == "PGD on the assignment (10 steps)"
    assert robustness.phrase(replace(attack, objective="both", steps=3)) == "PGD on both objectives (3 steps)"


def test_a_check_that_was_not_made_is_said():
    assert robustness.caveat(SPEC, [1.0, 0.9], None, 1) == "Not checked against a stronger attack yet."


def test_a_stronger_attack_that_says_otherwise_is_said(columns):
    column = columns["ar_dmvc_am"]
    values, under = column.accuracies, robustness.accuracies(column.harder)
    frame = next(f for f in range(SPEC.points) if robustness.contradicted(values[f], under[f]))
    sentence = robustness.caveat(SPEC, values, column.harder, frame)
    assert sentence.startswith(f"But PGD on the assignment (10 steps) leaves {under[frame]:.2f} here; under it, it ")


def worst(left, **changes):
    """What the ensemble left at the largest ε of SPEC."""
    strongest = replace(SPEC.attack, attack="ensemble", steps=100, **changes)
    clean, attacked = (
        AttackScores(frozen=scores, rematched=scores, changed=0, recall=(), l2=(), linf=())
        for scores in (Scores(0.9, 0, 0), Scores(left, 0, 0))
    )
    return SweepScores(
        spec=SweepSpec(attack=strongest, points=2),
        card_digest="",
        attacker_digest=None,
        attack=(clean, attacked),
        controls={},
    )


def test_what_the_ensemble_left_is_said_at_its_epsilon_and_below():
    told = f"The whole ensemble leaves 0.05 of 0.90 at ε = {SPEC.attack.epsilon:.2f}"
    assert robustness.caveat(SPEC, [1.0, 0.9], None, SPEC.points - 1, worst(0.05)) == f"{told}."
    assert robustness.caveat(SPEC, [1.0, 0.9], None, 0, worst(0.05)) == f"{told}."
    below = robustness.caveat(SPEC, [1.0, 0.9], None, 1, worst(0.05, samples=12))
    assert below == f"Not checked against a stronger attack at this ε yet. {told} (12 samples)."


def test_the_ensemble_contradicts_an_attack_that_it_allows(columns):
    frame = SPEC.points - 1
    column = replace(columns["ar_dmvc"], harder=None, worst=worst(0.05))
    assert [column.under(place) for place in (frame - 1, frame)] == [None, 0.05]
    assert replace(column, worst=worst(0.05, views=(0,))).under(frame) is None
    assert defense.summary([columns["cl_mvc"], column], frame).endswith(f"eave {column.name} 0.05.")
    assert defense.summary([columns["cl_mvc"], column], frame - 1).endswith(
        "Not checked against a stronger attack yet."
    )


def test_a_stronger_attack_that_finds_no_more_is_said_without_a_but(columns):
    column = columns["ar_dmvc"]
    sentence = robustness.caveat(SPEC, column.accuracies, column.report, 2)
    assert sentence.startswith("PGD on the assignment (10 steps) leaves ")
    assert "no less" in sentence


def test_the_strongest_attack_does_not_prove_anything():
    strongest = replace(SPEC, attack=replace(SPEC.attack, attack="ensemble", steps=100))
    assert "strongest attack the lab has" in robustness.caveat(strongest, [1.0, 0.9], None, 1)


def test_the_summary_names_every_model_at_this_epsilon(columns):
    there = list(columns.values())
    sentence = defense.summary(there, 4)
    assert sentence.startswith("At ε = 0.20, GAN leaves ACC: CL-MVC ")
    for column in there:
        assert f"{column.name} {column.accuracies[4]:.2f} of {column.accuracies[0]:.2f}" in sentence


def test_the_summary_says_when_a_stronger_attack_says_otherwise(columns):
    there = list(columns.values())
    under = robustness.held(robustness.accuracies(columns["ar_dmvc_am"].harder))
    frame = under + 1
    assert frame <= robustness.held(columns["ar_dmvc_am"].accuracies), "the fake's defense should hold here"
    assert "But a stronger attack says otherwise: PGD on the assignment" in defense.summary(there, frame)
    assert "otherwise" not in defense.summary(there, under)


def test_the_summary_of_unchecked_defenses_says_so(columns):
    unchecked = [replace(column, harder=None) for column in columns.values()]
    assert defense.summary(unchecked, 3).endswith("Not checked against a stronger attack yet.")


def test_the_summary_before_the_attack_does_not_speak_of_one(lab):
    clean = [defense.Column(next(lab.sweep(on(model)))) for model in defense.MODELS]
    assert defense.summary(clean, 0).startswith("No attack yet: ACC of 48 clean held-out samples: CL-MVC ")


def test_every_column_shows_the_same_samples(lab, columns):
    _, arrays = pack(lab, columns)
    scenes = {model: unpack(arrays[model].tobytes())[0] for model in defense.MODELS}
    assert len({json.dumps([scene["shown"], scene["index"]]) for scene in scenes.values()}) == 1


def test_a_column_is_a_small_stage(lab, columns):
    _, arrays = pack(lab, columns)
    header, inner = unpack(arrays["ar_dmvc"].tobytes())
    assert len(header["shown"]) == defense.MOST_SHOWN
    assert inner["assigned"].shape == (SPEC.points, 48)
    assert (inner["assigned"][-1] == columns["ar_dmvc"].report.frames[-1].clusters).all()


def test_large_pictures_are_shown_for_fewer_samples(columns):
    report = columns["cl_mvc"].report
    large = np.zeros((48, 3, 128, 64), dtype=np.float32)
    shown = defense.shown_samples(replace(report, frames=(replace(report.frames[0], views=(large, large)),)))
    assert len(shown) == defense.LEAST_SHOWN


def test_the_lines_are_the_attack_its_control_and_the_stronger_attack(lab, columns):
    header, _ = pack(lab, columns)
    for column, model in zip(header["columns"], defense.MODELS, strict=True):
        lines = {line["role"]: line["values"]["ACC"] for line in column["lines"]}
        assert list(lines) == ["attack", "noise", "stronger"]
        assert lines["attack"] == columns[model].accuracies
        assert column["kept"] == [f"{value:.2f}" for value in lines["attack"]]
        assert column["held"] == robustness.held(lines["attack"])


def test_kept_numbers_are_shown_before_the_pictures_are_made(lab, columns):
    kept = scores_of(columns["cl_mvc"].report)
    clean = defense.Column(next(lab.sweep(SPEC)), kept)
    header, arrays = pack(lab, {"cl_mvc": clean})
    assert header["frames"] == SPEC.points
    assert header["columns"][0]["kept"] == [f"{value:.2f}" for value in columns["cl_mvc"].accuracies]
    assert unpack(arrays["cl_mvc"].tobytes())[1]["assigned"].shape == (1, 48)
    assert clean.numbers is kept
    assert replace(clean, report=columns["cl_mvc"].report).numbers is columns["cl_mvc"].report


def test_a_missing_model_keeps_its_place_and_says_why(lab, columns):
    there = {"cl_mvc": columns["cl_mvc"]}
    missing = {model: ("It is missing.", f"python -m core train x/{model}") for model in defense.MODELS[1:]}
    header, arrays = pack(lab, there, problems=missing)
    assert [column["model"] for column in header["columns"]] == list(defense.MODELS)
    del missing["rcd_mvc"]
    assert [c["model"] for c in pack(lab, there, problems=missing)[0]["columns"]] == list(defense.MODELS[:3])
    assert header["columns"][1]["problem"] == "It is missing."
    assert "kept" not in header["columns"][1]
    assert set(arrays) == {"cl_mvc"}


def test_the_csv_has_every_model_at_every_epsilon(columns):
    text = defense.scores_csv(list(columns.values()), {"ar_dmvc": "attacker trained on the training half"})
    numbers = [line for line in text.splitlines() if line and not line.startswith(("#", "epsilon"))]
    assert len(numbers) == len(defense.MODELS) * SPEC.points * 3
    assert "noisy_digits/ar_dmvc_am" in text
    assert text.count("attacker trained on the training half") == 1


@pytest.mark.parametrize(("colors", "scheme"), [(theme.MODELS_LIGHT, "light"), (theme.MODELS_DARK, "dark")])
def test_model_colours_can_be_read_on_their_background(colors, scheme):
    assert set(colors) == set(defense.MODELS)
    assert min(contrast(color, BACKGROUNDS[scheme]) for color in colors.values()) >= 4.5


def test_models_differ_by_marker_and_dash_too():
    signs = [theme.MODEL_SIGNS[model] for model in defense.MODELS]
    assert len({sign for sign, _ in signs}) == len({dash for _, dash in signs}) == len(defense.MODELS)
