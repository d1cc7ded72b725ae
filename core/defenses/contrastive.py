"""Robust contrastive learning: NCP-ACL (section 3.2) and what it is compared with, as losses of one trainer.

All have one student; those with a second stage start it from SimCLR's encoder, which is then also the frozen teacher
f1. No label is read here. Adversaries query the student in evaluation mode, by its adversarial set of batch norms.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from core.attacks.base import Budget, still
from core.attacks.objectives import Objective, Strategy, pursuit
from core.attacks.pgd import ProjectedGradientDescent
from core.losses.robust import divergence
from core.losses.robust_contrastive import (
    faithfulness,
    high_frequencies,
    likeness,
    nt_xent,
    nt_xent_rows,
    steadiness,
)
from core.models.base import RepresentationModel
from core.training import Augmentation, Loss
from core.types import LossTerms, Views

CLEAN, ADVERSARIAL = 0, 1  # kinds of input: which set of batch norms


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """PGD inside training: steps, their size, and the budget."""

    budget: Budget
    steps: int
    step_size: float

    def __call__(
        self, model: RepresentationModel, views: Views, objective: Objective, generator: torch.Generator
    ) -> Views:
        """Views that maximise the objective from a random start."""
        attack = ProjectedGradientDescent(steps=self.steps, step_size=self.step_size, objective=objective)
        return attack(model, views, self.budget, generator=generator)


class Pair(nn.Module):
    """A student and its frozen teacher f1, which stays in evaluation mode; the student is the result."""

    student: RepresentationModel
    teacher: RepresentationModel

    def __init__(self, student: RepresentationModel) -> None:
        super().__init__()
        self.student = student
        self.teacher = deepcopy(student).requires_grad_(False)

    def train(self, mode: bool = True) -> "Pair":
        """The student's mode; the teacher's is always evaluation."""
        super().train(mode)
        self.teacher.eval()
        return self

    def teach(self) -> None:
        """Make the student of this moment the teacher."""
        self.teacher.load_state_dict(self.student.state_dict(), strict=True)

    def begin(self) -> None:
        """Start the second stage: every set of batch norms as the clean one, the student as its own teacher."""
        self.student.spread_norms()
        self.teach()


def simclr(pair: Pair, *, augmentation: Augmentation, temperature: float) -> Loss:
    """Stage 1 (Chen et al., ICML 2020): two versions of a picture find each other."""

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        versions = _together(augmentation(views, generator), augmentation(views, generator))
        return {"contrast": nt_xent(*_projections(pair.student, versions, CLEAN, 2), temperature=temperature)}

    return terms


def ncp_acl(pair: Pair, *, adversary: Adversary, weight: float, strategy: Strategy, rank: int) -> Loss:
    """Eq. 3 with adversarial pictures of Eq. 4: away from the own centroid, toward a neighbouring one, or both."""

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        objective = pursuit(pair.student.centroid_rows(), strategy=strategy, rank=rank)
        attacked = adversary(pair.student, views, objective, generator)
        return _distil(pair, views, attacked, weight)

    return terms


def deacl(pair: Pair, *, adversary: Adversary, weight: float) -> Loss:
    """DeACL (Zhang et al., ECCV 2022): as :func:`ncp_acl`, but away from the teacher's representation (Eq. 2)."""

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        with torch.no_grad():
            taught = pair.teacher.represent(views, CLEAN)
        attacked = adversary(pair.student, views, lambda _, there: -likeness(there.hidden, taught), generator)
        return _distil(pair, views, attacked, weight)

    return terms


def acl(
    pair: Pair, *, adversary: Adversary, augmentation: Augmentation, temperature: float, adversarial_weight: float
) -> Loss:
    """ACL's dual stream (Jiang et al., NeurIPS 2020): the contrast of two versions, and of both attacked.

    ((2 - w) clean + w adversarial) / 2; w = 1 is ACL, DYNACL (Luo et al., ICLR 2023) lets it grow.
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        versions = _together(augmentation(views, generator), augmentation(views, generator))
        attacked = adversary(pair.student, versions, _apart(pair.student, 2, temperature), generator)
        clean = nt_xent(*_projections(pair.student, versions, CLEAN, 2), temperature=temperature)
        adversarial = nt_xent(*_projections(pair.student, attacked, ADVERSARIAL, 2), temperature=temperature)
        shares = ((2 - adversarial_weight) / 2, adversarial_weight / 2)
        return {"contrast": shares[0] * clean, "adversarial_contrast": shares[1] * adversarial}

    return terms


def advcl(
    pair: Pair, *, adversary: Adversary, augmentation: Augmentation, temperature: float, scale: float, radius: float
) -> Loss:
    """AdvCL (Fan et al., NeurIPS 2021) without its pseudo-labels, which need an encoder trained on ImageNet.

    Four versions find each other: the attacked picture, two augmented ones and its high frequencies. ``scale`` is the
    loss's weight, τ / 0.07 in the paper's code.
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        student = pair.student
        filtered = tuple(high_frequencies(view, radius) for view in views)
        others = _together(augmentation(views, generator), augmentation(views, generator), filtered)
        clean = _projections(student, others, CLEAN, 3)
        projector = still(student.projector)
        fixed = [rows.detach() for rows in clean]

        def away(_: object, there: object) -> Tensor:
            rows = nt_xent_rows(projector(there.hidden), *fixed, temperature=temperature)  # type: ignore[attr-defined]
            return rows.reshape(4, -1).mean(dim=0)

        attacked = adversary(student, views, away, generator)
        adversarial = student.project(attacked, ADVERSARIAL)
        return {"contrast": scale * nt_xent(adversarial, *clean, temperature=temperature)}

    return terms


def rocl(pair: Pair, *, adversary: Adversary, augmentation: Augmentation, temperature: float, weight: float) -> Loss:
    """RoCL (Kim et al., NeurIPS 2020): three versions, two augmented and one of them attacked, find each other.

    ``weight`` is of the extra contrast between the attacked version and the other augmented one. One set of norms.
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        student = pair.student
        first, second = augmentation(views, generator), augmentation(views, generator)
        one, other = _projections(student, _together(first, second), CLEAN, 2)
        projector, fixed = still(student.projector), other.detach()

        def away(_: object, there: object) -> Tensor:
            rows = nt_xent_rows(projector(there.hidden), fixed, temperature=temperature)  # type: ignore[attr-defined]
            return rows.reshape(2, -1).mean(dim=0)

        attacked = adversary(student, first, away, generator)
        third = student.project(attacked, CLEAN)
        return {
            "contrast": 2 * nt_xent(one, other, third, temperature=temperature),
            "adversarial_contrast": weight * nt_xent(third, other, temperature=temperature),
        }

    return terms


def probe(pair: Pair) -> Loss:
    """DYNACL++'s first step: the head learns the teacher's clusters, the encoder stays."""

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        features = pair.student.all_representations(views, ADVERSARIAL)
        return {"cross_entropy": cross_entropy(pair.student.head(features), pair.teacher.nearest(views))}

    return terms


def pseudo_trades(pair: Pair, *, adversary: Adversary, weight: float) -> Loss:
    """DYNACL++'s second step: TRADES on the teacher's clusters, encoder and head.

    The KL has no gradient at the clean pictures, so the attack starts from noise (facts, section 4).
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        targets = pair.teacher.nearest(views)
        attacked = adversary(pair.student, views, lambda here, there: divergence(here.logits, there.logits), generator)
        clean, adversarial = (pair.student.logits(batch, ADVERSARIAL) for batch in (views, attacked))
        return {
            "cross_entropy": cross_entropy(clean, targets),
            "divergence": weight * divergence(clean, adversarial).mean(),
        }

    return terms


class LinearFineTuning:
    """The head alone learns the labels: on clean pictures (SLF), or on those that an ``adversary`` attacks (ALF).

    Clean representations do not change, so that they are found once for all epochs.
    """

    def __init__(self, model: RepresentationModel, labels: Tensor, adversary: Adversary | None) -> None:
        self.model = model
        self.labels = labels  # (N,)
        self.adversary = adversary
        self._clean: Tensor | None = None  # (N, D)

    @property
    def targets(self) -> Tensor:
        """Label and place of each sample, (N, 2)."""
        return torch.stack((self.labels, torch.arange(len(self.labels), device=self.labels.device)), dim=1)

    @torch.no_grad()
    def prepare(self, views: Views) -> None:
        """Empty the head before the first epoch; whatever was in its place is gone."""
        for parameter in self.model.head.parameters():
            parameter.zero_()

    def remember(self, views: Views) -> None:
        """Find the representations of all samples, once."""
        if self._clean is None and self.adversary is None:
            self._clean = self.model.all_representations(views, ADVERSARIAL)

    def terms(self, views: Views, targets: Tensor, generator: torch.Generator) -> LossTerms:
        """The head's cross-entropy with the labels of ``targets`` (B, 2)."""
        labels, places = targets.T
        if self.adversary is not None:
            attacked = self.adversary(
                self.model, views, lambda _, there: cross_entropy(there.logits, labels, reduction="none"), generator
            )
            features = self.model.all_representations(attacked, ADVERSARIAL)
        else:
            assert self._clean is not None
            features = self._clean[places]
        return {"cross_entropy": cross_entropy(self.model.head(features), labels)}


def _distil(pair: Pair, views: Views, attacked: Views, weight: float) -> LossTerms:
    """Eq. 3: true to the teacher on clean pictures, steady under attack; no side of the second term is detached."""
    with torch.no_grad():
        taught = pair.teacher.represent(views, CLEAN)
    clean = pair.student.represent(views, CLEAN)
    adversarial = pair.student.represent(attacked, ADVERSARIAL)
    return {"faithfulness": faithfulness(clean, taught), "steadiness": weight * steadiness(adversarial, clean)}


def _together(*versions: Views) -> Views:
    """Versions of a batch, one behind the other."""
    return tuple(torch.cat(parts) for parts in zip(*versions, strict=True))


def _projections(student: RepresentationModel, versions: Views, kind: int, count: int) -> tuple[Tensor, ...]:
    return student.project(versions, kind).chunk(count)


def _apart(student: RepresentationModel, count: int, temperature: float) -> Objective:
    """The contrast between versions that lie one behind the other, of each row."""
    projector = still(student.projector)
    return lambda _, there: nt_xent_rows(*projector(there.hidden).chunk(count), temperature=temperature)
