"""GNU Go over the Go Text Protocol, as a second opinion."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def program() -> str:
    found = shutil.which("gnugo", path=f"{os.environ.get('PATH', '')}:/usr/games:/usr/local/games")
    if found is None:
        pytest.skip("GNU Go is not installed (Debian: apt-get install gnugo)")
    return found


class GnuGo:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, *commands: str) -> list[str]:
        """Send commands at once, and return the answers without their sign."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("".join(f"{command}\n" for command in commands))
        self.process.stdin.flush()
        return [self._answer(command) for command in commands]

    def _answer(self, command: str) -> str:
        assert self.process.stdout
        lines: list[str] = []
        while True:
            line = self.process.stdout.readline()
            assert line, f"GNU Go ended at {command!r}"
            if not line.strip():
                break
            lines.append(line.strip())
        answer = "\n".join(lines)
        assert answer.startswith("="), f"{command!r}: {answer}"
        return answer[1:].strip()


@contextmanager
def gnugo(*options: str) -> Iterator[GnuGo]:
    words = [program(), "--mode", "gtp", "--quiet", *options]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield GnuGo(process)
        assert process.stdin
        process.stdin.write("quit\n")
        process.stdin.flush()
