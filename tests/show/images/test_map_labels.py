"""Names on a map: none covers another, none leaves the map, and zooming only adds names."""

from itertools import pairwise

import pytest
from PIL import ImageFont

from convscope.show.images.map_labels import LARGEST, SMALLEST, MapLabel, estimated_width, place_labels

WIDTHS = (320, 480, 720, 960, 1440, 1920, 2880)
LABELS = [
    MapLabel(f"{'name' * (1 + k % 4)} {k}", (k * 0.37) % 1, (k * 0.23) % 1 if k % 5 else float(k % 2))
    for k in range(60)
]


def test_no_name_covers_another_or_leaves_the_map() -> None:
    for width, placed in place_labels(LABELS, WIDTHS).items():
        for k, one in enumerate(placed):
            left, top, right, bottom = one.box
            assert 0 <= left < right <= width and 0 <= top < bottom <= width
            for other in placed[k + 1 :]:
                apart = max(
                    other.box[0] - right, left - other.box[2], other.box[1] - bottom, top - other.box[3]
                )
                assert apart >= 0, (width, one, other)


def test_larger_maps_have_the_same_names_and_more() -> None:
    layers = list(place_labels(LABELS, WIDTHS).values())
    assert layers[0][0].index == 0
    for small, large in pairwise(layers):
        assert [p.index for p in large][: len(small)] == [p.index for p in small]
        assert all(SMALLEST <= s.size <= b.size <= LARGEST for s, b in zip(small, large, strict=False))
    assert len(layers[-1]) > 2 * len(layers[0])


def test_the_more_important_of_two_names_at_one_point_is_shown() -> None:
    two = [MapLabel("large", 0.5, 0.5), MapLabel("small", 0.5, 0.5)]
    assert all([p.index for p in placed] == [0] for placed in place_labels(two, WIDTHS).values())
    assert place_labels([MapLabel("long" * 40, 0.5, 0.5)], [320]) == {320: []}


@pytest.mark.parametrize("text", ["sunflowers · 79%", "W", "玫瑰", "rose 玫瑰"])
def test_widths_are_estimated_rather_too_large(text: str) -> None:
    letters = "".join(letter if letter.isascii() else "M" for letter in text)
    assert estimated_width(text, 16) >= ImageFont.load_default(16).getlength(letters)
