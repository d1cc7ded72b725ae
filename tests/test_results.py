from argparse import Namespace
from dataclasses import replace
from importlib import import_module

import pytest
from fake_lab import FakeLab, card

from core.errors import LabError
from core.lab import Lab
from core.records import AttackSpec, SweepSpec
from core.store import ResultStore

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


def test_the_command_makes_what_is_missing_for_models_whose_data_need_no_download(monkeypatch, capsys):
    lab, command = FakeLab(), import_module("core.commands.results")
    monkeypatch.setattr(command, "make_lab", lambda options: lab)
    options = Namespace(targets=[], attack=None, quiet=True)
    command.results(options)
    kept = [scores.spec.attack for scores in lab.kept.values()]
    compared = {
        ("noisy_digits", "cl_mvc"),
        ("noisy_digits", "ar_dmvc"),
        ("noisy_digits", "ar_dmvc_am"),
        ("synthetic_people", "cl_mvc"),
    }
    assert {(a.dataset, a.model) for a in kept if a.attack == "gan"} == compared | {("noisy_digits", "simvc.released")}
    for objective in ("both", "assignment"):
        pgd = {(a.dataset, a.model) for a in kept if (a.attack, a.objective) == ("pgd", objective)}
        assert pgd == compared
    assert capsys.readouterr().out == "13 sweeps run, 0 were there.\n"
    command.results(options)
    assert capsys.readouterr().out == "0 sweeps run, 13 were there.\n"
