"""Small worked examples for the guide: made-up counts, scored by the functions that score everything else."""

import numpy as np

from core.errors import LabError
from core.metrics import accuracy, match, score
from core.records import Integers, MatchingLesson, Scores
from core.registry import unknown

CLASSES = ("0", "1", "2")
CASES = {  # counts of 60 samples: label by cluster
    "clean": ((20, 0, 0), (0, 19, 1), (0, 1, 19)),
    "swapped": ((0, 19, 1), (20, 0, 0), (0, 1, 19)),
    "merged": ((1, 19, 0), (0, 20, 0), (1, 0, 19)),
    "scattered": ((7, 6, 7), (7, 7, 6), (6, 7, 7)),
}


def matching_lesson(case: str) -> MatchingLesson:
    """Sixty samples of three digits after something happened to them, with both matchings.

    The frozen matching is that of the case "clean". Raises :class:`LabError` for a name not in CASES.
    """
    if case not in CASES:
        raise LabError(unknown("case", case, CASES))
    frozen = match(*_samples("clean"))
    labels, clusters = _samples(case)
    again = score(labels, clusters)
    return MatchingLesson(
        class_names=CLASSES,
        counts=np.array(CASES[case], dtype=np.int64),
        frozen=frozen,
        rematched=match(labels, clusters, n_clusters=len(CLASSES), n_labels=len(CLASSES)),
        frozen_scores=Scores(accuracy(labels, clusters, frozen), again.nmi, again.ari),
        rematched_scores=again,
    )


def _samples(case: str) -> tuple[Integers, Integers]:
    """The labels and the clusters (60,) behind the counts."""
    counts = np.array(CASES[case], dtype=np.int64)
    labels, clusters = np.indices(counts.shape).reshape(2, -1).repeat(counts.ravel(), axis=1)
    return labels, clusters
