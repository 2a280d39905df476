import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

import convscope.system.progress
from convscope import jobs
from convscope.cli.core import progress
from convscope.cli.core.shell import Shell
from convscope.learn import ClassificationRecipe
from convscope.see.visualization import VisualizeRecipe
from convscope.system.progress import Progress, Settled, TimeLeft, duration


def test_plain_lines_come_every_few_seconds_and_the_last_always(monkeypatch, capsys) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) * 1.0)
    with progress.plain("training") as bar:
        for done in range(1, 11):
            bar.update(done / 10, f"loss {done}")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("training  10%")
    assert lines[-1] == "training 100%  loss 10"
    assert 4 <= len(lines) <= 5, lines


def test_nothing_is_estimated_from_a_part_that_goes_faster_than_the_rest(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(convscope.system.progress.time, "monotonic", lambda: clock[0])
    done = [(0.0, False), (0.4, False), (0.8, False), (0.85, True), (0.9, True), (0.95, True)]
    steps = iter([Progress(fraction, "", lambda: None, steady=steady) for fraction, steady in done])
    monkeypatch.setattr("convscope.jobs.registry.load", lambda _: SimpleNamespace(run=lambda *_: steps))
    told = []
    for step in jobs.run(ClassificationRecipe()):
        told.append(step.left)
        clock[0] += 1 if len(told) < 4 else 10  # a probe of seconds, then fine-tuning of minutes
    assert told[:4] == [None] * 4
    assert told[4:] == pytest.approx([20.0, 10.0])


def test_no_time_is_estimated_from_a_probe(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    few = {"data": "digits", "samples": 64, "epochs": 3, "network": "digits"}
    steady = [step.steady for step in jobs.run(ClassificationRecipe(**few, probe_epochs=2), tmp_path / "a")]
    assert set(steady) == {False, True} and steady == sorted(steady)  # the probe first, then what it takes
    assert all(step.steady for step in jobs.run(ClassificationRecipe(**few), tmp_path / "b"))


def test_time_left_is_shown_and_what_takes_long_is_said_at_the_beginning(monkeypatch, capsys) -> None:
    clock = [100.0]
    monkeypatch.setattr(convscope.system.progress.time, "monotonic", lambda: clock[0])
    estimate = TimeLeft()
    assert estimate(0.25) is None  # done before: an index that goes on
    clock[0] = 130.0
    assert estimate(0.5) == pytest.approx(60.0)  # half a minute for a quarter of it
    clock[0] = 132.0
    assert estimate(0.75) == pytest.approx(2.0)  # two seconds for a quarter: the first one does not count
    settled = Settled()
    assert not settled(500.0)
    clock[0] = 150.0
    assert settled(900.0)  # later than it should be said

    class Steps:
        recipe, document, ended = SimpleNamespace(verb="style"), None, False
        steps = iter([(0.0, None), (0.01, 600.0), (0.01, 133.0), (0.01, 132.0), (0.5, 60.0), (1.0, 0.0)])

        def __next__(self):
            clock[0] += 2
            fraction, left = next(self.steps, (None, None))
            self.ended = fraction is None
            if self.ended:
                raise StopIteration
            return Progress(fraction, f"at {fraction}", lambda: None, left)

    Shell().follow(Steps())
    err = capsys.readouterr().err
    assert (
        err.count("This will take about 2 min 10 s on this machine.") == 1
    )  # not 10 min, of a slow first step
    assert err.count("This will take") == 1
    assert err.splitlines()[-1] == "style 100%  at 1.0"
    with progress.plain("x") as bar:
        bar.update(0.5, "half", 61.0)
    assert "x  50%  1 min left  half" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.2, "59 s"), (130, "2 min 10 s"), (58 * 60 + 31, "58 min"), (3900, "1 h 5 min")],
)
def test_durations_are_as_exact_as_estimates(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_job_says_how_long_it_has_left(tmp_path, monkeypatch) -> None:
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(convscope.system.progress.time, "monotonic", lambda: float(next(clock)))
    steps = list(jobs.run(VisualizeRecipe(net="lecture", places=["conv1:0"], steps=4), tmp_path / "out"))
    left = [step.left for step in steps if step.message]
    assert left[0] is None
    assert left[1:-1] == sorted(left[1:-1], reverse=True)
    assert left[-1] == 0


def test_quiet_says_nothing(capsys) -> None:
    with progress.shown("x", quiet=True) as bar:
        bar.update(1, "news")
    Shell(quiet=True).log("news")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("terminal", "moving"), [(True, True), (False, False)])
def test_bars_move_on_terminals_only_even_with_forced_colour(
    monkeypatch, terminal: bool, moving: bool
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.shown("work") as bar:
        assert screen.getvalue() == ""
        bar.update(1, "news")
    assert ("\x1b[" in screen.getvalue()) is moving
    assert "news" in screen.getvalue()


@pytest.mark.parametrize(
    ("environment", "coloured"), [({"NO_COLOR": "1"}, False), ({"FORCE_COLOR": "1"}, True), ({}, False)]
)
def test_colour_obeys_the_environment(environment: dict[str, str], coloured: bool) -> None:
    code = (
        "from rich.text import Text\nfrom convscope.cli.core.shell import Shell\n"
        "Shell().answer({}, lambda document: Text('hello', 'bold red'))"
    )
    path = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**path, **environment}, capture_output=True, text=True
    )
    assert "hello" in done.stdout, done.stderr
    assert ("\x1b[" in done.stdout) is coloured
