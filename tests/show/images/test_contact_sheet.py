"""One layout of rows of images: captions stay below their image, and say where something was cut."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from convscope.errors import UsageError
from convscope.show.images.contact_sheet import (
    GAP,
    MARGIN,
    PAPER,
    TITLE_WIDTH,
    Note,
    SheetRow,
    SheetTile,
    compose,
    grid,
    in_pairs,
    in_rows,
    wrapped,
)
from convscope.worlds.images import grayscale_alpha

LONG = (
    "features.denseblock4.denselayer32.conv2:12",
    "great white shark, white shark, man-eater, Carcharodon carcharias",
    "w" * 200,
)


def coloured(width: int, height: int, red: int) -> Image.Image:
    return Image.new("RGB", (width, height), (red, 255, 0))


def places(sheet: Image.Image, red: int) -> tuple[int, int, int, int, int]:
    """Left, top, right and bottom of the pixels of one colour, and how many there are."""
    ys, xs = np.where((np.asarray(sheet) == (red, 255, 0)).all(-1))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1, len(xs)


@pytest.mark.parametrize("text", LONG)
def test_no_caption_leaves_its_column_nor_touches_an_image(text: str):
    rows = [
        SheetRow(
            [SheetTile(coloured(70, 50, 4 * k + r), text, [text, Note(text)]) for k in range(3)], text, [text]
        )
        for r in range(2)
    ]
    sheet = compose(rows, title=text, note=text)
    pixels = np.asarray(sheet)
    boxes = [places(sheet, 4 * k + r) for r in range(2) for k in range(3)]
    assert [box[4] for box in boxes] == [70 * 50] * 6  # nothing is written on an image
    for x in {box[0] for box in boxes}:  # nor between columns
        below = pixels[boxes[0][1] :, x - GAP + 1 : x - 1]  # glyphs lean a pixel over their width
        assert (below == PAPER).all()
    assert (pixels[:, -MARGIN:] == PAPER).all()
    assert boxes[3][1] > boxes[0][3] + 5 * 11  # room for five lines of captions between the rows


def test_columns_of_all_rows_are_aligned_and_rows_as_high_as_their_highest():
    sheet = compose(
        [
            SheetRow([SheetTile(coloured(30, 20, 1)), SheetTile(coloured(80, 90, 2))]),
            SheetRow([SheetTile(coloured(60, 10, 3))] * 2),
        ]
    )
    first, second = places(sheet, 1), places(sheet, 2)
    assert first[0] == places(sheet, 3)[0] == MARGIN
    assert second[0] == MARGIN + 60 + GAP
    assert places(sheet, 3)[1] == MARGIN + 90 + GAP
    assert sheet.size == (2 * MARGIN + 60 + GAP + 80, 2 * MARGIN + 90 + GAP + 10)


def test_rows_of_a_grid_stay_at_one_distance_whether_captioned_or_not():
    rows = [SheetRow([SheetTile(coloured(60, 30, k), notes=["x"] * (k == 1))]) for k in range(4)]
    tops = [places(compose(rows), k)[1] for k in range(4)]
    assert len(set(np.diff(tops))) == 1
    texts = compose([*rows, SheetRow([SheetTile(None, "a"), SheetTile(None, "b")])])
    assert texts.height - compose(rows).height < 30 + np.diff(tops)[0]


def test_texts_are_escaped():
    tiles = [SheetTile(coloured(300, 9, 1), words, [words]) for words in ("a\x1b[31mb\nc", r"a\x1b[31mb\nc")]
    raw, written = (compose([SheetRow([tile])], title=tile.name) for tile in tiles)
    assert np.array_equal(np.asarray(raw), np.asarray(written))


@pytest.mark.parametrize("width", [30, 84, 200, 5000])
@pytest.mark.parametrize("text", [*LONG, "conv2:3", "conv2:3 - 0.3*conv2:7", ""])
def test_lines_fit_and_what_is_missing_is_said(text: str, width: int):
    font = ImageFont.load_default(11)
    lines = wrapped(text, font, width)
    assert len(lines) <= 2
    assert all(font.getlength(line) <= width for line in lines)
    if any("…" in line for line in lines):
        assert font.getlength(text) > width
        kept = "".join(lines).replace(" ", "").split("…")
        assert text.replace(" ", "").startswith(kept[0]) and text.replace(" ", "").endswith(kept[1])
    else:
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_an_address_keeps_its_end():
    assert wrapped(LONG[0], ImageFont.load_default(11), 84)[-1].endswith("conv2:12")


def test_a_sheet_is_as_wide_as_its_title_up_to_a_limit():
    rows, font = [SheetRow([SheetTile(coloured(60, 60, 1))])], ImageFont.load_default(20)
    title = "What the layers of a network remember of a picture"
    assert font.getlength(title) < compose(rows, title=title).width < font.getlength(title) + 2 * MARGIN + 2
    assert compose(rows, title=5 * title).width == TITLE_WIDTH + 2 * MARGIN
    assert compose(rows, title="x").width == 60 + 2 * MARGIN


def test_digits_are_enlarged_by_whole_pixels():
    digit = np.random.default_rng(0).integers(0, 255, (28, 28), np.uint8)
    for sheet in (
        grid([Image.fromarray(digit)], side=84),
        compose([SheetRow([SheetTile(Image.fromarray(digit))])], side=84),
    ):
        shown = np.asarray(sheet)[MARGIN : MARGIN + 84, MARGIN : MARGIN + 84, 0]
        assert np.array_equal(shown, digit.repeat(3, 0).repeat(3, 1))


def test_a_grid_holds_every_picture_in_reading_order():
    sheet = grid([coloured(4, 4, 20 * i) for i in range(7)], [str(i) for i in range(7)], columns=3, side=20)
    corners = [places(sheet, 20 * i)[:2] for i in range(7)]
    assert corners == sorted(corners, key=lambda corner: (corner[1], corner[0]))
    assert len({y for _, y in corners}) == 3
    assert [len(row.tiles) for row in in_rows([SheetTile(None)] * 7, 3)] == [3, 3, 1]


@pytest.mark.parametrize(
    ("count", "most", "rows"),
    [(4, None, [2, 2]), (7, 6, [4, 3]), (6, 4, [3, 3]), (12, None, [4, 4, 4]), (3, 4, [3]), (1, None, [1])],
)
def test_rows_are_as_equal_as_can_be(count, most, rows):
    assert [len(row.tiles) for row in in_rows([SheetTile(None)] * count, most)] == rows


def test_a_pair_stands_in_one_column():
    """Groups begin new rows; no row is longer than eight."""
    up, down = ([SheetTile(None, f"{k}{way}") for k in range(12)] for way in ("up", "down"))
    for group in (1, 2, 3, 12):
        rows = [[tile.name for tile in row.tiles] for row in in_pairs(up, down, group)]
        for above, below in zip(rows[::2], rows[1::2], strict=True):
            assert [name.replace("up", "down") for name in above] == below
            assert len(above) <= (group if group in (2, 3) else 8)
    with pytest.raises(UsageError):
        in_pairs(up, down[1:])


def test_what_cannot_be_a_sheet_is_refused():
    with pytest.raises(UsageError):
        grid([])
    with pytest.raises(UsageError):
        grid([Image.new("L", (1, 1))], ["a", "b"])
    with pytest.raises(UsageError):
        compose([])
    with pytest.raises(UsageError):
        compose([SheetRow([])])


def test_transparency_is_put_on_white():
    sheet = np.asarray(grid([grayscale_alpha(np.eye(28))]))
    assert tuple(sheet[MARGIN + 2, MARGIN + 83]) == (255, 255, 255)
    assert tuple(sheet[MARGIN, MARGIN]) == (0, 0, 0)
