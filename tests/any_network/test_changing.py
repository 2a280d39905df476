"""Every verb on networks that change themselves, also ended in the middle: they are as they were."""

from contextlib import suppress

import pytest
import torch
from tests.any_network.test_hostile import Interrupt
from tests.any_network.untouched import untouched
from tests.any_network.verbs import VERBS
from tests.nets.changing import SPEC, WAYS, make
from tests.nets.test_changing import attributes

from convscope.errors import ConvscopeError
from convscope.nets import wrap

torch.set_num_threads(1)

ENDS = (KeyboardInterrupt, RuntimeError)
SOME = [
    ("record", "weight in place", KeyboardInterrupt, 2),
    ("feature_maps", "all in training mode", RuntimeError, 1),
    ("visualize", "cache that grows", KeyboardInterrupt, 3),
    ("retell", "hook added", RuntimeError, 4),
]
ALL = [(verb, way, end, at) for verb in VERBS for way in WAYS for end in ENDS for at in (1, 2, 5)]


def ended(verb: str, way: str, end: type[BaseException], at: int) -> None:
    """Let one verb look at one network, whose first layer raises when it runs for the `at`-th time."""
    net = wrap(make(way), SPEC)
    before = attributes(net.module)
    interrupt = Interrupt(net.module.conv, end, at)  # pyright: ignore[reportArgumentType]
    with untouched(net.module), suppress(end, ConvscopeError):
        VERBS[verb](net)
    interrupt.undo()
    assert attributes(net.module) == before
    assert net.module.training


@pytest.mark.parametrize(("verb", "way", "end", "at"), SOME)
def test_some_verbs_on_networks_that_change_themselves(verb, way, end, at) -> None:
    ended(verb, way, end, at)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("verb", "way", "end", "at"), ALL)
def test_every_verb_on_every_network_ended_anywhere(verb, way, end, at) -> None:
    ended(verb, way, end, at)


@pytest.mark.exhaustive
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", WAYS)
def test_every_verb_works_on_every_network(verb: str, way: str) -> None:
    net = wrap(make(way), SPEC)
    before = attributes(net.module)
    with untouched(net.module):
        VERBS[verb](net)
    assert attributes(net.module) == before
