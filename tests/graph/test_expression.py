"""Formulas: exact values and gradients, against torch."""

import math
import re

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convscope.errors import UsageError
from convscope.graph import computation
from convscope.graph.expression import OPERATIONS

NEURON = "1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))"
GIVEN = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}


def test_the_neuron_of_the_lecture():
    """Z3, exact; the slide multiplies a gradient that it has rounded to 0.20 first."""
    found = computation(NEURON, GIVEN)
    y = 1 / (1 + math.exp(-1))
    assert found.value == pytest.approx(y, abs=1e-15)
    values = [found[name].value for name in ("mul1", "mul2", "add1", "add2", "neg1", "exp1", "add3", "div1")]
    assert values == pytest.approx([-2, 6, 4, 1, -1, math.exp(-1), 1 + math.exp(-1), y], abs=1e-15)
    slope = y * (1 - y)
    chained = [found[name].gradient for name in ("add3", "exp1", "neg1", "add2")]
    assert chained == pytest.approx([-(y**2), -(y**2), -slope, slope], abs=1e-15)
    assert [round(g, 4) for g in chained] == [-0.5344, -0.5344, -0.1966, 0.1966]
    rounded = {name: round(g, 4) for name, g in found.gradients.items()}
    assert rounded == {"w0": -0.1966, "x0": 0.3932, "w1": -0.3932, "x1": -0.5898, "w2": 0.1966}


def test_the_slide_rounded_too_early():
    gradients = computation(NEURON, GIVEN).gradients
    slide = {"x0": 0.40, "w1": -0.40, "x1": -0.60}
    assert all(round(gradients[name], 2) != printed for name, printed in slide.items())
    assert [round(gradients[n], 2) for n in slide] == [0.39, -0.39, -0.59]


def test_local_derivatives_and_order():
    found = computation("a * b + a", {"a": 3, "b": 5})
    product = found["mul1"]
    assert (product.operation, product.inputs, product.derivatives) == ("mul", ("a", "b"), (5, 3))
    assert found.gradients == {"a": 6, "b": 3}
    seen = set()
    for node in found.nodes:
        assert seen.issuperset(node.inputs)
        seen.add(node.name)
    assert found.nodes[-1].gradient == 1
    assert [n.name for n in computation("1 + 1 + 2", {}).nodes] == ["1", "1#2", "add1", "2", "add2"]
    assert computation("mul1 * 2", {"mul1": 4}).nodes[-1].name == "mul2"


def formulas():
    leaf = st.sampled_from(["a", "b", "c", "0.5", "2"])
    unary = ["-({})", "exp({} / 8)", "sigmoid({})", "tanh({})", "relu({})", "abs({})", "sqrt(1 + ({})**2)"]
    unary += ["log(1 + abs({}))"]
    binary = ["({} + {})", "({} - {})", "({} * {})", "({} / (3 + abs({})))", "max({}, {})", "min({}, {})"]
    binary += ["max({}, {}, 0.25)"]

    def grow(inner):
        one = st.builds(lambda form, x: form.format(x), st.sampled_from(unary), inner)
        two = st.builds(lambda form, x, y: form.format(x, y), st.sampled_from(binary), inner, inner)
        return st.one_of(one, two)

    return st.recursive(leaf, grow, max_leaves=8)


WORDS = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "abs": torch.abs,
}


def extremum(pick):
    def fold(*values):
        values = [torch.as_tensor(v, dtype=torch.float64) for v in values]
        result = values[0]
        for value in values[1:]:
            result = pick(result, value)
        return result

    return fold


@settings(max_examples=300, deadline=None)
@given(formulas(), st.tuples(*[st.floats(-4, 4)] * 3))
def test_values_and_gradients_are_those_of_torch(text, numbers):
    leaves = {
        n: torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for n, v in zip("abc", numbers, strict=True)
    }
    words = {name: lambda x, f=f: f(torch.as_tensor(x, dtype=torch.float64)) for name, f in WORDS.items()}
    words |= {"max": extremum(torch.maximum), "min": extremum(torch.minimum)}
    wanted = torch.as_tensor(eval(text, {"__builtins__": {}}, leaves | words), dtype=torch.float64)
    read = {name: leaf.item() for name, leaf in leaves.items() if re.search(rf"\b{name}\b", text)}
    value = wanted.item()
    assume(math.isfinite(value))
    found = computation(text, read)
    assert found.value == pytest.approx(value, rel=1e-12, abs=1e-12)
    if not read:
        return
    slopes = torch.autograd.grad(wanted, [leaves[n] for n in read], allow_unused=True)
    for name, slope in zip(read, slopes, strict=True):
        assert found.gradients[name] == pytest.approx(slope.item(), rel=1e-9, abs=1e-12)


def test_powers():
    found = computation("x**3 + 2**x + (x - 5)**2", {"x": 2})
    assert found.value == 8 + 4 + 9
    assert found.gradients["x"] == pytest.approx(12 + 4 * math.log(2) - 6)
    assert computation("x**0", {"x": 0}).gradients["x"] == 0
    assert all(math.isfinite(node.gradient) for node in found.nodes)


def test_every_operation_states_a_symbol():
    assert all(rule.symbol and rule.inputs in (1, 2) for rule in OPERATIONS.values())


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("w0 * x", {"w0": 1}, "none for x"),
        ("w0 * 2", {"w0": 1, "w1": 2}, "w1"),
        ("x if x else 2", {"x": 1}, "x if x else 2"),
        ("__import__('os')", {}, "__import__"),
        ("x.real", {"x": 1}, "x.real"),
        ("exp(x, x)", {"x": 1}, "exp of 1 value"),
        ("max(x)", {"x": 1}, "max of 2 value"),
        ("exp(x=1)", {"x": 1}, "exp(x=1)"),
        ("max(*x, 1)", {"x": 1}, "*x"),
        ("x % 2", {"x": 1}, "x % 2"),
        ("x = 2", {"x": 1}, "x = 2"),
        ("", {}, "a formula such as"),
        ("(((", {}, "a formula such as"),
        ("x\0", {"x": 1}, "a formula such as"),
        ("1 / (x - x)", {"x": 1}, "div(1, 0)"),
        ("log(-x)", {"x": 1}, "log(-1)"),
        ("exp(x)", {"x": 1000}, "exp(1000)"),
        ("x * x", {"x": 1e200}, "mul"),
        ("(-x) ** 0.5", {"x": 1}, "pow(-1, 0.5)"),
        ("sqrt(x)", {"x": 0}, "slope"),
        ("(-2) ** x", {"x": 2}, "slope"),
        ("x + 1", {"x": "2"}, "x='2'"),
        ("x + 1", {"x": float("nan")}, "x=nan"),
        ("x + 1j", {"x": 1}, "1j"),
        ("x + True", {"x": 1}, "True"),
        ("-" * 3000 + "x", {"x": 1}, "at most"),
        ("-" * 1900 + "x", {"x": 1}, ""),
        ("(" * 300 + "x" + ")" * 300, {"x": 1}, "a formula such as"),
        ("9" * 1000, {}, ""),
        ("1e999", {}, ""),
    ],
)
def test_formulas_that_make_no_sense(text, values, words):
    with pytest.raises(UsageError) as caught:
        computation(text, values)
    assert words in str(caught.value)


@given(st.text(alphabet="abx012+-*/(). ,explogmaxsqrt", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_value_or_a_usage_error(text):
    try:
        assert math.isfinite(computation(text, {}).value)
    except UsageError as error:
        assert str(error)
