"""Which pictures are made together: the cheapest way of all."""

from itertools import permutations

import pytest

from convscope.see.visualization.runner import ALONE, group_by_depth


def cost(depths: list[int], cut: list[tuple[int, ...]]) -> float:
    return sum(max(depths[i] for i in batch) * (len(batch) + ALONE) for batch in cut)


def every_cut(depths: list[int], most: int) -> float:
    """The least cost of all orders and all ways to cut them."""
    best = float("inf")
    for order in permutations(range(len(depths))):
        for bits in range(2 ** (len(order) - 1)):
            cut, start = [], 0
            for end in range(1, len(order) + 1):
                if end == len(order) or bits >> (end - 1) & 1:
                    cut.append(order[start:end])
                    start = end
            if max(map(len, cut)) <= most:
                best = min(best, cost(depths, cut))
    return best


@pytest.mark.parametrize("depths", [[1, 9, 1, 9, 1], [3, 1, 2, 1, 5, 4], [4, 4, 4, 4, 4], [1, 30, 2, 31, 3]])
@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_nothing_is_cheaper(depths: list[int], most: int) -> None:
    cut = group_by_depth(depths, most)
    assert sorted(i for batch in cut for i in batch) == list(range(len(depths)))
    assert max(map(len, cut)) <= most
    assert cost(depths, cut) == pytest.approx(every_cut(depths, most))


def test_like_depths_go_together_and_groups_stay_whole() -> None:
    assert group_by_depth([1] * 6 + [9] * 6 + [1] * 2, 8) == [
        (0, 1, 2, 3, 4, 5, 12, 13),
        (6, 7, 8, 9, 10, 11),
    ]
    assert group_by_depth([5] * 10, 4, group=2) == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    assert all(
        batch[0] % 3 == 0 and len(batch) % 3 == 0
        for batch in group_by_depth([2, 2, 2, 7, 7, 7, 2, 2, 2], 8, 3)
    )
