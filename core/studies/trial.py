"""One trial: train a model as its recipe says but for a change, and an attacker on it; score, and keep no weights."""

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from core.attacks import ATTACKS
from core.attacks.base import Attack, Budget, TargetMode
from core.attacks.gan import GenerativeAttack
from core.attacks.generators import Generators
from core.checkpoint_training import (
    seconds_spent,
    train_best,
    trained,
    training_parts,
    warm_up_alone,
)
from core.errors import LabError
from core.files import write_atomically
from core.frames import encode, make_frame, make_subject, scores_under
from core.library import Library
from core.models.base import ClusteringModel
from core.recipes.base import AdversarialTraining, AttackerRecipe, Recipe
from core.records import AttackScores, EpochLog, Frame, Scores, Subject, digest
from core.runs import RunFolder
from core.runtime import commit
from core.studies.records import ATTACKERS_OWN, Change, EpochScores, Provenance, TrialRecord, TrialSpec, plain
from core.trainers import Training, attacker_training, model_training
from core.training_intents import attacker_recipe, model_recipe
from core.types import MultiViewDataset

EPOCHS = "epochs.json"
UNTRAINED: dict[str, dict[str, Any]] = {  # how a state is made that needs no attacker
    "noise": {"name": "noise"},
    "untrained_generator": {"name": "untrained_generator"},
    "pgd": {"name": "pgd", "objective": "both"},
    "pgd_assignment": {"name": "pgd", "objective": "assignment"},
}
BY_EPOCH = ("noise", "pgd", "pgd_assignment")


def run_trial(
    library: Library, runs: Path, spec: TrialSpec, *, capture: bool = False
) -> Generator[EpochLog, None, TrialRecord]:
    """Yield every epoch of model and attacker, return the scores; what an earlier process finished is not done again.

    Raises :class:`LabError` for unknown names and for data sets whose pictures do not fit each other.
    """
    start = time.perf_counter()
    train, held_out = training_parts(library, spec.train)
    train, scored = train.only(spec.classes), _scored(library, spec, held_out)
    folder = RunFolder(runs / f"trial-{spec.training_digest[:16]}")
    with folder.claim(plain(spec.train)):
        recipe = changed(model_recipe(spec.train), spec.change)
        epochs = _EpochScorer(folder.path, spec, scored)
        make = _maker(library, spec, recipe, train, epochs)
        trial = None if spec.by_epoch else warm_up_alone(recipe, make)
        training = train_best(folder, train, make, trial, recipe.runs, capture=capture)
        best, weights = yield from epochs.follow(training) if spec.by_epoch else training
        model = trained(make(best), weights)
        assert isinstance(model, ClusteringModel)
        attacks = {name: _make_attack(state) for name, state in UNTRAINED.items() if name in spec.states}
        if "gan" in spec.states:
            attacks["gan"] = yield from _train_attacker(library, folder, spec, model, capture)
        clean, states = score(model, scored, attacks, spec)
        seconds = max(time.perf_counter() - start, seconds_spent(folder))
        provenance = _provenance(library, spec, train, scored, best, seconds)
    return TrialRecord(spec=spec, clean=clean, states=states, epochs=epochs.scores(), provenance=provenance)


def changed(recipe: Recipe, change: Change) -> Recipe:
    """The recipe but for a change. Raises :class:`LabError` where there is nothing to change."""
    defense = recipe.defense
    values = _wished(change, "adversarial_weight", "mitigation_weight")
    if not isinstance(defense, AdversarialTraining):
        if values or change.inner_epsilon is not None:
            raise LabError(f"{recipe.model} has no adversarial training whose numbers could be changed.")
        return recipe
    defense = replace(defense, **values)
    if change.inner_epsilon is not None:
        share = change.inner_epsilon / defense.stages[-1].epsilon
        stages = tuple(replace(stage, epsilon=stage.epsilon * share) for stage in defense.stages)
        defense = replace(defense, stages=stages)
    return replace(recipe, defense=defense)


def changed_attacker(recipe: AttackerRecipe, change: Change) -> AttackerRecipe:
    """The attacker's recipe but for a change."""
    return replace(recipe, **_wished(change, *ATTACKERS_OWN))


def _wished(change: Change, *names: str) -> dict[str, Any]:
    """What a change says of some numbers."""
    values = {name: getattr(change, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def score(
    model: ClusteringModel, scored: MultiViewDataset, attacks: Mapping[str, Attack], spec: TrialSpec
) -> tuple[AttackScores, dict[str, tuple[AttackScores, ...]]]:
    """The scores of the clean samples, and of each attack at each of the spec's ε."""
    states = {}
    clean = None
    for name, attack in attacks.items():
        subject, frame = _clean(model, scored, attack.target_mode)
        clean = clean or frame
        states[name] = tuple(
            scores_under(attack, model, scored, subject, frame, Budget(epsilon=epsilon), seed=spec.train.seed)
            for epsilon in spec.epsilons
        )
    clean = clean or _clean(model, scored, "eval")[1]
    return clean.scores, states


def _clean(model: ClusteringModel, scored: MultiViewDataset, mode: TargetMode) -> tuple[Subject, Frame]:
    encoding = encode(model, scored.views, mode)
    subject = make_subject(scored, encoding, encoding.probs.shape[1], "")
    return subject, make_frame(subject, None, scored.views, encoding, epsilon=0.0)


def _make_attack(knobs: Mapping[str, Any]) -> Attack:
    return ATTACKS.make(**knobs)


def _scored(library: Library, spec: TrialSpec, held_out: MultiViewDataset) -> MultiViewDataset:
    """The held-out samples to be attacked."""
    data = library.parts(spec.scored_on)[1] if spec.scored_on else held_out
    data = data.only(spec.scored_classes)
    if data.view_shapes != held_out.view_shapes:
        raise LabError(f"Pictures of {spec.dataset} do not have the shapes of {spec.train.dataset}'s.")
    return data.take(torch.arange(min(spec.scored_samples, len(data)), device=data.labels.device))


def _maker(
    library: Library, spec: TrialSpec, recipe: Recipe, data: MultiViewDataset, epochs: "_EpochScorer"
) -> Callable[[int], Training]:
    def make(run: int) -> Training:
        seed = spec.train.seed + run
        training = model_training(recipe, data.view_shapes, data.n_clusters, seed=seed, device=library.device)
        epochs.model = training.result
        return training

    return make


def _train_attacker(
    library: Library, folder: RunFolder, spec: TrialSpec, model: ClusteringModel, capture: bool
) -> Generator[EpochLog, None, Attack]:
    """Train generators against the model on the data set that it is attacked on."""
    precision = spec.train.precision
    wish = replace(spec.train, dataset=spec.dataset, epochs=spec.attacker_epochs, runs=None, precision=precision)
    usual = attacker_recipe(wish, spec.train.model)
    assert isinstance(usual, AttackerRecipe)
    recipe = changed_attacker(usual, spec.change)
    train, held_out = training_parts(library, replace(wish, samples=spec.train.samples))
    data = (train if recipe.trained_on == "train" else held_out).only(spec.scored_classes)

    def make(_: int) -> Training:
        return attacker_training(recipe, model, seed=spec.train.seed, device=library.device)

    own = RunFolder(folder.path / f"attacker-{digest(plain(spec))[:16]}")
    _, weights = yield from train_best(own, data, make, None, 1, capture=capture)
    generators = trained(make(0), weights)
    assert isinstance(generators, Generators)
    return GenerativeAttack(generators=generators, target_mode=recipe.target_mode)


def _provenance(
    library: Library, spec: TrialSpec, train: MultiViewDataset, scored: MultiViewDataset, best: int, seconds: float
) -> Provenance:
    return Provenance(
        data_sha256=_data_digest(train, scored),
        training_samples=len(train),
        scored_samples=len(scored),
        chosen_seed=spec.train.seed + best,
        device=str(library.device),
        torch=torch.__version__,
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
    )


def _data_digest(*parts: MultiViewDataset) -> str:
    """SHA-256 (hex) of all pixels and labels."""
    content = sha256()
    for part in parts:
        for tensor in (*part.views, part.labels):
            content.update(tensor.cpu().numpy().tobytes())
    return content.hexdigest()


@dataclass
class _EpochScorer:
    """Scores the model in training after every epoch and keeps that in the trial's folder."""

    folder: Path
    spec: TrialSpec
    scored: MultiViewDataset
    model: torch.nn.Module | None = None  # the one that is being trained

    def follow(self, training: Generator[EpochLog, None, Any]) -> Generator[EpochLog, None, Any]:
        """The training itself, scored after every epoch."""
        while True:
            try:
                log = next(training)
            except StopIteration as end:
                return end.value
            self._keep(log)
            try:
                yield log
            except GeneratorExit:
                training.close()
                raise

    def scores(self) -> tuple[EpochScores, ...]:
        """Every epoch so far, in order."""
        rows = sorted(self._rows().items())
        return tuple(
            EpochScores(
                epoch=epoch,
                phase=row["phase"],
                scores={state: Scores(**values) for state, values in row["scores"].items()},
            )
            for epoch, row in rows
        )

    def _keep(self, log: EpochLog) -> None:
        assert isinstance(self.model, ClusteringModel)
        attacks = {name: _make_attack(UNTRAINED[name]) for name in BY_EPOCH if name in self.spec.states}
        spec = replace(self.spec, epsilons=(max(self.spec.epsilons),))
        clean, states = score(self.model, self.scored, attacks, spec)
        scores = {"clean": asdict(clean.frozen)} | {name: asdict(rows[0].frozen) for name, rows in states.items()}
        rows = self._rows() | {log.epoch: {"phase": log.phase, "scores": scores}}
        write_atomically(self.folder / EPOCHS, json.dumps(rows).encode())

    def _rows(self) -> dict[int, dict[str, Any]]:
        path = self.folder / EPOCHS
        if not path.is_file():
            return {}
        try:
            return {int(epoch): row for epoch, row in json.loads(path.read_bytes()).items()}
        except ValueError as error:
            raise LabError(f"The unfinished run in {self.folder} is damaged. Delete it to start anew.") from error
