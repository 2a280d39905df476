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
        found = self.find(key, is_current)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def find(self, key: K, is_current: Callable[[V], bool] = lambda _found: True) -> V | None:
        """Return what is kept under a key, which was used last from now on.

        Args:
            key: identifies it.
            is_current: as for `get`.

        Returns:
            What is kept; None where there is none, or it does not hold any more.
        """
        if key not in self._kept or not is_current(self._kept[key]):
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: K, made: V) -> None:
        """Keep something, in the place of what was kept under the key.

        Args:
            key: identifies it.
            made: what is kept from now on.
        """
        if key in self._kept:
            self._release(self._kept.pop(key))
        self._kept[key] = made
        while len(self._kept) > self._limit:
            self._release(self._kept.popitem(last=False)[1])
