"""The sheet of activation factors: each group has its number where it is most active."""

import numpy as np
import torch
from PIL import Image

from convscope.show.images.contact_sheet import INK
from convscope.show.pages.factors import number_groups, places


def test_a_number_stands_where_its_group_is_most_active_and_faint_groups_have_none():
    weights = torch.zeros(3, 7, 7)
    weights[0, 1, 5], weights[1, 5, 1], weights[2, 3, 3] = 1.0, 0.7, 0.2
    image = Image.new("RGB", (224, 224), (255, 0, 0))
    number_groups(image, weights)
    rows, columns = np.nonzero((np.asarray(image) == INK).all(2))
    quarters = {
        (row // 75, column // 75) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    }
    assert quarters == {(0, 2), (2, 0)}
    first = rows < 100
    assert abs(rows[first].mean() - 1.5 / 7 * 224) < 4 and abs(columns[first].mean() - 5.5 / 7 * 224) < 4


def test_where_a_group_is_most_active_is_said_unless_it_is_hardly_seen():
    weights = torch.zeros(4, 7, 7)
    weights[0, 1, 5], weights[1, 6, 0], weights[2, 3, 3], weights[3, 3, 3] = 1.0, 0.7, 0.5, 0.49
    assert places(weights) == [
        "most active: top right",
        "most active: bottom left",
        "most active: middle",
        "",
    ]
    assert places(torch.ones(2)) == ["", ""]
