"""A process of its own that runs trainings in forks of itself, and kills each at one of its file events.

`python killing.py FOLDER MODE [NUMBER ...]`: Python tells (by its audit events) before a file is opened for
writing, renamed, removed, made or changed. At event NUMBER below the run's folder the process is ended by
SIGKILL. Then `--resume` continues in a fresh fork. One line of JSON tells how each came out.
"""

import json
import os
import shutil
import signal
import sys
import tomllib
from contextlib import redirect_stdout
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import torch

from convscope.cli.core import app
from convscope.learn.trainer.run_folder import train_run
from convscope.worlds.datasets import digits

torch.set_num_threads(1)
TRAIN_IMAGES, TEST_IMAGES = digits.train().take(range(200)), digits.test().take(range(50))
CHAIN = "flatten, dropout 0.2, dense 10"
WORDS = [
    "train",
    CHAIN,
    "digits",
    "--epochs",
    "2",
    "--batch",
    "100",
    "--freeze",
    "dense1:3",
    "--thaw",
    "dense1:3,5 at epoch 2",
    "--precision",
    "fp32",
    "--memory-format",
    "contiguous",
    "--device",
    "cpu",
    "--quiet",
    "--json",
]
EVENTS = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.truncate",
    "os.link",
    "os.symlink",
}
TIMING = {"seconds", "samples_per_second"}


def watch(folder: str, fatal: int) -> list[int]:
    """Count the file events below a folder; the process ends before the one numbered `fatal`."""
    count = [0]

    def hook(event: str, words: tuple[object, ...]) -> None:
        if event == "open":
            writes = isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes:
                return
        elif event not in EVENTS:
            return
        if folder in str(words[0]):
            count[0] += 1
            if count[0] == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def forked(words: list[str], folder: Path, fatal: int = 0, often: bool = False) -> tuple[int, int]:
    """Run one command line in a fork; its exit code (negative: the signal), and the events it has had."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if often:
            train_run.STATE_INTERVAL = import_module("convscope.learn.trainer.trainer").PROGRESS_INTERVAL = (
                0.0
            )
        count = watch(str(folder), fatal)
        code = app.run(words)
        os.write(write, str(count[0]).encode())
        os._exit(code)
    os.close(write)
    _, status = os.waitpid(child, 0)
    told = os.read(read, 100)
    os.close(read)
    return os.waitstatus_to_exitcode(status), int(told or 0)


def outcome(folder: Path) -> dict[str, object]:
    """What a run has come to: weights, metrics without times, and the files that are there."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    metrics = [{k: v for k, v in line.items() if k not in TIMING} for line in lines]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {
        "weights": sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "metrics": metrics,
        "files": [f"{name[:11]}..." if name.startswith("state/state-") else name for name in files],
        "recipe": tomllib.loads((folder / "recipe.toml").read_text()),
        "source": json.loads((folder / "model.json").read_text())["source"]["weights"],
    }


def survive(place: Path, fatal: int, often: bool, wanted: dict[str, object]) -> dict[str, object]:
    """Kill a training at one event, resume it, and compare."""
    folder = place / "run"
    shutil.rmtree(folder, ignore_errors=True)
    start = [*WORDS, "--out", str(folder)]
    killed, _ = forked(start, folder, fatal, often)
    before = (folder / "recipe.toml").exists()
    finished = before and (folder / "metrics.jsonl").exists()
    finished = finished and len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    code, _ = forked(["train", "--resume", str(folder), "--quiet", "--json"], folder)
    if not before:  # nothing was written yet: it says so, and the same command begins anew
        code = -1000 if code != 3 else forked(start, folder)[0]
    if finished and code == 2:  # it had ended: what is there must be whole as it is
        code = 0
    same = code == 0 and outcome(folder) == wanted
    return {"event": fatal, "killed": killed == -signal.SIGKILL, "code": code, "same": same, "begun": before}


digits.train, digits.test = lambda: TRAIN_IMAGES, lambda: TEST_IMAGES


def main(place: Path, mode: str, chosen: list[int]) -> None:
    """Print what each event came to; with no event chosen, all of them."""
    often = mode == "often"
    answers = os.fdopen(os.dup(1), "w")
    with redirect_stdout(sys.stderr):
        app.run([*WORDS, "--out", str(place / "warm")])  # what is imported now need not be in every fork
    whole = place / "whole"
    code, events = forked([*WORDS, "--out", str(whole)], whole, 0, often)
    if code:
        raise SystemExit(f"the undisturbed run ended with {code}")
    wanted = outcome(whole)
    print(json.dumps({"events": events}), file=answers, flush=True)
    for fatal in chosen or range(1, events + 1):
        print(json.dumps(survive(place, fatal, often, wanted)), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], list(map(int, sys.argv[3:])))
