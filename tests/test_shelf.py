import threading

import pytest

from core.shelf import Recent, Shelf

SOON = 5.0


def test_what_was_made_is_kept():
    shelf, made = Shelf(100, len), []
    for _ in range(3):
        assert shelf.get("a", lambda: made.append(1) or b"value") == b"value"
    assert made == [1]


def test_the_least_recently_used_goes_when_it_is_too_much():
    shelf = Shelf(10, len)
    for key in ("a", "b"):
        shelf.get(key, lambda: bytes(5))
    shelf.get("a", lambda: b"not made again")
    shelf.get("c", lambda: bytes(5))
    assert shelf.get("a", lambda: b"anew") == bytes(5)
    assert shelf.get("b", lambda: b"anew") == b"anew"


def test_one_that_alone_is_too_much_is_kept_until_the_next():
    shelf = Shelf(10, len)
    shelf.get("large", lambda: bytes(50))
    assert shelf.get("large", lambda: b"anew") == bytes(50)
    shelf.get("small", lambda: b"1")
    assert shelf.get("large", lambda: b"anew") == b"anew"


def test_a_failure_is_passed_on_and_the_next_may_try_again():
    shelf = Shelf(10, len)
    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: bytes(1 // 0))
    assert shelf.get("a", lambda: b"made") == b"made"


def test_two_who_want_the_same_have_it_made_once_and_others_do_not_wait():
    shelf, began, go, made = Shelf(100, len), threading.Event(), threading.Event(), []

    def slow() -> bytes:
        made.append(1)
        began.set()
        assert go.wait(SOON)
        return b"slow"

    waiting = [threading.Thread(target=shelf.get, args=("a", slow)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    assert began.wait(SOON)
    assert shelf.get("b", lambda: b"quick") == b"quick"  # while the other is being made
    go.set()
    for thread in waiting:
        thread.join(SOON)
    assert made == [1]
    assert shelf.get("a", slow) == b"slow"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; its one item is the time."""
    now = [0.0]
    monkeypatch.setattr("core.shelf.monotonic", lambda: now[0])
    return now


def test_what_was_found_is_looked_up_again_when_it_is_old(clock):
    found = []
    recent = Recent(lambda: found.append(1) or len(found), 1.0)
    assert [recent.get(), recent.get()] == [1, 1]
    clock[0] = 0.9
    assert recent.get() == 1
    clock[0] = 1.0
    assert recent.get() == 2


def test_who_knows_that_something_changed_does_not_wait(clock):
    found = []
    recent = Recent(lambda: found.append(1) or len(found), 1.0)
    recent.get()
    assert recent.again() == 2
    assert recent.get() == 2


def test_while_one_looks_the_others_get_what_was_found_before(clock):
    began, go, found = threading.Event(), threading.Event(), []

    def look() -> int:
        if found:
            began.set()
            assert go.wait(SOON)
        found.append(1)
        return len(found)

    recent = Recent(look, 1.0)
    recent.get()
    clock[0] = 5.0
    slow = threading.Thread(target=recent.get)
    slow.start()
    assert began.wait(SOON)
    assert recent.get() == 1
    go.set()
    slow.join(SOON)
    assert recent.get() == 2


def test_a_look_that_fails_leaves_what_was_found_before(clock):
    found = [1]
    recent = Recent(lambda: found[0] // len(found), 1.0)
    assert recent.get() == 1
    found.clear()
    clock[0] = 5.0
    with pytest.raises(IndexError):
        recent.get()
    found.append(7)
    assert recent.get() == 7
