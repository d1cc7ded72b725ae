import os
import threading

import numpy as np
import pytest

from core.errors import LabError
from core.files import write_atomically
from core.store import BLOCK, ResultStore

POINTS = {"points": np.arange(6, dtype=np.float32).reshape(3, 2)}


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "shipped", tmp_path / "computed")


@pytest.mark.parametrize("shipped", [True, False])
def test_what_was_saved_is_loaded(store, shipped):
    store.save("umap", "a" * 64, POINTS, shipped=shipped)
    np.testing.assert_array_equal(store.load("umap", "a" * 64)["points"], POINTS["points"])


def test_what_was_not_saved_is_absent(store):
    store.save("umap", "a" * 64, POINTS)
    assert store.load("umap", "b" * 64) is None
    assert store.load("other", "a" * 64) is None


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", b"PK\x03\x04"])
def test_a_damaged_result_is_absent(store, content):
    path = store.save("umap", "a" * 64, POINTS)
    path.write_bytes(content)
    assert store.load("umap", "a" * 64) is None


def test_a_truncated_result_is_absent(store):
    path = store.save("umap", "a" * 64, POINTS)
    path.write_bytes(path.read_bytes()[:100])
    assert store.load("umap", "a" * 64) is None


def test_a_pickled_array_is_never_read(store):
    path = store.save("umap", "a" * 64, POINTS)
    np.savez(path, points=np.array([object()], dtype=object))
    assert store.load("umap", "a" * 64) is None


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabError, match="no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


VALUES = {"accuracy": [1.0, 0.25], "name": "ε"}


@pytest.mark.parametrize("shipped", [True, False])
def test_values_that_were_saved_are_loaded(store, shipped):
    store.save_values("sweeps", "a" * 64, VALUES, shipped=shipped)
    assert store.load_values("sweeps", "a" * 64) == VALUES
    assert (store.load_values("sweeps", "a" * 64, shipped_only=True) == VALUES) == shipped
    assert store.load_values("sweeps", "b" * 64) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b'{"accuracy": NaN}', b'{"accuracy": Infinity}', b"[" * 99999]
)
def test_damaged_values_are_absent(store, content):
    store.save_values("sweeps", "a" * 64, VALUES).write_bytes(content)
    assert store.load_values("sweeps", "a" * 64) is None


def test_values_of_any_length_are_not_read(store, monkeypatch):
    store.save_values("sweeps", "a" * 64, VALUES)
    monkeypatch.setattr("core.store.LARGEST_VALUES", 8)
    assert store.load_values("sweeps", "a" * 64) is None


def sizes(store):
    return {path.name[:1]: path.stat().st_size for path in store.computed.rglob("*.json")}


def test_what_was_used_least_recently_goes_when_the_cache_is_full(tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed", limit=10 * BLOCK)
    for i in range(9):
        path = store.save_values("sweeps", str(i) * 64, VALUES)
        os.utime(path, (1000 + i, 1000 + i))
    store.load_values("sweeps", "0" * 64)  # now the one of the latest use
    store.save_values("sweeps", "a" * 64, VALUES)
    store.save_values("sweeps", "b" * 64, VALUES)
    assert sorted(sizes(store)) == ["0", "3", "4", "5", "6", "7", "8", "a", "b"]
    assert store.load_values("sweeps", "0" * 64) == VALUES


def test_results_that_ship_are_never_removed(tmp_path):
    store = ResultStore(tmp_path / "shipped", tmp_path / "computed", limit=BLOCK)
    for i in range(5):
        store.save_values("sweeps", str(i) * 64, VALUES, shipped=True)
        store.save_values("sweeps", str(i) * 64, VALUES)
    assert len(list(store.shipped.rglob("*.json"))) == 5
    assert len(sizes(store)) <= 2


def test_two_servers_on_one_full_folder_do_each_other_no_harm(tmp_path):
    stores = [ResultStore(tmp_path / "shipped", tmp_path / "computed", limit=5 * BLOCK) for _ in range(2)]
    problems = []

    def serve(store, first):
        try:
            for i in range(first, first + 60):
                store.save_values("sweeps", f"{i:064d}"[::-1], VALUES)
                found = store.load_values("sweeps", f"{i - 3:064d}"[::-1])
                assert found in (None, VALUES)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=serve, args=(store, 100 * n)) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sum(-(-size // BLOCK) * BLOCK for size in sizes(stores[0]).values()) <= 7 * BLOCK


@pytest.mark.parametrize("text", ["many", "-1", "1.5", "9" * 20])
def test_a_limit_that_is_no_number_of_megabytes_is_said(tmp_path, monkeypatch, text):
    monkeypatch.setenv("LAB_RESULTS_MB", text)
    with pytest.raises(LabError, match="LAB_RESULTS_MB"):
        ResultStore(tmp_path, tmp_path)
