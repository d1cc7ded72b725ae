import gc
import logging
import threading
import weakref
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from core import jobs
from core.errors import LabError
from core.jobs import JobQueue

SOON = 5.0  # seconds; every wait below ends by itself within milliseconds


@dataclass
class Result:
    progress: float


class Work:
    """An iterator that waits for the test at every step."""

    def __init__(self, steps: int = 3) -> None:
        self.steps = steps
        self.started = threading.Event()
        self.go = threading.Semaphore(0)
        self.closed = threading.Event()
        self.runs = 0

    def __call__(self):
        self.runs += 1
        self.started.set()
        try:
            for step in range(1, self.steps + 1):
                assert self.go.acquire(timeout=SOON)
                yield Result(step / self.steps)
        finally:
            self.closed.set()

    def finish(self) -> None:
        self.go.release(self.steps)


def submit(queue: JobQueue, key: str, task, owner: str = "me", **when):
    return queue.submit(key, task, owner=owner, title=f"Title of {key}", progress=lambda r: r.progress, **when)


def wait_until(condition) -> None:
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen within 5 seconds")


@pytest.fixture
def queue():
    return JobQueue()


def test_keeps_the_newest_result(queue):
    work = Work()
    submit(queue, "a", work)
    work.finish()
    assert queue.join(SOON)
    job = queue.get("a")
    assert (job.state, job.progress, job.latest) == ("done", 1.0, Result(1.0))


def test_a_result_can_be_read_while_the_job_runs(queue):
    work = Work()
    submit(queue, "a", work)
    work.go.release()
    wait_until(lambda: queue.get("a").latest is not None)
    job = queue.get("a")
    assert job.state == "running"
    assert job.progress == pytest.approx(1 / 3)
    assert job.seconds_left is not None
    work.finish()
    assert queue.join(SOON)


def test_equal_work_runs_once(queue):
    work = Work()
    submit(queue, "a", work, "first")
    submit(queue, "a", work, "second")
    work.finish()
    assert queue.join(SOON)
    submit(queue, "a", work, "third")
    assert queue.join(SOON)
    assert work.runs == 1
    assert queue.owns("a", "third")


def test_one_job_runs_and_the_others_see_their_position(queue):
    works = [Work() for _ in range(3)]
    for key, work in zip("abc", works, strict=True):
        submit(queue, key, work)
    assert works[0].started.wait(SOON)
    assert [(job.key, job.state, job.position) for job in queue.active()] == [
        ("a", "running", 0),
        ("b", "waiting", 1),
        ("c", "waiting", 2),
    ]
    for work in works:
        work.finish()
    assert queue.join(SOON)
    assert queue.active() == ()


def test_work_for_later_gives_way_to_work_that_somebody_waits_for(queue):
    running, others = Work(), [Work() for _ in range(4)]
    submit(queue, "running", running)
    assert running.started.wait(SOON)
    submit(queue, "later", others[0], later=True)
    submit(queue, "even later", others[1], later=True)
    submit(queue, "now", others[2])
    submit(queue, "after it", others[3])
    assert [job.key for job in queue.active()] == ["running", "now", "after it", "later", "even later"]
    submit(queue, "even later", others[1])  # now somebody waits for it
    assert [job.key for job in queue.active()] == ["running", "now", "after it", "even later", "later"]
    for work in (running, *others):
        work.finish()
    assert queue.join(SOON)
    assert [work.runs for work in others] == [1, 1, 1, 1]


def test_cancel_shows_at_once_and_closes_the_iterator_at_its_next_step(queue):
    work = Work()
    submit(queue, "a", work)
    work.go.release()
    wait_until(lambda: queue.get("a").latest is not None)
    queue.cancel("a", owner="me")
    assert queue.get("a").state == "cancelled"
    assert queue.active() == ()
    assert not work.closed.is_set()
    work.go.release()
    assert work.closed.wait(SOON)
    assert queue.join(SOON)
    assert queue.get("a").state == "cancelled"
    assert queue.get("a").latest == Result(1 / 3)


def test_what_is_over_or_was_never_asked_for_cannot_be_cancelled(queue):
    submit(queue, "a", lambda: iter([Result(1.0)]))
    assert queue.join(SOON)
    queue.cancel("a", owner="me")
    queue.cancel("b", owner="me")
    assert queue.get("a").state == "done"
    assert queue.get("b") is None


def test_cancel_closes_an_iterator_that_others_still_hold(queue):
    work = Work()
    held = work()
    submit(queue, "a", lambda: held)
    work.go.release(2)
    wait_until(lambda: queue.get("a").latest is not None)
    queue.cancel("a", owner="me")
    work.go.release()
    assert work.closed.wait(SOON)


def test_cancel_wins_over_the_last_step(queue):
    work = Work(1)
    submit(queue, "a", work)
    assert work.started.wait(SOON)
    queue.cancel("a", owner="me")
    work.finish()
    assert queue.join(SOON)
    assert (queue.get("a").state, queue.get("a").latest) == ("cancelled", None)


def test_a_waiting_job_is_cancelled_without_being_started(queue):
    first, second = Work(), Work()
    submit(queue, "a", first)
    submit(queue, "b", second)
    queue.cancel("b", owner="me")
    first.finish()
    assert queue.join(SOON)
    assert second.runs == 0


def test_a_job_others_want_goes_on_when_one_gives_up(queue):
    work = Work()
    submit(queue, "a", work, "one")
    submit(queue, "a", work, "two")
    queue.cancel("a", owner="one")
    work.finish()
    assert queue.join(SOON)
    assert queue.get("a").state == "done"


def test_a_stranger_cannot_cancel(queue):
    work = Work()
    submit(queue, "a", work, "me")
    queue.cancel("a", owner="stranger")
    assert queue.get("a").active
    work.finish()
    assert queue.join(SOON)


def test_cancelled_work_can_be_asked_for_again(queue):
    first, again = Work(), Work()
    submit(queue, "a", first)
    assert first.started.wait(SOON)
    queue.cancel("a", owner="me")
    submit(queue, "a", again)
    first.finish()
    again.finish()
    assert queue.join(SOON)
    assert queue.get("a").state == "done"
    assert again.runs == 1


def test_a_lab_error_is_shown_in_its_own_words(queue):
    def work():
        raise LabError("Choose at most 899 samples.")
        yield

    submit(queue, "a", work)
    assert queue.join(SOON)
    assert (queue.get("a").state, queue.get("a").error) == ("failed", "Choose at most 899 samples.")


def test_any_other_error_becomes_one_sentence_and_its_traceback_goes_to_the_log(queue, caplog):
    def work():
        yield Result(0.5)
        raise RuntimeError("out of memory\nsecond line")

    with caplog.at_level(logging.ERROR, logger="core.jobs"):
        submit(queue, "a", work)
        assert queue.join(SOON)
    job = queue.get("a")
    assert (job.error, job.latest) == ("The attack failed: out of memory.", Result(0.5))
    assert "Traceback" in caplog.text


def test_the_worker_survives_a_failure(queue):
    def broken():
        raise RuntimeError("no")
        yield

    work = Work()
    submit(queue, "a", broken)
    submit(queue, "b", work)
    work.finish()
    assert queue.join(SOON)
    assert queue.get("b").state == "done"


def test_failed_work_is_tried_again_when_asked_for_again(queue):
    def broken():
        raise LabError("no")
        yield

    work = Work()
    submit(queue, "a", broken)
    assert queue.join(SOON)
    submit(queue, "a", work)
    work.finish()
    assert queue.join(SOON)
    assert queue.get("a").state == "done"


def test_forgets_the_results_that_were_used_least_recently():
    queue = JobQueue(keep=2)
    for key in "abc":
        work = Work(1)
        submit(queue, key, work)
        work.finish()
        assert queue.join(SOON)
        queue.get("a")
    assert [key for key in "abc" if queue.get(key) is not None] == ["a", "c"]


def test_forgets_results_that_weigh_too_much_together_but_never_the_last():
    queue = JobQueue(keep_bytes=10)
    weights = {"a": 4, "b": 4, "c": 4, "d": 40}
    kept = []
    for key, weight in weights.items():
        work = Work()
        submit(queue, key, work, weigh=lambda result, weight=weight: weight)
        work.finish()
        assert queue.join(SOON)
        kept.append("".join(other for other in weights if queue.get(other)))
    assert kept == ["a", "ab", "bc", "d"]


def test_many_results_of_one_kind_push_out_none_of_another():
    queue = JobQueue(keep=1)
    for key, noun in (("sweep", "attack"), ("first", "trace"), ("second", "trace")):
        queue.submit(key, lambda: iter([1]), owner="somebody", title=key, noun=noun)
        assert queue.join(SOON)
    assert [key for key in ("sweep", "first", "second") if queue.get(key) is not None] == ["sweep", "second"]


def test_an_unknown_key_is_none(queue):
    assert queue.get("never") is None


@pytest.fixture
def clock(monkeypatch):
    """The time that queues see, to be set."""
    now = SimpleNamespace(value=1000.0)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: now.value))
    return now


def test_work_of_an_owner_who_has_left_stops_at_its_next_result(clock):
    queue, work = JobQueue(absence=100), Work()
    submit(queue, "a", work)
    assert work.started.wait(SOON)
    clock.value += 101
    work.go.release()
    assert queue.join(SOON)
    assert queue.get("a").state == "cancelled"
    assert work.closed.wait(SOON)


def test_work_of_an_owner_who_gives_signs_goes_on(clock):
    queue, work = JobQueue(absence=100), Work()
    submit(queue, "a", work)
    clock.value += 80
    queue.present("me")
    clock.value += 80
    work.finish()
    assert queue.join(SOON)
    assert queue.get("a").state == "done"


def test_who_is_left_keeps_the_work_of_who_has_gone(clock):
    queue, work = JobQueue(absence=100), Work()
    submit(queue, "a", work, "gone")
    submit(queue, "a", work, "here")
    clock.value += 80
    queue.present("here")
    clock.value += 80
    work.finish()
    assert queue.join(SOON)
    assert queue.get("a").state == "done"


def test_waiting_work_of_who_has_left_is_never_begun(clock):
    queue, running, waiting = JobQueue(absence=100), Work(), Work()
    submit(queue, "a", running, "here")
    submit(queue, "b", waiting, "gone")
    assert running.started.wait(SOON)
    clock.value += 80
    queue.present("here")
    clock.value += 80
    running.finish()
    assert queue.join(SOON)
    assert (queue.get("a").state, queue.get("b").state) == ("done", "cancelled")
    assert waiting.runs == 0


def test_users_take_turns(queue):
    running, others = Work(), [Work() for _ in range(5)]
    submit(queue, "running", running)
    assert running.started.wait(SOON)
    for i in range(3):
        submit(queue, f"first {i}", others[i], "first")
    submit(queue, "second 0", others[3], "second")
    submit(queue, "second 1", others[4], "second")
    assert [job.key for job in queue.active()][1:] == ["first 0", "second 0", "first 1", "second 1", "first 2"]
    for work in (running, *others):
        work.finish()
    assert queue.join(SOON)


def test_the_line_has_an_end_for_one_and_for_all(queue, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_OF_ONE", 2)
    monkeypatch.setattr(jobs, "MOST_WAITING", 3)
    running = Work()
    submit(queue, "running", running)
    assert running.started.wait(SOON)
    submit(queue, "a", Work())
    submit(queue, "b", Work())
    with pytest.raises(LabError, match="2 of your jobs wait already"):
        submit(queue, "c", Work())
    submit(queue, "c", Work(), "you")
    with pytest.raises(LabError, match="3 jobs wait already"):
        submit(queue, "d", Work(), "they")
    assert submit(queue, "a", Work(), "they").position == 1  # joining what waits needs no room
    for key, owners in (("a", ("me", "they")), ("b", ("me",)), ("c", ("you",))):
        for owner in owners:
            queue.cancel(key, owner=owner)
    running.finish()
    assert queue.join(SOON)


def test_who_waits_is_told_how_long_as_soon_as_it_is_known(queue):
    first = Work()
    submit(queue, "first", first)
    first.finish()
    assert queue.join(SOON)
    running = Work()
    submit(queue, "running", running)
    assert running.started.wait(SOON)
    submit(queue, "next", Work(), "you")
    submit(queue, "after it", Work(), "they")
    usual = queue.get("next").seconds_left
    assert usual == queue._times["attack"][0][0]
    assert queue.get("after it").seconds_left == 2 * usual
    for key, owner in (("next", "you"), ("after it", "they")):
        queue.cancel(key, owner=owner)
    running.finish()
    assert queue.join(SOON)


def test_what_is_ten_times_the_work_is_expected_to_take_ten_times_as_long(queue):
    first = Work()
    submit(queue, "first", first)
    first.finish()
    assert queue.join(SOON)
    usual = queue._times["attack"][0][0]
    running = Work()
    submit(queue, "running", running, work=10.0)
    assert running.started.wait(SOON)
    submit(queue, "next", Work(), "you")
    assert queue.get("next").seconds_left == pytest.approx(10 * usual)
    queue.cancel("next", owner="you")
    running.finish()


def test_an_idle_queue_keeps_no_thread_and_a_dropped_one_nothing_of_its_work(queue):
    work = Work(steps=1)
    work.finish()
    submit(queue, "a", work)
    wait_until(lambda: queue._worker is None)
    again = Work(steps=1)
    again.finish()
    submit(queue, "b", again)
    assert queue.join(SOON)
    assert queue.get("b").state == "done"

    dropped = JobQueue()
    last, held = Work(steps=1), weakref.ref(dropped)
    last.finish()
    submit(dropped, "c", last)
    assert dropped.join(SOON)
    del dropped
    wait_until(lambda: (gc.collect(), held())[1] is None)
