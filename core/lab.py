"""The front door of pages and command line: specs go in, records come out."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from core import confusions, lessons, sweep_scores, theorem, traces
from core.attack_making import make_attack, norm, objectives, target_mode, weights_behind
from core.attacks import ATTACKS
from core.attacks.base import Budget
from core.ceiling import ceiling, distances
from core.certify.results import RobustResult, RobustSpec
from core.certify.room import Certifying
from core.checkpoint_training import train_checkpoint
from core.data import DATASET_FACTS, DATASETS, DatasetFacts
from core.errors import LabError
from core.findings import Evidence, findings
from core.frames import (
    attack_in_chunks,
    clean_scores,
    draw_order,
    encode,
    first_look,
    look_bytes,
    make_frame,
    scores_under_all,
    watched,
)
from core.latent import attack as latent_attack
from core.latent.room import Latents
from core.library import Library
from core.maps import MAP_SAMPLES, Maps
from core.metrics import match
from core.neighbours.room import Neighbours
from core.own.probe import make_reference, probe
from core.own.records import ProbeReport, Reference
from core.recipes import models_of
from core.records import (
    AttackReport,
    AttackScores,
    AttackSpec,
    CheckpointCard,
    ConfusionRecord,
    EpochLog,
    Floats,
    Frame,
    MapRecord,
    MatchingLesson,
    Scores,
    Subject,
    SweepReport,
    SweepScores,
    SweepSpec,
    TrainSpec,
)
from core.runtime import checkpoint_folder, find_device, run_folder
from core.shelf import Shelf
from core.store import ResultStore
from core.studies.room import Studies
from core.table_records import ResultTable
from core.tables import Sources, make_table
from core.theorem_records import TheoremReport, TheoremSpec
from core.trace_records import TraceReport, TraceSpec
from core.training_intents import repeats, training_of
from core.training_plans import plan_training
from core.training_records import TrainingPlan
from core.types import MultiViewDataset

MOST_CONTROLS = 20_000  # scores of a control, some hundred bytes each: every attack on the same samples has the same
MOST_REFERENCES, MOST_LOOKS = 2**27, 2**27  # bytes of clean samples with what models say of them, kept once used
CONTROLS = ("noise", "untrained_generator")  # stand beside every attack, at the same budget


class Lab:
    """Data sets, models and attackers by name, kept once loaded; safe to share between threads.

    Folders default to the environment's (LAB_CHECKPOINTS, LAB_DATA, LAB_RUNS) or the project's own; the device
    to the best there is. Every method raises :class:`LabError` with one sentence for what is not there.
    """

    def __init__(
        self,
        *,
        checkpoints: Path | None = None,
        data: Path | None = None,
        runs: Path | None = None,
        device: str | None = None,
        store: ResultStore | None = None,
    ) -> None:
        self.library = Library(checkpoints=checkpoint_folder(checkpoints), data=data, device=find_device(device))
        self._runs = run_folder(runs)
        self._store = store or ResultStore()
        self._maps = Maps(self.library, self._store)
        self._looks: Shelf[tuple[Subject, Frame]] = Shelf(MOST_LOOKS, look_bytes)
        self._controls: Shelf[dict[str, AttackScores]] = Shelf(MOST_CONTROLS, len)
        self._references: Shelf[Reference] = Shelf(MOST_REFERENCES, lambda reference: reference.nbytes)

    @property
    def device(self) -> str:
        """Where models run: "cpu" or "cuda"."""
        return str(self.library.device)

    def cards(self, kind: str = "model") -> tuple[CheckpointCard, ...]:
        """Every readable checkpoint of a kind in its card; those that cannot be read are named by :meth:`problems`."""
        return self.library.cards(kind)

    def has_model(self, dataset: str, name: str) -> bool:
        """Whether there is such a checkpoint, one that was written a moment ago too."""
        return self.library.find(dataset, name) is not None

    def problems(self) -> tuple[str, ...]:
        """One sentence for each checkpoint that cannot be read."""
        return self.library.problems()

    def dataset_facts(self, name: str) -> DatasetFacts:
        """What is known of a data set without building it."""
        DATASETS[name]
        return DATASET_FACTS[name]

    def dataset_titles(self) -> dict[str, str]:
        """Every data set of pictures, with a checkpoint or without: name to title."""
        return {name: DATASET_FACTS[name].title for name in DATASETS if DATASET_FACTS[name].has_pictures}

    def models(self, dataset: str) -> tuple[str, ...]:
        """The models that can be trained on a data set."""
        return models_of(dataset)

    def attacks(self, dataset: str, model: str) -> tuple[str, ...]:
        """The attacks that can run on a checkpoint: all of them, ``gan`` only with an attacker trained for it."""
        trained = self.attacker(dataset, model) is not None
        return tuple(name for name in ATTACKS if name != "gan" or trained)

    def objectives(self, dataset: str, *models: str) -> tuple[str, ...]:
        """What FGSM and PGD can maximise on all of these checkpoints, the usual one first."""
        return objectives(self.library, dataset, models)

    def attacker(self, dataset: str, model: str) -> CheckpointCard | None:
        """The card of the attacker trained against exactly these weights of a checkpoint, if there is one."""
        return self.library.attacker(self.library.card(dataset, model))

    def evaluate(self, dataset: str, model: str) -> dict[str, Scores]:
        """The clean scores of a checkpoint on all of the training part ("train") and the held-out part ("held_out")."""
        network = self.library.model(self.library.card(dataset, model))
        parts = zip(("train", "held_out"), self.library.parts(dataset), strict=True)
        return {name: clean_scores(network, part) for name, part in parts}

    def train(
        self, spec: TrainSpec, *, overwrite: bool = False, capture: bool = False
    ) -> Generator[EpochLog, None, CheckpointCard]:
        """Train a model or an attacker epoch by epoch, then publish it as a checkpoint, whose card is returned.

        What was finished before, in an earlier process too, is not done again. A checkpoint that another
        training made keeps its name unless ``overwrite``: the new one then takes a name with a digest.
        ``capture`` replays steps as CUDA graphs on a GPU.
        """
        return train_checkpoint(self.library, self._runs, spec, overwrite=overwrite, capture=capture)

    @property
    def latents(self) -> Latents:
        """ALRDC: attacks on the latent of a clustering network, and their tables."""
        return Latents(self.library, self._store, self.sweep)

    @property
    def certify(self) -> Certifying:
        """ClusTR: its rows, and the small networks of the plane with their certificates."""
        return Certifying(self.library, self._store)

    def robust(self, spec: RobustSpec, *, ship: bool = False) -> Iterator[tuple[float, RobustResult | None]]:
        """Every attack of ClusTR's table on one classifier; yields the share that is done, at last with the row."""
        drawn = AttackSpec(dataset=spec.dataset, model="", attack="noise", epsilon=0.0, samples=spec.samples)
        return self.certify.robust(spec, self._samples(replace(drawn, seed=spec.seed)), ship=ship)

    @property
    def studies(self) -> Studies:
        """Trials of varied trainings, and attackers on other models: what the tables need beyond checkpoints."""
        return Studies(self.library, self._runs, self._store)

    @property
    def neighbours(self) -> Neighbours:
        """NCP-ACL's rows, and samples pushed from one cluster of a representation to another."""
        return Neighbours(self.library, self._store)

    @property
    def runs_folder(self) -> Path:
        """Where trainings keep what they have done."""
        return self._runs

    def training_plan(self, spec: TrainSpec, *, replace_other: bool = False) -> TrainingPlan:
        """What :meth:`train` would do with this spec, the checkpoint's name and what it would cost."""
        return plan_training(self.library, spec, replace_other=replace_other)

    def attack(self, spec: AttackSpec) -> AttackReport:
        """One attack at one ε."""
        *_, report = self.sweep(SweepSpec(attack=spec, points=2))
        return AttackReport(spec=spec, subject=report.subject, clean=report.frames[0], attacked=report.frames[-1])

    def sweep(self, spec: SweepSpec) -> Iterator[SweepReport]:
        """One attack along ε: the clean frame at once, then a report after every step, with a frame more per ε."""
        attack_spec = spec.attack
        if attack_spec.norm == "gamma" or attack_spec.attack in latent_attack.ATTACKS:
            yield from latent_attack.sweep(self.library, spec, self._samples(attack_spec))
            return
        mode = target_mode(attack_spec)
        card = self.library.card(attack_spec.dataset, attack_spec.model)
        attack = make_attack(self.library, attack_spec)
        model = self.library.model(card)
        if mode == "train":
            model = deepcopy(model)  # the shared one stays in evaluation mode for everyone else
        samples = self._samples(attack_spec)
        Budget(epsilon=0, views=attack_spec.views).covers(len(samples.views))
        look = partial(first_look, model, samples, card, mode, CONTROLS)
        key = (card.dataset, card.sha256, attack_spec.samples, attack_spec.seed)
        subject, clean = look() if mode == "train" else self._looks.get(key, look)
        beside = {name: ATTACKS.make(name, target_mode=mode) for name in CONTROLS}
        report = SweepReport(spec=spec, subject=subject, frames=(clean,))
        yield report
        for i, epsilon in enumerate(spec.epsilons[1:]):
            start = time.perf_counter()
            budget = Budget(epsilon=epsilon, norm=norm(attack_spec), views=attack_spec.views)
            running = attack_in_chunks(attack, model, samples.views, budget, seed=attack_spec.seed)
            adversarial, ensemble = yield from watched(running, report, i)
            frame = make_frame(
                subject,
                clean,
                adversarial,
                encode(model, adversarial, mode),
                epsilon=epsilon,
                seconds=time.perf_counter() - start,
                ensemble=ensemble,
            )
            under = partial(scores_under_all, beside, model, samples, subject, clean, budget, seed=attack_spec.seed)
            controls = self._controls.get((*key, mode, budget), under)
            frames = (*report.frames, replace(frame, controls=controls))
            report = replace(report, frames=frames, progress=(i + 1) / (spec.points - 1))
            yield report

    def keep(self, report: SweepReport, *, ship: bool = False) -> None:
        """Keep a finished sweep's numbers for :meth:`scores`, in the user's cache or beside those that ship.

        A full disk, or a checkpoint that is gone, only matters to what ships. Raises :class:`LabError` for a sweep
        that is not finished.
        """
        attack = report.spec.attack
        try:
            card = self.library.card(attack.dataset, attack.model)
            scores = sweep_scores.scores_of(report, weights_behind(self.library, attack, card))
        except LabError:
            if ship or not report.finished:
                raise
            return  # the checkpoint was removed while it was attacked
        if card.sha256 == report.subject.card_digest:  # else it was trained again meanwhile
            with nullcontext() if ship else suppress(LabError):
                sweep_scores.save(self._store, scores, shipped=ship)
                confusions.save(self._store, confusions.confusions_of(report), scores.attacker_digest, shipped=ship)

    def scores(self, spec: SweepSpec, *, shipped_only: bool = False) -> SweepScores | None:
        """The kept numbers of a sweep on today's weights, None where none are kept. Runs nothing."""
        card = self.library.card(spec.attack.dataset, spec.attack.model)
        attacker = weights_behind(self.library, spec.attack, card)
        return sweep_scores.load(self._store, spec, card.sha256, attacker, shipped_only=shipped_only)

    def confusion(self, spec: SweepSpec, *, shipped_only: bool = False) -> ConfusionRecord | None:
        """The kept confusion matrices of a sweep on today's weights, None where none are kept. Runs nothing."""
        card = self.library.card(spec.attack.dataset, spec.attack.model)
        attacker = weights_behind(self.library, spec.attack, card)
        return confusions.load(self._store, spec, card.sha256, attacker, shipped_only=shipped_only)

    def table(self, name: str, protocol: str = "lab") -> ResultTable:
        """One of the paper's tables, ours beside it, from cards and kept sweeps. Runs nothing."""
        sources = Sources(
            models=self.cards("model"),
            attackers=self.cards("attacker"),
            facts=DATASET_FACTS,
            stored=self.scores,
            trial=self.studies.kept_trial,
            training=training_of,
            repeats=repeats,
        )
        return make_table(name, sources, protocol)

    def findings(self) -> dict[str, list[str]]:
        """What the kept numbers say of the paper, sentences by chapter. Runs nothing."""
        return findings(
            Evidence(
                table_1=self.table("table_1"),
                protocols={protocol: self.table("table_1", protocol) for protocol in ("released", "paper")},
                cards=self.cards("model"),
                attackers=self.cards("attacker"),
                sweep=self.scores,
                transfer=self.studies.kept_transfer,
                trial=self.studies.kept_trial,
            )
        )

    def theorem(self, spec: TheoremSpec, *, ship: bool = False) -> Iterator[TheoremReport]:
        """Both sides of Theorem 4.2 along ε: at once where they are kept, else measured ε by ε, and then kept."""
        card = self.library.card(spec.dataset, spec.model)
        kept = theorem.load(self._store, spec, card.sha256)
        if kept is not None:
            yield kept
            return
        samples = self._samples(
            AttackSpec(dataset=spec.dataset, model=spec.model, attack="pgd", epsilon=max(spec.epsilons),
                       samples=spec.samples, seed=spec.seed)
        )  # fmt: skip
        for report in theorem.measure(self.library.model(card), samples.views, spec, card.sha256):
            yield report
        with nullcontext() if ship else suppress(LabError):
            theorem.save(self._store, report, shipped=ship)

    def ceilings(self, dataset: str, epsilons: Sequence[float], *, samples: int) -> dict[float, float]:
        """The most ACC that any model can keep on held-out samples, by ε (L∞, all views): see :mod:`core.ceiling`."""
        drawn = self._samples(
            AttackSpec(dataset=dataset, model="", attack="noise", epsilon=max(epsilons), samples=samples)
        )
        apart, labels = distances([view.cpu().numpy() for view in drawn.views]), drawn.labels.cpu().numpy()
        return {epsilon: ceiling(apart, labels, epsilon) for epsilon in epsilons}

    def matching_lesson(self, case: str) -> MatchingLesson:
        """A worked example of frozen and re-matched scores: a name in core.lessons.CASES."""
        return lessons.matching_lesson(case)

    def kept_theorem(self, spec: TheoremSpec) -> TheoremReport | None:
        """The kept measurement on today's weights, None where there is none. Runs nothing."""
        return theorem.load(self._store, spec, self.library.card(spec.dataset, spec.model).sha256)

    def trace(self, spec: TraceSpec) -> Iterator[TraceReport]:
        """PGD on a few samples step by step: clean, the random start, then a frame a step; a report after each.

        A sample starts where an attack on the whole held-out part with this seed starts it, whoever comes with it.
        """
        card = self.library.card(spec.dataset, spec.model)
        train, held_out = self.library.parts(spec.dataset)
        clusters = self._maps.fitted(card, "pca")[2]
        labels = held_out.labels[: len(clusters)].cpu().numpy()
        return traces.trace(
            spec,
            self.library.model(card),
            held_out,
            whole=len(train) + len(held_out),
            matching=match(labels, clusters, n_clusters=card.n_clusters, n_labels=len(held_out.class_names)),
            card_digest=card.sha256,
        )

    def reference(self, dataset: str, model: str) -> Reference:
        """The clean held-out samples that one's own are compared with, as a checkpoint clusters them; kept."""
        card = self.library.card(dataset, model)

        def make() -> Reference:
            held_out = self.library.parts(dataset)[1]
            samples = held_out.take(torch.arange(min(MAP_SAMPLES, len(held_out)), device=held_out.labels.device))
            return make_reference(samples, self._maps.encoding(card), card.n_clusters, len(held_out))

        return self._references.get(card.sha256, make)

    def probe(self, spec: SweepSpec, views: tuple[Floats, ...]) -> Iterator[ProbeReport]:
        """One's own samples, V x (N, C, H, W) in [0, 1], under one attack along ε; N is the spec's ``samples``."""
        card = self.library.card(spec.attack.dataset, spec.attack.model)
        attack, reference = make_attack(self.library, spec.attack), self.reference(card.dataset, card.name)
        return probe(spec, card, self.library.model(card), attack, views, reference, controls=CONTROLS)

    def map(self, report: SweepReport | TraceReport | ProbeReport, method: str = "pca") -> MapRecord:
        """Where the samples of a report lie: "pca" at once, "umap" after a fit of some seconds, which is then kept."""
        spec = report.spec.attack
        projection, reference, clusters = self._maps.fitted(self.library.card(spec.dataset, spec.model), method)
        points = np.stack([projection.place(frame.hidden) for frame in report.frames])
        return MapRecord(method=method, points=points, reference=reference, reference_clusters=clusters)

    def fit_map(self, card: CheckpointCard) -> None:
        """Fit a checkpoint's UMAP map, unless it is stored, and keep it beside the results that come with the lab."""
        self._maps.fit_umap(card)

    def _samples(self, spec: AttackSpec) -> MultiViewDataset:
        """The spec's samples of the held-out part, chosen by its seed."""
        held_out = self.library.parts(spec.dataset)[1]
        if spec.samples > len(held_out):
            raise LabError(
                f"The held-out part of {spec.dataset} has {len(held_out)} samples, fewer than {spec.samples}."
            )
        rows = draw_order(len(held_out), spec.seed)[: spec.samples]
        return held_out.take(rows.to(held_out.labels.device))
