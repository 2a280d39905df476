"""Packaged examples and samples of the bundled data are two lists, each with its own numbers."""

import pytest
import torch

from convscope import nets, worlds
from convscope.errors import UsageError
from convscope.lab.live import inputs


@pytest.mark.parametrize("name, data", [("digits", "digits"), ("go-9x9", "go-9x9")])
def test_a_sample_is_one_of_the_bundled_data(name: str, data: str) -> None:
    net = nets.load(name)
    expected = worlds.open(data, "test", spec=net.input_spec).inputs([5], net.input_spec)[0]
    given = inputs.open_input({"sample": 5}, b"", net, None)  # type: ignore[arg-type]
    torch.testing.assert_close(given.input, expected)


@pytest.mark.parametrize("name", ["go-9x9", "questions", "spoken-digits", "digits"])
def test_an_example_is_one_of_its_world(name: str) -> None:
    net = nets.load(name)
    expected = worlds.world_of(net.input_spec).example(net.input_spec, 2)
    given = inputs.open_input({"example": 2}, b"", net, None)  # type: ignore[arg-type]
    assert expected is not None
    torch.testing.assert_close(given.input, expected.input)


def test_examples_and_samples_of_games_differ() -> None:
    net = nets.load("go-9x9")
    example, sample = (
        inputs.open_input({kind: 2}, b"", net, None).input  # type: ignore[arg-type]
        for kind in ("example", "sample")
    )
    assert not torch.equal(example, sample)


def test_a_sample_outside_the_data() -> None:
    with pytest.raises(UsageError, match="from 0 to 1999"):
        inputs.open_input({"sample": 2000}, b"", nets.load("digits"), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["go-9x9", "questions", "spoken-digits", "digits", "go-19x19"])
def test_worlds_know_whether_they_have_an_example(name: str) -> None:
    spec = nets.load(name).input_spec
    world = worlds.world_of(spec)
    assert world.has_example(spec) == (world.example(spec) is not None)
