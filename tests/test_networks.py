"""Every public function that takes a network takes its name too, and refuses anything else in words."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from jaxtyping import config
from torch import nn

import convscope as cs
from convscope.errors import ConvscopeError, UsageError
from tests.test_house import surface

ROOMS = ("convscope", "convscope.learn", "convscope.nets", "convscope.see", "convscope.use")
LAYERS_BELOW = {
    "frozen": "takes the module of a network",
    "layer_lr_scales": "takes what is trained",
    "read_output": "reads what the network at hand has returned",
}
"""Public functions whose parameter `net` is no network, with the reason."""


def taking_networks() -> dict[str, Callable[..., Any]]:
    """Public functions whose first parameter is a network, by name."""
    found = {}
    for package, names in surface().items():
        if package not in ROOMS and not package.startswith(("convscope.learn.", "convscope.see.")):
            continue
        for name in names:
            thing = getattr(importlib.import_module(package), name)
            if isinstance(thing, type) or not callable(thing) or name in LAYERS_BELOW:
                continue
            try:
                parameters = list(inspect.signature(thing).parameters.values())
            except (TypeError, ValueError):
                continue
            if parameters and parameters[0].name == "net":
                found[f"{package}.{name}"] = thing
    return found


FUNCTIONS = taking_networks()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wrong", [3, None, nn.ReLU(), "no-such-network"], ids=repr)
def test_what_is_no_network_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, wrong: object) -> None:
    monkeypatch.setattr(config, "jaxtyping_disable", True)  # users have no checks of types at run time
    function = FUNCTIONS[name]
    needed = [
        one
        for one in list(inspect.signature(function).parameters.values())[1:]
        if one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    given = {one.name: "x" for one in needed}
    with pytest.raises(ConvscopeError) as error:
        function(wrong, **given)  # iterators and contexts, too, before their first step
    assert error.value.received or error.value.hint


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not name.endswith(".push_to_hub")])
def test_help_says_that_a_name_will_do(name: str) -> None:
    """Of all but `push_to_hub`, which takes a run's folder, to send its recipe along."""
    first = next(iter(inspect.signature(FUNCTIONS[name]).parameters.values()))
    assert first.annotation == cs.nets.NetLike


def test_most_functions_are_covered() -> None:
    assert len(FUNCTIONS) > 50


def test_a_name_is_a_network() -> None:
    net, pixels = cs.load("digits"), torch.zeros(1, 1, 28, 28)
    assert cs.nets.describe("digits").parameters == cs.nets.describe(net).parameters
    assert cs.nets.layer_shapes("digits").keys() == cs.nets.layer_shapes(net).keys()
    made, wanted = (cs.record(given, pixels, ["conv2"]) for given in ("digits", net))
    assert list(map(str, made)) == ["conv2"]
    assert torch.equal(*(next(iter(found.values())) for found in (made, wanted)))


def test_a_name_is_a_data_set() -> None:
    named = cs.learn.evaluate("digits", "digits")
    assert named.accuracy == cs.learn.evaluate(cs.load("digits"), cs.worlds.digits.test()).accuracy


def test_files_are_no_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "jaxtyping_disable", True)
    for given in ("digit.png", ["digit.png"], [3]):
        with pytest.raises(UsageError, match=r"see\.activations"):
            cs.record("digits", given, ["conv2"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="name of a set"):
        cs.learn.evaluate("digits", "no-such-set")
    with pytest.raises(UsageError, match="Dataset"):
        list(cs.learn.iter_train("digits", "digits"))
