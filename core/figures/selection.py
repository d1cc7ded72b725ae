"""Which samples are chosen, as the stage says it and the address carries it (assets/parts/selection.js).

Parts joined by "_": ``cell.clean.3.5`` or ``cell.now.3.5`` (label 3 in cluster 5, clean or at this ε), ``flow.2.7``
(from clean cluster 2 to cluster 7 now), ``lasso.12.45`` and ``sample.12`` (places in the whole data set).
"""

import re

import numpy as np
from numpy.typing import NDArray

from core.records import Frame, SweepReport

LONGEST = 4000  # characters, so that a link stays a link
_PART = r"cell\.(clean|now)\.\d{1,4}\.\d{1,4}|flow\.\d{1,4}\.\d{1,4}|(lasso|sample)(\.\d{1,7})+"
_TEXT = re.compile(rf"({_PART})(_({_PART}))*")


def is_selection(text: str) -> bool:
    """Whether the text says a selection; the empty one says that nothing is chosen."""
    return not text or (len(text) <= LONGEST and _TEXT.fullmatch(text) is not None)


def chosen(report: SweepReport, text: str, epsilon: float | None = None) -> NDArray[np.bool_]:
    """Which samples fit all parts of a selection, (N,); "now" is the frame nearest to ``epsilon``, None the last.

    ``sample`` parts choose nothing, they only point. A text that is no selection chooses everything.
    """
    frames = report.frames
    now = frames[-1] if epsilon is None else min(frames, key=lambda frame: abs(frame.epsilon - epsilon))
    rows = np.ones(len(report.subject.labels), dtype=bool)
    for part in text.split("_") if text and is_selection(text) else ():
        rows &= _fits(report, part, now)
    return rows


def _fits(report: SweepReport, part: str, now: Frame) -> NDArray[np.bool_]:
    kind, *words = part.split(".")
    subject, clean = report.subject, report.frames[0].clusters
    fits: NDArray[np.bool_] = np.ones(len(clean), dtype=bool)
    if kind == "cell":
        clusters = now.clusters if words[0] == "now" else clean
        fits = (subject.labels == int(words[1])) & (clusters == int(words[2]))
    elif kind == "flow":
        fits = (clean == int(words[0])) & (now.clusters == int(words[1]))
    elif kind == "lasso":
        fits = np.isin(subject.index, np.array(words, dtype=np.int64))
    return fits
