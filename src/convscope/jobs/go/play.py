"""Play Go in the terminal against a network.

Type points such as D4, and pass, undo, hint, score, save FILE, load FILE, resign, help. Hints are hidden
until you ask for them. Whatever ends the game, also Ctrl-C and the end of the input, it is saved as SGF. A
network that is not named follows the size of the board: go-9x9, go-19x19, on other boards random games.

    convscope play
    convscope play --size 9 --visits 400 --hints
    convscope play go-9x9 --visits 0 --colour white
    convscope play --size 19 --handicap 4
    convscope play --game game.sgf

Lines can come from a file or a program as well: then nothing is coloured and nothing is prompted for. With
--json, stdout has one document at the end, and the game is on stderr.
"""

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from convscope.errors import Interrupted, UsageError
from convscope.jobs import inputs
from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import stamp
from convscope.system import signals
from convscope.system.progress import Progress
from convscope.use.go import PlayRecipe

if TYPE_CHECKING:
    from convscope.use.go import GameSession
    from convscope.worlds.go import Board

schema = PlayRecipe
PEOPLE = {"black": frozenset({1}), "white": frozenset({2}), "both": frozenset({1, 2})}


def run(recipe: PlayRecipe, workspace: Workspace) -> Steps:
    """Play with whoever is at the other end of the workspace's dialogue.

    Games with a move are written to a new folder as `game.sgf`, `game-2.sgf` and so on, with `recipe.json`.

    Args:
        recipe: network, board, search, colour and handicap.
        workspace: its dialogue has the moves; where the games go.

    Yields:
        The progress, and at the end the document: JSON fields `result` (such as `B+3.5`; empty where the game
        was left), `moves`, `size`, `komi`, `black` and `white` (names), and `games` (files), where there are
        any.

    Raises:
        UsageError: the network is not for boards of that size, or there is no such handicap.
        DataError: the game to go on from cannot be read.
        Interrupted: Ctrl-C; the game is saved.
    """
    from convscope.use.go import GameSession, player_maker

    yield Progress(0.0, "", lambda: None)
    maker = player_maker(recipe, lambda name: inputs.network(name, recipe, workspace))
    session = GameSession(maker, _first(recipe, workspace), PEOPLE[recipe.colour], recipe.hints)
    signals.working()
    try:
        _play(session, workspace)
    except KeyboardInterrupt:
        document = _saved(recipe, session, workspace, stopped=True)
        if "out" not in document:
            raise Interrupted("stopped before the first move", hint="Run the same command again.") from None
        last = Path(document["out"]) / document["games"][-1]
        raise Interrupted(
            f"the game was stopped; it is in {last}", hint=f"Go on: convscope play --game {quote(str(last))}"
        ) from None
    except OSError:  # nobody reads any more
        _saved(recipe, session, workspace)
        raise
    yield finished(_saved(recipe, session, workspace))


def _first(recipe: PlayRecipe, workspace: Workspace) -> "Board":
    """Return the board that the game begins with."""
    from convscope.worlds.go import Board, Rules, read_sgf

    rules = Rules(komi=recipe.komi, superko=recipe.superko)
    if recipe.game is not None:
        game = read_sgf(Path(recipe.game))
        for warning in game.warnings:
            workspace.log(warning)
        return game.board(rules=replace(rules, komi=game.komi))
    board = Board(recipe.size, rules)
    if recipe.handicap == 1:
        raise UsageError("a handicap of 2 stones or more", received="1", hint="Use --komi 0.5 instead.")
    if recipe.handicap:
        board.place_handicap(recipe.handicap)
    return board


def _play(session: "GameSession", workspace: Workspace) -> None:
    """Take lines and show what happens, to the end."""
    dialogue = workspace.dialogue
    turns = session.begin()
    while True:
        for turn in turns:
            dialogue.show({"verb": PlayRecipe.verb, **turn.to_json()})
        line = None if session.ended else dialogue.receive(session.prompt)
        if line is None:
            return
        turns = session.answer(line)


def _saved(
    recipe: PlayRecipe, session: "GameSession", workspace: Workspace, *, stopped: bool = False
) -> Document:
    """Write the games, and return the document."""
    import json

    from convscope.worlds.go import vertex, write_sgf

    games, last = session.games(), session.game()
    document: Document = {
        "result": session.result,
        "moves": [vertex(move.point, last.size) for move in last.moves],
        "size": last.size,
        "komi": last.komi,
        "black": last.black_name,
        "white": last.white_name,
        "stopped": stopped,
    }
    if not games:
        return document
    names = ["game.sgf", *(f"game-{number}.sgf" for number in range(2, len(games) + 1))]
    with workspace.folder(f"go-{last.size}x{last.size}") as folder:
        for name, game in zip(names, games, strict=False):
            (folder.path / name).write_bytes(write_sgf(game))
        (folder.path / "recipe.json").write_text(json.dumps(stamp(recipe), indent=2) + "\n", encoding="utf-8")
    return {**document, "games": names, "out": str(folder.out)}
