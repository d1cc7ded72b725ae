import pytest
from conftest import PROJECT, texts
from fake_lab import card
from fake_studies import record
from streamlit.testing.v1 import AppTest

from core.figures import ablation_rows
from core.studies import plans
from core.studies.records import TransferRecord
from pages.ui import cache

SOON = 30


@pytest.fixture
def open_tables(lab):
    def go(**query: str | list[str]) -> AppTest:
        app = AppTest.from_file(str(PROJECT / "app.py"), default_timeout=SOON)
        app.query_params.update(query)
        app.switch_page("pages/tables.py").run()
        assert not app.exception
        return app

    return go


def test_table_1_opens_with_the_papers_data_sets(open_tables):
    app = open_tables()
    assert app.get("bidi_component")
    assert app.pills(key="sets-table_1").value == ["synthetic_people", "noisy_fashion", "noisy_mnist", "patched_mnist"]
    assert "Stand-ins, embedded in the lab: Synthetic people for RegDB" in texts(app, "caption")
    assert len(app.get("download_button")) == 3
    assert not app.error


def test_a_cell_of_the_address_shows_its_evidence(open_tables):
    app = open_tables(cell="cl_mvc/noisy_digits/0.3")
    assert texts(app, "subheader") == "CL-MVC on NoisyDigits after the GAN attack, ε = 0.30"
    assert "899 held-out samples · GAN on all views" in texts(app, "caption")
    assert "python -m core train noisy_digits/cl_mvc" in texts(app, "code")
    assert app.button(key="compute-cell").label == "Compute the confusion matrices"
    assert app.button(key="see-cell-attack")


def test_a_missing_cell_says_why_and_what_makes_it(open_tables):
    app = open_tables(cell="sem/noisy_digits/clean")
    assert "No checkpoint of this model on this data set has been trained yet." in texts(app, "info")
    assert texts(app, "code") == "python -m core train noisy_digits/sem"


def test_a_cell_that_no_table_has_shows_no_evidence(open_tables):
    app = open_tables(cell="<script>")
    assert not app.subheader
    assert not app.error


def test_the_confusion_matrices_of_a_cell_can_be_computed(open_tables):
    app = open_tables(cell="cl_mvc/noisy_digits/0.3")
    app.button(key="compute-cell").click().run()
    assert cache.jobs().join(SOON)
    app.run()
    assert len(app.get("plotly_chart")) == 1
    assert "256 held-out samples, seed 0" in texts(app, "caption")


def test_what_is_missing_is_computed_and_fills_the_table(open_tables, lab):
    app = open_tables(tab="table_3", **{"sets-table_3": ["noisy_digits"]})
    empty = [cell for cell in lab.table("table_3").cells.values() if cell.run is not None and cell.ours is None]
    assert empty
    app.button(key="compute-table").click().run()
    assert cache.jobs().join(SOON)
    app.run()
    table = lab.table("table_3")
    assert all(table.cells["cl_mvc", f"noisy_digits/{epsilon}"].ours is not None for epsilon in ("0.1", "0.2", "0.3"))
    assert "compute-table" not in [button.key for button in app.button]
    assert not app.error


def test_sweeps_can_be_cancelled(open_tables, lab):
    lab.pace = 0.5
    app = open_tables(tab="table_3", **{"sets-table_3": ["noisy_digits"]})
    app.button(key="compute-table").click().run()
    app.button(key="cancel-table").click().run()
    assert not cache.jobs().active()


def test_a_failed_sweep_says_so(open_tables, lab, monkeypatch):
    def break_down(spec):
        raise RuntimeError("no data")
        yield

    monkeypatch.setattr(lab, "sweep", break_down)
    app = open_tables(cell="cl_mvc/noisy_digits/0.3")
    app.button(key="compute-cell").click().run()
    assert cache.jobs().join(SOON)
    app.run()
    assert "The attack failed: no data." in texts(app, "error")


def test_table_2_says_that_ours_are_missing(open_tables):
    app = open_tables(tab="table_2", cell="0/ar_dmvc")
    assert "not been trained and scored" in texts(app, "info")
    assert "--dataset noisy_fashion --train" in texts(app, "code")
    assert not app.pills


def test_a_cell_of_a_trial_shows_where_it_comes_from(open_tables, lab):
    lab.studies.accuracy = 0.5
    app = open_tables(tab="table_2", cell="9/ar_dmvc_am")
    assert "trained by protocol lab on 449 samples of NoisyDigits, classes 5–9" in texts(app, "caption")
    assert "commit abc" in texts(app, "caption")
    assert texts(app, "code") == "python -m core tables --dataset noisy_digits --train --scale full"
    assert not app.info


def test_a_protocol_that_only_trials_were_made_by_can_be_chosen(open_tables, lab):
    spec = plans.sized(plans.table_1("noisy_digits", "simvc", "paper", 0), "small")
    assert open_tables().segmented_control(key="protocol").options == ["lab", "released"]
    lab.studies.trials[spec] = record(spec, 0.625)
    cache.forget_everything()
    app = open_tables(protocol="paper", cell="simvc/noisy_digits/clean")
    assert app.segmented_control(key="protocol").options == ["lab", "paper", "released"]
    assert app.segmented_control(key="protocol").value == "paper"
    assert "ours, protocol paper" in texts(app, "caption")
    assert "trained by protocol paper" in texts(app, "caption")
    hint = "there are numbers of NoisyDigits: choose above."
    assert hint in texts(app, "caption")  # the usual data sets have none
    assert hint not in texts(open_tables(protocol="paper", **{"sets-table_1": "noisy_digits"}), "caption")
    assert hint not in texts(open_tables(**{"sets-table_1": "noisy_digits"}), "caption")
    lab.studies.trials[plans.sized(plans.table_1("patched_digits", "simvc", "paper", 0), "small")] = record(spec, 0.5)
    cache.forget_everything()
    some = open_tables(protocol="paper", **{"sets-table_1": ["noisy_digits", "noisy_mnist"]})
    assert "Nothing of ours for NoisyMNIST yet." in texts(some, "caption")
    assert "there are numbers of PatchedDigits: choose above." in texts(some, "caption")
    app.segmented_control(key="tab").set_value("table_2").run()
    assert "protocol" not in {control.key for control in app.segmented_control}  # transfers are the lab's
    assert not app.exception


def test_every_metric_and_matching_can_be_chosen(open_tables):
    app = open_tables()
    for metric in ("nmi", "ari", "accuracy"):
        app.segmented_control(key="metric").set_value(metric).run()
        assert not app.exception
    app.segmented_control(key="matching").set_value("frozen").run()
    assert "the paper's is found again" in texts(app, "caption")


def test_the_figures_are_computed_for_every_model_that_has_an_attacker(open_tables, lab):
    models = [card for card in lab.cards() if card.dataset == "noisy_digits" and card.name == card.model]
    assert models
    app = open_tables(tab="confusion", figures="noisy_digits")
    assert not app.get("plotly_chart")
    app.button(key="compute-figures").click().run()
    assert cache.jobs().join(SOON)
    app.run()
    assert len(app.get("plotly_chart")) == len(models)
    assert "python -m core train noisy_digits/sem" in texts(app, "code")


@pytest.mark.parametrize("tab", ["weights", "ablations", "transfer"])
def test_studies_that_were_not_made_say_what_makes_them(open_tables, tab):
    app = open_tables(tab=tab, figures="noisy_digits")
    assert "is not computed yet" in texts(app, "info")
    assert "python -m core tables --dataset noisy_digits" in texts(app, "code")
    assert not app.get("plotly_chart")


def test_the_figures_over_weights_and_epochs_are_drawn(open_tables, lab):
    lab.studies.accuracy = 0.5
    app = open_tables(tab="weights", figures="noisy_digits")
    assert len(app.get("plotly_chart")) == 2
    assert "λ = 100" in texts(app, "caption")
    assert f"The first of {len(plans.WEIGHTS) ** 2} points: AR-DMVC-AM trained" in texts(app, "caption")
    assert not app.info
    app.segmented_control(key="under").set_value("clean").run()
    assert not app.exception


def test_ablations_show_every_variant_and_their_sources(open_tables, lab):
    lab.studies.accuracy = 0.5
    app = open_tables(tab="ablations", figures="noisy_digits")
    first = app.table[0].value
    assert list(first[""]) == list(ablation_rows.TERM_NAMES.values())
    assert set(first["GAN"]) == {".50"}
    assert len(app.table) == 4
    assert "γ = 0" in texts(app, "markdown")
    views = app.table[3].value
    assert set(views["original alone"]) == {"not yet"}


def test_attackers_on_other_models_are_drawn_and_said(open_tables, lab):
    spec = plans.transfer("noisy_digits")
    accuracy = {(a, t): 0.1 if a == t else 0.6 for a in ("cl_mvc", "ar_dmvc") for t in ("cl_mvc", "ar_dmvc")}
    lab.studies.transfers[spec] = TransferRecord(
        spec=spec,
        attackers=("cl_mvc", "ar_dmvc"),
        targets=("cl_mvc", "ar_dmvc"),
        clean={"cl_mvc": 1.0, "ar_dmvc": 1.0},
        accuracy=accuracy,
    )
    app = open_tables(tab="transfer", figures="noisy_digits")
    assert len(app.get("plotly_chart")) == 1
    assert "leaves 10% of the clean accuracy" in texts(app, "markdown")
    assert "60% on the average of 2 pairs" in texts(app, "markdown")
    assert len(app.get("download_button")) == 1


@pytest.mark.parametrize(
    ("query", "said"), [({"tab": "table_9"}, "the table"), ({"sets-table_1": ["cifar"]}, "the data sets")]
)
def test_what_the_address_asks_in_vain_is_said(open_tables, query, said):
    app = open_tables(**query)
    assert said in texts(app, "warning")
    assert not app.error


@pytest.mark.parametrize("tab", ["confusion", "weights", "ablations", "transfer"])
def test_a_data_set_of_another_paper_is_not_offered(open_tables, lab, monkeypatch, tab):
    monkeypatch.setattr(lab, "cards", lambda: (card("cl_mvc"), card("conv_ae", "digits")))
    app = open_tables(tab=tab, figures="digits")
    assert app.segmented_control(key="figures").options == ["NoisyDigits"]
    assert "the data set" in texts(app, "warning")
    assert not app.error


def test_without_any_checkpoint_the_papers_numbers_are_still_there(open_tables, lab, monkeypatch):
    monkeypatch.setattr(lab, "cards", tuple)
    for tab in ("table_1", "confusion"):
        app = open_tables(tab=tab)
        assert not app.error
