"""A lab without models for tests of pages and figures: real digits, a nearest-centroid "model", the same records."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import fake_probe
import fake_studies
import fake_training
import numpy as np
from sklearn.datasets import load_digits

from core.confusions import confusions_of
from core.data import DATASET_FACTS, DatasetFacts
from core.errors import LabError
from core.lessons import matching_lesson
from core.own.records import ProbeReport, Reference
from core.recipes import models_of
from core.records import (
    AttackScores,
    CheckpointCard,
    ConfusionRecord,
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
from core.sweep_scores import scores_of
from core.table_records import ResultTable
from core.tables import Sources, make_table
from core.theorem_records import TheoremCurve, TheoremReport, TheoremSpec
from core.trace_records import TraceFrame, TraceReport, TraceSpec
from core.training_records import TrainingPlan

SHAPES = ((1, 28, 28), (1, 28, 28))
DIGEST = "9f2c41d07b5e" + "0" * 52
UNDER_ATTACK = {  # of the one attacker, ε = 0.3
    "clean": {"accuracy": 0.9, "nmi": 0.85, "ari": 0.8},
    "gan_frozen": {"accuracy": 0.2, "nmi": 0.1, "ari": 0.05},
    "gan_rematched": {"accuracy": 0.26, "nmi": 0.1, "ari": 0.05},
    "noise_frozen": {"accuracy": 0.87, "nmi": 0.8, "ari": 0.75},
    "noise_rematched": {"accuracy": 0.87, "nmi": 0.8, "ari": 0.75},
}


def card(name: str, dataset: str = "noisy_digits") -> CheckpointCard:
    return CheckpointCard(
        dataset=dataset,
        model=name.partition(".")[0],
        name=name,
        kind="model",
        protocol="lab",
        seed=0,
        view_shapes=SHAPES,
        n_clusters=10,
        samples=898,
        held_out_samples=899,
        recipe={},
        scores={"held_out": {"accuracy": 0.9, "nmi": 0.85, "ari": 0.8}},
        runs=[],
        bits=32,
        command=f"python -m core train {dataset}/{name}",
        training_seconds=60.0,
        device="cpu",
        torch="2.15",
        created="2026-01-01T00:00:00Z",
        sha256=DIGEST,
    )


class NothingCertified:
    """ClusTR's room before anything was trained."""

    def datasets(self) -> tuple[str, ...]:
        return ()

    def planes(self) -> dict[object, None]:
        return {}

    def kept_plane(self, spec: object) -> None:
        return None


class FakeLab:
    """Has the methods pages call on :class:`core.lab.Lab`. Each ε takes ``pace`` seconds."""

    device = "cpu"
    runs_folder = Path("no runs here")

    def __init__(self, *, checkpoints: Path | None = None, data: Path | None = None, pace: float = 0.0) -> None:
        self.pace = pace
        self.sweeps = 0
        self.references = {}
        self.kept: dict[str, SweepScores] = {}
        self.confusions: dict[str, ConfusionRecord] = {}
        self.measured: dict[str, TheoremReport] = {}
        self.studies = fake_studies.FakeStudies()
        self.neighbours = SimpleNamespace(cards=lambda: ())
        digits = load_digits()
        self.labels = digits.target.astype(np.int64)
        grey = np.kron(digits.images / 16.0, np.ones((1, 3, 3)))[:, None].astype(np.float32)
        grey = np.pad(grey, ((0, 0), (0, 0), (2, 2), (2, 2)))  # (N, 1, 28, 28)
        tall = np.pad(grey, ((0, 0), (0, 0), (18, 18), (2, 2)))
        tint = np.array([0.9, 0.6, 0.4], dtype=np.float32)[:, None, None]
        self.pictures = {"noisy_digits": grey, "noisy_fashion": grey, "synthetic_people": tall * tint}
        self.centroids = {
            name: np.stack([pictures[self.labels == k].mean(axis=0) for k in range(10)])
            for name, pictures in self.pictures.items()
        }

    def attacker(self, dataset: str, model: str) -> CheckpointCard | None:
        return replace(card(f"{model}.gan"), kind="attacker", target_sha256=DIGEST)

    def cards(self) -> tuple[CheckpointCard, ...]:
        models = (card("cl_mvc"), card("ar_dmvc"), card("ar_dmvc_am"), card("rcd_mvc"), card("simvc.released"))
        return (*models, card("cl_mvc", "noisy_fashion"), card("cl_mvc", "synthetic_people"))

    def has_model(self, dataset: str, name: str) -> bool:
        return (dataset, name) in [(card.dataset, card.name) for card in self.cards()]

    def problems(self) -> tuple[str, ...]:
        return ("checkpoints/noisy_digits/eamc: the weights do not have the digest its card names. Train it again.",)

    def attacks(self, dataset: str, model: str) -> tuple[str, ...]:
        return ("noise", "untrained_generator", "fgsm", "pgd", "gan")

    def objectives(self, dataset: str, *models: str) -> tuple[str, ...]:
        return ("both", "complementarity", "consistency", "assignment")

    def dataset_facts(self, dataset: str) -> DatasetFacts:
        return DATASET_FACTS[dataset]

    def dataset_titles(self) -> dict[str, str]:
        return {name: facts.title for name, facts in DATASET_FACTS.items() if facts.has_pictures}

    def models(self, dataset: str) -> tuple[str, ...]:
        return models_of(dataset)

    @property
    def certify(self) -> "NothingCertified":
        return NothingCertified()

    @property
    def latents(self) -> SimpleNamespace:
        return SimpleNamespace(datasets=tuple)

    def training_plan(self, spec: TrainSpec, *, replace_other: bool = False) -> TrainingPlan:
        if spec.samples == 666:
            raise LabError("The training part has fewer samples than 666.")
        return fake_training.plan(spec, replace_other=replace_other, possible=spec.dataset != "regdb")

    def sweep(self, spec: SweepSpec) -> Iterator[SweepReport]:
        self.sweeps += 1
        if spec.attack.samples > 1000:
            raise LabError("The held-out half has only 899 samples. Choose at most 899.")
        clean, labels, index = self._draw(spec)
        direction = self._direction(spec, clean)
        matching = np.arange(10)[::-1].copy()
        if spec.attack.dataset == "noisy_fashion":
            matching[4] = -1
        first = self._frame(spec, 0.0, clean, clean, labels, None)
        first = replace(first, controls=dict.fromkeys(("noise", "untrained_generator"), first.scores))
        subject = Subject(
            index=index,
            labels=labels,
            class_names=self.dataset_facts(spec.attack.dataset).class_names,
            n_clusters=10,
            matching=matching,
            card_digest=DIGEST,
        )
        frames = (first,)
        yield SweepReport(spec=spec, subject=subject, frames=frames)
        if spec.attack.seed == 13:
            raise RuntimeError("seed 13 breaks on purpose")
        for i, epsilon in enumerate(spec.epsilons[1:]):
            for step in range(4):
                time.sleep(self.pace / 4)
                share = (i + step / 4) / (spec.points - 1)
                yield SweepReport(spec=spec, subject=subject, frames=frames, progress=share)
            views = tuple(np.clip(v + epsilon * d, 0, 1) for v, d in zip(clean, direction, strict=True))
            frames = (*frames, self._frame(spec, epsilon, clean, views, labels, first))
            share = (i + 1) / (spec.points - 1)
            yield SweepReport(spec=spec, subject=subject, frames=frames, progress=share)

    def keep(self, report: SweepReport, *, ship: bool = False) -> None:
        self.kept[report.spec.digest] = scores_of(report)
        self.confusions[report.spec.digest] = confusions_of(report)

    def scores(self, spec: SweepSpec, *, shipped_only: bool = False) -> SweepScores | None:
        return self.kept.get(spec.digest)

    def confusion(self, spec: SweepSpec, *, shipped_only: bool = False) -> ConfusionRecord | None:
        return self.confusions.get(spec.digest)

    def table(self, name: str, protocol: str = "lab") -> ResultTable:
        sources = Sources(
            models=self.cards(),
            attackers=(replace(self.attacker("noisy_digits", "cl_mvc"), recipe={"epsilon": 0.3}, scores=UNDER_ATTACK),),
            facts=DATASET_FACTS,
            stored=lambda spec: self.kept.get(spec.digest),
            trial=self.studies.kept_trial,
            training=lambda card: None,
            repeats=lambda spec, card: False,
        )
        return make_table(name, sources, protocol)

    def findings(self) -> dict[str, list[str]]:
        return {"Before the attack": ["**NoisyMNIST**: 1 of 2 models."]}

    def theorem(self, spec: TheoremSpec, *, ship: bool = False) -> Iterator[TheoremReport]:
        yield self._theorem(spec, 1)
        time.sleep(self.pace)
        self.measured[spec.digest] = self._theorem(spec, len(spec.epsilons))
        yield self.measured[spec.digest]

    def kept_theorem(self, spec: TheoremSpec) -> TheoremReport | None:
        return self.measured.get(spec.digest)

    def _theorem(self, spec: TheoremSpec, done: int) -> TheoremReport:
        information = np.outer(spec.epsilons[:done], np.linspace(0.5, 1.5, spec.samples)).astype(np.float32)
        curve = TheoremCurve(information=information, bound=4 * information, moved=np.clip(information, 0, 1))
        curves = dict.fromkeys(("all", *spec.objectives), curve)
        return TheoremReport(spec=spec, card_digest=DIGEST, curves=curves, progress=done / len(spec.epsilons))

    def matching_lesson(self, case: str) -> MatchingLesson:
        return matching_lesson(case)

    def trace(self, spec: TraceSpec) -> Iterator[TraceReport]:
        index = np.array(spec.samples)
        if (index < 899).any():
            raise LabError(f"Sample {index.min()} of {spec.dataset} is in the part that models are trained on.")
        view = self.pictures[spec.dataset][index]
        clean = view, self._partner(view, 0)
        subject = Subject(
            index=index,
            labels=self.labels[index],
            class_names=self.dataset_facts(spec.dataset).class_names,
            n_clusters=10,
            matching=np.arange(10)[::-1].copy(),
            card_digest=DIGEST,
        )
        noise = [np.random.default_rng(spec.seed + v).uniform(-1, 1, view.shape) for v in range(2)]
        toward = self._direction(spec, clean)
        frames = ()
        for iteration in range(-1, spec.steps + 1):
            time.sleep(self.pace / 10)
            share = max(0, iteration) / spec.steps
            mixed = [share * d + (1 - share) * n * (d != 0) for d, n in zip(toward, noise, strict=True)]
            size = 0 if iteration < 0 else spec.epsilon
            views = tuple(np.clip(v + size * m, 0, 1).astype(np.float32) for v, m in zip(clean, mixed, strict=True))
            frames = (*frames, self._trace_frame(spec, clean, views))
            yield TraceReport(spec=spec, subject=subject, frames=frames, step_size=2.5 * spec.epsilon / spec.steps)

    def _trace_frame(self, spec, clean, views) -> TraceFrame:
        hidden, probs = self._hidden(spec.dataset, views)
        deltas = [(v - c).reshape(len(v), -1) for v, c in zip(views, clean, strict=True)]
        return TraceFrame(
            views=views,
            objective=((hidden - self._hidden(spec.dataset, clean)[0]) ** 2).sum(axis=1),
            probs=probs,
            hidden=hidden,
            linf=np.stack([np.abs(d).max(axis=1) for d in deltas]),
            l2=np.stack([np.linalg.norm(d, axis=1) for d in deltas]),
        )

    def reference(self, dataset: str, model: str) -> Reference:
        return fake_probe.reference(self, dataset)

    def probe(self, spec: SweepSpec, views) -> Iterator[ProbeReport]:
        return fake_probe.probe(self, spec, views)

    def map(self, report: SweepReport | TraceReport | ProbeReport, method: str = "pca") -> MapRecord:
        if method == "umap":
            time.sleep(self.pace * 5)
        reference, mean, axes = self._reference(report.spec.attack.dataset)
        bend = (lambda x: np.tanh(x / 2)) if method == "umap" else (lambda x: x)
        return MapRecord(
            method=method,
            points=np.stack([bend((frame.hidden - mean) @ axes) for frame in report.frames]).astype(np.float32),
            reference=bend((reference - mean) @ axes).astype(np.float32),
            reference_clusters=9 - self.labels[:600],
        )

    def _reference(self, dataset: str):
        if dataset not in self.references:
            pictures = self.pictures[dataset][:600]
            hidden, _ = self._hidden(dataset, (pictures, self._partner(pictures, 1)))
            mean = hidden.mean(axis=0)
            axes = np.linalg.svd(hidden - mean, full_matrices=False)[2][:2].T
            self.references[dataset] = hidden, mean, axes
        return self.references[dataset]

    def _draw(self, spec: SweepSpec):
        generator = np.random.default_rng(spec.attack.seed)
        index = np.sort(generator.permutation(898)[: spec.attack.samples]) + 899
        generator.shuffle(index)
        view = self.pictures[spec.attack.dataset][index]
        return (view, self._partner(view, spec.attack.seed)), self.labels[index], index.astype(np.int64)

    def _partner(self, view, seed):
        noise = np.random.default_rng(seed + 1).normal(0, 0.2, view.shape)
        return np.clip(view + noise, 0, 1).astype(np.float32)

    def _hidden(self, dataset, views):
        """Negative distance to each centroid, over both views, with cluster k standing for digit 9 - k."""
        centroids = self.centroids[dataset]
        far = sum(_distances(v.reshape(len(v), -1), centroids.reshape(10, -1)) for v in views)
        hidden = -far[:, ::-1] / 12
        probs = np.exp(hidden - hidden.max(axis=1, keepdims=True))
        return hidden.astype(np.float32), (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)

    def _direction(self, spec: SweepSpec, clean):
        generator = np.random.default_rng(spec.attack.seed)
        hidden, _ = self._hidden(spec.attack.dataset, clean)
        order = np.argsort(-hidden, axis=1)
        centroids = self.centroids[spec.attack.dataset]
        toward = centroids[9 - order[:, 1]] - centroids[9 - order[:, 0]]
        covered = spec.attack.views or (0, 1)
        strength = {"noise": 0.0, "untrained_generator": 0.3, "fgsm": 0.7}.get(spec.attack.attack, 1.0)
        if spec.attack.objective != "assignment":  # defenses help, but not against the strongest attack
            strength *= {"ar_dmvc": 0.5, "ar_dmvc_am": 0.4, "rcd_mvc": 0.3}.get(spec.attack.model, 1.0)
        signs = [np.sign(toward + 1e-3 * generator.normal(size=toward.shape)) for _ in clean]
        noise = [np.sign(generator.normal(size=toward.shape)) for _ in clean]
        picked = [np.where(generator.random(s.shape) < strength, s, n) for s, n in zip(signs, noise, strict=True)]
        return [(d if v in covered else 0 * d).astype(np.float32) for v, d in enumerate(picked)]

    def _frame(self, spec, epsilon, clean, views, labels, first) -> Frame:
        hidden, probs = self._hidden(spec.attack.dataset, views)
        clusters = probs.argmax(axis=1)
        before = clusters if first is None else first.clusters
        controls = {}
        if first is not None:
            for name, share in (("noise", 0.12), ("untrained_generator", 0.4)):
                mixed = np.where(np.arange(len(labels)) % 10 < 10 * share * epsilon / 0.3, clusters, before)
                controls[name] = _scores(labels, before, mixed, clean, views)
        return Frame(
            epsilon=epsilon,
            views=views,
            clusters=clusters,
            confidence=probs.max(axis=1),
            hidden=hidden,
            scores=_scores(labels, before, clusters, clean, views),
            controls=controls,
            seconds=self.pace,
        )


def _distances(points, centres):
    """Squared distance of every point to every centre."""
    return (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)


def _scores(labels, before, clusters, clean, views) -> AttackScores:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    accuracy = float((9 - clusters == labels).mean())
    nmi = float(normalized_mutual_info_score(labels, clusters))
    ari = float(adjusted_rand_score(labels, clusters))
    best = max(np.bincount((clusters + labels) % 10, minlength=10).max() / len(labels), accuracy)
    deltas = [a - c for a, c in zip(views, clean, strict=True)]
    return AttackScores(
        frozen=Scores(accuracy, nmi, ari),
        rematched=Scores(float(best), nmi, ari),
        changed=float((clusters != before).mean()),
        recall=tuple(
            float(np.mean(9 - clusters[labels == k] == k)) if (labels == k).any() else np.nan for k in range(10)
        ),
        l2=tuple(float(np.sqrt((d**2).sum(axis=(1, 2, 3))).mean()) for d in deltas),
        linf=tuple(float(np.abs(d).max()) for d in deltas),
    )
