"""Rules and planes of Go: random play with lists of legal moves, and encodings of positions, in one thread.

OpenSpiel (`pip install open-spiel`) is measured where it is installed; sgfmill has no list of legal moves.
"""

import importlib
import random
import time
from collections.abc import Callable

import numpy as np

from benchmarks.result import Result, Target, spread
from convscope.worlds.go import ALPHAGO_PLANES, SMALL_PLANES, GameRecord, GameRecords, GoPositions, encode
from convscope.worlds.go.rules.compiled import compiled
from convscope.worlds.go.rules.engine import (
    PASS,
    PASSES,
    TO_PLAY,
    empty_state,
    legal_points,
    next_draw,
    numbers,
    place,
)
from convscope.worlds.go.rules.features import WHITE_BIT

ROUNDS, SECONDS = 7, 0.6
LONGEST = {9: 120, 19: 400}
RULED = {9: 137_000, 19: 97_500}
"""Moves a second of OpenSpiel 2.0.2, measured on another day: the bar where it is not installed."""
SHORT, FULL = 31_000, 5_000
"""Positions a second: OpenSpiel's 4 planes on 19x19, quoted likewise, and the least for all 48 planes."""


def run() -> Result:
    rates: dict[str, list[float]] = {}
    work = {}
    for size in (9, 19):
        work[f"legal lists, {size}x{size}: convscope"] = lambda size=size: play(size)
        for name, make in (("sgfmill, no lists", sgfmill), ("OpenSpiel", openspiel)):
            step = make(size)
            if step is not None:
                work[f"legal lists, {size}x{size}: {name}"] = step
    records = recorded(19, 200)
    for name, planes in (
        ("4 planes", ALPHAGO_PLANES[:4]),
        ("20 planes", SMALL_PLANES),
        ("48 planes", ALPHAGO_PLANES),
    ):
        work[f"{name}, 19x19: convscope"] = encoder(records, planes)
    work["4 planes, 19x19, of boards at hand: convscope"] = held(records, ALPHAGO_PLANES[:4])
    if (step := openspiel_planes(19)) is not None:
        work["4 planes, 19x19, of boards at hand: OpenSpiel"] = step
    for name, step in work.items():
        step()
        rates[name] = []
    for _ in range(ROUNDS):
        for name, step in work.items():
            rates[name].append(rate(step))
    middle = {name: float(np.median(values)) for name, values in rates.items()}
    targets = []
    for size in (9, 19):
        own, name = middle[f"legal lists, {size}x{size}: convscope"], "OpenSpiel in this run"
        bar = middle.get(f"legal lists, {size}x{size}: OpenSpiel")
        if bar is None:
            bar, name = RULED[size], "OpenSpiel 2.0.2 on another day, quoted"
        targets.append(
            Target(f"{size}x{size}: more moves a second than {name}", f"{own:,.0f}, {bar:,.0f}", own > bar)
        )
    for name, bar in (("4 planes", SHORT), ("48 planes", FULL)):
        own = middle[f"{name}, 19x19: convscope"]
        targets.append(Target(f"{name} of 19x19: {bar:,} positions a second", f"{own:,.0f}", own >= bar))
    spiel = middle.get("4 planes, 19x19, of boards at hand: OpenSpiel")
    if spiel is not None:
        own = middle["4 planes, 19x19, of boards at hand: convscope"]
        targets.append(
            Target(
                "4 planes of boards at hand: more than OpenSpiel", f"{own:,.0f}, {spiel:,.0f}", own > spiel
            )
        )
    return Result(
        "Go",
        "Random legal moves until two passes or 120 (9x9) or 400 (19x19) moves; planes of positions of such "
        "games, each replayed from the empty board, legal moves and ladders included; OpenSpiel is called "
        "from Python, and has its positions ready. One thread, taken in turns; processor time.",
        ("what", "per second"),
        [(name, spread(values)) for name, values in rates.items()],
        rates,
        targets,
    )


def rate(step: Callable[[], int]) -> float:
    """Return how many moves or positions a second of processor time a step makes."""
    count, started = 0, time.process_time()
    while time.process_time() - started < SECONDS:
        count += step()
    return count / (time.process_time() - started)


def play(size: int) -> int:
    """Play ten random games; return their moves."""
    moves = np.empty(LONGEST[size], np.int16)
    return sum(random_game(empty_state(size), size, seed, moves) for seed in range(10))


@compiled
def random_game(state, size, seed, moves):
    """Play random legal moves, a pass where there is none, until two passes; return their number."""
    draw = np.uint64(seed) * np.uint64(2) + np.uint64(1)
    out, values, played = np.empty(size * size, np.int16), numbers(state, size), 0
    while played < len(moves) and values[PASSES] < 2:
        of = values[TO_PLAY]
        count = legal_points(state, size, of, False, out)
        draw = next_draw(draw)
        p = out[(draw >> np.uint64(33)) % np.uint64(count)] if count else PASS
        place(state, size, p, of)
        moves[played] = p
        played += 1
    return played


def recorded(size: int, games: int) -> GameRecords:
    """Return records of random games."""
    found = []
    for seed in range(games):
        moves = np.empty(LONGEST[size] // 2, np.int16)
        count = random_game(empty_state(size), size, seed, moves)
        colours = np.where(np.arange(count) % 2, 2, 1) << WHITE_BIT
        found.append(GameRecord(size, (moves[:count] | colours).astype(np.int16)))
    return GameRecords.of(found)


def encoder(records: GameRecords, planes: tuple[str, ...]) -> Callable[[], int]:
    """Return a step that encodes 200 positions."""
    data, draw = GoPositions(records, planes), np.random.default_rng(0)

    def step() -> int:
        data.encoded(draw.integers(0, len(data), 200).tolist())
        return 200

    return step


def held(records: GameRecords, planes: tuple[str, ...]) -> Callable[[], int]:
    """Return a step that encodes 200 boards that need not be replayed, each by a call."""
    data, draw = GoPositions(records, planes), np.random.default_rng(0)
    boards = [data.board(index) for index in draw.integers(0, len(data), 200).tolist()]
    out = np.empty((len(planes), 19, 19), np.uint8)

    def step() -> int:
        for board in boards:
            encode(board, planes, out)
        return len(boards)

    return step


def sgfmill(size: int) -> Callable[[], int]:
    """Return a step that plays a random game on sgfmill's board, which refuses what is occupied alone."""
    from sgfmill.boards import Board

    def step() -> int:
        draw, board, played = random.Random(0), Board(size), 0
        free = [(row, column) for row in range(size) for column in range(size)]
        for move in range(LONGEST[size]):
            row, column = free[draw.randrange(len(free))]
            if board.get(row, column) is None:
                board.play(row, column, "bw"[move % 2])
                played += 1
        return played

    return step


def openspiel(size: int) -> Callable[[], int] | None:
    """Return a step that plays a random game of OpenSpiel; None where it is not installed."""
    try:
        spiel = importlib.import_module("pyspiel")
    except ImportError:
        return None
    game = spiel.load_game("go", {"board_size": size, "komi": 7.5})

    def step() -> int:
        draw, state, played = random.Random(0), game.new_initial_state(), 0
        while not state.is_terminal() and played < LONGEST[size]:
            moves = state.legal_actions()
            state.apply_action(moves[draw.randrange(len(moves))])
            played += 1
        return played

    return step


def openspiel_planes(size: int) -> Callable[[], int] | None:
    """Return a step that encodes 200 states of OpenSpiel; None where it is not installed."""
    try:
        spiel = importlib.import_module("pyspiel")
    except ImportError:
        return None
    game, draw, states = spiel.load_game("go", {"board_size": size, "komi": 7.5}), random.Random(0), []
    for length in range(200):
        state = game.new_initial_state()
        for _ in range(length):
            state.apply_action(draw.choice(state.legal_actions()))
        states.append(state)

    def step() -> int:
        for state in states:
            state.observation_tensor()
        return len(states)

    return step
