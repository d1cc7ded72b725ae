"""From the recipe of a representation to the phases that ``fit`` runs: SimCLR, a robust stage, a linear head."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from core.attacks.base import Budget
from core.augmentation import AUGMENTATIONS
from core.defenses import DEFENSES
from core.defenses.contrastive import Adversary, LinearFineTuning, Pair, probe, pseudo_trades, simclr
from core.errors import LabError
from core.lars import Lars
from core.models.base import RepresentationModel
from core.models.representation import Representation
from core.recipes.base import FineTuning, InnerBudget, Optimisation, Recipe, RepresentationLearning, RobustStage
from core.training import Augmentation, Loss, Phase, Supervised, Update, adam, cosine, sgd
from core.types import Views

HIGH = 0.25  # AdvCL: a disc of radius 8 in pictures of 32 pixels is taken out of the spectrum
START_RATE = 0.003  # DeACL: where its warm-up begins
SHIFTED = ("ncp_acl", "deacl", "rocl")  # whose batches are weakly augmented before anything else
LATE = 0.1  # of the head's learning rate


def representation_phases(
    recipe: Recipe, model: Representation, labels: Tensor | None, *, seed: int
) -> tuple[list[Phase], Pair]:
    """The phases, and the pair whose student is the result. Raises :class:`LabError` without ``labels`` (N,)."""
    if labels is None:
        raise LabError(f"The linear head of {recipe.model} is trained with labels; they are missing.")
    learning = recipe.defense
    assert isinstance(learning, RepresentationLearning)
    pair, schedule = Pair(model), recipe.schedule
    first = schedule.epochs if learning.second is None else schedule.pretraining_epochs
    contrast = simclr(pair, augmentation=_strong(learning, 1.0), temperature=learning.temperature)
    phases = [_phase("SimCLR", pair, contrast, learning.first, first)]
    if learning.second is not None:
        phases += _robust_phases(pair, learning, learning.second, schedule.epochs, seed)
    phases = [replace(phase, unlabelled=True) for phase in phases]
    return [*phases, _linear_phase(model, learning.fine_tuning, labels)], pair


def _robust_phases(
    pair: Pair, learning: RepresentationLearning, stage: RobustStage, epochs: int, seed: int
) -> list[Phase]:
    """The second stage; in pieces where its loss changes with time."""
    how, pieces = stage.optimisation, _pieces(stage, epochs)
    optimizer = _optimizer(how, pair.student.parameters())
    rates = cosine(how.learning_rate, epochs, warm_up=how.warm_up_epochs, first=START_RATE)
    phases, done = [], 0
    for i, length in enumerate(pieces):
        name = stage.method if len(pieces) == 1 else f"{stage.method}, part {i + 1}"
        phase = Phase(
            name,
            length,
            pair,
            (Update(_loss(pair, learning, stage, i / len(pieces)), optimizer),),
            augmentation=AUGMENTATIONS.make(how.augmentation) if stage.method in SHIFTED else None,
            start=partial(_begin, pair, stage, seed) if i == 0 else None,
            refresh=partial(_cluster, pair.student, seed) if stage.refresh else None,
            rates=rates[done : done + length],
            batch_size=how.batch_size,
        )
        phases.append(phase)
        done += length
    return phases + (_afterwards(pair, stage, seed) if stage.afterwards else [])


def _pieces(stage: RobustStage, epochs: int) -> list[int]:
    """How many epochs each piece has."""
    count = min(epochs, 1 if stage.growth is None else stage.growth[0])
    return [epochs * (i + 1) // count - epochs * i // count for i in range(count)]


def _loss(pair: Pair, learning: RepresentationLearning, stage: RobustStage, share: float) -> Loss:
    """The method's loss once ``share`` of the stage lies behind."""
    loss: Loss
    knobs: dict[str, Any] = {"adversary": adversary(stage.inner)}
    if stage.method in ("ncp_acl", "deacl"):
        knobs |= {"weight": stage.weight}
        knobs |= {"strategy": stage.strategy, "rank": stage.rank} if stage.method == "ncp_acl" else {}
        loss = DEFENSES.make(stage.method, pair=pair, **knobs)
        return loss
    grown = 0.0 if stage.growth is None else share  # DYNACL's augmentation fades as its attacked contrast grows
    knobs |= {"augmentation": _strong(learning, 1 - grown), "temperature": learning.temperature}
    if stage.method == "rocl":
        knobs |= {"weight": stage.weight}
    elif stage.method == "advcl":
        knobs |= {"scale": stage.scale, "radius": HIGH * pair.student.view_shapes[0][1]}
    else:
        knobs |= {"adversarial_weight": 1 + grown * (stage.growth[1] if stage.growth else 0)}
    loss = DEFENSES.make(stage.method, pair=pair, **knobs)
    return loss


def _begin(pair: Pair, stage: RobustStage, seed: int, views: Views) -> None:
    """What the second stage starts from: SimCLR's encoder as student and teacher, and its clusters."""
    pair.begin()
    if stage.method == "ncp_acl":
        pair.student.choose_clusters(pair.student.all_representations(views, 0), seed=seed)


def _cluster(student: RepresentationModel, seed: int, views: Views) -> None:
    """Move the centroids after the student, by the set of batch norms that it is attacked with."""
    student.place_centroids(student.all_representations(views, 1), seed=seed)


def _afterwards(pair: Pair, stage: RobustStage, seed: int) -> list[Phase]:
    """DYNACL++: the student's own clusters as labels, of the head alone and then of everything under TRADES."""
    assert stage.afterwards is not None
    count, head_epochs, epochs = stage.afterwards
    how, student = stage.optimisation, pair.student
    weak = AUGMENTATIONS.make(how.augmentation)

    def label(views: Views) -> None:
        pair.teach()
        pair.teacher.place_means(views, count, seed=seed)

    head = Update(probe(pair), sgd(student.head.parameters(), how.learning_rate, weight_decay=0.0))
    loss = pseudo_trades(pair, adversary=adversary(stage.inner), weight=stage.weight or 0.0)
    both = Update(loss, sgd(student.parameters(), how.learning_rate, weight_decay=how.weight_decay))
    return [
        Phase("pseudo-labels, head", head_epochs, pair, (head,), start=label, batch_size=how.batch_size),
        Phase(
            "pseudo-labels, TRADES",
            epochs,
            pair,
            (both,),
            augmentation=weak,
            rates=cosine(how.learning_rate, epochs),
            batch_size=how.batch_size,
        ),
    ]


def _linear_phase(model: Representation, tuning: FineTuning, labels: Tensor) -> Phase:
    """The head alone, from zero."""
    head = LinearFineTuning(model, labels, None if tuning.inner is None else adversary(tuning.inner))
    optimizer = sgd(model.head.parameters(), tuning.learning_rate, weight_decay=tuning.weight_decay)
    falls = [sum(epoch >= late for late in tuning.late) for epoch in range(tuning.epochs)]
    return Phase(
        "linear head",
        tuning.epochs,
        model.head,
        (Update(Supervised(head.terms, head.targets), optimizer),),
        start=head.prepare,
        refresh=head.remember,
        rates=tuple(tuning.learning_rate * LATE**fall for fall in falls),
        batch_size=tuning.batch_size,
    )


def _phase(name: str, pair: Pair, loss: Loss, how: Optimisation, epochs: int) -> Phase:
    update = Update(loss, _optimizer(how, pair.student.parameters()))
    rates = cosine(how.learning_rate, epochs, warm_up=how.warm_up_epochs)
    return Phase(name, epochs, pair, (update,), rates=rates, batch_size=how.batch_size)


def _optimizer(how: Optimisation, parameters: Iterable[nn.Parameter]) -> Optimizer:
    if how.optimizer == "adam":
        return adam(parameters, how.learning_rate)
    made = sgd if how.optimizer == "sgd" else Lars
    return made(parameters, how.learning_rate, weight_decay=how.weight_decay)


def _strong(learning: RepresentationLearning, strength: float) -> Augmentation:
    """The contrast's augmentation."""
    made = AUGMENTATIONS.make(learning.first.augmentation, strength=strength)
    assert made is not None
    return made


def adversary(inner: InnerBudget) -> Adversary:
    """PGD with the recipe's numbers."""
    return Adversary(budget=Budget(epsilon=inner.epsilon), steps=inner.steps, step_size=inner.step_size)
