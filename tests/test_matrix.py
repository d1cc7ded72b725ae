import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from core import training, walk
from core.checkpoints import save_checkpoint
from core.errors import LabError
from core.lab import Lab
from core.matrix import missing, train_all
from core.recipes import TOLD_LABELS, models_of
from core.records import EpochLog, TrainSpec
from core.store import ResultStore
from tests.fake_lab import card as fake_card

CPU = torch.device("cpu")
ANY = TrainSpec(dataset="", model="")
TINY = TrainSpec(dataset="", model="", samples=100, epochs=1, runs=1)  # one batch an epoch


def make_lab(folder):
    store = ResultStore(folder / "shipped", folder / "computed")
    return Lab(checkpoints=folder / "checkpoints", runs=folder / "runs", device="cpu", store=store)


def put(lab, name, *, content=0.0, target=None):
    """A checkpoint of noisy_digits that nobody trained; ``content`` decides its digest."""
    card = replace(fake_card(name), recipe={"model_options": {}})
    if target:
        scores = {state: {"accuracy": 1, "nmi": 1, "ari": 1} for state in ("clean", "noise_frozen", "gan_frozen")}
        words = {"kind": "attacker", "recipe": {"epsilon": 0.2}, "target_sha256": target.sha256}
        card = replace(card, scores=scores, **words)
    return save_checkpoint(lab.library.checkpoints, card, {"weights": torch.full((1,), content)})


def names(jobs):
    return [[f"{spec.dataset}/{spec.name}" for spec in job] for job in jobs]


def test_where_nothing_is_trained_every_model_and_its_attacker_are_missing(tmp_path):
    datasets = ("patched_digits", "noisy_digits")
    expected = [
        [f"{dataset}/{model}", f"{dataset}/{model}.gan"] for dataset in datasets for model in models_of(dataset)
    ]
    assert names(missing(make_lab(tmp_path), datasets, ANY)) == expected


def test_a_hardened_model_stands_behind_the_attacker_it_is_hardened_against(tmp_path):
    jobs = names(missing(make_lab(tmp_path), ["digits"], ANY))
    assert len(jobs) == 3 + len(TOLD_LABELS)
    assert jobs[3:] == [[f"digits/{name}"] for name in TOLD_LABELS]  # attacked without a trained attacker
    assert jobs[0] == ["digits/conv_ae", "digits/conv_ae.latent", "digits/alrdc", "digits/alrdc.latent"]


def test_only_the_attacker_is_missing_where_the_model_is_there(tmp_path):
    lab = make_lab(tmp_path)
    put(lab, "simvc")
    jobs = missing(lab, ["noisy_digits", "patched_digits"], ANY, models=["simvc"])
    assert names(jobs) == [["noisy_digits/simvc.gan"], ["patched_digits/simvc", "patched_digits/simvc.gan"]]


def test_a_model_with_its_attacker_is_not_missing(tmp_path):
    lab = make_lab(tmp_path)
    put(lab, "simvc.gan", target=put(lab, "simvc"))
    assert missing(lab, ["noisy_digits"], ANY, models=["simvc"]) == []


def test_an_attacker_of_other_weights_is_missing(tmp_path):
    lab = make_lab(tmp_path)
    put(lab, "simvc.gan", target=put(lab, "simvc"))
    put(lab, "simvc", content=1.0)
    assert names(missing(lab, ["noisy_digits"], ANY, models=["simvc"])) == [["noisy_digits/simvc.gan"]]


def test_an_attacker_without_its_model_is_missing_with_it(tmp_path):
    lab = make_lab(tmp_path)
    put(lab, "simvc.gan", target=put(lab, "comvc"))
    jobs = missing(lab, ["noisy_digits"], ANY, models=["simvc"])
    assert names(jobs) == [["noisy_digits/simvc", "noisy_digits/simvc.gan"]]


def test_models_are_taken_in_the_order_that_was_asked_for(tmp_path):
    jobs = missing(make_lab(tmp_path), ["noisy_digits"], ANY, models=["sem", "cl_mvc"])
    assert [job[0].model for job in jobs] == ["sem", "cl_mvc"]


def test_what_is_missing_is_trained_as_the_base_says(tmp_path):
    base = TrainSpec(dataset="", model="", protocol="released", seed=3, samples=200, epochs=4, runs=2)
    ((model, attacker),) = missing(make_lab(tmp_path), ["noisy_digits"], base, models=["simvc"])
    words = {"dataset": "noisy_digits", "protocol": "released", "seed": 3, "samples": 200, "epochs": 4}
    assert model == TrainSpec(model="simvc", kind="model", runs=2, **words)
    assert attacker == TrainSpec(model="simvc.released", kind="attacker", **words)


class FakeLab:
    """Trains three epochs of nothing; ``acts`` say by a model's name what to do before an epoch."""

    def __init__(self, **acts):
        self.device = "cpu"
        self.acts = acts
        self.trained = []
        self.captured = []
        self.closed = []

    def train(self, spec, *, capture):
        self.captured.append(capture)
        try:
            for epoch in (1, 2, 3):
                self.acts.get(spec.model, lambda: None)()
                self.trained.append((spec.name, epoch))
                yield EpochLog(phase="all", epoch=epoch, epochs=3, terms={}, seconds=0, seconds_left=0)
            return f"card of {spec.name}"
        finally:
            self.closed.append(spec.name)


def job(*models):
    """A job for every model, each with its attacker."""
    kinds = ("model", "attacker")
    return [[TrainSpec(dataset="noisy_digits", model=model, kind=kind) for kind in kinds] for model in models]


def said(progress):
    ending = progress.log.epoch if progress.log else progress.result or progress.problem
    return progress.spec.name, ending


def refuse():
    raise LabError("This cannot be trained here.")


def break_down():
    raise ZeroDivisionError("a mistake of the program")


def doze():
    time.sleep(0.05)


def epochs_and_card(name):
    return [(name, 1), (name, 2), (name, 3), (name, f"card of {name}")]


def test_a_walk_yields_every_epoch_and_card_of_every_job_in_order():
    steps = [said(step) for step in train_all(FakeLab(), job("a", "b"))]
    assert steps == [step for name in ("a", "a.gan", "b", "b.gan") for step in epochs_and_card(name)]


def test_a_walk_over_nothing_is_empty():
    assert list(train_all(FakeLab(), [], workers=2)) == []


def test_what_cannot_be_trained_says_why_and_the_walk_goes_on_without_its_attacker():
    steps = [said(step) for step in train_all(FakeLab(a=refuse), job("a", "b"))]
    assert steps[0] == ("a", "This cannot be trained here.")
    assert steps[1:] == epochs_and_card("b") + epochs_and_card("b.gan")


@pytest.mark.parametrize("capture", [False, True])
def test_a_walk_captures_if_it_is_told_to(capture):
    lab = FakeLab()
    list(train_all(lab, job("a"), capture=capture))
    assert lab.captured == [capture] * 2


def test_a_walk_ends_after_the_epoch_in_which_its_time_is_over(monkeypatch):
    lab = FakeLab()
    clock = SimpleNamespace(monotonic=lambda: len(lab.trained))  # a second an epoch
    monkeypatch.setattr(walk, "time", clock)
    steps = [said(step) for step in train_all(lab, job("a", "b"), seconds=4)]
    assert steps == [*epochs_and_card("a"), ("a.gan", 1), ("a.gan", 2)]
    assert lab.trained[-1] == ("a.gan", 2)
    assert lab.closed == ["a", "a.gan"]


def test_a_closed_walk_leaves_no_thread_and_no_training_behind():
    before = threading.active_count()
    lab = FakeLab(**dict.fromkeys("abcdefgh", doze))
    steps = train_all(lab, job(*"abcdefgh"), workers=2)
    next(steps)
    steps.close()
    assert threading.active_count() == before
    assert len(lab.closed) == len(lab.captured) < 16  # each that was begun, and by far not all
    assert ("h.gan", 3) not in lab.trained


def test_workers_train_at_the_same_time():
    met = threading.Barrier(2, timeout=60)  # raises if the other does not come
    steps = [said(step) for step in train_all(FakeLab(a=met.wait, b=met.wait), job("a", "b"), workers=2)]
    assert sorted(map(str, steps)) == sorted(
        str(step) for name in ("a", "a.gan", "b", "b.gan") for step in epochs_and_card(name)
    )


def test_no_job_is_done_twice_by_more_workers_than_jobs():
    lab = FakeLab()
    list(train_all(lab, job("a", "b"), workers=5))
    assert sorted(lab.trained) == [(name, epoch) for name in ("a", "a.gan", "b", "b.gan") for epoch in (1, 2, 3)]


def test_an_error_of_the_program_is_raised_to_the_reader_and_ends_the_walk():
    lab, before = FakeLab(a=break_down, b=doze), threading.active_count()
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        list(train_all(lab, job("a", "b", "c"), workers=2))
    assert threading.active_count() == before
    assert ("c.gan", 3) not in lab.trained


@pytest.fixture
def four_threads():
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(("workers", "each"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_workers_share_the_threads(workers, each, four_threads):
    seen = []
    lab = FakeLab(a=lambda: seen.append(torch.get_num_threads()))
    list(train_all(lab, job("a"), workers=workers))
    assert set(seen) == {each}


@pytest.mark.parametrize("ending", ["at the end", "closed", "broken"])
def test_the_number_of_threads_is_put_back(ending, four_threads):
    steps = train_all(FakeLab(b=break_down), job("a", "b" if ending == "broken" else "c"), workers=2)
    if ending == "closed":
        next(steps)
        steps.close()
    elif ending == "broken":
        with pytest.raises(ZeroDivisionError):
            list(steps)
    else:
        list(steps)
    assert torch.get_num_threads() == 4


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A lab after a walk over a data set that is not there and one that is, and what the walk said."""
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    jobs = missing(lab, ["regdb", "patched_digits"], TINY, models=["simvc"])
    return lab, list(train_all(lab, jobs))


def test_a_walk_publishes_what_it_trained(walked):
    lab, steps = walked
    cards = [step.result for step in steps if step.result]
    assert [card.name for card in cards] == ["simvc", "simvc.gan"]
    assert cards == [*lab.cards("model"), *lab.cards("attacker")]
    assert [step.log.epoch for step in steps if step.log] == [1, 1]


def test_a_data_set_that_is_not_there_does_not_stop_a_walk(walked):
    lab, steps = walked
    problems = [step for step in steps if step.problem]
    assert [step.spec.dataset for step in problems] == ["regdb"]
    assert problems[0].problem.endswith(".")
    left = missing(lab, ["regdb", "patched_digits"], TINY, models=["simvc"])
    assert names(left) == [["regdb/simvc", "regdb/simvc.gan"]]


@pytest.mark.slow
def test_two_workers_train_the_same_weights_as_one(walked, tmp_path):
    expected = {card.name: card.sha256 for card in walked[0].cards("model") + walked[0].cards("attacker")}
    lab = make_lab(tmp_path)
    jobs = missing(lab, ["patched_digits"], TINY, models=["comvc", "simvc"])
    made = {step.result.name: step.result.sha256 for step in train_all(lab, jobs, workers=2) if step.result}
    assert set(made) == {"simvc", "simvc.gan", "comvc", "comvc.gan"}
    assert {name: made[name] for name in expected} == expected


def test_a_second_walk_goes_on_where_the_first_stopped(tmp_path, monkeypatch):
    lab, begun, run_epoch = make_lab(tmp_path), [], training._run_epoch

    def count(phase, *others):
        begun.append(phase.name)
        return run_epoch(phase, *others)

    monkeypatch.setattr(training, "_run_epoch", count)
    monkeypatch.setattr(walk, "time", SimpleNamespace(monotonic=lambda: len(begun)))  # a second an epoch
    spec = TrainSpec(dataset="patched_digits", model="simvc", samples=100, epochs=3, runs=1)
    first = list(train_all(lab, [[spec]], seconds=0.5))
    assert [step.log.epoch for step in first] == [1]
    assert lab.cards() == ()
    second = list(train_all(lab, [[spec]]))
    assert [step.log.epoch for step in second if step.log] == [2, 3]
    assert second[-1].result == lab.cards()[0]
    assert len(begun) == 3
