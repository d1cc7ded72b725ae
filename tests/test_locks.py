import os
import subprocess
import sys
import threading

import pytest
from conftest import PROJECT

from core.errors import LabError
from core.locks import Process, hold, holder, process

HOLDING = """
import sys
from pathlib import Path
from core.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells when a process was born")


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"held\n"
        yield child
        child.kill()


def test_a_folder_is_held_once(tmp_path):
    with hold(tmp_path / "run"), pytest.raises(LabError, match="runs already, in process"), hold(tmp_path / "run"):
        pass


def test_a_folder_can_be_held_again_afterwards(tmp_path):
    for _ in range(2):
        with hold(tmp_path / "run"):
            assert holder(tmp_path / "run") is not None
        assert holder(tmp_path / "run") is None


def test_a_failure_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert holder(tmp_path) is None


def test_another_process_is_named_and_keeps_us_out(tmp_path, other):
    assert holder(tmp_path).pid == other.pid
    with pytest.raises(LabError, match=f"runs already, in process {other.pid}"), hold(tmp_path):
        pass


def test_a_killed_process_holds_nothing(tmp_path, other):
    other.kill()
    other.wait()
    assert holder(tmp_path) is None
    with hold(tmp_path):
        pass


def test_who_only_looks_keeps_nobody_out(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "lock").open("a+b") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN))
        timer.start()
        with hold(tmp_path):
            assert holder(tmp_path).pid == os.getpid()
        timer.join()


def test_a_folder_without_a_lock_is_held_by_nobody(tmp_path):
    assert holder(tmp_path / "absent") is None
    (tmp_path / "lock").write_text('{"pid": 1, "birth": "0"}')
    assert holder(tmp_path) is None


def test_a_lock_that_was_removed_meanwhile_is_not_taken_for_the_folders(tmp_path):
    with hold(tmp_path):
        (tmp_path / "lock").unlink()
        with hold(tmp_path):
            assert holder(tmp_path).pid == os.getpid()


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LabError, match="Cannot write in"), hold(tmp_path / "file" / "run"):
        pass


@on_linux
def test_a_process_is_told_from_a_later_one_of_its_number(other):
    alive = process(other.pid)
    assert alive.alive
    assert not Process(other.pid, "1").alive
    other.kill()
    other.wait()
    assert not alive.alive
