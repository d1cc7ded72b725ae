"""Every result in assets/ is one that the lab looks up today: of weights that ship, under a spec that is asked for."""

import json

import numpy as np
import pytest

from core.certify import tables
from core.certify.results import PLANE, ROBUST, RobustSpec, load_plane
from core.figures import table_text, table_words, words
from core.figures.tables import chosen
from core.lab import Lab
from core.latent.results import KIND as LATENT
from core.maps import map_key
from core.published.clustr import ROWS
from core.records import AttackSpec, SweepSpec, TrainSpec
from core.store import ResultStore
from core.studies import plans
from core.studies.records import Change, TransferSpec, TrialSpec
from tests.conftest import PROJECT

EMBEDDED = ("noisy_digits", "patched_digits", "synthetic_people")
REAL = ("noisy_mnist", "noisy_fashion", "patched_mnist")
RESULTS = PROJECT / "assets" / "results"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(device="cpu", data=tmp_path_factory.mktemp("no data"))


def shipped(kind):
    return [pytest.param(path, id=path.stem[:8]) for path in sorted((RESULTS / kind).glob("*.json"))]


def values_of(path):
    return json.loads(path.read_text())


def sweep_of(values):
    attack = values["attack"]
    views = None if attack["views"] is None else tuple(attack["views"])
    return SweepSpec(attack=AttackSpec(**attack | {"views": views}), points=values["points"])


def trial_of(values):
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    parts = {"train": TrainSpec(**values["train"]), "change": Change(**values["change"])}
    return TrialSpec(**values | lists | parts)


@pytest.mark.parametrize("path", shipped("sweeps"))
def test_a_shipped_sweep_is_of_weights_that_ship(lab, path):
    scores = lab.scores(sweep_of(values_of(path)["spec"]), shipped_only=True)
    assert scores is not None
    assert scores.card_digest == values_of(path)["weights"]


@pytest.mark.parametrize("path", shipped("trials"))
def test_a_shipped_trial_is_found_by_its_spec(lab, path):
    assert lab.studies.kept_trial(trial_of(values_of(path)["spec"])) is not None


@pytest.mark.parametrize("path", shipped("transfers"))
def test_a_shipped_transfer_is_of_the_models_and_attackers_that_ship(lab, path):
    assert lab.studies.kept_transfer(TransferSpec(**values_of(path)["spec"])) is not None


@pytest.mark.parametrize("path", shipped(LATENT))
def test_a_shipped_attack_on_latents_is_of_weights_that_ship(lab, path):
    spec = sweep_of(values_of(path)["spec"])
    assert lab.library.card(spec.attack.dataset, spec.attack.model).sha256 == values_of(path)["card_digest"]


@pytest.mark.parametrize("path", shipped(ROBUST))
def test_a_shipped_row_of_clustr_is_of_weights_that_ship(lab, path):
    spec = RobustSpec(**values_of(path)["spec"])
    assert lab.library.card(spec.dataset, spec.model).sha256 == values_of(path)["card_digest"]


def test_every_shipped_training_in_the_plane_is_one_of_figure_3():
    assert len(list((RESULTS / PLANE).glob("*.npz"))) == sum(
        load_plane(ResultStore(computed=RESULTS), spec) is not None for spec in tables.plane_specs()
    )


def test_every_shipped_sweep_has_its_confusion_matrices(lab):
    specs = [sweep_of(values_of(path)["spec"]) for path in (RESULTS / "sweeps").glob("*.json")]
    without = [spec for spec in specs if lab.confusion(spec, shipped_only=True) is None]
    assert without == []
    assert len(list((RESULTS / "confusions").glob("*.npz"))) == len(specs)  # and no other's


@pytest.mark.parametrize(("kind", "spec_of"), [("sweeps", sweep_of), ("transfers", lambda spec: TransferSpec(**spec))])
def test_no_result_ships_twice(kind, spec_of):
    specs = [spec_of(values_of(path)["spec"]) for path in (RESULTS / kind).glob("*.json")]
    assert len(set(specs)) == len(specs) > 0  # a second would be of weights that no longer ship


def test_no_shipped_array_is_damaged():
    for path in RESULTS.rglob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].size for name in arrays), path


def test_every_checkpoint_stands_in_table_1_under_every_attack(lab):
    table = lab.table("table_1")
    empty = [key for key, cell in table.cells.items() if cell.card is not None and cell.ours is None]
    assert [key for key in empty if not key[1].endswith("/ensemble")] == []
    assert {model for model, _ in empty}.isdisjoint([*plans.DEFENSES, plans.OWN])


def test_table_1_shows_what_the_ensemble_left(lab):
    table = lab.table("table_1")
    for path in (RESULTS / "sweeps").glob("*.json"):
        spec = sweep_of(values_of(path)["spec"])
        if spec.attack.attack == "ensemble":
            shown = table.cells[spec.attack.model, f"{spec.attack.dataset}/ensemble"].ours
            assert shown.frozen == lab.scores(spec).attack[-1].frozen


def test_the_readme_has_table_1_in_short(lab):
    table = lab.table("table_1")
    short = table_text.markdown(*table_text.wide(table, chosen(table, REAL, ()), "accuracy", "rematched"))
    assert short in (PROJECT / "README.md").read_text()


@pytest.mark.parametrize("model", [*plans.DEFENSES, plans.OWN])
def test_it_is_told_what_the_whole_ensemble_left_of_a_defended_model(lab, model):
    row = [words.model_name(model)]
    for dataset in (*EMBEDDED, *REAL):
        card = lab.library.find(dataset, model)
        scores = None if card is None else lab.scores(plans.ensemble(card), shipped_only=True)
        row.append(" → ".join(table_words.short(one.frozen.accuracy) for one in scores.attack) if scores else "–")
    assert f"| {' | '.join(row)} |" in (PROJECT / "RESULTS.md").read_text()


@pytest.mark.parametrize("dataset", tables.DATASETS)
def test_every_row_of_clustr_is_told_as_it_is_stored(lab, dataset):
    told = (PROJECT / "RESULTS.md").read_text()
    shown = ("paper_20", "paper_100", "log_100", "margin_20", "magnet_100", "ensemble")
    for line in lab.certify.lines(dataset):
        assert line.result is not None
        shares = (line.result.clean, *(line.result.accuracy[attack] for attack in shown), line.honest)
        row = (
            dataset,
            ROWS[line.model][0].removesuffix(" + pre-training"),
            *(f"{100 * share:.1f}" for share in shares),
        )
        assert f"| {' | '.join(row)} |" in told


def test_a_shipped_map_is_of_weights_that_ship(lab):
    keys = {map_key(card)[:32] for card in lab.cards("model")}
    assert {path.stem for path in (RESULTS / "umap").glob("*.npz")} <= keys
