"""RCD-MVC, robust cluster distillation: this lab's own defense, beside the two of AR-DMVC's paper.

A clean CL-MVC is a good clustering, so it need not be found again under attack: it teaches. Its student starts from
its weights and learns to give attacked samples the clusters that the teacher gives the clean ones (adversarially robust
distillation: Goldblum et al., AAAI 2020, there with labels). No label is read anywhere.

A student may learn to hide from the few steps of the inner attack (catastrophic overfitting: Wong et al., ICLR 2020),
and the loss then looks better than ever. So an attack of more steps can decide which epoch is kept (as Rice et al.,
ICML 2020, stop early, there with labels).
"""

from copy import deepcopy

import torch
from torch import nn

from core.attacks.base import Attack, Budget
from core.losses.distillation import distillation
from core.models.base import ClusteringModel
from core.training import Augmentation, Loss
from core.types import LossTerms, Views

SELECTION_SAMPLES = 200  # the first of the training


class Distillation(nn.Module):
    """A student, its frozen teacher, the moving average of the student's weights, which is the result, and its best.

    All stay in evaluation mode, the student too: batch norm keeps the statistics that the teacher's training left, so
    that the inner attack, the loss and the finished model are one and the same function.
    """

    def __init__(self, student: ClusteringModel) -> None:
        super().__init__()
        self.student = student
        self.teacher = deepcopy(student).requires_grad_(False)
        self.average = deepcopy(student).requires_grad_(False)
        self.best = deepcopy(student).requires_grad_(False)
        self.survivors = nn.Buffer(torch.tensor(-1.0))  # the share of samples that the best one kept; -1 for none yet

    def train(self, mode: bool = True) -> "Distillation":
        """Evaluation mode, whatever is asked."""
        return super().train(False)

    def begin(self, views: Views) -> None:
        """Take the student as it is now for the teacher, and for the first average."""
        for copy in (self.teacher, self.average):
            copy.load_state_dict(self.student.state_dict(), strict=True)

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the average towards the student by a share of 1 - ``decay``."""
        for kept, new in zip(self.average.parameters(), self.student.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)

    def select(self, views: Views, *, attack: Attack, budget: Budget) -> None:
        """Keep the average as it is now if no earlier one kept more of the teacher's clusters under ``attack``.

        Counted are the first :data:`SELECTION_SAMPLES` of the views, the same random start each time.
        """
        self.eval()  # a training that was just restored has not been asked for it yet
        few = tuple(view[:SELECTION_SAMPLES] for view in views)
        generator = torch.Generator(few[0].device).manual_seed(0)
        attacked = attack(self.average, few, budget, generator=generator)
        with torch.no_grad():
            survived = self.average.encode(attacked).clusters == self.teacher.encode(few).clusters
        share = survived.float().mean()
        if share >= self.survivors:
            self.survivors.copy_(share)
            self.best.load_state_dict(self.average.state_dict(), strict=True)

    def settle(self) -> None:
        """Take the best average for the result."""
        self.average.load_state_dict(self.best.state_dict(), strict=True)


def rcd_mvc(
    model: Distillation,
    *,
    attack: Attack,
    budget: Budget,
    adversarial_weight: float,
    decay: float,
    augmentation: Augmentation | None = None,
) -> Loss:
    """Distillation on clean views plus ``adversarial_weight`` times distillation on attacked views.

    The teacher sees the batch as it is, the student after the ``augmentation``, which therefore must leave a sample
    its cluster. ``attack`` meets the student of the moment. ``decay`` is of the moving average, a step.
    """

    def terms(views: Views, generator: torch.Generator) -> LossTerms:
        model.follow(decay)
        with torch.no_grad():
            taught = model.teacher.encode(views).probs  # (B, K)
        seen = views if augmentation is None else augmentation(views, generator)
        attacked = attack(model.student, seen, budget, generator=generator)
        clean, adversarial = (model.student.encode(batch).probs for batch in (seen, attacked))
        return {
            "distillation": distillation(clean, taught),
            "adversarial_distillation": adversarial_weight * distillation(adversarial, taught),
        }

    return terms
