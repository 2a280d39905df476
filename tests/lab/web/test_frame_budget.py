"""While a job runs, tabs share a number of frames evenly; otherwise none waits."""

import pytest

from convscope.lab.web.websocket.frame_budget import FRAMES_PER_SECOND, FrameBudget


class Clock:
    """Time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def frames(budget: FrameBudget, clock: Clock, tabs: int, seconds: float) -> list[int]:
    """Let tabs ask for a frame as soon as they have the one before; return how many each gets."""
    found, free = [0] * tabs, [0.0] * tabs
    while min(free) < seconds:
        tab = free.index(min(free))
        clock.now = free[tab]
        free[tab] += budget.delay(tab) + 0.001
        found[tab] += 1
    return found


@pytest.mark.parametrize("tabs", [2, 8, 20])
def test_tabs_share_the_frames_evenly_while_a_job_runs(tabs: int) -> None:
    clock = Clock()
    found = frames(FrameBudget(lambda: True, clock), clock, tabs, 20)
    assert max(found) - min(found) <= 2
    assert sum(found) == pytest.approx(20 * FRAMES_PER_SECOND, rel=0.1)


def test_no_tab_waits_without_a_job() -> None:
    clock = Clock()
    budget = FrameBudget(lambda: False, clock)
    assert sum(frames(budget, clock, 20, 1)) == pytest.approx(20 * 1000, rel=0.01)


def test_one_tab_that_draws_at_60_hertz_never_waits() -> None:
    clock = Clock()
    budget = FrameBudget(lambda: True, clock)
    for step in range(600):
        clock.now = step / 60
        assert budget.delay("tab") == 0


def test_a_tab_that_has_stopped_drawing_leaves_its_share() -> None:
    clock = Clock()
    budget = FrameBudget(lambda: True, clock)
    for tab in range(20):
        budget.delay(tab)
    clock.now = 5.0
    budget.delay("one")
    clock.now += 1 / 60
    assert budget.delay("one") == 0


def test_whether_a_job_runs_is_asked_once_a_second() -> None:
    clock, asked = Clock(), []
    budget = FrameBudget(lambda: bool(asked.append(clock.now)), clock)
    frames(budget, clock, 3, 4.5)
    assert len(asked) == 5
