"""Verdicts of inversions and caricatures, from numbers computed here once more."""

import math

import pytest
import torch

import convscope as cs
from convscope import see
from convscope.graph import TensorSpec
from convscope.see.activation_atlas import CaricatureRecipe, InvertRecipe
from convscope.see.visualization.reconstruction import Reconstruction
from convscope.show.pages.reconstruction import NOWHERE, _captions


def reconstruction(errors, strengths, cosines, *, exact: bool) -> Reconstruction:
    count = len(errors)
    explained = [max(0.0, 1 - error) for error in errors]
    numbers = (torch.tensor(list(values)) for values in (cosines, errors, explained, strengths))
    layers = tuple(f"layer{k}" for k in range(count))
    recipe = (InvertRecipe if exact else CaricatureRecipe).parse({"net": "digits", "image": "digit.png"})
    images, original = torch.zeros(count, 1, 2, 2), torch.zeros(1, 2, 2)
    return Reconstruction(layers, images, *numbers, original, 5, net=cs.load("digits"), recipe=recipe)


def test_an_inversion_is_judged_by_what_it_explains() -> None:
    made = reconstruction([0.09, 0.3, 0.51, 5.838], [1.0] * 4, [0.99, 0.8, 0.6, 0.42], exact=True)
    assert [verdict.word for verdict in made.verdicts] == ["found", "partly", "failed", "failed"]
    assert "explains 0% of the activations (cosine 0.42)" in made.verdicts[3].text
    assert "no input with these activations was found" in made.verdicts[3].text


def test_a_caricature_fails_where_the_features_are_neither_stronger_nor_alike() -> None:
    made = reconstruction([0.0] * 4, [2.5, 2.5, 0.9, 0.8], [0.9, 0.1, 0.9, 0.6], exact=False)
    assert [verdict.word for verdict in made.verdicts] == ["found", "partly", "partly", "failed"]
    assert all("not exaggerated" in verdict.text for verdict in made.verdicts[2:])
    assert "2.5 times" in made.verdicts[0].text


@pytest.fixture(scope="module")
def photo():
    rows = torch.linspace(0, 1, 28)
    return torch.stack([rows[:, None] * rows[None, :]])


def test_numbers_are_those_of_the_activations(photo) -> None:
    net = cs.load("digits")
    made, noise = (see.invert(net, photo, "relu1", steps=steps) for steps in (3, 0))
    images = torch.stack([made.images[0], photo, noise.images[0]])
    with torch.no_grad():
        here, wanted, start = cs.nets.record(net, images, ["relu1"]).popitem()[1].flatten(1)
    energy = float(wanted.square().sum())
    error = float((here - wanted).square().sum()) / energy
    known = min(1.0, float((start - wanted).square().sum()) / energy)
    assert float(made.relative_errors[0]) == pytest.approx(error, rel=1e-4)
    assert float(made.strengths[0]) == pytest.approx(float(here @ wanted) / energy, rel=1e-4)
    assert float(made.explained[0]) == pytest.approx(max(0.0, 1 - error / known), abs=1e-4)
    assert float(noise.explained[0]) == 0


def test_too_few_steps_fail_and_enough_find_the_activations(photo) -> None:
    net = cs.load("digits")
    few, enough = (see.invert(net, photo, "relu1", steps=steps) for steps in (0, 128))
    assert few.verdicts[0].word == "failed"
    assert enough.verdicts[0].word == "found"
    assert math.isclose(float(enough.cosines[0]), 1, abs_tol=0.05)


def test_the_sheet_says_of_layers_without_positions_that_they_have_none(photo) -> None:
    made = see.caricature("digits", photo, "conv2", "pool2", "dense1", "output", steps=0)
    said = {layer: NOWHERE in notes for layer, notes in _captions(made, made.net)}
    assert said == {"conv2": False, "pool2": False, "dense1": True, "output": True}
    pooled = cs.nets.wrap(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1)), TensorSpec((1, 28, 28)))
    made = see.invert(pooled, photo, "0", steps=0)
    assert NOWHERE in _captions(made, pooled)[0][1]


@pytest.mark.parametrize("verb", [see.caricature, see.invert])
def test_any_address_can_be_reconstructed(verb, photo) -> None:
    net = cs.load("digits")
    for place in ("output:3", "conv2:7", "conv2@3,3", "conv2:7@3,3"):
        made = verb(net, photo, place, steps=2)
        with torch.no_grad():
            both = cs.nets.record(net, torch.stack([photo, made.images[0]]), [place]).popitem()[1]
        wanted, here = both.reshape(2, -1).double()
        assert float(made.strengths[0]) == pytest.approx(float(here @ wanted / (wanted @ wanted)), rel=1e-4)
