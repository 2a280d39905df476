"""Make the 9x9 games from which the small Go network learns: GNU Go against itself, from random openings.

There are no published records of professional games on 9x9. GNU Go plays both sides, at a level of 1 to 8 for
each game; the first moves are drawn at random, so that games differ, and are not learned from.

    python -m scripts.make_go9_games --games 2000 --seed 1 --out games.tsv

Each line is one game: label, komi, result, moves (two letters each as in SGF, `tt` for a pass), number of
random moves. A game depends on the seed and its number alone, but for what GNU Go keeps in its caches. The
file is appended to, so that a stopped run goes on where it was; `--pack FILE.xz` compresses it, without games
that came before.
"""

import argparse
import lzma
import random
import subprocess
from pathlib import Path

from convscope.worlds.go import parse_vertex, read_table

SIZE, KOMI, LONGEST = 9, 7.5, 140
LEVELS = (1, 4, 6, 8)
"""Levels of play, drawn for each game; 10 is GNU Go's own default, and takes several times as long."""


class GnuGo:
    """GNU Go, driven over its standard input and output by the Go Text Protocol."""

    def __init__(self, program: str = "gnugo") -> None:
        words = [program, "--mode", "gtp", "--quiet", "--chinese-rules", "--never-resign"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command: str) -> str:
        """Send a command, and return the answer without its sign."""
        assert self.process.stdin and self.process.stdout  # noqa: S101
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines = []
        while line := self.process.stdout.readline().strip():
            lines.append(line)
        answer = "\n".join(lines)
        if not answer.startswith("="):
            raise SystemExit(f"GNU Go answered {answer!r} to {command!r}")
        return answer[1:].strip()


def as_sgf(vertex: str) -> str:
    """Return `C7` as SGF writes it on 9x9, `cc`; a pass as `tt`."""
    point = parse_vertex(vertex, SIZE)
    return "tt" if point is None else chr(97 + point[1]) + chr(97 + point[0])


def play(engine: GnuGo, seed: int, number: int) -> str:
    """Play one game.

    Returns:
        Its line.
    """
    draw = random.Random(f"{seed}/{number}")
    level, opening = draw.choice(LEVELS), draw.randint(0, 8)
    for command in (
        f"boardsize {SIZE}",
        "clear_board",
        f"komi {KOMI}",
        f"level {level}",
        f"set_random_seed {draw.randrange(1, 2**30)}",
    ):
        engine.ask(command)
    moves: list[str] = []
    while len(moves) < LONGEST and moves[-2:] != ["tt", "tt"]:
        colour = "bw"[len(moves) % 2]
        if len(moves) < opening:
            inner = [
                v
                for v in engine.ask(f"all_legal {colour}").split()
                if v[0] in "BCDEFGH" and v[1] in "2345678"
            ]
            vertex = draw.choice(inner)
            engine.ask(f"play {colour} {vertex}")
        else:
            vertex = engine.ask(f"genmove {colour}")
        moves.append(as_sgf(vertex))
    result = engine.ask("final_score").split()[0]
    return f"GNU Go, level {level}\t{KOMI}\t{result}\t{''.join(moves)}\t{opening}"


def pack(table: Path, target: Path) -> None:
    """Compress a table, without the games that came before in any symmetry."""
    again = {int(problem.path.rpartition(":")[2]) for problem in read_table(table, SIZE).problems}
    lines = table.read_text().splitlines(keepends=True)
    kept = "".join(line for number, line in enumerate(lines, start=1) if number not in again)
    target.write_bytes(lzma.compress(kept.encode(), preset=9))
    print(f"{len(lines) - len(again):,} games; {len(again):,} were there already")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pack", type=Path, help="compress what is there into this file, and play nothing")
    wanted = parser.parse_args()
    if wanted.pack:
        pack(wanted.out, wanted.pack)
        return
    done = len(wanted.out.read_text().splitlines()) if wanted.out.exists() else 0
    engine = GnuGo()
    with wanted.out.open("a") as out:
        for number in range(done, wanted.games):
            out.write(play(engine, wanted.seed, number) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
