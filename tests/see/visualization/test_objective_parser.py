import string

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.errors import ConvscopeError, PlaceError, UsageError
from convscope.nets import Net
from convscope.see import channel, l1, visualize
from convscope.see.visualization.objective_parser import expand_variants, parse_targets, parse_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("conv2:3", [(1.0, "conv2:3")]),
        ("conv2:3 - 0.5*conv2:1", [(1.0, "conv2:3"), (-0.5, "conv2:1")]),
        ("2 * conv1:0 + conv2:1 * 3 - conv2:5 / 4", [(2, "conv1:0"), (3, "conv2:1"), (-0.25, "conv2:5")]),
        ("-conv2:3 + 1e-2*relu#2:1@4,5", [(-1.0, "conv2:3"), (0.01, "relu#2:1@4,5")]),
        (".5*encoder[hidden]:3 - -conv2:1", [(0.5, "encoder[hidden]:3"), (1.0, "conv2:1")]),
        (
            "output:jack-o'-lantern - output:great white shark",
            [(1.0, "output:jack-o'-lantern"), (-1.0, "output:great white shark")],
        ),
        ("conv2:*", [(1.0, "conv2:*")]),
        ("conv2:0-3", [(1.0, "conv2:0-3")]),
        ("conv2:3 - 0.1*l1()", [(1.0, "conv2:3"), (-0.1, "l1()")]),
    ],
)
def test_sums_as_text(text: str, terms: list[tuple[float, str]]) -> None:
    assert [(weight, what) for weight, _, what in parse_terms(text)] == terms


@pytest.mark.parametrize(
    "text", ["", "+", "conv2:1 +", "3*", "conv2:1 / 0", "1e999*conv2:1", "__import__()", "a - l3()"]
)
def test_what_is_no_sum(text: str) -> None:
    with pytest.raises(UsageError):
        list(parse_terms(text))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=string.ascii_letters + string.digits + " +-*/.:@#[](),_'é%", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        terms = list(parse_terms(text))
    except ConvscopeError:
        return
    assert terms and all(isinstance(weight, float) and what.strip() for weight, _, what in terms)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-99, 99, allow_subnormal=False), st.integers(0, 5)), min_size=1, max_size=4)
)
def test_text_and_python_are_one_algebra(terms: list[tuple[float, int]]) -> None:
    text = " + ".join(f"{weight!r}*conv2:{unit}" for weight, unit in terms)
    found = [(weight, what) for weight, _, what in parse_terms(text)]
    assert found == [(weight, f"conv2:{unit}") for weight, unit in terms]


def test_a_sum_is_one_picture_and_means_just_that(small: Net) -> None:
    text = "2*conv2:1 - 0.5*conv2:4 - 0.01*l1()"
    (target,) = parse_targets(small, [text])
    assert target.goal == 2 * channel("conv2:1") - 0.5 * channel("conv2:4") - 0.01 * l1()
    made = visualize(small, text, "conv2:0-1", steps=3)
    assert made.places == (text, "conv2:0", "conv2:1")
    with torch.no_grad():
        maps = small.module(small.normalise(made.images[:1])[0])
        maps = small.module[2](small.module[1](small.module[0]((made.images[:1] - 0.5) / 0.25)))
    expected = 2 * maps[0, 1].mean() - 0.5 * maps[0, 4].mean() - 0.01 * made.images[0].abs().sum()
    torch.testing.assert_close(made.clean_scores[0], expected, rtol=1e-4, atol=1e-5)


def test_sums_that_cannot_be(small: Net) -> None:
    for wrong in ("conv2:1 - conv9:1", "conv2:* - conv2:1"):
        with pytest.raises(PlaceError):
            list(parse_targets(small, [wrong]))
    for empty in ("conv2:1 - conv2:1", "0*conv2:1", "-l1()"):
        with pytest.raises(UsageError):
            list(parse_targets(small, [empty]))


def test_signs_and_variants_have_names_of_their_own(small: Net) -> None:
    (target,) = parse_targets(small, ["conv2:1"])
    names = [one.text for one in expand_variants(target, both=True, negative=False, variants=2)]
    assert names == ["conv2:1", "conv2:1 ~2", "-conv2:1", "-conv2:1 ~2"]
