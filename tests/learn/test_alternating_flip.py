"""Alternating flip: the sides of each image in the epochs of a training, whatever the order and the start."""

import torch
from tests.learn.conftest import small_net

from convscope.learn import ClassificationRecipe
from convscope.learn.batches.source import make_batches
from convscope.learn.trainer.distributed import Processes
from convscope.worlds import ImageTensorDataset

COUNT = 40


def images():
    """Images that tell their number in the first pixel, and their side by where it is."""
    pixels = torch.zeros(COUNT, 1, 28, 28, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(1, COUNT + 1, dtype=torch.uint8)
    return ImageTensorDataset(pixels, torch.arange(COUNT) % 10, tuple("abcdefghij"))


def source(seed=0, augment=("alternating-flip",)):
    return make_batches(images(), small_net(), ClassificationRecipe(batch=16, seed=seed), augment)


def sides(source, epoch, skip=0):
    """For each image of the batches, whether it was mirrored."""
    found = {}
    for batch in source.batches(epoch, skip):
        pixels = (batch.inputs[0] * 255).round().int()[:, 0, 0]
        assert torch.equal((pixels > 0).sum(1), torch.ones(len(pixels)))
        for row in pixels:
            found[int(row.max()) - 1] = bool(row[-1])
    return found


def test_each_image_is_mirrored_in_every_other_epoch():
    epochs = [sides(source(), epoch) for epoch in range(4)]
    assert all(len(one) == COUNT for one in epochs)
    assert 8 < sum(epochs[0].values()) < 32
    assert epochs[1] == {number: not side for number, side in epochs[0].items()}
    assert epochs[2:] == epochs[:2]


def test_what_begins_within_an_epoch_or_is_shared_shows_the_same_sides():
    whole = sides(source(), 3)
    for part in (sides(source(), 3, skip=1), sides(source().shared(Processes(1, 2)), 3)):
        assert part and part.items() < whole.items()


def test_the_seed_decides_and_other_augmentations_still_apply():
    assert sides(source(seed=1), 0) != sides(source(), 0)
    names = (("alternating-flip", "shift"), ("alternating-flip",), ("shift",))
    both, flip, shift = (next(iter(source(augment=some).batches(0, 0))).inputs[0] for some in names)
    assert not torch.equal(both, flip) and not torch.equal(both, shift)
