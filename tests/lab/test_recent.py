from functools import lru_cache
from random import Random

import pytest

from convscope.lab.recent import LRUCache


def test_it_keeps_what_functools_keeps() -> None:
    made: list[int] = []
    expected: list[int] = []
    cache: LRUCache[int, int] = LRUCache(5)
    known = lru_cache(maxsize=5)(lambda key: expected.append(key) or key * key)
    random = Random(0)
    for _ in range(500):
        key = random.randrange(9)
        assert cache.get(key, lambda key=key: made.append(key) or key * key) == known(key)
    assert made == expected


def test_what_goes_is_released_once_and_a_failure_changes_nothing() -> None:
    released: list[str] = []
    cache: LRUCache[str, str] = LRUCache(2, released.append)
    for key in "abac":
        cache.get(key, lambda key=key: key.upper())
    assert released == ["B"]
    assert cache.get("a", lambda: "new", lambda found: found != "A") == "new"
    assert released == ["B", "A"]
    with pytest.raises(ZeroDivisionError):
        cache.get("d", lambda: str(1 / 0))
    assert cache.get("c", lambda: "other") == "C" and released == ["B", "A"]
