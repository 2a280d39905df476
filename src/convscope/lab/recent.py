"""What was used last, kept so that it is not made again. Standard library."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LRUCache(Generic[K, V]):
    """Keep what was used last; of more than fit, what was used longest ago goes first.

    `functools.lru_cache` can neither close what goes nor make anew what is out of date.

    Args:
        limit: how many are kept.
        release: called with each that goes, as where it has to be closed.
    """

    def __init__(self, limit: int, release: Callable[[V], object] = lambda _gone: None) -> None:
        self._limit, self._release = limit, release
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V], is_current: Callable[[V], bool] = lambda _found: True) -> V:
        """Return what is kept under a key, made if there is none.

        Args:
            key: identifies it.
            make: makes it. What it raises is raised, and changes nothing.
            is_current: says of what is kept whether it still holds; else it is made anew, and released.

        Returns:
            What is kept, which was used last from now on.
        """
        if key not in self._kept or not is_current(self._kept[key]):
            made = make()
            if key in self._kept:
                self._release(self._kept[key])
            self._kept[key] = made
        self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._release(self._kept.popitem(last=False)[1])
        return self._kept[key]
