"""The bench itself: model after model, through the functions that the lab uses, by their public names.

Networks are untrained and pictures random: neither changes how long anything takes.
"""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from statistics import median
from typing import Any

import torch

from core.attacks import ATTACKS
from core.attacks.base import Attack, Budget
from core.attacks.gan import GenerativeAttack
from core.attacks.generators import make_generators
from core.bench.meter import (
    FEWEST,
    Call,
    count_flops,
    device_name,
    kind,
    load,
    measure_peak,
    memory_means,
    repeat,
    time_call,
)
from core.bench.records import BenchReport, BenchSpec, Measurement, PromiseCheck, Result, Skipped, measurement
from core.data import DATASET_FACTS, DatasetFacts
from core.errors import LabError
from core.frames import attack_in_chunks, encode, make_frame, make_subject
from core.lab import CONTROLS
from core.models import MODELS
from core.models.base import ClusteringModel
from core.recipes import RECIPES, recipe_name
from core.recipes.base import AttackerRecipe, Recipe
from core.records import EpochLog
from core.runtime import find_device
from core.trainers import Training, attacker_training, model_training
from core.training import fit
from core.types import MultiViewDataset

PIXELS = {"cpu": 2**16, "cuda": 2**21}  # of all views of a usual batch: 32 and 1024 samples of two 28 x 28 views
EPOCH_BATCHES = 20  # of a timed epoch at most, and no more than the data set has
WARM_UP = 6  # steps, in whole epochs: what a phase does before its first, and recording a CUDA graph
EPOCHS = 10_000  # more than are ever timed
DTYPES = (torch.float32, torch.bfloat16)

# What design.md promises (section 7) on two CPU cores, in seconds.
GAN_SAMPLES, PGD_SAMPLES = 256, 64
FIRST_FRAME = f"gan, {GAN_SAMPLES} samples: first frame of the ε grid"
FIRST_STEP, ALL_STEPS = f"pgd, {PGD_SAMPLES} samples: first step", f"pgd, {PGD_SAMPLES} samples: all 10 steps"
PROMISES = {FIRST_FRAME: 1.5, FIRST_STEP: 0.5, ALL_STEPS: 5.0}

SHORTEST = {"ensemble": {"steps": 1, "targets": 1, "restarts": 1}}  # whose length depends on who is moved

Part = Callable[[], tuple[Result, ...]]


def bench(spec: BenchSpec, *, device: str | None = None) -> Iterator[BenchReport]:
    """Measure model after model; yields the report as it grows, first with nothing but the device's peaks.

    ``device`` is "cpu", "cuda", …, or the best there is. Raises :class:`LabError` for a device that is not there.
    What cannot run is in ``skipped`` with the reason. Nothing is read from the disk and nothing is written.
    """
    place = find_device(device)
    report = BenchReport(
        spec=spec,
        device=str(place),
        device_name=device_name(place),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        load=load(),
        tensor_float=torch.backends.cudnn.allow_tf32 if place.type == "cuda" else None,
        memory_means=memory_means(place),
        batch=spec.batch or usual_batch(DATASET_FACTS[spec.dataset], place),
        peaks=tuple(measure_peak(dtype, place, seconds=spec.seconds) for dtype in DTYPES),
    )
    yield report
    names = spec.models or tuple(MODELS)
    for i, name in enumerate(names):
        for share, results in _bench_model(name, report, place):
            report = replace(
                report,
                measurements=report.measurements + tuple(r for r in results if isinstance(r, Measurement)),
                skipped=report.skipped + tuple(r for r in results if isinstance(r, Skipped)),
                promises=report.promises + tuple(r for r in results if isinstance(r, PromiseCheck)),
                progress=(i + share) / len(names),
            )
            yield report


def usual_batch(facts: DatasetFacts, device: torch.device) -> int:
    """A power of two, smaller for larger pictures, so that time and memory are alike for all data sets."""
    pixels = sum(height * width for _, height, width in facts.view_shapes)
    return int(2 ** max(1, int(math.log2(PIXELS[kind(device)] / pixels))))


@dataclass(frozen=True)
class _Subject:
    """One model with all that measuring it needs."""

    name: str
    model: ClusteringModel  # untrained and frozen, as the library hands out trained ones
    recipe: Recipe
    report: BenchReport
    facts: DatasetFacts
    device: torch.device

    @property
    def attacker(self) -> AttackerRecipe:
        assert isinstance(self.recipe.attacker, AttackerRecipe)
        return self.recipe.attacker

    @property
    def budget(self) -> Budget:
        return Budget(epsilon=self.report.spec.epsilon)

    def data(self, n_samples: int) -> MultiViewDataset:
        """Random pictures of the data set's shapes, V x (N, C, H, W) in [0, 1], and random labels."""
        generator = torch.Generator().manual_seed(self.report.spec.seed)
        views = tuple(torch.rand(n_samples, *shape, generator=generator) for shape in self.facts.view_shapes)
        labels = torch.randint(len(self.facts.class_names), (n_samples,), generator=generator)
        return MultiViewDataset("random", views, labels, self.facts.class_names).to(self.device)

    def attack(self, name: str) -> Attack:
        """An attack with its defaults; "gan" with untrained generators, the ensemble as short as it goes."""
        if ATTACKS[name] is not GenerativeAttack:
            return _with_defaults(name)
        knobs: dict[str, Any] = {
            "weight_std": self.attacker.weight_std,
            "generator": torch.Generator().manual_seed(self.report.spec.seed),
            "device": self.device,
        }
        generators = make_generators(self.facts.view_shapes, **knobs)
        return GenerativeAttack(generators=generators.eval().requires_grad_(False))


def _with_defaults(name: str) -> Attack:
    try:
        signature(ATTACKS[name]).bind()
    except TypeError as error:
        raise LabError(f"The bench does not know what {name} needs: {error}.") from error
    return ATTACKS.make(name, **SHORTEST.get(name, {}))


def _prepare(name: str, report: BenchReport, device: torch.device) -> _Subject:
    spec, facts = report.spec, DATASET_FACTS[report.spec.dataset]
    if recipe_name(spec.dataset, name, "lab") not in RECIPES:
        raise LabError(f"The lab has no recipe for {name} on {spec.dataset}.")
    recipe = RECIPES.make(recipe_name(spec.dataset, name, "lab"), precision=spec.precision)
    if not isinstance(recipe.attacker, AttackerRecipe):
        raise LabError(f"The bench measures models that a GAN attacks; {name} is attacked in its latent.")
    recipe = replace(recipe, attacker=replace(recipe.attacker, precision=spec.precision))
    model = _model_training(recipe, facts, spec.seed, device).result
    assert isinstance(model, ClusteringModel)
    return _Subject(name, model.eval().requires_grad_(False), recipe, report, facts, device)


def _model_training(recipe: Recipe, facts: DatasetFacts, seed: int, device: torch.device) -> Training:
    return model_training(recipe, facts.view_shapes, len(facts.class_names), seed=seed, device=device)


def _bench_model(name: str, report: BenchReport, device: torch.device) -> Iterator[tuple[float, tuple[Result, ...]]]:
    """Share of the parts that are done, and what the last of them gave."""
    try:
        subject = _prepare(name, report, device)
    except LabError as error:
        yield 1.0, (Skipped(model=name, what="everything", reason=str(error)),)
        return
    parts = _parts(subject)
    for i, (what, part) in enumerate(parts.items(), start=1):
        try:
            results = part()
        except LabError as error:
            results = (Skipped(model=name, what=what, reason=str(error)),)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            results = (Skipped(model=name, what=what, reason="The device's memory is too small for it."),)
        yield i / len(parts), results


def _parts(subject: _Subject) -> dict[str, Part]:
    """Everything that is measured of a model, by name."""
    seed = subject.report.spec.seed
    trainings = {
        "train step": lambda: _model_training(subject.recipe, subject.facts, seed, subject.device),
        "gan train step": lambda: attacker_training(subject.attacker, subject.model, seed=seed, device=subject.device),
    }
    return {
        "encode": partial(_encode, subject),
        **{name: partial(_attack, subject, name) for name in ATTACKS},
        **{what: partial(_step, subject, what, make) for what, make in trainings.items()},
        FIRST_FRAME: partial(_first_frame, subject),
        ALL_STEPS: partial(_steps, subject),
    }


def _encode(subject: _Subject) -> tuple[Measurement]:
    """Inference in evaluation mode, the whole batch at once."""
    views = subject.data(subject.report.batch).views

    def call() -> None:
        with torch.inference_mode():
            subject.model.encode(views)

    return _measure(subject, "encode", call)


def _attack(subject: _Subject, name: str) -> tuple[Measurement]:
    """An attack on the whole batch at once."""
    views = subject.data(subject.report.batch).views
    attack = subject.attack(name)
    return _measure(subject, name, lambda: attack(subject.model, views, subject.budget))


def _measure(subject: _Subject, what: str, call: Call) -> tuple[Measurement]:
    report = subject.report
    flops = count_flops(call)  # warms up as well
    times, memory = repeat(call, subject.device, report.spec.seconds)
    return (measurement(subject.name, what, report.batch, times, flops, memory, report.peaks),)


def _step(subject: _Subject, what: str, make: Callable[[], Training]) -> tuple[Measurement]:
    """One batch in a training's last phase, from whole epochs of ``fit``: as many batches as the time allows."""
    spec, training = subject.report.spec, make()
    size = training.batch_size
    with closing(_epochs(training, subject.data(size), capture=False)) as logs:
        flops = count_flops(lambda: next(logs))
        times, memory = repeat(lambda: next(logs), subject.device, spec.seconds)
    most = min(EPOCH_BATCHES, subject.facts.samples // 2 // size)  # a training has half of the samples
    n_batches = min(most, int(spec.seconds / median(times) / FEWEST))
    if n_batches > 1:
        with closing(_epochs(training, subject.data(n_batches * size), capture=spec.capture)) as logs:
            for _ in range(0, WARM_UP, n_batches):
                next(logs)
            times, _ = repeat(lambda: next(logs), subject.device, spec.seconds)
        times = [epoch / n_batches for epoch in times]
    return (measurement(subject.name, what, size, times, flops, memory, subject.report.peaks),)


def _epochs(training: Training, data: MultiViewDataset, *, capture: bool) -> Generator[EpochLog, None, None]:
    """Epochs of the last phase without end, though the phase may have an end of its own."""
    knobs: dict[str, Any] = {"capture": True} if capture else {}
    last = replace(training.phases[-1], epochs=EPOCHS)
    while True:
        yield from fit([last], data, batch_size=training.batch_size, generator=training.generator, **knobs)


def _first_frame(subject: _Subject) -> tuple[PromiseCheck, ...]:
    """As the lab's sweep does it: the clean frame, the attack, its frame, and the controls' frames."""
    data, model, seed = subject.data(GAN_SAMPLES), subject.model, subject.report.spec.seed
    attacks = [subject.attack("gan"), *(subject.attack(name) for name in CONTROLS)]

    def frames() -> None:
        encoding = encode(model, data.views)
        attacked = make_subject(data, encoding, model.n_clusters, "")
        clean = make_frame(attacked, None, data.views, encoding, epsilon=0.0)
        for attack in attacks:
            *_, (_, views) = attack_in_chunks(attack, model, data.views, subject.budget, seed=seed)
            make_frame(attacked, clean, views, encode(model, views), epsilon=subject.budget.epsilon)

    frames()
    return (_check(subject, FIRST_FRAME, time_call(frames, subject.device)),)


def _steps(subject: _Subject) -> tuple[PromiseCheck, ...]:
    """The clean encoding and PGD's first step, then the others."""
    data, seed = subject.data(PGD_SAMPLES), subject.report.spec.seed
    steps = attack_in_chunks(subject.attack("pgd"), subject.model, data.views, subject.budget, seed=seed)

    def first() -> None:
        encode(subject.model, data.views)
        next(steps)

    until_first = time_call(first, subject.device)
    others = time_call(lambda: list(steps), subject.device)
    return _check(subject, FIRST_STEP, until_first), _check(subject, ALL_STEPS, until_first + others)


def _check(subject: _Subject, what: str, seconds: float) -> PromiseCheck:
    promised = PROMISES[what]
    kept = seconds <= promised
    return PromiseCheck(model=subject.name, what=what, promised_seconds=promised, seconds=seconds, kept=kept)
