import os

import numpy as np
import pytest

from core.errors import LabError
from core.files import write_atomically
from core.store import ResultStore

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
