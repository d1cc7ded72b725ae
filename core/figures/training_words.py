"""A training in words: what it is, where it stands, what it took."""

from collections.abc import Sequence

from core.figures import words
from core.records import CheckpointCard, TrainSpec
from core.training_records import RunRecord, TrainingPlan


def what(spec: TrainSpec, dataset_title: str) -> str:
    """What is trained: "CL-MVC on NoisyDigits", "GAN attacker of CL-MVC on NoisyDigits"."""
    kinds = {"attacker": "GAN attacker of ", "latent": "Latent attacker of "}
    return f"{kinds.get(spec.kind, '')}{words.model_name(spec.model)} on {dataset_title}"


def settings(spec: TrainSpec) -> str:
    """The choices of a training on one line; what is not named is the recipe's."""
    parts = [f"protocol {spec.protocol}", f"seed {spec.seed}"]
    if spec.samples is not None:
        parts.append(f"{spec.samples:,} samples")
    if spec.epochs is not None:
        parts.append(count(spec.epochs, "epoch"))
    if spec.runs is not None:
        parts.append(count(spec.runs, "seed"))
    if spec.epsilon is not None:
        parts.append(f"ε = {words.epsilon_text(spec.epsilon)}")
    if spec.precision is not None:
        parts.append(spec.precision)
    if spec.latent is not None:
        parts.append(f"latent {spec.latent}")
    own = {"model": spec.runs, "attacker": spec.epsilon}
    rest = [spec.samples, spec.epochs, spec.precision, own.get(spec.kind, "")]
    return " · ".join([*parts, "the rest from the recipe"] if None in rest else parts)


def label(record: RunRecord, dataset_title: str) -> str:
    """A run's name that no other run has."""
    return f"{what(record.spec, dataset_title)} ({record.id.rpartition('-')[2]})"


def standing(record: RunRecord) -> str:
    """Where a training stands, in a line."""
    if record.state == "waiting":
        return "next in line" if record.position <= 1 else f"{record.position} trainings are before it"
    if record.state == "starting":
        return "Python and the data are being read"
    epochs = record.logs or record.trials
    if not epochs:
        return "stopped before the first epoch" if record.state == "stopped" else ""
    last = epochs[-1]
    trial = "" if record.logs else "choosing the seed, "
    parts = [f"{trial}seed {last.run} of {last.runs}" if last.runs > 1 else "", last.phase]
    parts += [f"epoch {last.epoch} of {last.epochs}", f"loss {last.total:.3f}"]
    if record.state == "running":
        done = record.progress >= 1 or not record.seconds_left
        parts.append("scoring" if done else f"{duration(record.seconds_left or 0)} left")
    return " · ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """A length of time as one says it: "45 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 10 and rest else f"{hours} h"


def size(n_bytes: int) -> str:
    """An amount of bytes as one says it."""
    if n_bytes < 1e6:
        return f"{max(1, round(n_bytes / 1e3))} kB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"


def count(number: int, noun: str) -> str:
    """ "1 epoch", "1,200 epochs"."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def cost(plan: TrainingPlan) -> str:
    """What a training will cost, in a sentence."""
    time = "Time unknown" if plan.seconds is None else f"About {duration(plan.seconds)}"
    disk = ""
    if plan.run_bytes is not None and plan.checkpoint_bytes is not None:
        disk = f", {size(plan.run_bytes)} in the run folder, {size(plan.checkpoint_bytes)} for the checkpoint"
    return f"{time}: up to {count(plan.steps, 'step')}{disk}."


def outcome(plan: TrainingPlan) -> str:
    """The name that the result will have, and why it is not the usual one."""
    name = f"`{plan.spec.dataset}/{plan.checkpoint}`"
    if plan.made:
        return f"This training has been done: {name} is its checkpoint. Train again only to repeat it."
    if plan.taken and plan.replace:
        return f"It replaces the checkpoint {name}, which another training made."
    if plan.taken:
        return f"Its checkpoint will be {name}, as another training's is called `{plan.spec.name}`."
    return f"Its checkpoint will be {name}."


def result(record: RunRecord) -> str:
    """How a finished training ended, in a line."""
    card = record.card
    if card is None:
        return f"Through after {duration(record.seconds)} of training; its checkpoint was not noted."
    numbers = " · ".join(f"{name} {value}" for name, value, _ in scores(card))
    return f"**{numbers}** · `{card.dataset}/{card.name}` · {duration(card.training_seconds)} of training"


def scores(card: CheckpointCard) -> list[tuple[str, str, str]]:
    """The scores of a checkpoint: name, number, meaning."""
    if card.kind != "model":
        frozen = "clusters keep the labels they had on clean samples"
        latent = {
            "clean": ("ACC clean", "before the attack"),
            "random_direction_frozen": ("ACC random", f"the latent moved as far at random, the control; {frozen}"),
            "latent_frozen": ("ACC attacked", f"under these networks; {frozen}"),
        }
        meanings = (
            latent
            if card.kind == "latent"
            else {
                "clean": ("ACC clean", "before the attack"),
                "noise_frozen": ("ACC noise", f"under signed noise of the same ε, the control; {frozen}"),
                "gan_frozen": ("ACC attacked", f"under this attacker; {frozen}"),
            }
        )
        return [(name, f"{card.scores[key]['accuracy']:.3f}", note) for key, (name, note) in meanings.items()]
    held_out = card.scores["held_out"]
    notes = {
        "accuracy": "share of held-out samples whose cluster is matched to their label",
        "nmi": "normalised mutual information of clusters and labels",
        "ari": "adjusted Rand index of clusters and labels",
    }
    names = {"accuracy": "ACC", "nmi": "NMI", "ari": "ARI"}
    return [(names[key], f"{held_out[key]:.3f}", note) for key, note in notes.items()]


def protocol(card: CheckpointCard) -> str:
    """Everything the scores depend on, on one line."""
    parts = [
        f"scored on {card.held_out_samples:,} held-out samples",
        f"trained on {card.samples:,}",
        f"protocol {card.protocol}",
    ]
    if card.kind == "latent":
        parts += [f"γ = {card.recipe['gamma']:g}, no pixel is changed", f"seed {card.seed}"]
    elif card.kind == "attacker":
        parts.append(f"L∞ budget ε = {words.epsilon_text(card.recipe['epsilon'])}, all views")
        parts.append(f"seed {card.seed}")
    else:
        tried = card.recipe.get("runs", 1)
        chosen = f", the lowest loss of {tried}; labels take no part" if tried > 1 else ""
        parts += ["clusters matched to labels on the same samples", f"seed {card.seed}{chosen}"]
    parts += [f"{duration(card.training_seconds)} on {card.device}", f"weights {card.sha256[:8]}"]
    return " · ".join(parts)


def row(record: RunRecord) -> dict[str, str | float | int | None]:
    """A run in the table that compares several."""
    card = record.card
    columns: dict[str, str | float | int | None] = {"state": record.state}
    epochs = record.logs or record.trials
    columns |= {"epochs": epochs[-1].epochs, "seeds": epochs[-1].runs, "loss": epochs[-1].total}
    if card is not None:
        columns |= {"kept seed": card.seed, "samples": card.samples}
        columns |= {name: float(value) for name, value, _ in scores(card)}
    columns["training"] = duration(record.seconds)
    return columns


def reading(record: RunRecord, phases: Sequence[tuple[str, int]]) -> str:
    """How to read the curves of a run."""
    sentence = "Mean of each weighted loss term over the batches of an epoch."
    if len(phases) > 1:
        ends = ", ".join(f"{name} to epoch {epoch}" for name, epoch in phases)
        sentence += f" Dotted lines part the phases: {ends}."
    if record.trials:
        sentence += " Trials are the warm-up alone with each seed; the one with the lowest loss was trained on."
    return sentence
