"""A walk through every command of the README, in its order, in an empty folder: exit code, seconds, files."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data import DATA
from benchmarks.result import Result, Target, spread

NEEDS = ("coco200", "paintings", "flowers")
README = Path(__file__).parent.parent / "README.md"
PHOTO = DATA / "coco200" / "images" / "val2017" / "000000001584.jpg"
PAINTING = DATA / "paintings" / "hokusai_great_wave_c1831.jpg"
PER_CLASS = 20
"""Photographs of each of the five flowers that stand for one's own."""
TYPED = {"convscope play": "E5\nresign\nquit\n"}
"""What is typed into commands that ask."""
LONGEST = 900


def commands() -> list[str]:
    """Return the lines of the README's shell blocks that begin with `convscope`, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.split("\n")]
    return list(dict.fromkeys(line for line in lines if line.startswith("convscope ")))


def furnish(folder: Path) -> None:
    """Put the files there that the README's commands name."""
    from PIL import Image

    from convscope.worlds.datasets import digits

    shutil.copy(PHOTO, folder / "photo.jpg")
    shutil.copy(PAINTING, folder / "painting.jpg")
    digit = digits.test().pixels([0])[0]
    Image.fromarray(digit.squeeze(0).numpy()).save(folder / "digit.png")
    for kind in sorted((DATA / "flowers" / "train").iterdir()):
        (folder / "pictures" / kind.name).mkdir(parents=True)
        for photograph in sorted(kind.iterdir())[:PER_CLASS]:
            shutil.copy(photograph, folder / "pictures" / kind.name)


def walk(folder: Path) -> list[tuple[str, int, float, list[str], str]]:
    """Run the commands: each with its exit code, seconds, new files, and what it said last."""
    found = []
    environ = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "120"}
    for line in commands():
        before, began = files(folder), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "convscope", *shlex.split(line)[1:]],
            cwd=folder,
            env=environ,
            input=TYPED.get(line, ""),
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
        seconds, made = time.perf_counter() - began, sorted(files(folder) - before)
        lines = (done.stderr if done.returncode else done.stdout).splitlines()
        said = [text for text in lines if any(map(str.isalnum, text))]  # not the frame of a table
        print(f"{seconds:6.1f} s  {done.returncode}  {line}", file=sys.stderr, flush=True)
        found.append((line, done.returncode, seconds, made, said[-1].strip() if said else ""))
    return found


def files(folder: Path) -> set[str]:
    """Return the files below a folder, without the cache."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "cache" not in p.parts}


def run() -> Result:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        furnish(folder)
        found = walk(folder)
    rows = [
        (f"`{line}`", str(code), f"{seconds:.1f}", listed(made), said.replace("|", "\\|")[:120])
        for line, code, seconds, made, said in found
    ]
    wrong = [line for line, code, *_ in found if code]
    return Result(
        "A walk through the README",
        "Every command of the README, in its order, in an empty folder with a photograph, a painting, a "
        f"digit, and {PER_CLASS} photographs of each of five flowers; in turn, once, with an empty "
        "cache at the beginning. Seconds are those of the whole process.",
        ("command", "exit code", "seconds", "new files", "what it said last"),
        rows,
        {"walk": found, "seconds": spread([seconds for _, _, seconds, *_ in found], ".1f")},
        [Target("every command ends with exit code 0", ", ".join(wrong) or "all do", not wrong)],
    )


def listed(made: list[str]) -> str:
    """Return the names of the first files, and how many more there are."""
    shown = ", ".join(made[:3])
    return f"{shown} and {len(made) - 3} more" if len(made) > 3 else shown
