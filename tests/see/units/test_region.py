"""Which units respond to a part of an input, against a slow count over positions."""

import pytest
import torch

from convscope import nets, see
from convscope.errors import PlaceError, UsageError
from convscope.see.units import index_units, units_in_region
from convscope.worlds import digits


@pytest.fixture(scope="module")
def net() -> nets.Net:
    return nets.load("digits")


def slowly(maps: torch.Tensor, unit: int, top: float, bottom: float, left: float, right: float) -> float:
    """Return the largest value of a unit of conv2 whose window, 8 wide and 2 apart, is centred in a part."""
    best = -torch.inf
    for y in range(maps.shape[1]):
        for x in range(maps.shape[2]):
            if top <= 2 * y + 4 < bottom and left <= 2 * x + 4 < right:
                best = max(best, float(maps[unit, y, x]))
    return best


def test_units_are_compared_by_their_largest_value_in_the_part(net: nets.Net) -> None:
    image = digits.test().inputs([3])
    maps = see.activations(net, image, ["conv2"])["conv2"][0]
    found = units_in_region(net, image, "conv2", [(6, 15), (9, 20)], count=50)
    assert sorted(one.unit for one in found) == list(range(50))
    for one in found:
        assert one.value == pytest.approx(slowly(maps, one.unit, 6, 15, 9, 20), abs=1e-5)
        y, x = one.position
        assert maps[one.unit, y, x] == pytest.approx(one.value, abs=1e-5) and one.deviation is None
    assert [one.value for one in found] == sorted((one.value for one in found), reverse=True)


def test_with_an_index_each_unit_is_compared_with_its_own_values(net: nets.Net) -> None:
    data = digits.test().take(range(60))
    index = index_units(net, data, ["conv2"])
    image = data.inputs([3])
    every = see.activations(net, data.inputs(range(60)), ["conv2"])["conv2"].transpose(0, 1).flatten(1)
    found = units_in_region(net, image, "conv2", [(6, 15), (9, 20)], index=index, count=5)
    own = see.activations(net, image, ["conv2"])["conv2"][0]
    scores = [
        (slowly(own, unit, 6, 15, 9, 20) - float(every[unit].mean())) / max(float(every[unit].std()), 1e-12)
        for unit in range(50)
    ]
    best = sorted(range(50), key=lambda unit: -scores[unit])[:5]
    assert [one.unit for one in found] == best
    assert [one.deviation for one in found] == pytest.approx([scores[unit] for unit in best], rel=1e-3)


def test_a_part_between_two_positions_has_the_nearest_one(net: nets.Net) -> None:
    image = digits.test().inputs([3])
    maps = see.activations(net, image, ["conv2"])["conv2"][0]
    found = units_in_region(net, image, "conv2", [(10.2, 10.6), (10.2, 10.6)], count=50)
    assert {one.position for one in found} == {(3, 3)}
    assert found[0].value == pytest.approx(float(maps[:, 3, 3].max()), abs=1e-5)


@pytest.mark.parametrize("region", [[(0, 5)], [(0, 5), (3, 3)], [(-1, 5), (0, 5)], [(0, 5), (0, 29)]])
def test_a_part_that_is_none_is_refused(net: nets.Net, region: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError, match="a part of an input of 28 by 28"):
        units_in_region(net, digits.test().inputs([0]), "conv2", region)


def test_layers_without_maps_are_refused(net: nets.Net) -> None:
    with pytest.raises(UsageError, match="positions lie over the input"):
        units_in_region(net, digits.test().inputs([0]), "output", [(0, 5), (0, 5)])
    with pytest.raises(PlaceError):
        units_in_region(net, digits.test().inputs([0]), "conv9", [(0, 5), (0, 5)])
