"""The clocks of GTP: sudden death, Canadian and Japanese overtime, and whatever is told."""

import itertools

import pytest

from convscope.use.go.gtp.clock import FEWEST_MOVES, MARGIN, Clock, TimeControl


def game(control: TimeControl, moves: int, empty: int = 81) -> tuple[list[float], Clock]:
    """What each move may take, if each takes all of that."""
    clock, found = Clock(control), []
    for _ in range(moves):
        allowed = clock.seconds(1, empty)
        assert allowed is not None
        found.append(allowed)
        clock.spend(1, allowed)
    return found, clock


def test_without_a_limit_there_is_none() -> None:
    assert Clock().seconds(1, 81) is None


@pytest.mark.parametrize("empty", [361, 81, 3])
def test_the_main_time_is_never_used_up(empty: int) -> None:
    found, _ = game(TimeControl(60.0), 100, empty)
    assert sum(found) < 60 + 1e-9 and all(later < earlier for earlier, later in itertools.pairwise(found))
    assert found[0] == pytest.approx(MARGIN * 60 / max(FEWEST_MOVES, empty / 3))


@pytest.mark.parametrize("stones", [1, 5])
def test_overtime_gives_each_period_to_its_moves(stones: int) -> None:
    found, _ = game(TimeControl(0.0, 10.0, stones), 4 * stones)
    for period in range(4):
        moves = found[period * stones : (period + 1) * stones]
        assert sum(moves) < 10 and min(moves) > 0
    assert found[0] == pytest.approx(MARGIN * 10 / stones)
    assert found[stones] == found[0]  # a new period


def test_the_main_time_passes_into_overtime() -> None:
    clock = Clock(TimeControl(30.0, 10.0, 2))
    clock.spend(1, 31.0)
    assert clock.seconds(1, 81) == pytest.approx(MARGIN * 5)
    clock.spend(1, 4.0)
    assert clock.seconds(1, 81) == pytest.approx(MARGIN * 6)
    assert clock.seconds(2, 81) == pytest.approx(MARGIN * max(30 / 27, 5))


def test_what_is_told_counts() -> None:
    clock = Clock(TimeControl(300.0, 30.0, 5))
    clock.tell(2, 12.0, 3)
    assert clock.seconds(2, 81) == pytest.approx(MARGIN * 4)
    clock.tell(2, 24.0, 0)
    assert clock.seconds(2, 36) == pytest.approx(MARGIN * max(24 / FEWEST_MOVES, 6))
    japanese = Clock(TimeControl(0.0, 30.0, 1, periods=True))
    japanese.tell(1, 30.0, 3)
    assert japanese.seconds(1, 81) == pytest.approx(MARGIN * 30)
    clock.begin()
    assert clock.seconds(2, 81) == pytest.approx(MARGIN * max(300 / 27, 6))
    unlimited = Clock()
    unlimited.tell(1, 24.0, 0)
    assert unlimited.seconds(1, 36) == pytest.approx(MARGIN * 2)


def test_time_that_is_over_is_not_negative() -> None:
    clock = Clock(TimeControl(5.0))
    clock.spend(1, 9.0)
    assert clock.seconds(1, 81) == 0
