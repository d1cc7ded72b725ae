from dataclasses import replace

import fake_training
import pytest

from core.figures import training, training_words, words
from core.records import CheckpointCard, EpochLog, TrainSpec
from core.training_records import RunRecord

SPEC = TrainSpec(dataset="noisy_digits", model="cl_mvc", epochs=4)


def logs(runs=1, epochs=4, phases=("clustering",), names=("separation", "simplex"), trial=False):
    return tuple(
        EpochLog(
            phase=phases[(epoch - 1) * len(phases) // epochs],
            epoch=epoch,
            epochs=epochs,
            terms={name: (1 + place + run) / epoch for place, name in enumerate(names)},
            seconds=1.0,
            seconds_left=0.0,
            run=run,
            runs=runs,
        )
        for run in range(1, runs + 1)
        for epoch in range(1, epochs + 1)
    )


def record(state="running", spec=SPEC, seeds=1, **changes):
    values = {"logs": logs(seeds), "trials": (), "card": None, "error": "", "progress": 0.5, "seconds_left": 30.0,
              "position": 0}  # fmt: skip
    return RunRecord(
        id=f"{spec.dataset}-{spec.name}-1a2b3c4d", spec=spec, replace=False, recipe={}, state=state,
        seconds=4.0, started=0.0, bytes=2_500_000, **(values | changes),
    )  # fmt: skip


def card(spec=SPEC, seeds=1, **changes):
    values = fake_training.card(
        {"dataset": spec.dataset, "model": spec.model, "kind": spec.kind, "protocol": "lab", "seed": spec.seed,
         "samples": spec.samples, "epsilon": spec.epsilon},
        seeds, 75.0,
    )  # fmt: skip
    return replace(CheckpointCard(**values), **changes)


def test_every_term_has_a_panel_and_the_seeds_are_parted_lines():
    figure = training.term_curves(record(seeds=3))
    assert [note.text for note in figure.layout.annotations] == [training.TOTAL, "separation", "simplex"]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["other seeds", "seed 2"]
    others = [trace for trace in figure.data if trace.name == "other seeds"]
    assert len(others) == 3
    assert list(others[0].x) == [1, 2, 3, 4, None, 1, 2, 3, 4]


def test_the_seed_that_was_kept_stands_out():
    run = record("finished", seeds=3, card=card(seeds=3, seed=1))
    figure = training.term_curves(run)
    chosen = [trace for trace in figure.data if trace.line.color == training.CHOSEN]
    assert {trace.name for trace in chosen} == {"seed 1, kept"}
    assert list(chosen[1].y) == [log.terms["separation"] for log in run.logs if log.run == 2]


def test_a_single_term_needs_no_total():
    figure = training.term_curves(record(logs=logs(names=("reconstruction",))))
    assert [note.text for note in figure.layout.annotations] == ["reconstruction"]


def test_an_attackers_terms_work_against_each_other_and_have_no_total():
    spec = TrainSpec(dataset="noisy_digits", model="cl_mvc", kind="attacker")
    assert training.terms(record(spec=spec)) == ["separation", "simplex"]


def test_trials_and_phases_are_shown():
    phases = ("warm-up", "adversarial training, ε = 0.2")
    run = record(trials=logs(runs=2, epochs=2, phases=("warm-up",)), logs=logs(phases=phases))
    figure = training.term_curves(run)
    assert len(figure.data) == 3 * 2
    assert [(shape.x0, shape.xref) for shape in figure.layout.shapes] == [(2.5, "x"), (2.5, "x2"), (2.5, "x3")]
    assert training.shown_seed(run) == 0  # the first trial has the lower loss
    assert "warm-up to epoch 2, adversarial training, ε = 0.2 to epoch 4" in training_words.reading(
        run, training.phase_ends(run.logs)
    )


def test_a_term_of_one_phase_is_drawn_where_it_was_minimised():
    first = logs(epochs=2, names=("reconstruction",), phases=("pre-training",))
    later = tuple(replace(log, epoch=log.epoch + 2, epochs=4) for log in logs(epochs=2, names=("simplex",)))
    figure = training.term_curves(record(logs=first + later))
    drawn = {note.text: list(trace.x) for note, trace in zip(figure.layout.annotations, figure.data, strict=True)}
    assert drawn == {training.TOTAL: [1, 2, 3, 4], "reconstruction": [1, 2], "simplex": [3, 4]}


def test_runs_are_compared_by_their_kept_seed():
    kept = record("finished", seeds=3, card=card(seeds=3, seed=2))
    figure = training.compared_losses([("first", record()), ("second", kept)])
    assert [trace.name for trace in figure.data] == ["first", "second"]
    assert list(figure.data[1].y) == [log.total for log in kept.logs if log.run == 3]
    styles = {(trace.line.color, trace.line.dash) for trace in figure.data}
    assert len(styles) == 2


def test_a_run_without_the_compared_term_has_no_points():
    figure = training.compared_losses([("a", record()), ("b", record(logs=logs(names=("kl",))))], "kl")
    assert [len(trace.x) for trace in figure.data] == [0, 4]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (45, "45 s"), (89, "89 s"), (90, "2 min"), (3000, "50 min"), (7200, "2 h"), (12000, "3 h 20 min")],
)
def test_durations_are_written_in_words(seconds, said):
    assert training_words.duration(seconds) == said


@pytest.mark.parametrize(("size", "said"), [(300, "1 kB"), (341_048, "341 kB"), (18.6e6, "19 MB"), (2.5e9, "2.5 GB")])
def test_sizes_are_written_in_words(size, said):
    assert training_words.size(int(size)) == said


def test_where_a_training_stands_is_said():
    assert training_words.standing(record("waiting", position=1)) == "next in line"
    assert training_words.standing(record("waiting", position=3)) == "3 trainings are before it"
    assert training_words.standing(record("starting", logs=())) == "Python and the data are being read"
    assert training_words.standing(record()) == "clustering · epoch 4 of 4 · loss 1.250 · 30 s left"
    assert training_words.standing(record(seeds=2)).startswith("seed 2 of 2 · clustering")
    assert training_words.standing(record(progress=1.0, seconds_left=0.0)).endswith("scoring")
    assert training_words.standing(record("stopped", logs=())) == "stopped before the first epoch"
    trials = logs(runs=3, phases=("warm-up",))
    assert training_words.standing(record(logs=(), trials=trials)).startswith("choosing the seed, seed 3 of 3")


def test_what_is_trained_is_said():
    attacker = TrainSpec(dataset="noisy_digits", model="cl_mvc.released-1a2b", kind="attacker", epsilon=0.25)
    assert training_words.what(SPEC, "NoisyDigits") == "CL-MVC on NoisyDigits"
    assert training_words.what(attacker, "X") == "GAN attacker of CL-MVC (released, 1a2b) on X"
    assert training_words.settings(SPEC) == "protocol lab · seed 0 · 4 epochs · the rest from the recipe"
    whole = TrainSpec(dataset="a", model="b", samples=1000, epochs=1, runs=2, precision="bfloat16")
    assert training_words.settings(whole) == "protocol lab · seed 0 · 1,000 samples · 1 epoch · 2 seeds · bfloat16"
    assert "ε = 0.25" in training_words.settings(attacker)


def test_the_cost_and_the_name_are_said():
    plan = fake_training.plan(replace(SPEC, seed=5))
    assert training_words.cost(plan) == "About 12 s: up to 96 steps, 2 MB in the run folder, 300 kB for the checkpoint."
    assert "as another training's is called `cl_mvc`" in training_words.outcome(plan)
    assert training_words.outcome(fake_training.plan(SPEC)) == "Its checkpoint will be `noisy_digits/cl_mvc`."
    assert "It replaces" in training_words.outcome(replace(plan, replace=True))
    assert "has been done" in training_words.outcome(replace(plan, made=True))
    assert training_words.cost(replace(plan, seconds=None, run_bytes=None)).startswith("Time unknown: up to 96 steps.")


def test_scores_carry_their_protocol():
    made = card(seeds=3, seed=2, recipe={"runs": 3})
    said = training_words.protocol(made)
    for part in (
        "899 held-out samples",
        "trained on 898",
        "protocol lab",
        "lowest loss of 3",
        "75 s on cpu",
        "abababab",
    ):
        assert part in said
    attacker = card(TrainSpec(dataset="noisy_digits", model="cl_mvc", kind="attacker", epsilon=0.2))
    assert "L∞ budget ε = 0.20, all views" in training_words.protocol(attacker)
    assert [name for name, _, _ in training_words.scores(attacker)] == ["ACC clean", "ACC noise", "ACC attacked"]


def test_a_run_without_a_card_has_a_row_without_scores():
    assert "ACC" not in training_words.row(record())
    row = training_words.row(record("finished", card=card()))
    assert (row["ACC"], row["kept seed"], row["epochs"]) == (0.9, 0, 4)


def test_the_name_of_a_second_training_reads_well():
    assert words.model_name("cl_mvc-1a2b3c4d") == "CL-MVC (1a2b3c4d)"
    assert words.model_name("cl_mvc.released-1a2b3c4d") == "CL-MVC (released, 1a2b3c4d)"
