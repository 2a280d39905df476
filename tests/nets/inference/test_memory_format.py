"""Images with their channels side by side: the same to a network, unless it asks for the usual order."""

import pytest
import torch
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.nets.inference.memory_format import (
    channels_last,
    channels_last_is_faster,
    supports_channels_last,
)


class Viewing(nn.Module):
    """Calls `view` on maps, which only the usual order allows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return y.view(len(y), -1)


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_the_same_images(channels: int) -> None:
    images = torch.rand(2, channels, 9, 7)
    moved = channels_last(images)
    assert torch.equal(moved, images)
    assert nn.Conv2d(channels, 4, 3)(moved).is_contiguous(memory_format=torch.channels_last)


def test_who_asks_for_the_usual_order_gets_it() -> None:
    spec = TensorSpec((3, 12, 10))
    assert channels_last_is_faster(wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()), spec))
    assert not channels_last_is_faster(wrap(Viewing(), spec))
    assert not channels_last_is_faster(wrap(nn.Sequential(nn.Flatten(), nn.Linear(360, 4)), spec))
    assert not channels_last_is_faster(wrap(nn.Sequential(nn.Conv1d(2, 4, 3)), TensorSpec((2, 12))))


def test_what_depends_on_the_order_is_told_by_its_answer() -> None:
    class Peeking(Viewing):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x) * (1.0 if x.is_contiguous() else 2.0)

    assert not channels_last_is_faster(wrap(Peeking(), TensorSpec((3, 12, 10))))


def test_a_size_that_only_the_first_layers_take_is_not_what_it_is_tried_with() -> None:
    net = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(320, 2)), TensorSpec((3, 12, 10)))
    assert supports_channels_last(net, torch.rand(2, 3, 7, 7)) and not supports_channels_last(
        wrap(Viewing(), TensorSpec((3, 12, 10)))
    )
