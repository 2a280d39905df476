"""Analyses in the forms of Leela Zero, Sabaki and KataGo: what is asked for, and lines of `info`."""

from dataclasses import dataclass, replace

import numpy as np

from convscope.use.go.gtp.protocol import SYNTAX, GtpError, colour_of, point_of, whole_of
from convscope.use.go.playouts import play_out
from convscope.use.go.search import Analysis, Candidate
from convscope.worlds.go import Board, vertex
from convscope.worlds.go.board import Colour

GAMES = 64
"""Random games from which the owners of points are estimated, where they are asked for."""
UNREPORTED = frozenset({"rootinfo", "pvvisits", "pvedgevisits", "movesownership", "ownershipstdev"})
"""What KataGo reports besides when it is asked: taken, so that its controllers work, and left out."""
WHOLE = 10_000
"""A probability of 1 in the form of Leela Zero: hundredths of a percent."""


@dataclass(frozen=True)
class AnalysisRequest:
    """What an analysis command asks for.

    Attributes:
        colour: who is to move.
        interval: seconds between two reports.
        least: moves that are reported at least, also without visits.
        most: moves that are reported at most; None for all.
        ownership: whether the owners of points are reported as well.
        allowed: `[size, size]` bool, the points that may be searched; None for all.
    """

    colour: Colour
    interval: float = 0.5
    least: int = 0
    most: int | None = None
    ownership: bool = False
    allowed: np.ndarray | None = None


def parse_request(words: tuple[str, ...], colour: Colour, size: int) -> AnalysisRequest:
    """Parse the arguments of an analysis command.

    They are a colour, an interval in hundredths of a second, and pairs: `interval N`, `minmoves N`,
    `maxmoves N`, `ownership true`, and `avoid` or `allow` with a colour, points separated by commas and a
    depth, which is taken as 1: the first move. Switches of KataGo's other reports are taken and left out.

    Args:
        words: the arguments; each may be left out.
        colour: who is to move where no colour is given.
        size: side of the board.

    Returns:
        The request.

    Raises:
        GtpError: an argument is unknown, or out of range.
    """
    left = list(words)
    asked = AnalysisRequest(colour)
    if left and left[0].lower() in ("b", "w", "black", "white"):
        asked = replace(asked, colour=colour_of(left.pop(0)))
    if left and left[0].isdigit():
        asked = replace(asked, interval=whole_of(left.pop(0)) / 100)
    while left:
        asked = _with(asked, left, size)
    return asked


def _with(asked: AnalysisRequest, left: list[str], size: int) -> AnalysisRequest:
    """Take an option from the front of a list of words, and return the request with it."""
    name = left.pop(0).lower()
    if name in ("avoid", "allow") and len(left) >= 3:
        colour, points, _depth = colour_of(left.pop(0)), left.pop(0), whole_of(left.pop(0))
        if colour != asked.colour:  # of the opponent's moves, which are not restricted
            return asked
        listed = np.zeros((size, size), bool)
        for point in (point_of(text, size) for text in points.split(",")):
            if point is not None:
                listed[point] = True
        before = asked.allowed if asked.allowed is not None else np.full((size, size), name == "avoid")
        return replace(asked, allowed=before & ~listed if name == "avoid" else before | listed)
    if not left:
        raise GtpError(SYNTAX)
    value = left.pop(0)
    if name == "interval":
        return replace(asked, interval=whole_of(value) / 100)
    if name == "minmoves":
        return replace(asked, least=whole_of(value))
    if name == "maxmoves":
        return replace(asked, most=whole_of(value))
    if name == "ownership" and value.lower() in ("true", "false"):
        return replace(asked, ownership=value.lower() == "true")
    if name in UNREPORTED and value.lower() in ("true", "false"):
        return asked
    raise GtpError(SYNTAX)


def report(found: Analysis, board: Board, asked: AnalysisRequest, *, kata: bool = False) -> str:
    """Return an analysis as one line.

    Args:
        found: the moves.
        board: the position, with the player to move.
        asked: what is reported.
        kata: whether probabilities are numbers from 0 to 1 with a point, as KataGo writes them; else they
            are whole hundredths of a percent, as Leela Zero and Sabaki's `analyze` write them.

    Returns:
        `info move D4 visits 9 winrate 4656 prior 1210 order 0 pv D4 E5 info move ...`, the owners after it;
        empty if there is nothing to report.
    """
    shown = [move for place, move in enumerate(found.moves) if move.visits or place < asked.least]
    texts = [_info(move, order, board.size, kata=kata) for order, move in enumerate(shown[: asked.most])]
    if texts and asked.ownership:
        owned = play_out(board, GAMES)[1] * (1 if board.to_play == 1 else -1)
        texts.append(" ".join(["ownership", *(f"{value:.3f}" for value in owned.ravel())]))
    return " ".join(texts)


def _info(move: Candidate, order: int, size: int, *, kata: bool) -> str:
    """Return one move of a report; its line of play comes last, where controllers look for it."""
    line = " ".join(vertex(point, size) for point in move.line)
    if kata:
        shares = f"utility {move.value:.6f} winrate {move.winrate:.6f} prior {move.prior:.6f}"
    else:
        shares = f"winrate {round(WHOLE * move.winrate)} prior {round(WHOLE * move.prior)}"
    return f"info move {vertex(move.point, size)} visits {move.visits} {shares} order {order} pv {line}"
