"""What is costly to make, kept once made: the least recently used goes when all together weigh too much.

Two who ask for the same wait for one another; who asks for something else waits for nobody.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

V = TypeVar("V")


class Shelf(Generic[V]):
    """Values by key. Safe to share between threads; what is taken off stays valid for whoever holds it."""

    def __init__(self, most: int, weigh: Callable[[V], int]) -> None:
        self._most = most  # that all may weigh together, as ``weigh`` says; the newest is kept in any case
        self._weigh = weigh
        self._lock = Lock()
        self._making: dict[Hashable, Lock] = {}
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()  # oldest use first

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of that key, made by ``make()`` if it is not there. What ``make`` raises changes nothing."""
        with self._lock:
            if key in self._kept:
                return self._take(key)
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return self._take(key)
            try:
                value = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                self._kept[key] = value, self._weigh(value)
                while len(self._kept) > 1 and sum(weight for _, weight in self._kept.values()) > self._most:
                    self._kept.popitem(last=False)
        return value

    def _take(self, key: Hashable) -> V:
        self._kept.move_to_end(key)
        return self._kept[key][0]


class Recent(Generic[V]):
    """A value that changes outside of this process: looked up again when somebody asks and it is ``seconds`` old.

    Safe to share between threads: while one looks, the others get what was found before, if they may.
    """

    def __init__(self, look: Callable[[], V], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._looking = Lock()
        self._found: tuple[float, V] | None = None  # when, and what

    def get(self) -> V:
        """The value, at most ``seconds`` old but for the time that a look takes."""
        found = self._found
        if found is not None and (self._is_fresh(found) or self._looking.locked()):
            return found[1]
        with self._looking:
            found = self._found
            return found[1] if found is not None and self._is_fresh(found) else self._anew()

    def again(self) -> V:
        """The value of now."""
        with self._looking:
            return self._anew()

    def _is_fresh(self, found: tuple[float, V]) -> bool:
        return monotonic() - found[0] < self._seconds

    def _anew(self) -> V:
        began = monotonic()
        value = self._look()
        self._found = began, value
        return value
