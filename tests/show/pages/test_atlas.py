"""The page of an atlas: no sentence without its numbers, and readable at every width."""

import re
from dataclasses import replace
from html import unescape
from importlib.resources import files
from pathlib import Path

import pytest
from tests.show.browser import measured

from convscope.nets import Net, load
from convscope.see import atlas
from convscope.see.activation_atlas import Atlas, ClassAttribution, LabelShare, Region
from convscope.show.images import input_image
from convscope.show.pages import atlas as pages
from convscope.worlds import LabelledImages, render
from convscope.worlds.datasets import digits

NET, DATA = load("digits"), digits.test().take(range(300))


@pytest.fixture(scope="module")
def made() -> Atlas:
    return atlas(NET, "relu3", DATA, layout="pca", grid=4, min_count=4, steps=0)


def page(made: Atlas, net: Net = NET, data: LabelledImages = DATA) -> str:
    return unescape(pages.page(made, net, data, command="convscope atlas"))


def with_cell(made: Atlas, **changes: object) -> Atlas:
    """The atlas with one cell alone, changed, and without regions."""
    return replace(made, cells=(replace(made.cells[0], **changes),), images=made.images[:1], regions=())


def test_the_share_is_that_of_the_cells_that_are_drawn(made: Atlas) -> None:
    share = 100 * made.placed / made.vectors
    assert f"{len(made)} cells hold {share:.0f}% of 300 activation vectors" in page(made)
    assert "Stopped early" not in page(made)
    few = replace(made, images=made.images[:2])
    share = 100 * sum(cell.count for cell in made.cells[:2]) / made.vectors
    assert f"2 cells hold {share:.0f}% of 300 activation vectors" in page(few)
    assert f"Stopped early: 2 of {len(made)} cells" in page(few)
    assert all(max(region.cells) < 2 for region in pages.shown_regions(few))


def test_what_the_axes_are_follows_the_layout(made: Atlas) -> None:
    assert made.spread is not None
    assert f"two principal components, with {100 * made.spread:.0f}% of the variance" in page(made)
    assert "keeps neighbours together" not in page(made)
    umap = page(replace(made, layout="umap", spread=None))
    assert "keeps neighbours together" in umap and "principal components" not in umap


def test_the_least_number_of_vectors_is_the_one_that_was_asked_for(made: Atlas) -> None:
    assert "fewer than 4 vectors are empty" in page(made)
    assert "fewer than 9 vectors are empty" in page(replace(made, min_count=9))


def test_names_are_explained_where_there_are_some(made: Atlas) -> None:
    label = Region("rose", "label", (0,), 9, 0, 0, LabelShare("rose", 3, 4, 0.1))
    kind = Region("daisy, flower", "class", (1,), 9, made.cells[-1].row, made.cells[-1].column)
    label = replace(label, row=made.cells[0].row, column=made.cells[0].column)
    said = {
        "label": "A label of the data names",
        "class": "A class of the network names",
        "none": "No cell has a name",
    }
    for regions in ((label,), (kind,), (), (label, kind)):
        expected = {region.kind for region in regions} or {"none"}
        html = page(replace(made, regions=regions))
        assert {key for key, words in said.items() if words in html} == expected
        assert ("Regions with a name" in html) is bool(regions)
        assert ("How names are chosen" in html) is bool(regions)
    html = page(replace(made, regions=(label, kind)))
    assert "<span>rose</span>" in html and "<span>daisy</span>" in html and "flower</span>" not in html
    assert "75% of 4 pictures (10% of all)" in html


def test_a_card_says_what_supports_a_class_or_that_none_is(made: Atlas) -> None:
    none = page(with_cell(made, classes=()))
    assert "none is raised clearly" in none and "were not computed" not in none
    unknown = page(replace(with_cell(made, classes=()), attributed=False))
    assert "none is raised clearly" not in unknown
    assert "Contributions to the classes of the network were not computed" in unknown
    assert "and contributions to classes of the network were not computed" in unknown
    found = ClassAttribution(3, "daisy, flower", 0.4321, 7, 8, 5)
    some = page(with_cell(made, classes=(found,)))
    assert "No class of the network" not in some
    assert "+0.43; among the network's 5 likeliest classes for 7 of 8 pictures" in some
    one = page(with_cell(made, classes=(replace(found, likeliest=1),)))
    assert "+0.43; the network's likeliest class for 7 of 8 pictures" in one
    unnamed = page(with_cell(made, classes=()), NET.with_classes(()))
    assert "is raised clearly" not in unnamed and "Contributions to the classes" not in unnamed


def test_only_a_typical_label_is_bold(made: Atlas) -> None:
    for share, bold in ((LabelShare("nine", 2, 9, 0.1), False), (LabelShare("nine", 8, 9, 0.1), True)):
        html = page(with_cell(made, labels=(share,), classes=()))
        assert ("<b>nine</b>" in html) is bold
        assert f"{share.count} of 9 ({100 * share.share:.0f}%; 10% of all)" in html


def test_the_style_sheet_has_a_layer_for_each_width() -> None:
    css = files("convscope.show").joinpath("templates/atlas/style.css").read_text(encoding="utf-8")
    match = re.search(r"widths = (\[.*?\])", css)
    assert match and match[1] == str(list(pages.WIDTHS))


def test_the_sheet_shows_every_drawn_cell_and_its_names(made: Atlas) -> None:
    whole = pages.sheet(made, NET)
    bare = pages.sheet(replace(made, regions=()), NET)
    side = 4 * pages.ICON
    lands = [
        image.crop((16, image.height - side - 16, 16 + side, image.height - 16)) for image in (whole, bare)
    ]
    assert whole.height == bare.height and lands[0].tobytes() != lands[1].tobytes()
    cell, picture = (
        made.cells[-1],
        input_image.fitted(render(made.images[-1], NET.input_spec), pages.ICON - 1),
    )
    corner = (cell.column * pages.ICON, cell.row * pages.ICON)
    there = lands[1].crop((*corner, corner[0] + pages.ICON - 1, corner[1] + pages.ICON - 1))
    assert there.tobytes() == picture.tobytes()


def test_names_of_labels_cannot_break_the_page(made: Atlas) -> None:
    hostile = with_cell(made, labels=(LabelShare("<script>x</script>", 8, 9, 0.1),))
    assert "<script>x" not in pages.page(hostile, NET, DATA, command="<i>")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_in_a_real_browser(made: Atlas, tmp_path: Path, width: int, scheme: str) -> None:
    found = measured(pages.page(made, NET, DATA, command="convscope atlas"), tmp_path, width, scheme)
    assert found["width"] == width
    assert found["overflow"] <= 0, found["culprits"]
    assert (found["errors"], found["requests"]) == ([], [])
    assert found["language"] == "zh" and found["hidden"] is True
