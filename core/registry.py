"""A dictionary from public names to the things they make, with a helpful answer to a wrong name."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from core.errors import LONGEST, LabError, shortened

T = TypeVar("T")


class Registry(Mapping[str, Callable[..., T]], Generic[T]):
    """Names to factories: ``REGISTRY[name]`` is the factory, ``REGISTRY.make(name, **knobs)`` calls it."""

    def __init__(self, kind: str, entries: Mapping[str, Callable[..., T]]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Callable[..., T]:
        """The factory called ``name``. Raises :class:`LabError` naming the closest match and all choices."""
        try:
            return self._entries[name]
        except KeyError:
            raise LabError(unknown(self.kind, name, self._entries)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def make(self, name: str, **knobs: Any) -> T:
        """Call the factory called ``name``. Raises :class:`LabError` for an unknown name."""
        return self[name](**knobs)


def unknown(kind: str, name: str, choices: Mapping[str, object] | list[str]) -> str:
    """The sentence for a wrong name: what was asked, the closest match, every choice."""
    close = get_close_matches(name, list(choices), n=1) if len(name) <= LONGEST else []
    hint = f" Did you mean {close[0]}?" if close else ""
    listed = ", ".join(choices) or "none yet"
    return f"There is no {kind} called {shortened(name)!r}.{hint} Choices: {listed}."
