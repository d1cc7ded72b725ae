"""Weights as safetensors with a card of JSON beside them: written whole, read strictly, digest checked.

The card's own place names the weights: checkpoints/<dataset>/<name>.json belongs to <name>.safetensors.
"""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from core.cards import parse_card
from core.errors import LabError, shortened
from core.files import before, read_limited, remove_leftovers, write_together
from core.quantization import dequantize, quantize
from core.records import CheckpointCard

LARGEST_WEIGHTS = 512 * 2**20  # bytes
LARGEST_CARD = 2**18
LONGEST_NAME = 100
NAME = re.compile(r"[a-z0-9_]+([.-][a-z0-9_]+)*")

REMEDY = "Restore it from the repository, or train it again with python -m core train"


def save_checkpoint(
    folder: Path, card: CheckpointCard, tensors: Mapping[str, Tensor], narrow: Collection[str] = ()
) -> CheckpointCard:
    """Write weights with the card's bits, those named in ``narrow`` with 8, then the card, each in one piece.

    Returns the card with the weights' digest.

    Raises :class:`LabError` if the disk refuses; the checkpoint that was there is then still there.
    """
    content = save(quantize(tensors, card.bits, narrow))
    card = replace(card, sha256=sha256(content).hexdigest())
    path = folder / card.dataset / card.name
    _settle(path)
    text = json.dumps(asdict(card), indent=1, sort_keys=True).encode() + b"\n"
    write_together({weights_path(path): content, card_path(path): text})
    return card


def _settle(path: Path) -> None:
    """Put right what somebody left who was killed between the weights and the card."""
    weights = weights_path(path)
    kept = before(weights)
    if kept.is_file():
        try:
            wanted = load_card(path.parent.parent, path.parent.name, path.name).sha256
            if _digest(weights) != wanted and _digest(kept) == wanted:
                kept.replace(weights)
        except (LabError, OSError):  # nothing whole to go back to
            pass
    with suppress(OSError):
        for leftover in (kept, before(card_path(path))):
            leftover.unlink(missing_ok=True)
    remove_leftovers(path.parent)


def _digest(path: Path) -> str:
    return sha256(read_limited(path, LARGEST_WEIGHTS)).hexdigest()


def is_name(word: str) -> bool:
    """Whether a data set or a checkpoint can be called so: then it names no other folder."""
    return len(word) <= LONGEST_NAME and NAME.fullmatch(word) is not None


def card_path(path: Path) -> Path:
    """<dataset>/<name> to its card; names contain dots, so suffixes are appended."""
    return path.with_name(path.name + ".json")


def weights_path(path: Path) -> Path:
    """<dataset>/<name> to its weights."""
    return path.with_name(path.name + ".safetensors")


def load_card(folder: Path, dataset: str, name: str) -> CheckpointCard:
    """The card of a checkpoint. Raises :class:`LabError` if it is missing, damaged or not this checkpoint's."""
    for word in (dataset, name):
        if not is_name(word):
            raise LabError(
                f"{shortened(word)!r} is not a checkpoint's name: lower-case letters, digits, _, . and - only."
            )
    path = card_path(folder / dataset / name)
    if not path.is_file():
        raise LabError(f"There is no checkpoint {dataset}/{name} in {folder}.")
    card = parse_card(read_limited(path, LARGEST_CARD))
    if card is None or (card.dataset, card.name) != (dataset, name):
        raise LabError(f"The card {path} is damaged. {REMEDY} {dataset}/{name}.")
    return card


def load_weights(folder: Path, card: CheckpointCard) -> dict[str, Tensor]:
    """The weights of a card. Raises :class:`LabError` if they are missing, truncated or changed by one byte."""
    path = weights_path(folder / card.dataset / card.name)
    content = _content(path, card)
    try:
        return dequantize(load(content))
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise LabError(f"The weights {path} are not safetensors. {REMEDY} {reference(card)}.") from error


def _content(path: Path, card: CheckpointCard) -> bytes:
    """The bytes that the card tells of: at ``path``, or beside it while, or because, a newer pair is half there."""
    for place in (path, before(path)):
        if place.is_file():
            content = read_limited(place, LARGEST_WEIGHTS)
            if sha256(content).hexdigest() == card.sha256:
                return content
    if not path.is_file():
        raise LabError(f"The weights {path} are missing. {REMEDY} {card.dataset}/{card.name}.")
    if _is_replaced(path, card):
        raise LabError(f"{card.dataset}/{card.name} was trained again a moment ago: reload the page, or try again.")
    raise LabError(f"The weights {path} are damaged: their digest is not the card's. {REMEDY} {reference(card)}.")


def _is_replaced(path: Path, card: CheckpointCard) -> bool:
    """Whether the card that lies beside the weights now is a later one than ``card``."""
    try:
        return load_card(path.parent.parent, card.dataset, card.name).sha256 != card.sha256
    except LabError:
        return False


def load_into(network: Any, folder: Path, card: CheckpointCard) -> None:
    """Put a card's weights into a network of its shape, strictly. Raises :class:`LabError` if they do not fit."""
    try:
        network.load_state_dict(load_weights(folder, card), strict=True)
    except RuntimeError as error:
        raise LabError(
            f"The weights of {card.dataset}/{card.name} do not fit the network its card describes. "
            f"{REMEDY} {reference(card)}."
        ) from error


def reference(card: CheckpointCard) -> str:
    """What to write after ``python -m core train`` to make a checkpoint like this one."""
    return card.command.removeprefix("python -m core train ") or f"{card.dataset}/{card.name}"


def find_cards(folder: Path) -> tuple[tuple[CheckpointCard, ...], tuple[str, ...]]:
    """Every readable card below ``folder`` in order of name, and a sentence for each that is not."""
    cards, problems = [], []
    for place, status in sorted(_card_files(folder), key=itemgetter(0)):
        try:
            if status is None:
                raise LabError(f"Cannot read {place}.")
            cards.append(_unchanged_card(place, status.st_mtime_ns, status.st_size))
        except LabError as error:
            if Path(place).exists():  # else removed since it was listed
                problems.append(str(error))
    return tuple(cards), tuple(problems)


def _card_files(folder: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """The cards in the folders below ``folder`` with what the system says of them, None where it says nothing."""
    for place in _entries(str(folder)):
        for file in _entries(place.path) if place.is_dir() else ():
            if file.name.endswith(".json"):
                try:
                    yield file.path, file.stat()
                except FileNotFoundError:
                    continue
                except OSError:
                    yield file.path, None


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


@lru_cache(maxsize=1024)
def _unchanged_card(place: str, modified: int, size: int) -> CheckpointCard:
    """The card at a place, read again only when the file's time or size is another one."""
    path = Path(place)
    return load_card(path.parent.parent, path.parent.name, path.name.removesuffix(".json"))
