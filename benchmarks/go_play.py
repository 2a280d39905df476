"""Matches of Go on 9x9 over GTP: our players, a random one and GNU Go at two levels.

Every two games begin with the same random moves, with colours exchanged. GNU Go counts each finished game
under Chinese rules; our engine counts it too, and where the two name different winners it is said.
`CONVSCOPE_GO_GAMES` sets the number of games of each match; `CONVSCOPE_GO_ONLY` a part of the names of the
matches that are played. Each match is played once and kept in `results/go_play_runs.json`.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field, fields

import numpy as np

from benchmarks.kept_runs import KeptRuns
from benchmarks.result import Result
from convscope.errors import MissingError
from convscope.use.go import candidates
from convscope.worlds import wilson_interval
from convscope.worlds.go import Board, Rules, vertex

SIZE, KOMI, OPENING, LONGEST = 9, 7.5, 4, 300
"""Board, komi, random moves that begin a game, and the move at which a game is counted as it stands."""
GAMES = int(os.environ.get("CONVSCOPE_GO_GAMES", "100"))
ONLY = os.environ.get("CONVSCOPE_GO_ONLY", "")
OURS = [sys.executable, "-m", "convscope", "gtp", "--size", str(SIZE)]
ENGINES: dict[str, list[str]] = {
    "random": [*OURS, "--net", "uniform", "--visits", "0", "--temperature", "1"],
    "policy": [*OURS, "--net", "go-9x9", "--visits", "0"],
    "policy, 8 symmetries": [*OURS, "--net", "go-9x9", "--visits", "0", "--symmetries", "8"],
    "search, 100 visits": [*OURS, "--net", "go-9x9", "--visits", "100"],
    "search, 400 visits": [*OURS, "--net", "go-9x9", "--visits", "400"],
    "search without a network, 400 visits": [*OURS, "--net", "uniform", "--visits", "400", "--playouts", "8"],
    "GNU Go, level 1": ["gnugo", "--never-resign", "--level", "1"],
    "GNU Go, level 8": ["gnugo", "--never-resign", "--level", "8"],
}
MATCHES = (
    ("policy", "random"),
    ("policy", "GNU Go, level 1"),
    ("policy", "GNU Go, level 8"),
    ("policy, 8 symmetries", "GNU Go, level 1"),
    ("search, 100 visits", "random"),
    ("search, 100 visits", "policy"),
    ("search, 100 visits", "GNU Go, level 1"),
    ("search, 100 visits", "GNU Go, level 8"),
    ("search, 400 visits", "GNU Go, level 8"),
    ("search without a network, 400 visits", "GNU Go, level 1"),
    ("search without a network, 400 visits", "search, 400 visits"),
)


def run() -> Result:
    rows, raw = [], {}
    kept = KeptRuns("go_play")
    for ours, theirs in MATCHES:
        name = f"{ours} against {theirs}"
        if ONLY not in name:
            continue
        key = {"player": ours, "against": theirs, "games": GAMES}
        run = kept.get(key, lambda pair=(ours, theirs): vars(match(*pair)))
        found = Match(**{one.name: run[one.name] for one in fields(Match)})
        low, high = wilson_interval(found.wins, found.played)
        rows.append(
            (
                ours,
                theirs,
                str(found.played),
                f"{found.wins / found.played:.0%} ({low:.0%} to {high:.0%})",
                f"{found.wins_as_black} of {found.as_black}",
                f"{np.median(found.lengths):.0f}",
                str(found.disagreements),
                str(found.unfinished),
            )
        )
        raw[name] = vars(found)
    return Result(
        "Matches on 9x9",
        f"Games over GTP, komi {KOMI:g}, Chinese rules, {OPENING} random moves begin each two games, "
        "with colours exchanged; nobody resigns. Wins of the first player with Wilson's 95 % interval. "
        "GNU Go counts; `disagree` are games of which our count names another winner, `cut` those of more "
        f"than {LONGEST} moves. Which moves are chosen does not depend on the machine's speed.",
        ("player", "against", "games", "wins", "as black", "moves", "disagree", "cut"),
        rows,
        raw,
    )


@dataclass
class Match:
    """What came of the games of a match, for the first player."""

    played: int = 0
    wins: int = 0
    as_black: int = 0
    wins_as_black: int = 0
    draws: int = 0
    disagreements: int = 0
    unfinished: int = 0
    lengths: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, black: bool, result: str, counted: str, moves: int) -> None:
        """Add a game: GNU Go's result, and our count of the same board."""
        won = result[:1] == ("B" if black else "W")
        self.played, self.wins = self.played + 1, self.wins + won
        self.as_black, self.wins_as_black = self.as_black + black, self.wins_as_black + (won and black)
        self.draws += result[:1] not in ("B", "W")
        self.disagreements += result[:1] != counted[:1]
        self.unfinished += moves >= LONGEST
        self.lengths.append(moves)


class Engine:
    """A program that speaks GTP."""

    def __init__(self, words: list[str]) -> None:
        if words[0] == "gnugo":
            words = [gnugo(), "--mode", "gtp", "--quiet", "--chinese-rules", "--seed", "1", *words[1:]]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, command: str) -> str:
        """Send a command and return its answer; an error where it fails."""
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("an engine without pipes")
        stdin.write(f"{command}\n")
        stdin.flush()
        lines: list[str] = []
        while (line := stdout.readline()).strip():
            lines.append(line)
        answer = "".join(lines).strip()
        if not answer.startswith("="):
            raise RuntimeError(f"{command}: {answer or 'no answer'}")
        return answer[1:].strip()

    def close(self) -> None:
        """End the program."""
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait(30)


def gnugo() -> str:
    """Path of GNU Go."""
    found = shutil.which("gnugo", path=f"{os.environ.get('PATH', '')}:/usr/games:/usr/local/games")
    if found is None:
        raise MissingError("GNU Go", received="no program gnugo", hint="Debian: apt-get install gnugo")
    return found


def match(ours: str, theirs: str) -> Match:
    """Play the games of a match."""
    players = [Engine([*ENGINES[name], *seeded(name, number)]) for number, name in enumerate((ours, theirs))]
    judges, found, begun = [Engine(["gnugo"]), Engine([*OURS, "--net", "uniform"])], Match(), time.monotonic()
    try:
        for number in range(GAMES):
            black = number % 2 == 0
            moves = opening(number // 2)
            played = game(players if black else players[::-1], moves)
            result, counted = (count(judge, played) for judge in judges)
            found.add(black, result, counted, len(played))
    finally:
        for engine in (*players, *judges):
            engine.close()
    found.seconds = time.monotonic() - begun
    return found


def seeded(name: str, number: int) -> list[str]:
    """Return the flag of a seed for an engine of ours."""
    return ["--seed", str(number + 1)] if ENGINES[name][0] == OURS[0] else []


def opening(number: int) -> list[str]:
    """Return the random moves that a pair of games begins with."""
    draw, board = random.Random(number), Board(SIZE)
    for _ in range(OPENING):
        places = [(int(row), int(column)) for row, column in np.argwhere(candidates(board))]
        board.play(draw.choice(places))
    return [vertex(move.point, SIZE) for move in board.history]


def begin(engine: Engine) -> None:
    """Clear an engine's board."""
    for command in (f"boardsize {SIZE}", "clear_board", f"komi {KOMI}"):
        engine.ask(command)


def game(players: list[Engine], moves: list[str]) -> list[str]:
    """Play a game from its opening, black first, and return its moves."""
    board, played = Board(SIZE, Rules(KOMI)), list(moves)
    for engine in players:
        begin(engine)
        for index, move in enumerate(moves):
            engine.ask(f"play {'bw'[index % 2]} {move}")
    for move in moves:
        board.play(move)
    while not board.is_over and len(played) < LONGEST:
        side = len(played) % 2
        move = players[side].ask(f"genmove {'bw'[side]}")
        board.play(move)
        players[1 - side].ask(f"play {'bw'[side]} {move}")
        played.append(move)
    return played


def count(judge: Engine, moves: list[str]) -> str:
    """Return an engine's score of a game that was played."""
    begin(judge)
    for index, move in enumerate(moves):
        judge.ask(f"play {'bw'[index % 2]} {move}")
    return judge.ask("final_score")
