"""One attack on several models, as one buffer for the browser: a stage in small for each, and what is said of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.figures import robustness, stage, theme, words
from core.figures.buffer import Arrays, join
from core.records import ConfusionRecord, Integers, MapRecord, SweepReport, SweepScores, SweepSpec

MODELS = ("cl_mvc", "ar_dmvc", "ar_dmvc_am", "rcd_mvc")  # the columns, from left to right
KINDS = {
    "cl_mvc": "undefended",
    "ar_dmvc": "adversarial training",
    "ar_dmvc_am": "adversarial training with attack mitigation",
    "rcd_mvc": "robust cluster distillation, this lab's own",
}
MOST_SHOWN, LEAST_SHOWN = 15, 3  # samples in a column's pictures
PICTURE_BYTES = 900_000  # of a column's pictures


@dataclass(frozen=True, eq=False)
class Column:
    """A model under the attack: the sweep as far as it has come, and the numbers that are kept of an earlier one.

    ``harder`` is what is known of a stronger attack, ``worst`` what the whole ensemble left, ``matrices`` are those of
    the earlier sweep.
    """

    report: SweepReport
    kept: SweepScores | None = None
    harder: robustness.Result | None = None
    worst: SweepScores | None = None
    matrices: ConfusionRecord | None = None

    @property
    def name(self) -> str:
        """The model's name for the screen."""
        return words.model_name(self.report.spec.attack.model)

    @property
    def numbers(self) -> robustness.Result:
        """The most that is known of the attack."""
        return self.report if self.report.finished or self.kept is None else self.kept

    @property
    def accuracies(self) -> list[float]:
        """ACC with the frozen matching at every ε that is known."""
        return robustness.accuracies(self.numbers)

    def under(self, frame: int) -> float | None:
        """The least ACC that stronger attacks are known to leave in that frame, frozen matching."""
        curve = [] if self.harder is None else robustness.accuracies(self.harder)[frame : frame + 1]
        if self.worst is not None and robustness.is_within(self.worst, self.report.spec, frame):
            curve.append(self.worst.attack[-1].frozen.accuracy)
        return min(curve, default=None)

    @property
    def defended(self) -> bool:
        """Whether the model is one that was hardened."""
        return self.report.spec.attack.model != MODELS[0]


def small_stage(report: SweepReport, map_record: MapRecord, *, view_names: Sequence[str], attacker: str) -> bytes:
    """A column's own figures: :func:`core.figures.stage.pack` with the same few samples in every column."""
    return stage.pack(report, map_record, view_names=view_names, attacker=attacker, shown=shown_samples(report))


def shown_samples(report: SweepReport) -> Integers:
    """Rows of the samples whose pictures travel: the first of the draw, which is the same for every model."""
    values_each = sum(view[0].size for view in report.frames[0].views) * report.spec.points
    count = min(MOST_SHOWN, max(LEAST_SHOWN, PICTURE_BYTES // values_each), len(report.subject.labels))
    return np.arange(count, dtype=np.int64)


def pack(
    spec: SweepSpec,
    columns: dict[str, Column],
    stages: dict[str, bytes],
    *,
    problems: dict[str, tuple[str, str]],
    start: float | None = None,
) -> bytes:
    """The component's buffer; ``spec`` is the attack on any of the models.

    ``columns`` and ``stages`` are by model. ``problems`` says, for a model, why there is nothing or no attack to show
    and which command changes that. ``start`` is the ε to open at.
    """
    there = [columns[model] for model in MODELS if model in columns]
    frames = max((len(column.accuracies) for column in there), default=1)
    header = {
        "identity": _identity(spec),
        "total": spec.points,
        "frames": frames,
        "epsilons": [round(e, 6) for e in spec.epsilons],
        "start": start,
        "file": f"{spec.attack.dataset}-defense-{spec.attack.attack}-seed{spec.attack.seed}",
        "attack": robustness.phrase(spec.attack),
        "verdicts": [summary(there, frame) for frame in range(frames)],
        "rule": robustness.RULE,
        "columns": [
            _column(model, columns.get(model), problems.get(model))
            for model in MODELS
            if model in columns or model in problems
        ],
        "roles": {
            "light": theme.ROLES_LIGHT | theme.MODELS_LIGHT,
            "dark": theme.ROLES_DARK | theme.MODELS_DARK,
        },
    }
    arrays: Arrays = {model: np.frombuffer(stages[model], dtype=np.uint8) for model in stages}
    kept = {model: column.matrices for model, column in columns.items() if not column.report.finished}
    arrays |= {matrices_of(model): r.counts.astype(np.uint16) for model, r in kept.items() if r is not None}
    return join(header, arrays)


def matrices_of(model: str) -> str:
    """The name in the buffer of a column's kept confusion matrices (F, L, K), one for every ε of the sweep."""
    return f"{model}_matrices"


def summary(columns: Sequence[Column], frame: int) -> str:
    """The answer at a glance: what the attack leaves each model at one ε, and whether a stronger attack agrees."""
    if not columns:
        return "There is no model to compare yet."
    spec = columns[0].report.spec
    if frame == 0:
        clean = ", ".join(f"{column.name} {column.accuracies[0]:.2f}" for column in columns)
        attacked = any(len(column.accuracies) > 1 for column in columns)
        lead = "At ε = 0 nothing is changed" if attacked else "No attack yet"
        return f"{lead}: ACC of {spec.attack.samples} clean held-out samples: {clean}."
    there = [column for column in columns if len(column.accuracies) > frame]
    left = ", ".join(f"{c.name} {c.accuracies[frame]:.2f} of {c.accuracies[0]:.2f}" for c in there)
    lead = f"At ε = {words.epsilon_text(spec.epsilons[frame])}, {robustness.phrase(spec.attack)} leaves ACC: {left}."
    return f"{lead} {_doubt(spec, [column for column in there if column.defended], frame)}".strip()


def _doubt(spec: SweepSpec, defended: Sequence[Column], frame: int) -> str:
    """What a stronger attack says of the defended models."""
    strongest = robustness.stronger(spec)
    if strongest is None or not defended:
        return ""
    under = {c.name: left for c in defended if (left := c.under(frame)) is not None}
    if len(under) < len(defended):
        return "Not checked against a stronger attack yet."
    numbers = ", ".join(f"{model} {left:.2f}" for model, left in under.items())
    pairs = ((c, under[c.name]) for c in defended if frame <= robustness.held(c.accuracies))
    fallen = any(not robustness.holds(left, column.accuracies[0]) for column, left in pairs)
    if any(c.worst is not None and robustness.is_within(c.worst, spec, frame) for c in defended):
        lead = "But stronger attacks say otherwise: they leave" if fallen else "Stronger attacks leave"
        return f"{lead} {numbers}."
    lead, comma = ("But a stronger attack says otherwise:", "") if fallen else ("A stronger attack,", ",")
    return f"{lead} {robustness.phrase(strongest.attack)}{comma} leaves {numbers}."


def scores_csv(columns: Sequence[Column], attackers: dict[str, str]) -> str:
    """Every column's scores as :func:`core.figures.words.sweep_csv` writes them, one model after another."""
    return "\n".join(
        words.sweep_csv(column.report, attackers.get(column.report.spec.attack.model, "")) for column in columns
    )


def _identity(spec: SweepSpec) -> str:
    """The attack without its model: what stays the same over the columns."""
    attack = spec.attack
    knobs = (attack.dataset, attack.attack, attack.epsilon, attack.samples, attack.seed, attack.views, attack.norm)
    return "/".join(map(str, (*knobs, words.steps_text(attack), attack.objective, attack.target_mode, spec.points)))


def _column(model: str, column: Column | None, problem: tuple[str, str] | None) -> dict[str, Any]:
    """What the browser is told of a column beside its stage."""
    sign, dash = theme.MODEL_SIGNS[model]
    sentence, command = problem or ("", "")
    facts = {
        "model": model,
        "name": words.model_name(model),
        "kind": KINDS[model],
        "sign": sign,
        "dash": dash,
        "problem": sentence,
        "command": command,
    }
    if column is None:
        return facts
    spec, values = column.report.spec, column.accuracies
    return facts | {
        "kept": [f"{value:.2f}" for value in values],
        "held": robustness.held(values),
        "holding": robustness.holding(spec, values),
        "caveats": [] if problem else [_caveat(column, frame) for frame in range(spec.points)],
        "contradicted": [robustness.contradicted(value, column.under(frame)) for frame, value in enumerate(values)],
        "lines": [] if problem else _lines(column),
    }


def _caveat(column: Column, frame: int) -> str:
    return robustness.caveat(column.report.spec, column.accuracies, column.harder, frame, column.worst)


def _lines(column: Column) -> list[dict[str, Any]]:
    """Scores over ε: the attack, the noise control, the stronger attack as far as it is known."""
    spec = column.report.spec
    lines = [("attack", robustness.phrase(spec.attack), robustness.rows(column.numbers))]
    if spec.attack.attack != "noise":
        lines.append(("noise", "signed noise (control)", robustness.control(column.numbers, "noise")))
    strongest = robustness.stronger(spec)
    if strongest is not None and column.harder is not None:
        lines.append(("stronger", robustness.phrase(strongest.attack), robustness.rows(column.harder)))
    return [{"role": role, "name": name, "values": stage.measured(scores)} for role, name, scores in lines]
