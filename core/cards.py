"""Cards of checkpoints as JSON, which somebody else may have written: all in them is of its kind, and plain words."""

import json
import re
from dataclasses import fields
from typing import NoReturn

from core.records import CheckpointCard

LONGEST_TEXT, LARGEST_NUMBER = 1000, 2**53
LARGEST_GRID = 64  # networks of a latent attacker
PLAIN = re.compile(  # neither Markdown nor a link, nor a table's formula
    r"(?!.*//)(?!(?i:.*www\.))[A-Za-z0-9][A-Za-z0-9 ()+:./,_=-]*"
)


def parse_card(content: bytes) -> CheckpointCard | None:
    """The card, or None where the JSON is not one."""
    try:
        values = json.loads(content, parse_constant=_refuse)
        if not isinstance(values, dict) or set(values) != {field.name for field in fields(CheckpointCard)}:
            return None
        shapes = tuple((int(c), int(h), int(w)) for c, h, w in values.pop("view_shapes"))
        card = CheckpointCard(view_shapes=shapes, **values)
        return card if _has_legal_values(card) else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


MODEL_SCORES = ("held_out",)
ATTACKER_SCORES = ("clean", "noise_frozen", "gan_frozen")
LATENT_SCORES = ("clean", "random_direction_frozen", "latent_frozen")


def _has_legal_values(card: CheckpointCard) -> bool:
    texts = (card.model, card.protocol, card.command, card.created, card.device, card.torch, card.sha256)
    return (
        all(isinstance(text, str) for text in texts)
        and all(map(_is_plain, (*texts, card.recipe, card.scores, card.runs)))
        and all(map(_is_count, (card.n_clusters, card.samples, card.held_out_samples, card.seed)))
        and _is_number(card.training_seconds)
        and card.bits in (8, 16, 32)
        and _are_runs(card.runs)
        and 2 <= card.n_clusters <= 10_000
        and 1 <= len(card.view_shapes) <= 64
        and all(1 <= side <= 4096 for shape in card.view_shapes for side in shape)
        and isinstance(card.recipe, dict)
        and card.kind in KINDS
        and KINDS[card.kind](card)
    )


def _is_plain(value: object) -> bool:
    """Whether every text in it can stand on a page and in a table as it is."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, str) or not value or (len(value) <= LONGEST_TEXT and bool(PLAIN.fullmatch(value)))


def _is_models(card: CheckpointCard) -> bool:
    return isinstance(card.recipe.get("model_options"), dict) and _has_scores(card, MODEL_SCORES)


def _is_attackers(card: CheckpointCard) -> bool:
    whole = isinstance(card.target_sha256, str) and _is_number(card.recipe.get("epsilon"))
    return whole and _has_scores(card, ATTACKER_SCORES)


def _is_latent(card: CheckpointCard) -> bool:
    gammas = card.recipe.get("gammas")
    if not isinstance(card.target_sha256, str) or not isinstance(gammas, list) or len(gammas) > LARGEST_GRID:
        return False
    whole = all(map(_is_number, gammas)) and card.recipe.get("gamma") in gammas
    return whole and _has_scores(card, LATENT_SCORES)


KINDS = {"model": _is_models, "attacker": _is_attackers, "latent": _is_latent}


def _has_scores(card: CheckpointCard, states: tuple[str, ...]) -> bool:
    if not isinstance(card.scores, dict) or not set(states) <= set(card.scores):
        return False
    rows = card.scores.values()
    names = ("accuracy", "nmi", "ari")
    return all(isinstance(row, dict) and all(_is_number(row.get(name)) for name in names) for row in rows)


def _are_runs(runs: object) -> bool:
    names = ("seed", "loss", "accuracy", "nmi", "ari")
    return isinstance(runs, list) and all(
        isinstance(run, dict) and all(_is_number(run.get(name)) for name in names) for run in runs
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER
