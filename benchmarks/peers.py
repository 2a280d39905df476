"""An environment for what convscope is measured against: theirs, on top of ours."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

from convscope.errors import MissingError

ROOT = Path(__file__).parents[1]
WANTED = Path(__file__).with_name("requirements-peers.txt")


def python() -> Path:
    """The environment's interpreter; made, or brought up to date, if need be.

    Everything that is not pinned for a peer, torch above all, is the same as convscope's own.
    """
    folder = Path(os.environ.get("CONVSCOPE_PEERS", ROOT / ".venv-peers"))
    interpreter, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != WANTED.read_text():
        venv.create(folder, with_pip=True)
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "convscope-peers.pth").write_text(
            f"{sysconfig.get_path('purelib')}\n{ROOT / 'src'}\n{ROOT}\n"
        )
        command = [interpreter, "-m", "pip", "install", "--quiet", "--no-deps", "-r", WANTED]
        if subprocess.run([str(word) for word in command], check=False).returncode:
            raise MissingError(
                "the programs that convscope is measured against",
                received=f"pip could not install them into {folder}",
                hint=f"Connect to a package index, or install {WANTED.name} where CONVSCOPE_PEERS says.",
            )
        stamp.write_text(WANTED.read_text())
    return interpreter


def beside(module: str, *arguments: str) -> Any:
    """Run `python -m module ...` where the peers are, and return the JSON it prints last."""
    done = subprocess.run(
        [str(python()), "-W", "ignore", "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        raise RuntimeError(f"{module} failed")
    return json.loads(done.stdout.splitlines()[-1])
