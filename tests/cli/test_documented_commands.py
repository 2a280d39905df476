"""Every command that README and docs print is one that the terminal takes: verb, arguments, flags, values."""

import re
import shlex
from pathlib import Path

import pytest

from convscope.cli.core import command
from convscope.cli.core.app import run
from convscope.errors import ConvscopeError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WHOLE = (
    "convscope tour",
    "convscope play",
    "convscope gtp",
    "convscope lab",
    "convscope doctor",
    "convscope recipes",
)
MADE = 1
"""Exit code of the error that stands for the work of a verb."""
NO_FILE = 3
"""Exit code where a file of the command is not here: its flags were read before."""


def commands() -> list[tuple[str, str]]:
    """Return the commands of all pages: lines of code blocks, and spans, that begin with `convscope`."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```(?:sh|bash|text|console)?\n(.*?)^```", text, re.M | re.S)
        lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").split("\n")]
        lines = [line.removeprefix("$ ") for line in lines]
        lines += re.findall(r"`(convscope [^`]+)`", text)
        found += [(page.name, line) for line in lines if re.match(r"convscope [a-z]", line)]
    named = re.compile(r"convscope [a-z-]+( [a-z-]+)? *$")  # a verb's name in a sentence
    return sorted(
        {line: (page, line) for page, line in found if not named.match(line) or line in WHOLE}.values()
    )


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_printed_command_is_taken(page, line, monkeypatch, capsys, tmp_path):
    def stop(*_args, **_options):
        raise ConvscopeError("the recipe was made")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.jobs, "run", stop)
    words = shlex.split(re.split(r"\s[|>&]", line)[0], comments=True)[1:]
    code = run(words)
    assert code in (0, MADE) or (code == NO_FILE and "--config" in words), (
        f"{line}\n{capsys.readouterr().err}"
    )
