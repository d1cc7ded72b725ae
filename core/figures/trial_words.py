"""A trial in words: what was trained, on what it was scored, where its numbers come from, what repeats it."""

from core.data.facts import DATASET_FACTS
from core.figures import words
from core.records import TrainSpec
from core.studies.records import Change, Scale, TrialRecord, TrialSpec

CHANGES = {
    "adversarial_weight": "λ = {:g}",
    "mitigation_weight": "γ = {:g}",
    "inner_epsilon": "inner attack at ε = {:g}",
    "complementarity_weight": "μ₁ = {:g}",
    "consistency_weight": "μ₂ = {:g}",
}


def protocol(trial: TrialRecord) -> str:
    """Everything a trial's numbers depend on, on one line."""
    spec, source = trial.spec, trial.provenance
    train = spec.train
    parts = [
        f"{words.model_name(train.model)} trained by protocol {train.protocol} on {source.training_samples:,} samples "
        f"of {_part(train.dataset, spec.classes)}, seed {source.chosen_seed}{_shorter(train)}",
        f"scored on {source.scored_samples:,} held-out samples of {_part(spec.dataset, spec.scored_classes)}",
        _attacker(spec.attacker_epochs),
        change(spec.change),
        f"{source.device}, torch {source.torch}",
        f"commit {source.commit}" if source.commit else "",
        f"{source.created[:10]}, {source.seconds:,.0f} s",
        f"pixels and labels {source.data_sha256[:8]}",
    ]
    return " · ".join(part for part in parts if part)


def change(wish: Change) -> str:
    """What a trial changes in its recipe; empty for nothing."""
    values = {name: getattr(wish, name) for name in CHANGES}
    return ", ".join(CHANGES[name].format(value) for name, value in values.items() if value is not None)


def command(spec: TrialSpec, scale: Scale) -> str:
    """The command that makes the trials of a data set, this one among them."""
    return f"python -m core tables --dataset {spec.dataset} --train --scale {scale}"


def _attacker(epochs: int | None) -> str:
    """Where the attacker's training is shorter than its recipe."""
    return f"attacker trained for {epochs} + {epochs // 2} epochs" if epochs else ""


def _part(dataset: str, classes: tuple[int, ...]) -> str:
    title = DATASET_FACTS[dataset].title
    return f"{title}, classes {classes[0]}–{classes[-1]}" if classes else title


def _shorter(train: TrainSpec) -> str:
    """Where a training is shorter than its recipe."""
    wishes = {"epoch": train.epochs, "seed": train.runs}
    parts = [f"{value} {name}{'s' * (value != 1)}" for name, value in wishes.items() if value is not None]
    parts += [f"convolutions in {train.precision}"] if train.precision else []
    return f" ({', '.join(parts)})" if parts else ""
