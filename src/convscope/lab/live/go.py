"""Go for the board of the page: positions, what the policy thinks of them, replies, analyses, game records.

The page keeps the game and sends it whole with every question, so that a reload or a restart loses nothing.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from convscope.errors import UsageError
from convscope.lab.live.background import Background
from convscope.lab.live.games import board_of
from convscope.lab.live.networks import Networks
from convscope.nets import Net
from convscope.system.progress import Progress
from convscope.use.go import (
    SHIPPED_NETWORKS,
    Evaluator,
    MoveSearch,
    PlayRecipe,
    PolicyPlayer,
    SearchConfig,
    SearchPlayer,
    TreeSearch,
    build_player,
    dead_stones,
    move_probabilities,
    sensible_moves,
)
from convscope.worlds import world_of
from convscope.worlds.go import (
    Board,
    SgfGame,
    encode,
    plane_names,
    read_sgf,
    vertex,
    write_sgf,
)

MAX_VISITS = 20_000
SUGGESTED_MOVES = 10
"""Moves of a position or an analysis that are listed."""
COMPILE_RULES = (
    "from convscope.use.go import PlayRecipe, build_player, choose_move, dead_stones\n"
    "from convscope.worlds.go import Board, packaged\n"
    "from convscope import nets\n"
    "board = Board(9); board.play('E5'); board.legal_moves(); dead_stones(board)\n"
    "choose_move(build_player(PlayRecipe.parse({'visits': 8}), 9, nets.load), board)\n"
)


class GoService:
    """Answer questions about games that the page sends.

    Args:
        networks: loads the policies.
        background: searches while no question waits.
    """

    def __init__(self, networks: Networks, background: Background) -> None:
        self.networks, self.background = networks, background
        self._compiling: subprocess.Popen[bytes] | None = None

    def compiling(self, net: Net) -> str:
        """Start to compile the rules in a process of its own, where that was never done on this machine.

        Args:
            net: a network for boards.

        Returns:
            What is done now, as a sentence; empty where nothing has to be waited for.
        """
        if self._compiling is not None:
            if self._compiling.poll() is None:
                return "The rules of Go are compiled, once; that takes about a minute"
            self._compiling = None
            return ""
        said = world_of(net.input_spec).first_use()
        if said:
            self._compiling = subprocess.Popen(
                [sys.executable, "-P", "-c", COMPILE_RULES], stdout=subprocess.DEVNULL
            )
        return said

    def net_of(self, game: Mapping[str, Any], name: str | None) -> str:
        """Return the network that is asked about a game.

        Args:
            game: the game.
            name: a network in the lab; the one that ships for the size if None.

        Returns:
            Its name.

        Raises:
            UsageError: none ships for the size.
        """
        size = int(game.get("size", 9))
        if name is None and size not in SHIPPED_NETWORKS:
            sizes = ", ".join(f"{n}x{n}" for n in SHIPPED_NETWORKS)
            raise UsageError(f"a board of {sizes}, or a network for it", received=f"{size}x{size}")
        return name or SHIPPED_NETWORKS[size]

    def answer(
        self, action: str, game: Mapping[str, Any], net: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Answer a question about a game.

        Args:
            action: one of `ACTIONS`.
            game: `size`, `komi`, `superko`, `handicap`, `black` and `white` (points set up) and `moves`.
            net: the network that is asked; the one that ships for the size if None.
            **options: what the action takes.

        Returns:
            JSON-ready; `compiling`, a sentence, where the rules are compiled first: ask again later.

        Raises:
            IllegalMove: the rules forbid a move.
            UsageError: the game is wrong, or there is no such action.
        """
        if action not in ACTIONS:
            raise UsageError(f"one of {', '.join(ACTIONS)}", received=action[:40])
        if action == "load":
            return self.load(**options)
        name = self.net_of(game, net)
        said = self.compiling(self.networks.load(name))
        if said:
            return {"compiling": said}
        return getattr(self, action)(board_of(game), name, **options)

    def state(self, board: Board, net: str, hints: bool = False, planes: bool = False) -> dict[str, Any]:
        """Return a position as the page shows it.

        Args:
            board: the position.
            net: the network that is asked.
            hints: whether with the policy's probabilities.
            planes: whether with the planes that the network sees.

        Returns:
            Stones row by row, legal points, and what was asked for.
        """
        last = board.last_move
        found: dict[str, Any] = {
            "size": board.size,
            "stones": board.stones.tolist(),
            "to_play": "black" if board.to_play == 1 else "white",
            "legal": [] if board.is_over else _points(board.legal_moves(), board.size),
            "last": None if last is None else vertex(last.point, board.size),
            "ko": None if board.ko is None else vertex(board.ko, board.size),
            "prisoners": {"black": board.prisoners(1), "white": board.prisoners(2)},
            "move": len(board.history),
            "over": board.is_over,
            "net": net,
        }
        if hints and not board.is_over:
            found |= self._hints(board, net)
        if planes:
            names = plane_names(self.networks.load(net).input_spec)
            values = encode(board, names)
            found["planes"] = [
                {"name": name, "values": plane.astype(int).ravel().tolist()}
                for name, plane in zip(names, values, strict=True)
            ]
        return found

    def _hints(self, board: Board, net: str) -> dict[str, Any]:
        """Return the policy's probability of each sensible point, and the best of them."""
        logits, _ = self._evaluator(net, board.size)([board])
        allowed = sensible_moves(board).ravel()
        shares = move_probabilities(np.asarray(logits[0], float), allowed, passing=False)[:-1]
        order = np.argsort(-shares, kind="stable")[:SUGGESTED_MOVES]
        best = [
            {"point": vertex(divmod(int(index), board.size), board.size), "probability": float(shares[index])}
            for index in order
            if shares[index] > 0
        ]
        return {"policy": [round(float(share), 6) for share in shares], "suggested": best}

    def reply(self, board: Board, net: str, visits: int = 0) -> dict[str, Any]:
        """Return the network's move, once it is found: ask until `done`.

        Args:
            board: the position.
            net: who moves.
            visits: positions that are searched; 0 asks the policy alone.

        Returns:
            `done`, `fraction`, and when done `move`, `resigns` and `winrate`.
        """
        if board.is_over:
            raise UsageError("a game that goes on", received="one that both have passed", hint="Undo a move.")
        work = self.background.get_or_start(
            ("reply", net, _key(board), visits),
            lambda: self._think(board, net, max(0, min(visits, MAX_VISITS))),
        )
        if not work.done:
            return {"done": False, "fraction": work.fraction}
        choice = work.result().decide()
        move = vertex(choice.point, board.size)
        return {
            "done": True,
            "fraction": 1.0,
            "move": move,
            "resigns": choice.resigns,
            "winrate": choice.winrate,
        }

    def analysis(self, board: Board, net: str, visits: int = 400) -> dict[str, Any]:
        """Return what a search has found so far; it goes on until its visits are reached, and stays.

        Args:
            board: the position.
            net: the policy of the search.
            visits: positions that are searched at most (`max_visits` of the answer).

        Returns:
            `done`, `visits`, `max_visits`, `winrate` of the player to move, and `moves`, most visited first.
        """
        max_visits = max(1, min(visits, MAX_VISITS))
        work = self.background.get_or_start(
            ("analysis", net, _key(board), max_visits), lambda: self._think(board, net, max_visits)
        )
        thinking: MoveSearch | None = work.result()
        if thinking is None:
            return {"done": False, "visits": 0, "max_visits": max_visits, "winrate": None, "moves": []}
        found = thinking.analysis()
        moves = [
            {
                "point": vertex(move.point, board.size),
                "visits": move.visits,
                "winrate": move.winrate if move.visits else None,
                "prior": move.prior,
                "line": [vertex(point, board.size) for point in move.line],
            }
            for move in found.moves[:SUGGESTED_MOVES]
        ]
        winrate = (1 + found.value) / 2 if found.visits else None
        return {
            "done": work.done,
            "visits": found.visits,
            "max_visits": max_visits,
            "winrate": winrate,
            "moves": moves,
        }

    def score(self, board: Board, net: str) -> dict[str, Any]:
        """Return the area score, and the stones that random games call dead.

        Args:
            board: the position.
            net: not used.

        Returns:
            `score` as the board stands, `dead` points, and `margin`, what black is ahead.
        """
        del net
        dead = dead_stones(board)
        return {
            "score": str(board.score()),
            "margin": board.score().margin,
            "komi": board.rules.komi,
            "dead": _points(dead, board.size),
        }

    def save(self, board: Board, net: str) -> dict[str, Any]:
        """Return the game as a record.

        Args:
            board: the position with its history.
            net: not used.

        Returns:
            `sgf`, its bytes in base64, in UTF-8.
        """
        del net
        return {"sgf": base64.b64encode(write_sgf(board)).decode()}

    def load(self, sgf: str) -> dict[str, Any]:
        """Read a game record.

        Args:
            sgf: the bytes of a file, in base64; the route limits its length.

        Returns:
            `game`, as questions take it, `names`, `result` and `warnings`.

        Raises:
            DataError: it is no record.
        """
        game = read_sgf(base64.b64decode(sgf))
        return {
            "game": {
                "size": game.size,
                "komi": game.komi,
                "superko": False,
                "handicap": 0,
                "black": [vertex(point, game.size) for point in game.black],
                "white": [vertex(point, game.size) for point in game.white],
                "first": ("black", "white")[_first(game) - 1],
                "moves": _moves(game),
            },
            "names": {"black": game.black_name, "white": game.white_name},
            "result": game.result,
            "warnings": list(game.warnings),
        }

    def _think(self, board: Board, net: str, visits: int) -> Iterator[Progress[MoveSearch]]:
        evaluator = self._evaluator(net, board.size)
        player = (
            SearchPlayer(TreeSearch(evaluator, SearchConfig(visits))) if visits else PolicyPlayer(evaluator)
        )
        for thinking in player.iter_search(board):
            done = thinking.analysis().visits
            share = min(done / visits, 1.0) if visits else 1.0
            yield Progress(share, f"{done} of {visits}", lambda found=thinking: found)

    def _evaluator(self, net: str, size: int) -> Evaluator:
        """Return the evaluator of a network, with random games for the value where it has none."""
        loaded = self.networks.load(net)
        recipe = PlayRecipe.parse({"net": net, "size": size, "visits": 1})
        return loaded.cache(
            f"lab: evaluator {size}", lambda: build_player(recipe, size, self.networks.load).search.evaluator
        )


ACTIONS = ("state", "reply", "analysis", "score", "save", "load")
"""What can be asked about a game."""


def _points(marked: np.ndarray, size: int) -> list[str]:
    return [vertex((int(row), int(column)), size) for row, column in np.argwhere(marked)]


def _moves(game: SgfGame) -> list[str]:
    """Return the moves of a record; those out of turn with their colour."""
    turn, found = _first(game), []
    for move in game.moves:
        point = vertex(move.point, game.size)
        found.append(point if move.colour == turn else f"{'BW'[move.colour - 1]} {point}")
        turn = 3 - move.colour
    return found


def _first(game: SgfGame) -> int:
    return game.moves[0].colour if game.moves else game.to_play


def _key(board: Board) -> str:
    """Identify a position with everything on which a search depends."""
    moves = [(move.colour, move.point) for move in board.history]
    rules = board.rules
    return json.dumps([moves, board.stones.ravel().tolist(), board.to_play, rules.komi, rules.superko])
