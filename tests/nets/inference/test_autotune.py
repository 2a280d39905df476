import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from convscope.errors import ConvscopeError
from convscope.nets.inference import autotune
from convscope.nets.inference.autotune import Workload, fastest, load_cache, store
from convscope.nets.inference.execution import ExecutionConfig

PLAIN, MIXED = ExecutionConfig("fp32", batch=4), ExecutionConfig("bf16", "channels_last", batch=4)
LAST = ExecutionConfig("fp32", "channels_last", batch=4)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "convscope" / "speed.json"


class Clock:
    """A computation whose steps take a certain time, by a clock that only it moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[ExecutionConfig], float]) -> None:
        self.now, self.seconds, self.calls = 0.0, seconds, []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def prepare(self, config: ExecutionConfig) -> Callable[[], object]:
        def step() -> None:
            self.calls.append(config)
            self.now += self.seconds(config)

        return step

    def work(self, *facts: object) -> Workload:
        return Workload(["test", *facts], torch.device("cpu"), self.prepare)


def test_the_fastest_is_chosen_measured_once_and_kept(monkeypatch, own_cache) -> None:
    clock = Clock(monkeypatch, lambda config: 0.05 if config == MIXED else 0.1)
    candidates = [PLAIN, LAST, MIXED]
    assert fastest(clock.work(1), candidates) == MIXED
    assert {clock.calls.count(LAST), clock.calls.count(MIXED)} == {1 + autotune.ROUNDS}
    clock.calls.clear()
    assert fastest(clock.work(1), candidates) == MIXED
    assert not clock.calls and list(json.loads(own_cache.read_text()).values()) == [asdict(MIXED)]
    fastest(clock.work(2), candidates)
    assert clock.calls and len(json.loads(own_cache.read_text())) == 2


def test_a_little_faster_is_not_worth_it(monkeypatch) -> None:
    clock = Clock(monkeypatch, lambda config: 0.1 if config == PLAIN else 0.1 / (autotune.MIN_GAIN - 0.01))
    assert fastest(clock.work(), [PLAIN, LAST, MIXED]) == PLAIN


def test_batches_count_by_the_image(monkeypatch) -> None:
    clock = Clock(monkeypatch, lambda config: 0.1 + 0.01 * config.batch)
    assert fastest(clock.work(), [PLAIN], (2, 4, 8, 16)).batch == 16
    clock = Clock(monkeypatch, lambda config: 0.01 * config.batch**2)
    assert fastest(clock.work("dear"), [PLAIN], (2, 4, 8, 16)).batch == 2


def test_patience_ends_with_the_batches_but_every_candidate_has_its_turn(monkeypatch) -> None:
    clock = Clock(monkeypatch, lambda config: 100.0 if config != MIXED else 50.0)
    assert fastest(clock.work(), [PLAIN, LAST, MIXED], (8, 16)) == MIXED
    assert set(clock.calls) == {PLAIN, LAST, MIXED}
    assert clock.calls.count(MIXED) == 2  # once to prepare, once timed


@pytest.mark.parametrize(("times", "rounds"), [(0.9, 1), (1.1, autotune.ROUNDS)])
def test_what_is_far_slower_is_timed_once(monkeypatch, times, rounds) -> None:
    slow = 0.01 * (autotune.FAR_SLOWER / times)
    clock = Clock(monkeypatch, lambda config: slow if config == MIXED else 0.01)
    assert fastest(clock.work(), [PLAIN, MIXED]) == PLAIN
    assert clock.calls.count(MIXED) == 1 + rounds


def test_what_is_hopeless_is_dropped_after_a_step(monkeypatch) -> None:
    """bf16 without kernels for it takes ten times as long: a minute for a step is enough to know."""
    clock = Clock(monkeypatch, lambda config: 60.0 if config == MIXED else 6.0)
    assert fastest(clock.work(), [PLAIN, MIXED, LAST]) == PLAIN
    assert clock.calls.count(MIXED) == 1 and clock.calls.count(LAST) == 2


def test_load_that_comes_and_goes_affects_both(monkeypatch) -> None:
    """While something else runs, every step takes three times as long; the better one is chosen anyway."""
    clock = Clock(monkeypatch, lambda config: 0.0)
    clock.seconds = lambda config: (0.08 if config == LAST else 0.1) * (3 if clock.now > 0.15 else 1)
    assert fastest(clock.work(), [PLAIN, LAST]) == LAST


def test_nothing_to_choose_is_not_measured() -> None:
    work = Workload(["test"], torch.device("cpu"), lambda _: pytest.fail("measured"))
    assert fastest(work, [MIXED]) == MIXED
    assert fastest(work, [MIXED], (MIXED.batch,)) == MIXED


@pytest.mark.parametrize("error", [ConvscopeError("numbers"), RuntimeError("no kernel for BFloat16")])
@pytest.mark.parametrize("when", ["prepared", "run", "second run", "not finite"])
def test_what_fails_is_not_chosen(error: Exception, when: str) -> None:
    def prepare(config: ExecutionConfig) -> Callable[[], object]:
        fails, count = config != PLAIN, 0
        if fails and when == "prepared":
            raise error

        def step() -> bool:
            nonlocal count
            count += 1
            if fails and (when == "run" or (when == "second run" and count > 1)):
                raise error
            time.sleep(0.01 if not fails else 0)
            return not (fails and when == "not finite")

        return step

    assert fastest(Workload(["test"], torch.device("cpu"), prepare), [PLAIN, MIXED]) == PLAIN


def test_where_everything_fails_the_plain_one_is_used_and_nothing_is_kept(own_cache) -> None:
    def prepare(_: ExecutionConfig) -> Callable[[], object]:
        raise ConvscopeError("a network with numbers")

    assert fastest(Workload(["test"], torch.device("cpu"), prepare), [PLAIN, MIXED]) == PLAIN
    assert not own_cache.exists()


def test_random_generators_are_left_alone() -> None:
    before = torch.get_rng_state()
    work = Workload(["test"], torch.device("cpu"), lambda _: lambda: torch.rand(3))
    fastest(work, [PLAIN, MIXED])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}'])
def test_a_damaged_cache_is_measured_again(monkeypatch, own_cache: Path, content: str) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text(content)
    clock = Clock(monkeypatch, lambda config: 0.1 if config == PLAIN else 0.05)
    assert fastest(clock.work(), [PLAIN, MIXED]) == MIXED and clock.calls


@pytest.mark.parametrize(
    "kept",
    [{"precision": "fp32"}, {**asdict(PLAIN), "precision": "fp64"}, {**asdict(PLAIN), "batch": "4"}, {}],
)
def test_a_cache_of_other_answers_is_not_used(monkeypatch, own_cache: Path, kept) -> None:
    clock = Clock(monkeypatch, lambda config: 0.1 if config == PLAIN else 0.05)
    fastest(clock.work(), [PLAIN, MIXED])
    (key,) = load_cache()
    store(key, kept)
    clock.calls.clear()
    assert fastest(clock.work(), [PLAIN, MIXED]) == MIXED and clock.calls
    assert load_cache() == {key: asdict(MIXED)}
