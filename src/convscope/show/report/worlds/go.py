"""The tour of Go: a board as planes, why nothing is pooled, what the policy network sees and answers."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from convscope import worlds
from convscope.nets import load
from convscope.show.images.draw import tag
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.worlds import chapters
from convscope.show.report.worlds.subject import Subject, WorldTour
from convscope.show.svg import element
from convscope.system.files import write_text
from convscope.use import classify

if TYPE_CHECKING:
    from convscope.worlds.go import Board

NETWORK = "go-9x9"
GAMES = "go-9x9"
"""The games that ship, with which it was taught."""
GAME, MOVES = 3, 26
"""Which of the games that the network did not learn from is followed, and to which move."""
FILE = "position.txt"
POSITIONS = 400
"""Positions in which the best examples of units are searched."""
PLACES = ("relu1", "block2_relu2", "block4_relu2")
"""Layers whose maps are shown."""
UNITS = (0, 1, 2)
"""Units of the middle one whose best examples are shown."""
SHOWN = ("own", "opponent", "age1", "liberties1", "liberties2", "captures1", "ladder_capture", "sensible")
"""Planes that are drawn."""
SOURCE = "Silver et al. 2016, doi:10.1038/nature16961"
STRIDE = 2
LECTURE = "Hung-yi Lee, lecture “Convolutional Neural Network”"
ENCODED = """\
from convscope.worlds.go import encode, read_games
_learned, tested = read_games({games!r}).split()
board = tested.board({game}, {moves})
print(encode(board, {planes}))"""
"""Of the game, whose moves the planes show, too: the position beside the page has its stones alone."""


def prepare(recipe: TourRecipe, folder: Path) -> Subject:
    """Load the network and the packaged games, and write the followed position beside the page.

    Args:
        recipe: all settings.
        folder: of the page.

    Returns:
        The subject.
    """
    from convscope.worlds.go import GoPositions, plane_names, read_games

    net = load(NETWORK)
    games = read_games(GAMES)
    _train, test = games.split()
    board = test.board(GAME, MOVES)
    to_play = "black" if board.to_play == 1 else "white"
    write_text(folder / FILE, f"{board}\n{to_play} to play\n")
    data = GoPositions(test, plane_names(net.input_spec))
    step = max(1, len(data) // POSITIONS)
    return Subject(
        net,
        worlds.world_of(net.input_spec).open(board, net.input_spec),
        data.take(range(0, len(data), step)),
        recipe,
        folder / FILE,
    )


def board_of(subject: Subject) -> "Board":
    """Return the followed position.

    Args:
        subject: of the tour.

    Returns:
        The board.
    """
    return subject.sample.original


def position(subject: Subject) -> Section:
    """Build the chapter on the input: a position, and the planes that a network gets of it.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    from convscope.worlds.go import draw_board, encode

    board = board_of(subject)
    last = board.last_move.point if board.last_move is not None else None
    drawn = draw_board(board.stones, last=last)
    told = {"moves": len(board.history), "size": board.size, "planes": subject.net.input_spec.channels}
    whole = Figure("go.position", tag(drawn, spoken("go.position.alt", **told), "photo"), "", "", told)
    planes = encode(board, SHOWN)
    tiles = [
        element(
            "div",
            tag(_plane(plane), spoken("go.planes.alt", name=name), "photo"),
            element("b", name, translate="no"),
            bilingual(f"go.planes.{name}", tag="p", class_="mini"),
            class_="tile",
        )
        for name, plane in zip(SHOWN, planes, strict=True)
    ]
    command = ENCODED.format(games=GAMES, game=GAME, moves=MOVES, planes=SHOWN)
    body = element("div", *tiles, class_="sheet", style="--tile:10rem")
    return Section("go.input", (whole, Figure("go.planes", body, command, SOURCE, told, wide=True)), told)


def design(subject: Subject) -> Section:
    """Build the chapter on the design: a board with every second line left out is another position.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    from convscope.worlds.go import draw_board

    board = board_of(subject)
    kept = board.stones[::STRIDE, ::STRIDE]
    told = {
        "stones": int((board.stones > 0).sum()),
        "left": int((kept > 0).sum()),
        "chains": _chains(board.stones),
        "other": _chains(kept),
    }
    pair = [
        element(
            "div",
            bilingual(f"go.pooling.{name}", tag="p", class_="mini"),
            tag(image, spoken(f"go.pooling.{name}"), "photo"),
        )
        for name, image in (("whole", draw_board(board.stones, cell=30)), ("less", draw_board(kept, cell=30)))
    ]
    pooling = Figure(
        "go.pooling", element("div", *pair, class_="pair"), "", "Hung-yi Lee, lecture on CNNs", told
    )
    table = chapters.layer_table("go.layers", subject, f"convscope describe {NETWORK}", SOURCE)
    return Section("go.design", (pooling, table))


def inside(subject: Subject) -> Section:
    """Build the chapter on the feature maps of the followed position, and the positions that excite units.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    fields, command = chapters.fields(subject, PLACES), f"convscope look {FILE} --net {NETWORK}"
    maps = chapters.maps_figure("go.maps", subject, PLACES, command, fields=fields)
    units = [f"{PLACES[1]}:{k}" for k in UNITS]
    command = f"convscope unit {NETWORK} {units[0]} --data {GAMES}"
    return Section("go.inside", (maps, chapters.examples_figure("go.units", subject, units, command)))


def answer(subject: Subject) -> Section:
    """Build the chapter on the policy: the probability of every point, and what was played.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    from convscope.worlds.go import draw_board, parse_vertex

    board, net = board_of(subject), subject.net
    found = classify(net, subject.sample, top=board.size**2)
    heat = np.zeros((board.size, board.size))
    for label, share in zip(found.labels, found.probabilities, strict=True):
        point = parse_vertex(label, board.size)
        if point is not None:
            heat[point] = share
    best = parse_vertex(found.labels[0], board.size)
    shown = draw_board(board.stones, labels=_percentages(heat))
    told = {
        "best": found.labels[0],
        "probability": f"{100 * found.probabilities[0]:.0f}%",
        "legal": f"{100 * float(heat[board.legal_moves()].sum()):.1f}%",
    }
    if best is None:
        raise ValueError("a policy over points")
    body = tag(_tinted(shown, heat), spoken("go.policy.alt", **told), "photo")
    return Section(
        "go.answer", (Figure("go.policy", body, f"convscope classify {FILE} --net {NETWORK}", SOURCE, told),)
    )


def _percentages(heat: np.ndarray) -> dict[tuple[int, int], str]:
    """Return what is written on points of at least 1%."""
    points = np.argwhere(heat >= 0.01)
    return {(int(y), int(x)): f"{100 * heat[y, x]:.0f}" for y, x in points}


def _tinted(board: Image.Image, heat: np.ndarray) -> Image.Image:
    """Lay the probabilities over a board with a margin of one cell, darker for larger ones."""
    size = len(heat)
    cell = board.width / (size + 2)
    strength = np.sqrt(heat / max(heat.max(), 1e-9))
    mask = Image.fromarray((strength * 150).round().astype(np.uint8)).resize(
        (round(cell * size), round(cell * size)), Image.Resampling.NEAREST
    )
    over = Image.new("RGB", mask.size, (28, 110, 196))
    made = board.copy()
    made.paste(over, (round(cell), round(cell)), mask)
    return made


def _plane(plane: np.ndarray) -> Image.Image:
    """Draw a plane of 0 and 1 as dark squares on paper."""
    cells = np.where(plane > 0, 40, 240).astype(np.uint8)
    return Image.fromarray(cells).resize((144, 144), Image.Resampling.NEAREST)


def _chains(stones: np.ndarray) -> int:
    """Count the chains of a position."""
    from convscope.worlds.go import Board

    board, seen = Board.from_stones(np.ascontiguousarray(stones)), set()
    for y, x in np.argwhere(stones > 0):
        seen.add(frozenset(map(tuple, board.chain((int(y), int(x))))))
    return len(seen)


TOUR = WorldTour("go", prepare, (position, design, inside, answer))
