"""Play Go for other programs: an engine for the Go Text Protocol, on stdin and stdout.

Sabaki, GoGui, twogtp and whatever else speaks GTP 2 can start it. It has the commands of the protocol, those
of Leela Zero, KataGo and Sabaki for analysis, and the clock of KGS; list_commands names them. A network that
is not named follows the size of the board: go-9x9, go-19x19, on other boards random games.

    convscope gtp
    convscope gtp --size 9 --visits 400
    convscope gtp --net runs/mine --visits 0
    convscope gtp --net uniform --size 13 --playouts 32

Nothing else is written to stdout. With --json, stdout has one document at the end, and answers go to stderr.
"""

from importlib.metadata import version

from convscope.jobs import inputs
from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.system import signals
from convscope.system.progress import Progress
from convscope.use.go import GtpRecipe

schema = GtpRecipe


def run(recipe: GtpRecipe, workspace: Workspace) -> Steps:
    """Answer the commands of the workspace's dialogue, until `quit` or its end.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: network, board and search.
        workspace: its dialogue has the commands.

    Yields:
        The progress, and at the end the document: JSON fields `commands` (how many were received), `size`,
        `moves` (of the last game, in GTP's words) and `engine` (name of the player).

    Raises:
        UsageError: the network is not for boards of that size.
        MissingError: numba is not installed.
    """
    from convscope.use.go import GtpEngine, player_maker
    from convscope.worlds.go import Rules, vertex

    dialogue, received = workspace.dialogue, 0
    yield Progress(0.0, "", lambda: None)
    maker = player_maker(recipe, lambda name: inputs.network(name, recipe, workspace))
    rules = Rules(komi=recipe.komi, superko=recipe.superko)
    engine = GtpEngine(maker, version=version("convscope"), rules=rules, size=recipe.size)
    engine.input_waits = dialogue.waits
    signals.working()
    while not engine.closed:
        line = dialogue.receive()
        if line is None:
            break
        for text in engine.respond(line):
            dialogue.send(text)
        received += 1
    size = engine.board.size
    moves = [f"{'BW'[move.colour - 1]} {vertex(move.point, size)}" for move in engine.board.history]
    yield finished({"commands": received, "size": size, "moves": moves, "engine": engine.player.name})
