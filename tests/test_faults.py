"""What the machine may do meanwhile: kill, fill the disk, take files and folders away."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core import locks, processes
from core.data import sources
from core.errors import LabError
from core.files import before, remove_leftovers, write_together
from core.lab import Lab
from core.records import AttackSpec, SweepSpec
from core.runs import RunFolder
from core.store import ResultStore
from pages.ui import cache
from tests.conftest import PROJECT

SOON = 5.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_no_kill_at_any_step_of_a_write_loses_what_was_finished():
    words = [sys.executable, "-m", "tests.trials.kills", "--points", "16", "--kills", "4"]
    done = subprocess.run(
        words, cwd=PROJECT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120
    )
    found = json.loads(done.stdout)
    assert found["points"] == {"kills": 16, "lost": []}
    assert found["random"]["lost"] == []
    assert found["random"]["finished"]["checkpoint"] > 0


@pytest.fixture
def lab(tmp_path):
    """A lab of one small checkpoint."""
    (tmp_path / "digits").mkdir()
    for suffix in ("json", "safetensors"):
        shutil.copy(PROJECT / "checkpoints" / "digits" / f"conv_ae.{suffix}", tmp_path / "digits")
    return Lab(checkpoints=tmp_path, device="cpu", store=ResultStore(tmp_path / "shipped", tmp_path / "computed"))


SWEEP = SweepSpec(
    attack=AttackSpec(dataset="digits", model="conv_ae", attack="noise", epsilon=0.1, samples=16), points=2
)


def test_a_checkpoint_that_is_removed_while_it_is_attacked_spoils_nothing(lab, tmp_path):
    report = next(sweep := lab.sweep(SWEEP))
    shutil.rmtree(tmp_path / "digits")
    *_, report = sweep
    lab.keep(report)
    assert report.finished
    lab.library.look_again()
    assert lab.cards() == ()
    with pytest.raises(LabError, match="no checkpoint of digits called 'conv_ae'"):
        next(lab.sweep(SWEEP))


def test_weights_that_were_trained_again_meanwhile_are_said_to_be(lab, tmp_path):
    card = lab.library.card("digits", "conv_ae")
    weights = tmp_path / "digits" / "conv_ae.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    path = tmp_path / "digits" / "conv_ae.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0" * 64}))
    with pytest.raises(LabError, match="trained again a moment ago"):
        lab.library.model(card)


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_on_a_full_disk_a_finished_sweep_is_shown_though_it_cannot_be_kept(lab, monkeypatch):
    *_, report = lab.sweep(SWEEP)
    monkeypatch.setattr(os, "fsync", full)
    lab.keep(report)
    assert lab.scores(SWEEP) is None
    monkeypatch.undo()
    lab.keep(report)
    assert lab.scores(SWEEP) is not None


def test_a_full_disk_does_not_keep_a_folder_from_being_held(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", full)
    with locks.hold(tmp_path):
        assert locks.holder(tmp_path) is not None
        monkeypatch.setattr(locks, "PAUSE", 0)
        with pytest.raises(LabError, match="runs already"), locks.hold(tmp_path):
            pass
    assert locks.holder(tmp_path) is None


def test_a_folder_that_became_read_only_is_named(tmp_path, monkeypatch):
    def refuse(path, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(LabError, match="read-only file system"), RunFolder(tmp_path / "run").claim({}):
        pass


def test_a_process_that_was_started_on_a_full_disk_is_not_lost(tmp_path, monkeypatch):
    class Plan:
        run = "run"

    def refuse(path, content):
        raise LabError(f"Cannot write {path}.")

    (tmp_path / "run").mkdir()
    trainings = processes.Trainings(tmp_path, command=lambda plan: [sys.executable, "-c", ""])
    trainings._waiting.append(Plan())
    monkeypatch.setattr(processes, "write_atomically", refuse)
    trainings._start_next()
    assert list(trainings._children) == ["run"]
    trainings._tend()
    assert trainings.join(SOON)


def test_who_is_killed_between_two_renames_leaves_what_was_there(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    write_together({first: b"old", second: b"old"})
    usual = Path.replace

    class Killed(BaseException):
        pass

    def killed(path, target):
        if target == second:
            raise Killed
        return usual(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)  # nobody tidies up either
    with pytest.raises(Killed):
        write_together({first: b"new", second: b"new"})
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"old")
    assert before(first).read_bytes() == b"old"


def test_what_nobody_writes_any_more_is_removed_and_nothing_else(tmp_path):
    for name, age in ((".a.x.tmp", 1000), (".b.x.tmp", 0), ("c.tmp", 1000), (".d.before", 1000)):
        (tmp_path / name).write_bytes(b"x")
        moment = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (moment, moment))
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.x.tmp", ".d.before", "c.tmp"]


def test_a_network_that_goes_away_in_a_download_leaves_nothing(tmp_path, monkeypatch):
    class Half:
        def __init__(self, folder, download):
            (Path(folder) / "MNIST" / "raw").mkdir(parents=True)
            (Path(folder) / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(bytes(1000))
            raise ConnectionResetError("gone")

    dead = tmp_path / f"{sources.ARRIVING}dead"
    dead.mkdir()
    os.utime(dead, (1000, 1000))
    monkeypatch.setattr("torchvision.datasets.MNIST", Half)
    with pytest.raises(LabError, match="could not be downloaded"):
        sources.idx_pictures("MNIST", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_asks_for_the_caches_to_be_cleared_keeps_the_queue(monkeypatch):
    import streamlit as st

    monkeypatch.setattr(cache, "Lab", object)
    cache.forget_everything()
    queue, the_lab = cache.jobs(), cache.lab()
    st.cache_resource.clear()
    st.cache_data.clear()
    assert cache.jobs() is queue
    assert cache.lab() is the_lab
    cache.forget_everything()


def test_a_map_of_nonsense_is_made_again(lab, tmp_path, monkeypatch):
    saved = {}
    monkeypatch.setattr("core.maps.fit_umap", lambda hidden: saved.setdefault("made", _placed(hidden)))
    monkeypatch.setattr(ResultStore, "load", lambda *_: {"points": torch.full((899, 2), torch.nan).numpy()})
    lab.map(next(lab.sweep(SWEEP)), "umap")
    assert saved


def _placed(hidden):
    from core.projection import umap_projection

    return umap_projection(hidden, hidden[:, :2])
