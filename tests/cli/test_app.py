import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.cli import tables
from convscope.jobs import JOBS
from convscope.jobs.registry import load, summary

HELP = [[], ["--help"], *([*verb.split(), "--help"] for verb in JOBS)]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_help_imports_no_verb_and_never_torch() -> None:
    done = python(
        "import sys\nfrom convscope.cli.core.app import run\nassert run(['--help']) == 0\n"
        "print(*(m for m in sys.modules if m in ('torch', 'numpy', 'PIL') or m.startswith('convscope.')))"
    )
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stderr
    assert "torch" not in last
    assert "numpy" not in last
    assert "convscope.jobs.program.tour" not in last and "convscope.cli.tables.program.tour" not in last


def test_no_schema_of_any_verb_imports_torch() -> None:
    lines = "\n".join(f"assert run({words!r}) == 0" for words in HELP)
    done = python(
        f"import sys\nfrom convscope.cli.core.app import run\n{lines}\nassert 'torch' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_every_help_page_is_there(convscope, words: list[str]) -> None:
    done = convscope(*words)
    assert done.code == 0
    assert "Usage: convscope" in done.out
    assert done.err == ""


def test_help_lists_every_verb_with_its_first_line(convscope) -> None:
    out = convscope("-h").out
    for verb in JOBS:
        assert verb.split()[0] in out
        assert summary(verb) == str(load(verb).__doc__).splitlines()[0]
        assert summary(verb) in out, verb


def test_version_is_the_installed_one(convscope) -> None:
    from importlib.metadata import version

    assert convscope("--version").out == f"convscope {version('convscope')}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["descirbe", "lecture"], "Did you mean describe?"),
        (["data", "chekc"], "Did you mean data check?"),
        (["style", "trian", "photographs", "--style", "wave.jpg"], "Did you mean style train?"),
        (["style", "aply", "me.jpg"], "Did you mean style apply?"),
        (["doctor", "--jsn"], "Did you mean --json?"),
        (["doctor", "--frobnicate"], "See: convscope doctor --help"),
        (["doctor", "surplus"], "Write: convscope doctor\n"),
        (["doctor", "--seed"], "See: convscope doctor --help"),
        (["--frobnicate"], "See: convscope --help"),
        (["tour", "--seed", "-1"], "seed: a whole number, at least 0"),
        (["tour", "--seed", "1.5"], "seed: "),
        (["doctor", "--device", "gpu"], "device: auto, cpu, cuda or mps"),
    ],
)
def test_a_wrong_word_is_a_usage_error_with_a_next_step(convscope, words: list[str], expected: str) -> None:
    done = convscope(*words)
    assert done.code == 2
    assert done.out == ""
    assert expected in done.err
    assert "next:" in done.err
    assert "Traceback" not in done.err
    as_json = convscope(*words, "--json")
    assert as_json.code == 2
    assert as_json.json["error"]["exit_code"] == 2
    assert as_json.json["error"]["hint"]


def test_completion_scripts_and_words(tmp_path: Path) -> None:
    typed = {"COMP_WORDS": "convscope doctor --device c", "COMP_CWORD": "3"}
    environment = {"_CONVSCOPE_COMPLETE": "complete_bash", **typed}
    words = python(
        "from convscope.cli import main\nimport sys\nsys.argv = ['convscope']\nmain()", **environment
    )
    assert words.stdout.split() == ["cpu", "cuda"], words.stderr
    script = subprocess.run(
        [sys.executable, "-m", "convscope", "--install-completion", "bash"],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert script.returncode == 0, script.stderr
    assert list(tmp_path.rglob("*convscope*")), "a completion script in the home folder"


def test_broken_pipe_is_silent() -> None:
    done = subprocess.run(
        f"{sys.executable} -m convscope doctor --help | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_every_verb_that_ships_has_a_table_of_its_own() -> None:
    """A misnamed module would be passed over for the table of any document."""
    for verb in JOBS:
        assert not tables._module(verb).__name__.endswith("generic"), verb
    assert tables._module("no such verb").__name__.endswith("generic")
