"""Which pictures are made together.

A batch is as deep as the deepest picture in it: the network runs that far for all of them. So pictures of
like depth go together, as long as the batches do not get too small to be worth their own passes.
"""

from collections.abc import Sequence

ALONE = 2.0
"""What a batch costs beside its pictures, in pictures: one of GoogLeNet or EfficientNet-lite0 takes 1.8 to
2.8 times as long alone as it does among eight."""


def batches(depths: Sequence[int], most: int, group: int = 1) -> list[tuple[int, ...]]:
    """The numbers of the pictures of each batch, so that all take least time together; shallow ones first.

    Args:
        depths: layers that the network runs for each picture.
        most: pictures at once.
        group: so many that follow each other stay together; `most` holds one group or more.

    Source: least cost over all ways to cut a sorted sequence, by dynamic programming.
    """
    groups = [tuple(range(first, first + group)) for first in range(0, len(depths), group)]
    deep = [max(depths[i] for i in one) for one in groups]
    order = sorted(range(len(groups)), key=deep.__getitem__)
    least, cut, room = [0.0], [0], max(1, most // group)
    for end in range(1, len(order) + 1):
        costs = {
            first: least[first] + deep[order[end - 1]] * ((end - first) * group + ALONE)
            for first in range(max(0, end - room), end)
        }
        cut.append(min(costs, key=lambda first: (round(costs[first], 9), -first)))
        least.append(costs[cut[-1]])
    found, end = [], len(order)
    while end:
        found.append(tuple(i for at in sorted(order[cut[end] : end]) for i in groups[at]))
        end = cut[end]
    return found[::-1]
