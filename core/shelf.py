"""What is costly to make, kept once made: the least recently used goes when all together weigh too much.

Two who ask for the same wait for one another; who asks for something else waits for nobody.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
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
