import io
import subprocess
import sys

import pytest

from convscope.cli.core import progress
from convscope.cli.core.shell import Shell


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


def test_time_left_is_the_rule_of_three(monkeypatch, capsys) -> None:
    times = iter([100.0, 130.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with progress.plain("x") as bar:
        bar.update(0.25)  # done before: an index that goes on
        bar.update(0.5)
    assert "0:60" not in (err := capsys.readouterr().err) and "1:00 left" in err


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
