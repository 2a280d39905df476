"""How long a painting is said to take, beside measured seconds of every step."""

from collections.abc import Iterator

import pytest

import convscope.system.progress
from convscope.see.style.share_of_time import share_of_time
from convscope.system.progress import TimeLeft

SIZES = ((48, 64), (96, 128), (192, 256), (384, 512))
DEFAULT = (150, 90, 30, 30)
MEASURED = {
    "fp32": ((0.067, 0.177, 0.614, 2.453), (1.5, 0.49, 1.58, 5.49), 2.453),
    "bf16": ((0.046, 0.111, 0.358, 1.359), (1.5, 0.41, 1.33, 4.42), 2.84),
}
"""hed-vgg16, one thread: seconds of processor time of a step at each size, of the first with what is set up
before it, and of a step in float32 at the largest size."""


def course(precision: str, finest: int) -> Iterator[tuple[float, float]]:
    """Yield when each step of a default run ends, in seconds, and the share of the time that is said then."""
    sizes, steps = SIZES[: finest + 1], DEFAULT[: finest + 1]
    each, first, slow = MEASURED[precision]
    slow = slow if finest == 3 else each[finest] * 1.58
    exact = 0 if precision == "fp32" else round(0.25 * steps[-1])
    now = 0.0
    for scale, count in enumerate(steps):
        for step in range(count + 1):
            late = scale == finest and step > count - exact
            now += first[scale] if step == 0 else slow if late else each[scale]
            yield now, share_of_time(sizes, steps, exact, scale, step)


@pytest.mark.parametrize("precision", MEASURED)
@pytest.mark.parametrize("finest", [2, 3])
def test_what_is_said_first_is_within_a_quarter_of_what_it_takes(monkeypatch, precision, finest) -> None:
    clock = [0.0]
    monkeypatch.setattr(convscope.system.progress.time, "monotonic", lambda: clock[0])
    left, said = TimeLeft(), []
    for now, share in course(precision, finest):
        clock[0] = now
        if (seconds := left(share)) is not None:
            said.append((now, seconds))
    (began, first), end = said[0], clock[0]
    assert 0.75 < first / (end - began) < 1.25
    assert all(0.7 < seconds / (end - now) < 1.4 for now, seconds in said if end - now > 5)
    assert said[-1][1] == 0


def test_shares_grow_to_one_whatever_the_course() -> None:
    for steps, exact in ((DEFAULT, 0), (DEFAULT, 8), ((0, 0, 0, 0), 0), ((1, 0, 2, 4), 1)):
        shares = [
            share_of_time(SIZES, steps, exact, scale, step)
            for scale, count in enumerate(steps)
            for step in range(count + 1)
        ]
        assert shares == sorted(shares)
        assert shares[0] > 0 and shares[-1] == 1
