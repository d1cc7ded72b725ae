"""What a student owes its teacher: the teacher's clusters (Hinton et al., 2015, without labels)."""

from torch import Tensor

LOG_FLOOR = 1e-12  # keeps log p finite in float32; far below any probability that matters


def distillation(student_probs: Tensor, teacher_probs: Tensor) -> Tensor:
    """Mean cross-entropy of the student's cluster probabilities (N, K) against the teacher's (N, K).

    Least where both agree; the gradient flows through the student's alone.
    """
    return -(teacher_probs.detach() * student_probs.clamp_min(LOG_FLOOR).log()).sum(dim=1).mean()
