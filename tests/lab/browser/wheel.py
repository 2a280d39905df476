"""The wheel that users install: built, and installed into a folder of its own."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120
"""Seconds after which a wheel cannot be built: pip waits for the build backend, and there is no network."""
TOKEN = "the-token-of-the-tests-of-the-wheel"
"""What programs send to its lab."""


def installed_wheel(made: Path, folder: Path) -> Path:
    """Build the wheel in one folder, install it into another, and return that."""
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else ["--retries", "0"]
    try:
        built = _pip("wheel", ROOT, "--no-deps", "--wheel-dir", made, *here)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the wheel was not built in {PATIENCE} s: pip waits for hatchling, its build backend")
    wheels = list(made.glob("convscope-*.whl"))
    if not wheels and "hatchling" in built.stdout + built.stderr:
        pytest.skip(
            "the wheel cannot be built here: hatchling, its build backend, is neither installed nor found"
        )
    assert wheels, built.stderr
    assert _pip("install", "--no-deps", "--no-index", "--target", folder, wheels[0]).returncode == 0
    _hand_over_compiled(ROOT / "src" / "convscope", folder / "convscope")
    return folder


def _pip(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def _hand_over_compiled(source: Path, target: Path) -> None:
    """Copy what numba has compiled here from the same sources: the rules of Go, which take a minute."""
    for compiled in source.rglob("__pycache__/*.nb[ci]"):
        module = compiled.parents[1] / f"{compiled.name.split('.')[0]}.py"
        same = target / module.relative_to(source)
        assert same.read_bytes() == module.read_bytes()
        os.utime(same, ns=(module.stat().st_atime_ns, module.stat().st_mtime_ns))  # numba compares it
        same.parent.joinpath("__pycache__").mkdir(exist_ok=True)
        shutil.copy2(compiled, same.parent / "__pycache__")
