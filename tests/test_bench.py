import json
import subprocess
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from core.attacks import ATTACKS
from core.bench import BenchSpec, Peak, bench, meter, notes, promise_rows, rows, run
from core.bench.records import measurement, share_of_peak
from core.data import DATASET_FACTS
from core.errors import LabError
from core.models import MODELS
from core.registry import Registry
from tests.conftest import PROJECT

CPU = torch.device("cpu")
SIDE, BATCH, STEP_BATCH = 24, 4, 8
TRAININGS = {"train step", "gan train step"}
PEAKS = (
    Peak(dtype="float32", flops_per_second=100.0, found_with="product", bytes_per_second=1.0),
    Peak(dtype="bfloat16", flops_per_second=400.0, found_with="product", bytes_per_second=1.0),
)


def shrink(patch, side=SIDE):
    """Small pictures, small batches of training, small peaks and promises: everything in a moment."""
    facts = DATASET_FACTS["noisy_digits"]
    patch.setitem(DATASET_FACTS, "noisy_digits", replace(facts, view_shapes=((1, side, side),) * 2))
    for name in ("model_training", "attacker_training"):
        train = getattr(run, name)

        def train_small(recipe, *args, train=train, **knobs):
            return train(replace(recipe, batch_size=STEP_BATCH), *args, **knobs)

        patch.setattr(run, name, train_small)
    patch.setattr(run, "GAN_SAMPLES", 12)
    patch.setattr(run, "PGD_SAMPLES", 6)
    patch.setattr(meter, "PRODUCT_SIDES", {"cpu": (16, 32)})
    patch.setattr(meter, "CONVOLUTIONS", {"cpu": (2, 4, 8)})
    patch.setattr(meter, "COPIED", {"cpu": 2**12})


def run_bench(*models, **knobs):
    spec = BenchSpec(models=models, **{"batch": BATCH, "seconds": 0, **knobs})
    return list(bench(spec, device="cpu"))


@pytest.fixture
def small(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def whole_run():
    """Every report of one bench, the subject it made, and the model's state before anything ran."""
    subjects, states = [], []
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        make = run._prepare

        def make_and_keep(*values):
            subjects.append(make(*values))
            states.append({name: tensor.clone() for name, tensor in subjects[0].model.state_dict().items()})
            return subjects[0]

        patch.setattr(run, "_prepare", make_and_keep)
        return run_bench("simvc"), subjects[0], states[0]


@pytest.fixture(scope="module")
def reports(whole_run):
    return whole_run[0]


@pytest.fixture(scope="module")
def report(reports):
    return reports[-1]


@pytest.fixture(scope="module")
def measured(report):
    return {m.what: m for m in report.measurements}


def test_counts_what_layers_compute():
    linear, convolution = nn.Linear(8, 4), nn.Conv2d(1, 2, 3)
    rows, pictures = torch.zeros(3, 8), torch.zeros(3, 1, 5, 5)
    with torch.inference_mode():
        assert meter.count_flops(lambda: linear(rows)) == {"float32": 2 * 3 * 8 * 4}
        assert meter.count_flops(lambda: convolution(pictures)) == {"float32": 2 * 3 * (3 * 3) * 2 * 9}
    assert meter.count_flops(lambda: rows.exp().sum()) == {}


def test_counts_the_way_back_once_for_each_gradient_that_is_wanted():
    linear = nn.Linear(8, 4)
    rows = torch.zeros(3, 8, requires_grad=True)
    forward = 2 * 3 * 8 * 4
    attack = meter.count_flops(lambda: torch.autograd.grad(linear(rows).sum(), rows))
    training = meter.count_flops(lambda: torch.autograd.grad(linear(rows).sum(), [rows, linear.weight]))
    assert (attack["float32"], training["float32"]) == (2 * forward, 3 * forward)


def test_counts_each_type_of_numbers_for_itself():
    layers = nn.Linear(8, 4), nn.Linear(4, 2)

    def call():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = layers[0](torch.zeros(3, 8))
        layers[1](hidden.float())

    assert meter.count_flops(call) == {"bfloat16": 2 * 3 * 8 * 4, "float32": 2 * 3 * 4 * 2}


def test_encoding_needs_the_operations_of_table_4(measured):
    pixels = (22**2 * 9, 20**2 * 9 * 64, 8**2 * 9 * 64, 6**2 * 9 * 64)  # of 24: two convolutions, halved, two more
    view = 2 * 64 * sum(pixels)
    head = 2 * (64 * 3 * 3 * 100 + 100 * 10)
    fusion = 2 * 2 * 64 * 3 * 3
    assert measured["encode"].flops == BATCH * (2 * view + head + fusion)


def test_ten_steps_of_pgd_are_ten_of_fgsm_after_one_encoding(measured):
    clean, fgsm, pgd = (measured[name].flops for name in ("encode", "fgsm", "pgd"))
    assert pgd - clean == 10 * (fgsm - clean)
    assert fgsm > 2 * clean


def test_a_training_step_is_counted_for_one_batch_however_many_an_epoch_has(small, measured, monkeypatch):
    monkeypatch.setattr(run, "EPOCH_BATCHES", 3)
    made = []
    monkeypatch.setattr(run, "measurement", lambda *values: made.append(values) or measurement(*values))
    fit = run.fit
    sizes = []
    monkeypatch.setattr(run, "fit", lambda phases, data, **knobs: sizes.append(len(data)) or fit(phases, data, **knobs))
    monkeypatch.setattr(meter, "time_call", lambda call, device: call() and 0.3)
    subject = run._prepare("simvc", replace(empty_report(), spec=BenchSpec(seconds=3)), CPU)
    (step,) = run._step(subject, "train step", lambda: run._model_training(subject.recipe, subject.facts, 0, CPU))
    assert sizes == [STEP_BATCH, 3 * STEP_BATCH]
    assert step.seconds == pytest.approx(0.1)
    assert step.flops == measured["train step"].flops
    assert step.batch == STEP_BATCH


def test_a_phase_that_ends_by_itself_is_begun_again(small):
    subject = run._prepare("simvc", empty_report(), CPU)
    training = run._model_training(subject.recipe, subject.facts, 0, CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "EPOCHS", 1)
        logs = run._epochs(training, subject.data(STEP_BATCH), capture=False)
        assert [next(logs).epoch for _ in range(3)] == [1, 1, 1]


def empty_report():
    place = {"device": "cpu", "device_name": "", "torch": "", "threads": 1, "load": None, "tensor_float": None}
    return run.BenchReport(spec=BenchSpec(seconds=0), **place, memory_means="", batch=BATCH, peaks=PEAKS)


def test_a_measurement_agrees_with_itself():
    made = measurement("simvc", "pgd", 8, [0.5, 0.2, 0.25], {"float32": 10, "bfloat16": 20}, 7, PEAKS)
    assert (made.seconds, made.fastest, made.slowest, made.calls) == (0.25, 0.2, 0.5, 3)
    assert made.samples_per_second == 32
    assert (made.flops, made.flops_per_second, made.memory_bytes) == (30, 120, 7)
    assert made.share_of_peak == pytest.approx((10 / 100 + 20 / 400) / 0.25)


def test_a_share_is_of_the_peak_of_the_type_that_is_computed_in():
    assert share_of_peak({"float32": 50}, 1.0, PEAKS) == pytest.approx(0.5)
    assert share_of_peak({"bfloat16": 50}, 1.0, PEAKS) == pytest.approx(0.125)
    assert share_of_peak({}, 1.0, PEAKS) is None
    assert share_of_peak({"float64": 50}, 1.0, PEAKS) is None


def test_the_report_agrees_with_itself(report):
    peak = {peak.dtype: peak.flops_per_second for peak in report.peaks}
    assert set(peak) == {"float32", "bfloat16"}
    for m in report.measurements:
        assert m.fastest <= m.seconds <= m.slowest
        assert m.flops_per_second * m.seconds == pytest.approx(m.flops)
        assert m.samples_per_second * m.seconds == pytest.approx(m.batch)
        assert m.batch == (STEP_BATCH if m.what in TRAININGS else BATCH)
        assert (m.share_of_peak is None) == (m.flops == 0)
        if m.flops:
            assert m.share_of_peak == pytest.approx(m.flops_per_second / peak["float32"])


def test_everything_is_measured(report):
    assert {m.what for m in report.measurements} == {"encode", *ATTACKS, *TRAININGS}
    assert {p.what for p in report.promises} == set(run.PROMISES)
    assert report.skipped == ()
    assert all(p.kept == (p.seconds <= p.promised_seconds) for p in report.promises)


def test_the_report_grows(reports):
    assert (reports[0].measurements, reports[0].progress, len(reports[0].peaks)) == ((), 0, 2)
    shares = [report.progress for report in reports]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1


def cheap():
    return ATTACKS.make("pgd", steps=1)


def test_what_cannot_run_is_skipped_with_the_reason(monkeypatch):
    shrink(monkeypatch, side=16)  # too small for the generators, large enough for the encoders
    attacks = ("noise", "untrained_generator", "gan")
    monkeypatch.setattr(run, "ATTACKS", Registry("attack", {**{name: ATTACKS[name] for name in attacks}, "pgd": cheap}))
    report = run_bench("simvc")[-1]
    names = {"untrained_generator", "gan", "gan train step", run.FIRST_FRAME}
    assert {s.what for s in report.skipped} == names
    assert all("24 pixels" in s.reason for s in report.skipped)
    assert {m.what for m in report.measurements} == {"encode", "noise", "pgd", "train step"}
    assert report.progress == 1
    assert [n for n in notes(report) if n.startswith("Skipped gan of simvc: ")]


def test_a_new_attack_that_cannot_be_made_without_knobs_is_skipped(small, monkeypatch):
    def needy(*, knob):
        raise AssertionError

    monkeypatch.setattr(run, "ATTACKS", Registry("attack", {"needy": needy, "noise": ATTACKS["noise"]}))
    subject = run._prepare("simvc", empty_report(), CPU)
    with pytest.raises(LabError, match="knob"):
        subject.attack("needy")


def test_a_model_without_a_recipe_is_skipped(small, monkeypatch):
    monkeypatch.setattr(run, "RECIPES", Registry("recipe", {}))
    report = run_bench("simvc")[-1]
    assert [(s.model, s.what) for s in report.skipped] == [("simvc", "everything")]
    assert (report.measurements, report.progress) == ((), 1)


def test_memory_that_runs_out_is_a_reason_to_skip(small, monkeypatch):
    def hungry(subject):
        raise torch.OutOfMemoryError("much text")

    monkeypatch.setattr(run, "_encode", hungry)
    monkeypatch.setattr(run, "ATTACKS", Registry("attack", {}))
    results = run._bench_model("simvc", empty_report(), CPU)
    assert next(results)[1][0].reason == "The device's memory is too small for it."


def test_the_model_is_left_as_it_was(whole_run):
    _, subject, before = whole_run
    after = subject.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not subject.model.training
    assert not any(parameter.requires_grad for parameter in subject.model.parameters())


def test_the_same_seed_gives_the_same_pictures_and_weights(small):
    first, second = (run._prepare("simvc", empty_report(), CPU) for _ in range(2))
    assert torch.equal(first.data(3).views[1], second.data(3).views[1])
    assert all(view.min() >= 0 and view.max() <= 1 for view in first.data(3).views)
    pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.slow
def test_bfloat16_is_asked_of_everything(small):
    subject = run._prepare("simvc", replace(empty_report(), spec=BenchSpec(seconds=0, precision="bfloat16")), CPU)
    parts = run._parts(subject)
    types = {what: set(parts[what]()[0].flops_by_dtype) for what in ("encode", "fgsm", "gan", *TRAININGS)}
    both = {"bfloat16", "float32"}
    assert types == {"gan": {"float32"}, **dict.fromkeys(("encode", "fgsm", *TRAININGS), both)}


def test_becomes_json_and_comes_back(report):
    values = json.loads(json.dumps(asdict(report)))
    assert values["spec"]["dataset"] == "noisy_digits"
    assert len(values["measurements"]) == len(report.measurements)


def test_the_tables_are_full(report):
    for header, table in (rows(report), promise_rows(report)):
        assert table
        assert {len(row) for row in table} == {len(header)}
        assert all(isinstance(cell, str) for row in table for cell in row)
    noise = next(row for row in rows(report)[1] if row[1] == "noise")
    assert noise.count("-") >= 3
    assert any("float32" in line and "GFLOP/s" in line for line in notes(report))
    assert not [line for line in notes(report) if "busy" in line] or report.load > 0.5
    assert [line for line in notes(replace(report, load=3.0)) if "busy" in line]
    assert [line for line in notes(replace(report, tensor_float=True)) if "TF32" in line]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"dataset": "nosy_digits"}, "Did you mean noisy_digits"),
        ({"models": ("simvc", "cmovc")}, "Did you mean comvc"),
        ({"batch": 0}, "A batch must have"),
        ({"batch": 10**9}, "A batch must have"),
        ({"seconds": -1.0}, "A measurement takes"),
        ({"seconds": float("nan")}, "A measurement takes"),
        ({"epsilon": 1.5}, "ε must lie"),
        ({"epsilon": -0.1}, "ε must lie"),
        ({"precision": "float8"}, "float32 or bfloat16"),
        ({"seed": -1}, "A seed must lie"),
    ],
)
def test_bad_input_gets_one_sentence(knobs, words):
    with pytest.raises(LabError, match=words):
        BenchSpec(**knobs)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(LabError, match="no device"):
        next(bench(BenchSpec(), device="abacus"))


def test_no_model_named_means_all(small, monkeypatch):
    monkeypatch.setattr(run, "RECIPES", Registry("recipe", {}))
    assert [s.model for s in run_bench()[-1].skipped] == list(MODELS)


def test_repeats_until_the_time_is_over_but_at_least_three_times(monkeypatch):
    monkeypatch.setattr(meter, "time_call", lambda call, device: 0.25)
    assert len(meter.repeat(lambda: None, CPU, 0)[0]) == 3
    assert len(meter.repeat(lambda: None, CPU, 2.0)[0]) == 8
    monkeypatch.setattr(meter, "MOST", 5)
    assert len(meter.repeat(lambda: None, CPU, 2.0)[0]) == 5


def test_the_memory_of_a_call_is_what_it_held_at_once():
    size = 2**26
    code = f"""
import torch
from core.bench import meter
print(meter.repeat(lambda: torch.ones({size} // 4).sum(), torch.device("cpu"), 0)[1])
"""
    command = [sys.executable, "-c", code]  # a fresh heap: this one's holes may hold a first call's memory or not
    told = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True).stdout
    if told.strip() == "None":
        assert meter.memory_means(CPU).startswith("not measured")
        pytest.skip(meter.memory_means(CPU))
    assert size * 0.9 < int(told) < size * 1.5  # three calls, one after the other


def test_no_memory_is_told_where_the_peak_cannot_be_reset(monkeypatch):
    class Locked:
        def __init__(self, path):
            pass

        def write_text(self, text, encoding):
            raise PermissionError

    monkeypatch.setattr(meter, "Path", Locked)
    assert meter.repeat(lambda: None, CPU, 0)[1] is None
    assert meter.memory_means(CPU).startswith("not measured")


def test_a_device_has_a_name_and_a_load():
    assert meter.device_name(CPU)
    assert meter.load() is None or meter.load() >= 0


def test_larger_products_are_not_tried_once_one_is_slow(monkeypatch):
    tried = []
    monkeypatch.setattr(meter, "_best", lambda call, device, seconds: tried.append(call) or 1.0)
    assert len(meter._products(torch.float32, CPU, 0)) == len(tried) == 1


def test_the_usual_batch_is_smaller_for_larger_pictures():
    shapes = {"small": ((1, 28, 28),) * 2, "large": ((3, 128, 64),) * 2, "huge": ((3, 4096, 4096),)}
    batches = [run.usual_batch(SimpleNamespace(view_shapes=s), CPU) for s in shapes.values()]
    assert batches == [32, 4, 2]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_measures_a_gpu(monkeypatch):
    shrink(monkeypatch)
    for name in ("PRODUCT_SIDES", "CONVOLUTIONS", "COPIED"):
        monkeypatch.setitem(getattr(meter, name), "cuda", getattr(meter, name)["cpu"])
    for capture in (False, True):
        spec = BenchSpec(models=("simvc",), batch=BATCH, seconds=0.2, capture=capture)
        *_, report = bench(spec, device="cuda")
        assert report.skipped == ()
        assert all(m.memory_bytes is not None for m in report.measurements)
