"""How fast this machine multiplies matrices: what the other numbers are a share of."""

import time

import torch

from benchmarks.result import Result, spread

SIDE, ROUNDS = 2048, 12


def flops(dtype: torch.dtype) -> float:
    """Floating point operations a second of one large product, the best of some rounds."""
    return max(_rounds(dtype))


def _rounds(dtype: torch.dtype) -> list[float]:
    first, second = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    rates = []
    for turn in range(ROUNDS + 2):
        started = time.perf_counter()
        torch.mm(first, second)
        if turn > 1:
            rates.append(2 * SIDE**3 / (time.perf_counter() - started))
    return rates


def run() -> Result:
    found = {"fp32": _rounds(torch.float32), "bf16": _rounds(torch.bfloat16)}
    rows = [(name, spread([r / 1e9 for r in rates])) for name, rates in found.items()]
    return Result(
        "The machine's peak",
        f"One product of two {SIDE} x {SIDE} matrices, {torch.get_num_threads()} threads.",
        ("precision", "GFLOP/s"),
        rows,
        found,
    )
