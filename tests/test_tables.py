import csv
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from fake_lab import DIGEST, UNDER_ATTACK, FakeLab, card
from fake_studies import record

from core import confusions
from core.data import DATASET_FACTS
from core.errors import LabError
from core.figures import matrices, table_text, table_words, tables
from core.published.ar_dmvc import CONFUSION_FIGURES, TABLE_1, TABLE_2, TABLE_3
from core.recipes import AR_DMVC, OWN
from core.records import AttackSpec, Scores, SweepSpec, TrainSpec
from core.store import ResultStore
from core.studies import plans
from core.sweep_scores import scores_of
from core.table_records import Cell, Result
from core.tables import DATASETS as SHOWN
from core.tables import MODELS as ROWS
from core.tables import STANDS_FOR, Sources, agreement, contradiction, difference, make_table, spread
from core.training_intents import command, model_recipe, recipe_values, repeats, training_of

MNIST = "noisy_mnist"


def attacker(epsilon: float = 0.3, **changes):
    recipe = {"epsilon": epsilon, "trained_on": "train"}
    return replace(
        card("eamc.gan", MNIST), kind="attacker", target_sha256=DIGEST, recipe=recipe, scores=UNDER_ATTACK, **changes
    )


def sources(models=(), attackers=(), stored=None, trial=None):
    return Sources(
        models=models,
        attackers=attackers,
        facts=DATASET_FACTS,
        stored=stored or (lambda *key: None),
        trial=trial or (lambda spec: None),
        training=training_of,
        repeats=repeats,
    )


@pytest.fixture(scope="module")
def full():
    """Table 1 with an EAMC on NoisyMNIST and its attacker, nothing else."""
    return make_table("table_1", sources((card("eamc", MNIST),), (attacker(),)))


@pytest.fixture(scope="module")
def sweep():
    """A finished sweep of the fake lab, three ε."""
    spec = SweepSpec(
        attack=AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="gan", epsilon=0.3, samples=64), points=4
    )
    *_, report = FakeLab().sweep(spec)
    return report


def column(table, key):
    return next(found for found in table.columns if found.key == key)


def test_the_tables_know_every_model_and_data_set_of_the_paper():
    assert set(ROWS) == {*AR_DMVC.models, *OWN.models}
    assert set(SHOWN) == set(AR_DMVC.datasets)
    assert set(STANDS_FOR.values()) <= set(SHOWN)


def test_what_is_published_is_whole():
    papers = [model for model in ROWS if model not in ("cl_mvc", "rcd_mvc")]
    assert set(TABLE_1) == {(m, d) for m in papers for d in ("regdb", "noisy_fashion", MNIST, "patched_mnist")}
    assert set(TABLE_3) == {(m, d) for m in papers for d in (MNIST, "patched_mnist")}
    assert len(TABLE_2) == 8
    assert sorted(model for models in CONFUSION_FIGURES.values() for model in models) == sorted(papers)
    numbers = [n for cell in TABLE_1.values() for n in (*cell.before, *cell.after)]
    numbers += [n for row in TABLE_2 for n in (*row.ar_dmvc, *row.ar_dmvc_am)] + [
        n for row in TABLE_3.values() for n in row
    ]
    assert all(0 < n < 1 and round(n, 2) == n for n in numbers)


def test_the_papers_contradictions_are_those_its_module_tells(full):
    columns = [column(full, f"{MNIST}/0.3"), column(full, "patched_mnist/0.3")]
    found = {(row, c.dataset): contradiction(row, c) for row in ROWS for c in columns}
    apart = {place: round(abs(odd[0] - odd[1]), 2) for place, odd in found.items() if odd}
    assert apart["ar_dmvc", MNIST] == 0.36
    others = [gap for place, gap in apart.items() if gap >= 0.04 and place != ("ar_dmvc", MNIST)]
    assert len(others) == 6
    assert (min(others), max(others)) == (0.04, 0.16)


def test_ours_come_from_the_cards(full):
    before, after = full.cells["eamc", f"{MNIST}/clean"], full.cells["eamc", f"{MNIST}/0.3"]
    assert (before.ours.frozen.accuracy, before.ours.samples) == (0.9, 899)
    assert before.paper == Scores(0.74, 0.88, 0.75)
    assert (after.ours.value("accuracy", "frozen"), after.ours.value("accuracy", "rematched")) == (0.2, 0.26)
    assert full.cells["eamc", f"{MNIST}/noise"].ours.frozen.accuracy == 0.87
    assert full.cells["eamc", f"{MNIST}/noise"].paper is None


def test_a_card_of_an_attacker_at_another_epsilon_does_not_count():
    table = make_table("table_1", sources((card("eamc", MNIST),), (attacker(0.2),)))
    cell = table.cells["eamc", f"{MNIST}/0.3"]
    assert cell.ours is None
    assert cell.run is not None


def test_an_attacker_of_other_weights_does_not_count():
    table = make_table("table_1", sources((card("eamc", MNIST),), (attacker(sha256="a" * 64),)))
    assert table.cells["eamc", f"{MNIST}/0.3"].ours is not None
    other = replace(attacker(), target_sha256="f" * 64)
    table = make_table("table_1", sources((card("eamc", MNIST),), (other,)))
    assert table.cells["eamc", f"{MNIST}/0.3"].ours is None
    assert table.cells["eamc", f"{MNIST}/0.3"].remedy == f"python -m core train {MNIST}/eamc.gan"


def test_a_missing_model_says_which_command_makes_it(full):
    cell = full.cells["simvc", f"{MNIST}/clean"]
    assert cell.ours is None
    assert cell.remedy == f"python -m core train {MNIST}/simvc"
    assert "licence" in full.cells["simvc", "regdb/clean"].missing
    released = make_table("table_1", sources(), "released")
    assert released.cells["simvc", f"{MNIST}/clean"].remedy.endswith("--protocol released")


def test_table_3_is_filled_from_a_stored_sweep(sweep):
    long = scores_of(sweep)

    def stored(spec):
        return long if spec.attack.attack == "gan" else None

    models = (card("cl_mvc"),)
    table = make_table("table_3", sources(models, (attacker(),), stored))
    for place, epsilon in enumerate((0.1, 0.2, 0.3), start=1):
        cell = table.cells["cl_mvc", f"noisy_digits/{epsilon:g}"]
        expected = UNDER_ATTACK["gan_frozen"]["accuracy"] if epsilon == 0.3 else long.attack[place].frozen.accuracy
        assert cell.ours.frozen.accuracy == expected
        assert cell.ours.epsilon == epsilon
    first = make_table("table_1", sources(models, (attacker(),), stored))
    untrained = first.cells["cl_mvc", "noisy_digits/untrained_generator"].ours
    assert untrained.frozen == long.controls["untrained_generator"][-1].frozen
    assert untrained.spec is not None


def test_table_2_has_the_papers_numbers_and_what_would_make_ours():
    table = make_table("table_2", sources())
    assert (len(table.rows), len(table.columns)) == (10, 4)
    assert all(cell.ours is None and "--train" in cell.remedy for cell in table.cells.values())
    assert table.cells["NoisyFashion 0–4 → NoisyFashion 5–9", "ar_dmvc_am"].paper.nmi == 0.54
    assert table.cells["NoisyFashion 0–4 → NoisyFashion 5–9", "ar_dmvc_am/clean"].paper is None


def made(accuracy, **changes):
    """A look-up of trials: each has that accuracy in every state, where ``changes`` of its training fit."""

    def trial(spec):
        if any(getattr(spec.train, name) != value for name, value in changes.items()):
            return None
        value = accuracy if isinstance(accuracy, float) else accuracy[spec.train.seed]
        return record(spec, value)

    return trial


def test_table_2_is_filled_by_trials():
    table = make_table("table_2", sources(trial=made(0.5, samples=None)))
    assert all(cell.ours.frozen.accuracy == 0.5 and not cell.small for cell in table.cells.values())
    whole = make_table("table_2", sources(trial=made(0.5, samples=None, precision="bfloat16")))
    assert all(cell.scale == "model" for cell in whole.cells.values())
    real, *_, embedded = whole.rows  # there the attacker of this scale has all of its epochs
    assert {column.state for column in whole.columns if whole.cells[real, column.key].small} == {"gan"}
    assert not any(whole.cells[embedded, column.key].small for column in whole.columns)
    long = make_table("table_2", sources(trial=made(0.5, samples=plans.SMALL_SAMPLES, epochs=None)))
    assert all(cell.small and cell.scale == "long" for cell in long.cells.values() if cell.ours)
    small = make_table("table_2", sources(trial=lambda spec: record(spec, 0.5) if spec.train.epochs else None))
    assert all(cell.small and cell.scale == "small" for cell in small.cells.values())
    for shorter, is_told in ((long, False), (small, True), (whole, True)):
        notes = table_words.notes(shorter, shorter.columns, "frozen")
        assert any(re.search("size for CPUs.* fewer epochs", line) for line in notes) == is_told
    row = table.rows[-1]
    assert table_words.states(table, row, table.columns[1])[0][0] == "clean"
    assert "NoisyDigits, classes 5–9" in table_words.protocol(table.columns[1], table.cells[row, "ar_dmvc"])
    assert table_words.commands(table.cells[row, "ar_dmvc"])[0].endswith("noisy_digits --train --scale full")


@pytest.mark.parametrize("samples", [35000, 4000])
def test_a_number_is_small_where_its_attacker_is(samples):
    models = (replace(card("eamc", MNIST), samples=35000, held_out_samples=35000),)
    attackers = (attacker(samples=samples, held_out_samples=5000),)
    table = make_table("table_1", sources(models, attackers))
    states = {c.state for c in table.columns if c.dataset == MNIST and table.cells["eamc", c.key].small}
    assert states == ({"gan"} if samples < 35000 else set())
    told = "NoisyMNIST 4,000 samples, scored on 5,000" in "".join(table_words.notes(table, table.columns, "frozen"))
    assert told == (samples < 35000)


def as_trained(dataset="noisy_digits", **changes):
    """The card of an EAMC that was trained so."""
    spec = TrainSpec(dataset=dataset, model="eamc", **changes)
    samples = changes.get("samples", DATASET_FACTS[dataset].samples // 2)
    recipe = recipe_values(model_recipe(spec))
    return replace(card("eamc", dataset), recipe=recipe, samples=samples, command=command(spec))


def test_other_seeds_stand_beside_the_checkpoints():
    trials = made({100: 0.7, 200: 0.8}, precision=None)
    table = make_table("table_1", sources((as_trained(),), (attacker(),), trial=trials))
    cell = table.cells["eamc", "noisy_digits/clean"]
    assert [result.seed for result in cell.results] == [0, 100, 200]
    assert cell.mean("accuracy", "frozen") == pytest.approx(0.8)
    assert cell.deviation("accuracy", "frozen") == pytest.approx(0.1)
    assert table_words.ours_text(cell, "accuracy", "frozen") == ".80 ±.10"
    there = column(table, "noisy_digits/clean")
    assert "0.800 ± 0.100 (0.90, 0.70, 0.80)" in table_words.over_seeds(cell, "accuracy", "frozen")
    assert "over 3 seeds" in table_words.spoken(cell, there, "accuracy", "frozen")


@pytest.mark.parametrize(
    ("size", "seeds"),
    [({}, 1), ({"samples": 4000, "epochs": 10, "runs": 1}, 3), ({"samples": 2000, "epochs": 20, "runs": 2}, 3)],
)
def test_seeds_of_another_size_are_not_mixed(size, seeds):
    trials = made({100: 0.7, 200: 0.8}, **(size or {"samples": 4000, "epochs": 10}))
    table = make_table("table_1", sources((as_trained(MNIST, **size),), (attacker(),), trial=trials))
    assert len(table.cells["eamc", f"{MNIST}/clean"].results) == seeds


def test_the_ensemble_is_shown_where_it_was_run_and_never_begun_by_the_page(sweep):
    long = scores_of(sweep)

    def stored(spec):
        ten = spec.attack.attack == "ensemble" and spec.attack.steps == 10
        return replace(long, spec=spec, attack=long.attack[:2]) if ten else None

    empty = make_table("table_1", sources((card("cl_mvc"),), (attacker(),)))
    cell = empty.cells["cl_mvc", "noisy_digits/ensemble"]
    assert (cell.ours, cell.run) == (None, None)
    assert cell.remedy == "python -m core results noisy_digits/cl_mvc --attack ensemble"
    table = make_table("table_1", sources((card("cl_mvc"),), (attacker(),), stored))
    assert table.cells["cl_mvc", "noisy_digits/ensemble"].ours.spec.attack.steps == 10


def test_a_protocol_without_checkpoints_is_filled_by_trials():
    table = make_table("table_1", sources(trial=made({0: 0.6, 1: 0.7, 2: 0.8}, protocol="released")), "released")
    cell = table.cells["simvc", "noisy_digits/noise"]
    assert [result.value("accuracy", "frozen") for result in cell.results] == [0.6, 0.7, 0.8]
    lines = list(csv.DictReader(io.StringIO(table_text.csv_text(table, table.columns))))
    line = next(line for line in lines if (line["row"], line["state"]) == ("simvc", "noise"))
    assert (line["acc_frozen"], line["acc_frozen_sd"], line["seeds"]) == ("0.7", "0.1", "3")


def test_another_table_is_refused():
    with pytest.raises(LabError, match="table_1, table_2, table_3"):
        make_table("table_9", sources())


@pytest.mark.parametrize(
    ("change", "said"), [(None, ""), (0.0, "agrees"), (-0.05, "agrees"), (0.06, "higher"), (-0.06, "lower")]
)
def test_agreement_is_within_five_hundredths(change, said):
    assert agreement(change) == said


def test_a_difference_is_of_the_two_decimals_that_are_shown(full):
    there = column(full, f"{MNIST}/clean")
    scores = Scores(0.6949, 0.5, 0.5)
    ours = Result(state="clean", frozen=scores, rematched=scores, epsilon=0, samples=9, seed=0, spec=None)
    cell = Cell(results=(ours,), paper=Scores(0.64, math.nan, 0.5))
    assert difference(cell, there, "accuracy", "frozen") == 0.05
    assert difference(cell, there, "nmi", "frozen") is None
    assert difference(cell, column(full, "noisy_digits/clean"), "accuracy", "frozen") is None  # a stand-in


def test_the_spread_is_over_seeds():
    assert spread(card("eamc")) is None
    runs = [{"seed": s, "loss": 1.0, "accuracy": a, "nmi": 0.5, "ari": 0.5} for s, a in enumerate((0.7, 0.9))]
    mean, deviation = spread(replace(card("eamc"), runs=runs))
    assert (mean, deviation) == pytest.approx((0.8, math.sqrt(0.02)))
    cell = Cell(card=replace(card("eamc"), runs=runs))
    said = table_words.over_seeds(cell, "accuracy", "frozen")
    assert "over the 2 seeds that the checkpoint was chosen from: ACC 0.800 ± 0.141 (0.70, 0.90)" in said


@pytest.mark.parametrize(
    ("value", "text"), [(0.746, ".75"), (1, "1.00"), (-0.02, "−.02"), (-0.001, ".00"), (math.nan, "")]
)
def test_scores_are_written_as_papers_write_them(value, text):
    assert tables.short(value) == text


@pytest.mark.parametrize(("change", "text"), [(0.17, "+.17"), (-0.05, "−.05"), (0.0, "±.00"), (None, "")])
def test_differences_carry_a_sign(change, text):
    assert tables.signed(change) == text


def test_the_screen_says_in_signs_and_words_how_ours_compares(full):
    columns = tables.chosen(full, [MNIST], ["noise"])
    assert [c.state for c in columns] == ["clean", "gan", "noise"]
    screen = tables.screen(full, columns, "accuracy", "rematched")
    eamc, simvc = screen["rows"][:2]
    assert [c["agreement"] for c in eamc["cells"]] == ["higher", "agrees", ""]
    assert (eamc["cells"][0]["ours"], eamc["cells"][0]["paper"], eamc["cells"][0]["delta"]) == (".90", ".74", "+.16")
    assert eamc["cells"][0]["mark"] == "†"  # 898 of 35,000 training samples
    assert [c["ours"] for c in simvc["cells"]] == ["–", "–", "–"]
    assert "higher" in eamc["cells"][0]["label"]
    assert sum(group["span"] for group in screen["groups"]) == len(columns)


def test_what_can_be_run_here_looks_otherwise_than_what_needs_a_training(full):
    pgd = tables.screen(full, tables.chosen(full, [MNIST], ["pgd"]), "accuracy", "frozen")
    assert [c["ours"] for c in pgd["rows"][0]["cells"]] == [".90", ".20", "▷"]


@pytest.mark.parametrize("name", ["table_1", "table_2", "table_3"])
def test_every_cell_is_found_by_its_key(name):
    table = make_table(name, sources((card("eamc", MNIST),), (attacker(),)))
    keys = {tables.cell_key(table, row, c): (row, c) for row in table.rows for c in table.columns}
    assert len(keys) == len(table.rows) * len(table.columns)
    assert all(tables.find(table, key) == place for key, place in keys.items())
    assert tables.find(table, "<img>") is None


def test_the_evidence_names_protocol_paper_and_command(full):
    after = column(full, f"{MNIST}/0.3")
    cell = full.cells["eamc", after.key]
    said = table_words.protocol(after, cell)
    for part in ("899 held-out samples", "ε = 0.30", "trained on the training half", "seed 0", "898 of 35,000"):
        assert part in said
    beside = table_words.beside_the_paper("eamc", after, cell, "accuracy", "frozen")
    assert "0.25, one run" in beside
    assert "Table 3 0.23" in beside
    assert "re-matches" in beside
    assert table_words.commands(cell) == (cell.card.command, cell.attacker.command)
    assert table_words.commands(full.cells["eamc", f"{MNIST}/pgd"])[0].startswith(f"python -m core sweep {MNIST}/eamc")


def test_a_stand_in_is_named_and_not_compared():
    table = make_table("table_1", sources((card("eamc"),), (attacker(),)))
    there = column(table, "noisy_digits/clean")
    cell = table.cells["eamc", there.key]
    assert "other data" in table_words.beside_the_paper("eamc", there, cell, "accuracy", "frozen")
    assert any("NoisyDigits for NoisyMNIST" in note for note in table_words.notes(table, [there], "rematched"))


@pytest.mark.parametrize("name", ["table_1", "table_2", "table_3"])
def test_every_table_can_be_taken_home(name):
    table = make_table(name, sources((card("eamc", MNIST),), (attacker(),)))
    lines = list(csv.DictReader(io.StringIO(table_text.csv_text(table, table.columns))))
    assert len(lines) == len(table.rows) * len(table.columns)
    assert {line["table"] for line in lines} == {name}
    assert all(line["acc_frozen"] or line["missing"] for line in lines)
    markdown = table_text.markdown_text(table, table.columns, "accuracy", "frozen")
    assert markdown.count("\n| ") == len(table.rows) + 2
    latex = table_text.latex_text(table, table.columns, "accuracy", "frozen")
    assert latex.count(r"\\") == len(table.rows) + 1
    assert not set("ε≈▲▼†→−") & set(latex)


def test_confusions_are_kept_and_come_back(tmp_path, sweep):
    store = ResultStore(shipped=tmp_path / "shipped", computed=tmp_path / "computed")
    record = confusions.confusions_of(sweep)
    assert record.counts.shape == (4, 10, 10)
    assert (record.counts.sum(axis=(1, 2)) == 64).all()
    confusions.save(store, record, "attacker")
    back = confusions.load(store, sweep.spec, DIGEST, "attacker")
    assert (back.counts == record.counts).all()
    assert (back.matching == record.matching).all()
    assert confusions.load(store, sweep.spec, DIGEST, "another") is None
    assert confusions.load(store, sweep.spec, "a" * 64, "attacker") is None


def test_damaged_confusions_count_as_absent(tmp_path, sweep):
    store = ResultStore(shipped=tmp_path / "shipped", computed=tmp_path / "computed")
    record = confusions.confusions_of(sweep)
    for damage in ({"counts": record.counts[:2]}, {"counts": record.counts + 1}, {"matching": record.matching + 5}):
        confusions.save(store, replace(record, **damage), None)
        assert confusions.load(store, sweep.spec, DIGEST) is None


def test_an_unfinished_sweep_has_no_confusions(sweep):
    with pytest.raises(LabError, match="finished"):
        confusions.confusions_of(replace(sweep, frames=sweep.frames[:2]))


def test_the_matrices_show_every_sample_before_and_after(sweep):
    record = confusions.confusions_of(sweep)
    names = sweep.subject.class_names
    figure = matrices.before_and_after(record, names)
    shown = [np.where(trace.text == "", "0", trace.text).astype(int).sum() for trace in figure.data]
    assert [pale + strong for pale, strong in (shown[:2], shown[2:])] == [64, 64]
    hits = int((record.counts[0] * (record.matching[None, :] == np.arange(10)[:, None])).sum())
    assert f"{hits} of 64 samples" in matrices.spoken(record)
    assert "ε = 0.30" in figure.layout.annotations[1].text
    assert (figure.layout.yaxis.showticklabels, figure.layout.yaxis2.showticklabels) == (None, False)
    assert "ε = 0.10" in matrices.before_and_after(record, names, 1).layout.annotations[1].text


def test_the_matrices_have_room_for_the_names_of_classes(sweep):
    record, people = confusions.confusions_of(sweep), [f"person {k}" for k in range(10)]
    short, long = (matrices.before_and_after(record, names).layout for names in (sweep.subject.class_names, people))
    assert list(long.yaxis.ticktext) == people
    assert long.height > short.height == matrices.HEIGHT
