"""Commands that print what is kept, on the results and checkpoints that ship: nothing is trained, nothing changed."""

import csv
import io
import json
import sys
from hashlib import sha256
from importlib import import_module

import numpy as np
import pytest

from core.__main__ import main
from core.certify.results import ATTACKS
from core.lab import Lab
from core.latent.tables import claims
from core.published import clustr
from core.published.ncp_acl import TABLE_2
from tests.conftest import PROJECT

RESULTS = PROJECT / "assets" / "results"


def shipped():
    return {path: sha256(path.read_bytes()).digest() for path in RESULTS.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def nothing_is_changed():
    before = shipped()
    yield
    assert shipped() == before


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a command in this process; what it printed, as JSON for machines where that was asked."""

    def go(*words):
        monkeypatch.setattr(sys, "argv", ["python -m core", *words, "--quiet", "--device", "cpu"])
        main()
        out = capsys.readouterr().out
        return json.loads(out) if "--json" in words else out

    return go


@pytest.fixture(scope="module")
def lab():
    return Lab(device="cpu")


def test_latent_prints_every_row_and_judges_every_claim(call, lab):
    lines = lab.latents.lines("digits")
    printed = call("latent", "digits")
    for line in lines:
        assert f"{line.result.clean.accuracy:.3f}  {line.result.attacked.accuracy:.3f}" in printed
    assert all(claim.text in printed and claim.numbers in printed for claim in claims(lines))
    told = call("latent", "digits", "--json")
    assert [line["result"]["flips"] for line in told["lines"]] == [line.result.flips for line in lines]


def test_latent_says_how_to_make_what_is_missing(call, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_CHECKPOINTS", str(tmp_path))
    assert "missing: python -m core train digits/conv_ae" in call("latent", "digits")


def test_certify_prints_every_row_of_clustr_and_of_the_plane(call, lab):
    printed, told = call("certify", "digits"), call("certify", "digits", "--json")
    assert [line["model"] for line in told["lines"]] == list(clustr.ROWS)
    for line in told["lines"]:
        kept = line["result"]["accuracy"]
        assert list(kept) == list(ATTACKS)
        assert all(f"{share:.3f}" in printed for share in (line["result"]["clean"], *kept.values()))
    plane = call("certify", "plane", "--json")["plane"]
    assert min(row["accuracy"] for row in plane) > 0.99
    assert all(row["L on a grid"] <= row["L proven"] <= row["L of the product"] for row in plane)
    assert f"{plane[0]['median radius']:.4g}" in call("certify", "plane")


def test_neighbours_prints_the_kept_rows_beside_the_papers(call, lab):
    printed, told = call("neighbours", "digits"), call("neighbours", "digits", "--json")
    lines = lab.neighbours.lines("digits")
    assert [line["variant"] for line in told["lines"]] == [line.variant for line in lines]
    assert all(line.title in printed for line in lines if line.results)
    assert f"{TABLE_2['ncp_acl']['cifar10'][0]:.2f}" in printed
    assert all(claim["text"] in printed for claim in told["claims"])


def test_neighbours_refuses_more_seeds_than_there_are(call, capsys):
    with pytest.raises(SystemExit, match="2"):
        call("neighbours", "digits", "--seeds", "99")
    assert "--seeds is from 1 to" in capsys.readouterr().err


def test_theorem_prints_both_sides_and_the_bound_is_a_bound(call):
    rows = call("theorem", "noisy_digits/cl_mvc", "--json")["rows"]
    assert rows
    assert all(row["I(x̃; ã | x)"] <= row["bound"] + 1e-6 for row in rows)
    assert "noisy_digits/cl_mvc" in call("theorem", "noisy_digits/cl_mvc")


def test_a_ceiling_falls_as_the_budget_grows(call):
    told = call("ceiling", "patched_digits", "--samples", "60", "--json")["ceilings"]
    kept = list(told.values())
    assert kept == sorted(kept, reverse=True)
    assert f"{kept[-1]:.3f}" in call("ceiling", "patched_digits", "--samples", "60")


def test_findings_are_told_in_sentences_and_for_machines(call):
    chapters = call("findings", "--json")
    printed = call("findings")
    assert all(f"## {title}" in printed for title in chapters)
    assert all(f"- {text}" in printed for texts in chapters.values() for text in texts)


def test_tables_are_printed_as_the_page_shows_them(call, lab):
    told = call("tables", "--json")
    assert {(row["dataset"], row["model"]) for row in told} >= {("noisy_mnist", "cl_mvc"), ("digits", "conv_ae")}
    table = lab.table("table_3", "lab")
    lines = call("tables", "--table", "3", "--csv").splitlines()
    assert len(lines) > len(table.columns)
    assert r"\begin{tabular}" in call("tables", "--table", "3", "--latex")
    short = call("tables", "--table", "1", "--dataset", "noisy_digits", "--beside", "nothing", "--csv")
    states = [(row["data_set"], row["state"]) for row in csv.DictReader(io.StringIO(short))]
    assert set(states) == {("noisy_digits", "clean"), ("noisy_digits", "gan")}
    assert "| ar_dmvc_am |" in call("tables", "--markdown").replace("noisy_mnist | ", "| ")


def test_features_are_made_where_training_looks_for_them(call, monkeypatch, tmp_path):
    module = import_module("core.commands.features")

    def make_file(dataset, root, device):
        yield 0.5
        np.savez(module.vectors.path_of(dataset, root), features=np.zeros((1, 2)), labels=np.zeros(1))

    monkeypatch.setattr(module.vectors, "make_file", make_file)
    path = module.vectors.path_of("reuters", tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert str(path) in call("features", "reuters", "--data", str(tmp_path))
    assert call("features", "reuters", "--data", str(tmp_path), "--json") == {"dataset": "reuters", "file": str(path)}
    assert path.is_file()
