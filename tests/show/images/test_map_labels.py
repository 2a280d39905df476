"""Names on a map: over their own cells alone, none over another, and zooming only adds names."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFont

from convscope.show.images.map_labels import (
    LARGEST,
    NOTED,
    OVER,
    SMALLEST,
    MapCells,
    MapLabel,
    drawn_width,
    estimated_width,
    place_labels,
    write_label,
)

WIDTHS = (320, 480, 720, 960, 1440, 1920, 2880)
LABELS = [
    MapLabel(f"{'name' * (1 + k % 4)} {k}", (k * 0.37) % 1, (k * 0.23) % 1 if k % 5 else float(k % 2))
    for k in range(60)
]
GRID = 16


@pytest.fixture(scope="module")
def regions() -> tuple[list[MapLabel], MapCells]:
    """Names of blocks of cells of all sizes, among empty cells and cells without a name."""
    generator = np.random.default_rng(0)
    drawn = generator.random((GRID, GRID)) < 0.85
    owner, labels = generator.integers(0, 40, (GRID // 2, GRID // 2)).repeat(2, 0).repeat(2, 1), []
    for k in range(34):
        cells = [(int(y), int(x)) for y, x in np.argwhere((owner == k) & drawn)]
        if cells:
            name = f"{'name' * (1 + k % 3)} {k}"
            y, x = (np.mean(cells, 0) + 0.5) / GRID
            labels.append(MapLabel(name, x, y, f"{k}%", len(cells) / 12, cells))
    detail = generator.random((GRID * 3, GRID * 3)) * drawn.repeat(3, 0).repeat(3, 1)
    return sorted(labels, key=lambda label: -label.weight), MapCells(drawn, detail)


def test_no_name_covers_another_or_leaves_the_map(regions) -> None:
    for layers in (place_labels(LABELS, WIDTHS), place_labels(regions[0], WIDTHS, regions[1])):
        for width, placed in layers.items():
            for k, one in enumerate(placed):
                left, top, right, bottom = one.box
                assert -1e-3 <= left < right <= width + 1e-3 and -1e-3 <= top < bottom <= width + 1e-3
                for other in placed[k + 1 :]:
                    apart = max(
                        other.box[0] - right, left - other.box[2], other.box[1] - bottom, top - other.box[3]
                    )
                    assert apart >= 0, (width, one, other)


def test_no_name_lies_over_cells_that_are_not_its_own(regions) -> None:
    """Pixel by pixel, at every width."""
    labels, cells = regions
    for width, placed in place_labels(labels, WIDTHS, cells).items():
        assert placed
        for one in placed:
            left, top, right, bottom = one.box
            over = set[tuple[int, int]]()
            inside = 0
            xs, ys = (np.arange(np.ceil(a), np.floor(b)) for a, b in ((left, right), (top, bottom)))
            for y in ys:
                for x in xs:
                    cell = (int((y + 0.5) * GRID / width), int((x + 0.5) * GRID / width))
                    over.add(cell)
                    inside += cell in labels[one.index].cells
            foreign = over - set(labels[one.index].cells)
            assert not any(cells.drawn[cell] for cell in foreign), (width, one)
            assert inside >= (OVER - 0.05) * len(xs) * len(ys)


def test_larger_maps_have_the_same_names_and_more(regions) -> None:
    for layers in (place_labels(LABELS, WIDTHS), place_labels(regions[0], WIDTHS, regions[1])):
        layers = list(layers.values())
        assert layers[0][0].index == 0
        for small, large in pairwise(layers):
            assert [(p.index, p.centre) for p in large][: len(small)] == [(p.index, p.centre) for p in small]
            assert all(SMALLEST <= s.size <= b.size <= LARGEST for s, b in zip(small, large, strict=False))
            assert all(b.note for s, b in zip(small, large, strict=False) if s.note)
        assert len(layers[-1]) > 1.5 * len(layers[0])


def test_the_more_important_of_two_names_at_one_point_is_shown() -> None:
    two = [MapLabel("large", 0.5, 0.5), MapLabel("small", 0.5, 0.5)]
    assert all([p.index for p in placed] == [0] for placed in place_labels(two, WIDTHS).values())
    assert place_labels([MapLabel("long" * 40, 0.5, 0.5)], [320]) == {320: []}


def test_a_name_lies_where_it_covers_least() -> None:
    """All of the map is one region; a quarter of it is smooth."""
    every = [(y, x) for y in range(4) for x in range(4)]
    label = MapLabel("here", 0.5, 0.5, "", 1, every)
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        detail = np.ones((8, 8))
        detail[4 * corner[0] : 4 * corner[0] + 4, 4 * corner[1] : 4 * corner[1] + 4] = 0.01
        (place,) = place_labels([label], [960], MapCells(np.ones((4, 4), bool), detail))[960]
        assert (place.centre[1] > 0.5, place.centre[0] > 0.5) == tuple(map(bool, corner))
    (place,) = place_labels([label], [960], MapCells(np.ones((4, 4), bool), np.ones((8, 8))))[960]
    assert place.centre == (0.5, 0.5)  # where all is alike, in the middle


def test_fonts_follow_the_weight_and_shrink_where_there_is_no_room() -> None:
    cells = MapCells(np.ones((8, 8), bool), np.ones((8, 8)))
    half = [[(y, x) for y in range(8) for x in columns] for columns in (range(4), range(4, 8))]
    labels = [MapLabel("large", 0, 0, "9%", 1, half[0]), MapLabel("small", 0, 0, "9%", 0.1, half[1])]
    large, small = place_labels(labels, [960], cells)[960]
    assert large.size == int(0.036 * 960) >= NOTED > small.size >= SMALLEST
    assert (large.note, small.note) == ("9%", "")
    long = MapLabel("a name of five words", 0, 0, "", 1, [(0, 0), (0, 1), (1, 0), (1, 1)])
    (place,) = place_labels([long], [960], cells)[960]
    assert place.lines == ("a name of", "five words") and place.size > SMALLEST


def test_a_label_is_written_in_its_box(regions) -> None:
    placed = place_labels(*(regions[0], [960], regions[1], drawn_width))[960]
    place = next(one for one in placed if one.note)
    land = Image.new("RGB", (960, 960), (9, 9, 9))
    write_label(land, place, (250, 0, 0), (0, 0, 250))
    ink = np.argwhere(np.asarray(land)[..., 0] > 200)
    assert len(ink) > 20
    (top, left), (bottom, right) = ink.min(0), ink.max(0)
    assert place.box[0] <= left < right <= place.box[2] and place.box[1] <= top < bottom <= place.box[3]
    assert (np.asarray(land)[..., 2] > 200).any()


@pytest.mark.parametrize("text", ["sunflowers · 79%", "W", "玫瑰", "rose 玫瑰"])
def test_widths_are_estimated_rather_too_large(text: str) -> None:
    letters = "".join(letter if letter.isascii() else "M" for letter in text)
    assert estimated_width(text, 16) >= ImageFont.load_default(16).getlength(letters)
