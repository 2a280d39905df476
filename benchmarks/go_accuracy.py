"""Moves of professionals on 19x19 that were not learned from: `go-19x19` beside the smallest KataGo network.

    python -m benchmarks go_accuracy

Both see the same positions, of games that `go-19x19` did not learn from; KataGo's network learned from its
own games alone.
"""

import os
import time

import numpy as np
import torch

from benchmarks.data import DATA
from benchmarks.katago_net import KataGo, inputs, logits
from benchmarks.result import Result, Target
from convscope import learn, load
from convscope.worlds import wilson_interval
from convscope.worlds.go import GoPositions

NEEDS = ("go", "weights")
GAMES = DATA / "go" / "tom_9d_games.tsv.xz"
KATAGO = "katago_g170-b6c96-s175395328-d26788732.bin.gz"
POSITIONS = int(os.environ.get("CONVSCOPE_GO_POSITIONS", "4000"))
SAID = 42.0
"""Percent of moves of these games that the smallest KataGo network predicts, as its publishers' data say."""


def run() -> Result:
    positions = unseen()
    wanted = positions.labels
    net = load("go-19x19")
    started = time.process_time()
    with torch.inference_mode():
        parts = torch.arange(len(positions)).split(256)
        ours = torch.cat([net(positions.inputs(part, net.input_spec))["policy"] for part in parts])
    own_seconds = time.process_time() - started
    started = time.process_time()
    peer = KataGo(DATA / "weights" / KATAGO).eval()
    theirs = logits(peer, *planes_of(positions))
    peer_seconds = time.process_time() - started
    rows = [
        row("convscope, go-19x19", net.module, ours, wanted, own_seconds),
        row("KataGo, g170-b6c96", peer, theirs, wanted, peer_seconds),
    ]
    found = {name: accuracy(scores, wanted, 1) for name, scores in (("ours", ours), ("katago", theirs))}
    about = (
        f"{len(positions):,} moves of games between 9-dan players that go-19x19 did not learn from; the "
        "same positions for both. KataGo's network learned from its own games; it runs in torch, by Japanese "
        "rules and a komi of 6.5, whatever those of the game were. Intervals: Wilson, 95 %."
    )
    head = ("network", "first choice", "among five", "parameters of the policy", "processor seconds")
    targets = [
        Target(
            f"KataGo's network, as we read its file, finds at least the {SAID:.0f} % that are known of it",
            f"{found['katago']:.1%}",
            100 * found["katago"] >= SAID,
        ),
        Target(
            "go-19x19 predicts more than KataGo's smallest network",
            f"{found['ours']:.1%}, {found['katago']:.1%}",
            found["ours"] > found["katago"],
        ),
    ]
    return Result("Moves of professionals", about, head, rows, found, targets)


def unseen() -> GoPositions:
    """Return the test positions of the recipe, whose games `go-19x19` did not learn from."""
    values = dict(learn.find_recipe("go-19x19").values())
    values |= {"data": str(GAMES), "test_samples": POSITIONS, "samples": 256}
    setup = learn.setup_training(learn.find_schema("go").parse(values))
    return setup.test


def planes_of(positions: GoPositions) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute KataGo's inputs of positions, each replayed from the empty board."""
    found = []
    for k in range(len(positions)):
        found.append(inputs(positions.board(k)))
    return tuple(torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True))


def accuracy(scores: torch.Tensor, wanted: torch.Tensor, among: int) -> float:
    """Return the share of moves among the likeliest."""
    return float((scores.topk(among).indices == wanted[:, None]).any(1).double().mean())


def row(
    name: str, net: torch.nn.Module, scores: torch.Tensor, wanted: torch.Tensor, seconds: float
) -> tuple[str, ...]:
    """Lay out one network."""
    first, count = accuracy(scores, wanted, 1), len(wanted)
    low, high = wilson_interval(round(first * count), count)
    parameters = sum(weight.numel() for weight in net.parameters())
    return (
        name,
        f"{first:.1%} ({low:.1%} to {high:.1%})",
        f"{accuracy(scores, wanted, 5):.1%}",
        f"{parameters:,}",
        f"{seconds:.0f}",
    )
