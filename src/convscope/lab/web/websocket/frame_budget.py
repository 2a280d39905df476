"""Frames of live maps that tabs may have while a job runs, so that the job keeps its part of the CPU."""

import time
from collections.abc import Callable, Hashable

FRAMES_PER_SECOND = 64.0
"""Frames of all tabs together while a job runs; one that draws at 60 a second is not slowed down."""
WINDOW = 1.0
"""Seconds for which a tab counts as one that draws."""


class FrameBudget:
    """Share a number of frames a second among the tabs that draw.

    Args:
        is_limited: whether the budget holds now, that is whether a job runs; asked at most once a second.
        clock: seconds that only grow.
    """

    def __init__(self, is_limited: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._is_limited, self._clock = is_limited, clock
        self._last: dict[Hashable, float] = {}
        self._limited, self._asked = False, -WINDOW

    def delay(self, tab: Hashable) -> float:
        """Return how long the next frame of a tab has to wait, and count it.

        Args:
            tab: identifies the tab.

        Returns:
            Seconds, 0 or more: where N tabs draw, each has an N-th of the frames.
        """
        now = self._clock()
        if now - self._asked >= WINDOW:
            self._limited, self._asked = self._is_limited(), now
        self._last = {one: last for one, last in self._last.items() if last > now - WINDOW}
        last = self._last.get(tab)
        self._last[tab] = now
        if not self._limited or last is None:
            return 0.0
        due = max(now, last + len(self._last) / FRAMES_PER_SECOND)
        self._last[tab] = due
        return due - now
