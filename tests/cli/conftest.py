import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convscope.cli.core import app
from convscope.cli.core import command as commands


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def convscope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """Run one command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> Done:
        capsys.readouterr()
        code = app.run([str(word) for word in words])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


class Accepted(BaseException):
    """Raised where a job would begin: its command line is right."""


@pytest.fixture
def accepted(convscope, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bool]:
    """Whether a command line passes the parser, the checks of arguments and the schema; no job is begun."""

    def begun(*_: object, **__: object) -> None:
        raise Accepted

    def call(words: str) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(commands.jobs, "run", begun)
            try:
                convscope(*shlex.split(words))
            except Accepted:
                return True
        return False

    return call
