from argparse import Namespace
from dataclasses import replace
from importlib import import_module

import pytest
from fake_lab import FakeLab, card

from core.errors import LabError
from core.lab import Lab
from core.records import AttackSpec, SweepSpec
from core.store import ResultStore
from core.studies import plans
from core.tables import MODELS

SPEC = SweepSpec(
    attack=AttackSpec(dataset="noisy_digits", model="cl_mvc", attack="gan", epsilon=0.3, samples=32), points=3
)


class Library:
    """One checkpoint with one attacker."""

    def __init__(self):
        self.model = replace(card("cl_mvc"), sha256="a" * 64)
        self.trained = replace(card("cl_mvc.gan"), kind="attacker", sha256="b" * 64)
        self.surrogate = replace(card("cl_mvc"), sha256="e" * 64)

    def card(self, dataset, name):
        return self.model

    def attacker(self, target):
        return self.trained

    def undefended(self, target):
        return self.surrogate


@pytest.fixture
def lab(tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed")
    made = Lab(checkpoints=tmp_path, device="cpu", store=store)
    made.library = Library()
    return made


@pytest.fixture(scope="module")
def report():
    *_, last = FakeLab().sweep(SPEC)
    return replace(last, subject=replace(last.subject, card_digest="a" * 64))


def test_the_lab_finds_what_it_kept(lab, report):
    assert lab.scores(SPEC) is None
    lab.keep(report)
    assert [scores.frozen.accuracy for scores in lab.scores(SPEC).attack] == pytest.approx(
        [frame.scores.frozen.accuracy for frame in report.frames], abs=1e-6
    )
    assert lab.scores(SPEC, shipped_only=True) is None


def test_what_ships_is_found_in_what_ships(lab, report):
    lab.keep(report, ship=True)
    assert lab.scores(SPEC, shipped_only=True) is not None


@pytest.mark.parametrize("part", ["model", "trained"])
def test_other_weights_have_no_numbers_yet(lab, report, part):
    lab.keep(report)
    setattr(lab.library, part, replace(getattr(lab.library, part), sha256="c" * 64))
    assert lab.scores(SPEC) is None


@pytest.mark.parametrize("part", ["trained", "surrogate"])
def test_an_ensembles_numbers_depend_on_all_weights_that_it_uses(lab, report, part):
    spec = replace(SPEC, attack=replace(SPEC.attack, attack="ensemble"))
    lab.keep(replace(report, spec=spec))
    assert lab.scores(spec) is not None
    setattr(lab.library, part, None)
    assert lab.scores(spec) is None


def test_an_attack_that_is_not_trained_does_not_depend_on_an_attacker(lab, report):
    spec = replace(SPEC, attack=replace(SPEC.attack, attack="pgd"))
    lab.keep(replace(report, spec=spec))
    lab.library.trained = None
    assert lab.scores(spec) is not None


def test_numbers_of_weights_that_were_trained_again_meanwhile_are_not_kept(lab, report):
    lab.library.model = replace(lab.library.model, sha256="c" * 64)
    lab.keep(report)
    assert lab.scores(SPEC) is None


def test_a_disk_that_refuses_only_matters_to_what_ships(lab, report, monkeypatch):
    def refuse(path, content):
        raise LabError("Cannot write.")

    monkeypatch.setattr("core.store.write_atomically", refuse)
    lab.keep(report)
    with pytest.raises(LabError, match="Cannot write"):
        lab.keep(report, ship=True)


@pytest.mark.slow
def test_the_command_makes_what_is_missing_for_models_whose_data_need_no_download(monkeypatch, capsys):
    lab, command = FakeLab(), import_module("core.commands.results")
    monkeypatch.setattr(command, "make_lab", lambda options: lab)
    options = Namespace(targets=[], attack=None, quiet=True, ship=True, again=False, budget_minutes=None)
    command.results(options)
    kept = [scores.spec.attack for scores in lab.kept.values()]
    compared = {
        ("noisy_digits", "cl_mvc"),
        ("noisy_digits", "ar_dmvc"),
        ("noisy_digits", "ar_dmvc_am"),
        ("noisy_digits", "rcd_mvc"),
        ("synthetic_people", "cl_mvc"),
    }
    whole = [a for a in kept if a.views is None]
    assert {(a.dataset, a.model) for a in whole if a.attack == "gan"} == compared | {("noisy_digits", "simvc.released")}
    for objective in ("both", "assignment"):
        pgd = {(a.dataset, a.model) for a in whole if (a.attack, a.objective) == ("pgd", objective)}
        assert pgd - {("noisy_digits", "simvc.released")} == compared
    alone = {(a.dataset, a.model, a.attack, a.views) for a in kept if a.views is not None}
    assert alone == {(*place, attack, (view,)) for place in compared for attack in ("gan", "pgd") for view in (0, 1)}
    assert capsys.readouterr().out == "37 sweeps run, 0 were there.\n2 transfers run, 0 were there.\n"
    command.results(options)
    assert capsys.readouterr().out == "0 sweeps run, 37 were there.\n0 transfers run, 2 were there.\n"
    lab.confusions.popitem()
    command.results(options)
    assert capsys.readouterr().out.startswith("1 sweeps run, 36 were there.")


def test_models_of_other_papers_are_not_attacked_for_the_tables(monkeypatch, capsys):
    lab, command = FakeLab(), import_module("core.commands.results")
    monkeypatch.setattr(command, "make_lab", lambda options: lab)
    monkeypatch.setattr(lab, "cards", lambda: (card("conv_ae", "digits"), card("conv_ae")))
    options = Namespace(targets=[], attack=None, quiet=True, ship=True, again=False, budget_minutes=None)
    command.results(options)
    assert not lab.kept


@pytest.fixture
def computing(monkeypatch):
    """The module that computes, with a fake lab, and options to be changed."""
    module = import_module("core.commands.computing")
    lab = FakeLab()
    monkeypatch.setattr(module, "make_lab", lambda options: lab)
    options = {
        "ship": False,
        "again": False,
        "budget_minutes": None,
        "train": False,
        "scale": None,
        "capture": False,
        "workers": 1,
    }
    return module, lab, lambda **changes: Namespace(**options | {"dataset": ["noisy_digits"], "quiet": True} | changes)


def test_tables_of_a_data_set_are_computed_without_training(computing, capsys):
    module, lab, options = computing
    module.compute(options())
    assert capsys.readouterr().err == "30 sweeps run, 0 were there.\n1 transfers run, 0 were there.\n"
    assert {scores.spec.attack.dataset for scores in lab.kept.values()} == {"noisy_digits"}
    assert not lab.studies.trials


def test_what_is_repeated_is_compared_with_what_was_kept(computing, capsys):
    module, _, options = computing
    module.compute(options())
    capsys.readouterr()
    module.compute(options(again=True))
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "30 sweeps run, 0 were there; 30 repeated, at most 0.000 ACC from what was kept."


def test_trainings_are_done_in_the_order_of_the_plan_and_not_twice(computing, capsys):
    module, lab, options = computing
    module.compute(options(train=True))
    wanted = plans.plan(["noisy_digits"], MODELS, "small")
    assert set(lab.studies.trials) == set(wanted)
    assert next(iter(lab.studies.trials)) == wanted[0]
    trained = [spec.training_digest for spec in lab.studies.trials]
    assert list(dict.fromkeys(trained)) == list(dict.fromkeys(spec.training_digest for spec in wanted))
    assert f"{len(wanted)} trials run, 0 were there." in capsys.readouterr().err
    module.compute(options(train=True))
    assert f"0 trials run, {len(wanted)} were there." in capsys.readouterr().err


def test_when_the_time_is_over_nothing_more_is_begun(computing, capsys):
    module, lab, options = computing
    module.compute(options(budget_minutes=0.0))
    assert capsys.readouterr().err.startswith("0 sweeps run, 0 were there, 30 left for another time.")
    assert not lab.kept


def test_a_trial_in_which_the_time_runs_out_is_left_for_another_time(computing):
    module, lab, options = computing
    specs = plans.plan(["noisy_digits"], MODELS, "small")[:3]
    lab.studies.pace = 0.2
    outcome = module.run_trials(lab, specs, options(), module.Clock(0.1 / 60))
    assert (outcome.run, outcome.left) == (0, 3)
    assert lab.studies.begun == 1


def test_a_trial_that_fails_does_not_stop_the_others(computing, capsys):
    module, lab, options = computing
    first, second = plans.plan(["noisy_digits"], MODELS, "small")[:2]
    lab.studies.broken = first
    outcome = module.run_trials(lab, [first, second], options(), module.Clock(None))
    assert (outcome.run, outcome.left) == (1, 1)
    assert "The disk is full." in capsys.readouterr().err


def test_a_data_set_that_is_not_there_is_named_before_any_work(lab, computing, monkeypatch):
    module, _, options = computing
    monkeypatch.setattr(module, "make_lab", lambda options: lab)
    with pytest.raises(LabError, match="mars"):
        module.compute(options(dataset=["mars"]))
    with pytest.raises(LabError, match=r"no column for 'digits'. Choose one of .*noisy_digits"):
        module.compute(options(dataset=["noisy_digits", "digits"]))


def test_maps_of_models_whose_data_are_not_here_are_named_and_the_others_made(monkeypatch, capsys):
    lab, command = FakeLab(), import_module("core.commands.checkpoints")
    monkeypatch.setattr(command, "make_lab", lambda options: lab)
    monkeypatch.setattr(lab, "cards", lambda: (card("cl_mvc", "noisy_fashion"), card("cl_mvc")))
    made = []

    def fit(chosen):
        if chosen.dataset == "noisy_fashion":
            raise LabError("It is not here.")
        made.append(chosen.dataset)

    monkeypatch.setattr(lab, "fit_map", fit, raising=False)
    command.maps(Namespace(quiet=True))
    assert made == ["noisy_digits"]
    assert "noisy_fashion/cl_mvc: It is not here." in capsys.readouterr().err
