"""Put a trained Go network where it ships from: in half precision, with what was measured.

    convscope train --recipe go-9x9 --out runs/go-9x9
    python -m scripts.ship_go runs/go-9x9 go-9x9
    convscope train tom_9d_games.tsv.xz --recipe go-19x19 --out runs/go-19x19
    python -m scripts.ship_go runs/go-19x19 go-19x19

`tom_9d_games.tsv.xz` are 10,000 even games between 9-dan players (github.com/yenw/computer-go-dataset,
Tom/kifu) as a table of label, komi, result and moves. A run that was stopped ships as after its last finished
epoch.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from convscope import nets

DATA = Path(__file__).resolve().parent.parent / "src/convscope/nets/data"
GAMES = {"go-9x9": "games of GNU Go with itself", "go-19x19": "games between 9-dan players"}


def main(run: Path, name: str) -> None:
    net = nets.open_folder(run)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    tested, games = last["test_metrics"], GAMES[name]
    note = (
        f"First choice {tested['top1']:.1%}, among five {tested['top5']:.1%}, winner {tested['winner']:.1%} "
        f"of moves in {games} that were not learned from. In half precision; made by scripts/ship_go.py."
    )
    net.name = name
    net.source = replace(
        net.source,
        weights=f"trained on {games}, {last['index']} of {last['epochs']} epochs",
        licence="Apache-2.0",
        note=note,
    )
    net.module.to(torch.float16)
    nets.save(net, DATA / name)
    print(note)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
