"""Ctrl-C and SIGTERM at any moment: exit code 130, one message or document, no traceback, no half result."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.test_bad_inputs import SOUND

from convscope.jobs import JOBS
from convscope.jobs.registry import load
from convscope.recipe import OnDevice

pytestmark = pytest.mark.slow

LAUNCH = """
import os, sys
sys.argv = ["convscope", *sys.argv[1:]]
import convscope
os.write(2, b"ready\\n")
from convscope.cli import main
main()
"""
"""As the installed script begins; what comes before the first import is Python's own."""
MOMENTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.6, 2.4, 4.0)
LONG = {
    "train": ["mlp", "digits", "--epochs", "500", "--precision", "fp32"],
    "visualize": ["lecture", "conv1:0", "--steps", "100000"],
    "tour": ["--epochs", "100"],
}
"""Words that take longer than any of the moments."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    image = Image.radial_gradient("L").resize((28, 28))
    image.save(tmp_path / "picture.png")
    image.convert("RGB").save(tmp_path / "photo.png")
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        image.rotate(90 * (name == "a")).crop((0, 0, 20, 28)).save(tmp_path / "pictures" / name / "1.png")
    (tmp_path / "sound.json").write_text('{"verb": "nets", "recipe": {"word": "resnet18"}}')
    return tmp_path


def stopped(place: Path, words: list[str], seconds: float, number: int) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that gets a signal so long after its first line."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *words],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stderr.readline() == b"ready\n"
    time.sleep(seconds)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    return process.returncode, out.decode(), err.decode()


def verify_stopped(place: Path, words: list[str], seconds: float, number: int, form: list[str]) -> int:
    code, out, err = stopped(place, [*words, *form], seconds, number)
    case = (words, seconds, number, form, code, out[-500:], err[-1500:])
    assert code in (0, 3, 130) or (code == 2 and words[0] == "push"), case  # there fresh weights are refused
    assert "Traceback" not in err and "Exception ignored" not in err and "KeyboardInterrupt" not in err, case
    if form:
        document = json.loads(out)
        assert (document.get("error", {}).get("exit_code") == 130) == (code == 130), case
    elif code == 130:
        assert out == "" and "stopped" in err and "\n  next: " in err, case
    left = list(place.rglob(".convscope-part-*"))
    assert not left, (case, left)
    return code


@pytest.mark.parametrize(
    ("verb", "seconds", "number", "form"),
    [
        ("describe", 0.0, signal.SIGINT, ["--json"]),
        ("describe", 0.1, signal.SIGINT, []),
        ("train", 0.5, signal.SIGTERM, ["--json"]),
        ("visualize", 1.5, signal.SIGINT, ["--json"]),
    ],
)
def test_a_stop_at_the_beginning_is_one_message(place: Path, verb, seconds, number, form) -> None:
    assert verify_stopped(place, [verb, *(LONG.get(verb) or SOUND[verb])], seconds, number, form) == 130


@pytest.mark.exhaustive
@pytest.mark.parametrize("verb", JOBS)
def test_every_verb_stopped_at_many_moments(place: Path, verb: str) -> None:
    draw, codes = random.Random(verb), []
    for seconds in MOMENTS:
        number, form = draw.choice([signal.SIGINT, signal.SIGTERM]), draw.choice([[], ["--json"]])
        words = [*verb.split(), *(LONG.get(verb) or SOUND[verb])]
        codes.append(verify_stopped(place, words, seconds, number, form))
    print(f"{verb}: {len(codes)} tried, {len(codes)} held, {codes.count(130)} of them stopped")
    assert codes[0] == 130


def test_a_library_leaves_signals_alone() -> None:
    code = (
        "import signal; before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)\n"
        "import convscope, convscope.cli.core.app\n"
        "assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", [["-m", "convscope"], ["-c", LAUNCH]])
def test_signals_that_are_ignored_stay_ignored(place: Path, words: list[str]) -> None:
    """As under nohup, or in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, *words, "describe", "lecture", "--json"],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    for _ in range(10):
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert json.loads(out)["parameters"] == 137_660


def test_a_stop_while_something_is_imported_waits_once_work_has_begun(tmp_path: Path) -> None:
    (tmp_path / "slowly.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "for _ in range(20): time.sleep(0.01)\n"
        "done = True\n"
    )
    code = (
        "import sys, time\nsys.path.insert(0, '.')\nfrom convscope.system import signals\n"
        "signals.install([])\nsignals.working()\n"
        "try:\n    import slowly\n    assert slowly.done\n    time.sleep(5)\n"
        "except KeyboardInterrupt:\n    assert slowly.done\n    sys.exit(7)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 7, done.stderr


JSON = [
    (["train", "--decay", "--", "--json"], 2),
    (["doctor", "--seed", "--", "--json"], 2),
    (["doctor", "--seed", "--json"], 2),
    (["doctor", "--out", "--json"], 2),
    (["doctor", "--config", "--json"], 2),
    (["doctor", "--seed", "1", "surplus", "--json"], 2),
    (["doctor", "--json=yes"], 2),
    (["doctor", "--frobnicate", "--", "--json"], 2),
    (["style", "x.png", "--style", "--json"], 2),
    (["--json"], 0),
    (["--json", "doctor"], 2),
    (["--help", "--json"], 0),
    (["--version", "--json"], 0),
    (["describe", "--help", "--json"], 0),
    (["describe", "--json", "--help"], 0),
    (["data", "--json"], 0),
    (["data", "frobnicate", "--json"], 2),
    (["frobnicate", "--json"], 2),
    (["frobnicate", "--", "--json"], 2),
    (["describe", "lectur", "--json"], 2),
    (["describe", "--json", "--json", "lecture"], 0),
    (["describe", "--json", "--quiet", "--", "lecture"], 0),
    (["nets", "res\x1bnet\u202e", "--json"], 2),
]


@pytest.mark.parametrize(("words", "code"), JSON, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_json_is_one_document_whatever_the_words(convscope, words: list[str], code: int) -> None:
    done = convscope(*words)
    assert isinstance(done.json, dict)
    assert done.code == code, done.out
    assert ("error" in done.json) == (code != 0)


def test_behind_the_end_of_flags_json_is_a_file(convscope) -> None:
    done = convscope("classify", "--net", "digits", "--", "--json")
    assert (done.code, done.out) == (3, "")
    assert "--json" in done.err


def verify_pairs(convscope, verb: str, most: int) -> int:
    """Each flag that takes a value, with `--json`, or `--` and `--json`, in place of its value."""
    from convscope.cli.core.command import flags

    valued = [flag for flag, takes in flags(verb, load(verb).schema).items() if takes]
    chosen = random.Random(verb).sample(valued, min(most, len(valued)))
    for flag, words in itertools.product(chosen, (["--json"], ["--", "--json"])):
        done = convscope(*verb.split(), *SOUND[verb], flag, *words)
        assert done.json["error"]["exit_code"] == done.code == 2, (flag, words)
    return 2 * len(chosen)


def test_a_flag_in_place_of_a_value_is_answered_in_json(convscope) -> None:
    assert sum(verify_pairs(convscope, verb, 1) for verb in JOBS) == 2 * len(JOBS)


@pytest.mark.exhaustive
def test_every_flag_in_place_of_every_value_is_answered_in_json(convscope) -> None:
    tried = sum(verify_pairs(convscope, verb, 1000) for verb in JOBS)
    print(f"{tried} tried, {tried} held")


@pytest.mark.parametrize("name", ["cuda", "mps"])
@pytest.mark.parametrize("verb", [verb for verb in JOBS if issubclass(load(verb).schema, OnDevice)])
def test_a_device_that_is_not_here_is_refused_by_every_verb(convscope, place, verb: str, name: str) -> None:
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if there[name]:
        pytest.skip(f"this machine has {name}")
    done = convscope(*verb.split(), *SOUND[verb], "--device", name, "--json")
    assert done.code == 4, done.err
    assert done.json["error"]["received"] == name
    assert not (place / "runs").exists()


def test_a_result_of_a_device_that_is_not_here_is_not_replayed(convscope, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has cuda")
    recipe = {"images": ["a.png"], "device": "cuda"}
    (tmp_path / "a.json").write_text(json.dumps({"verb": "classify", "recipe": recipe}))
    assert convscope("replay", "a.json").code == 4


PIPES = [
    ("--help", "| head -0", 0),
    ("nets resnet", "| head -0", 0),
    ("nets resnet --json", "| head -0", 0),
    ("frobnicate --json", "| head -0", 2),
    ("nets resnet", ">&-", 0),
    ("nets resnet --json", ">&-", 0),
    ("nets resnet", "> /dev/full", 1),
    ("nets resnet --json", "> /dev/full", 1),
    ("frobnicate", "2>&1 | head -0", 2),
    ("nets resnet", "2>&-", 0),
    ("frobnicate", "2>&-", 2),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(("words", "to", "code"), PIPES)
def test_where_nobody_reads_nothing_is_said(tmp_path: Path, words: str, to: str, code: int) -> None:
    line = f"{sys.executable} -m convscope {words} {to}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert "Exception ignored" not in done.stderr
