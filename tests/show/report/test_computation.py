from itertools import combinations

import pytest

from convscope.graph.expression import computation
from convscope.show.report.figures.lecture.computation import drawn, layout
from convscope.show.report.figures.lecture.neuron import NEURON, SLIDE, VALUES, sigmoid

EXPRESSIONS = [
    (NEURON, VALUES),
    ("max(a*b, sqrt(c)) * a", {"a": 2.0, "b": 3.0, "c": 16.0}),
    ("x", {"x": 1.0}),
    ("x*x*x + x", {"x": 2.0}),
    ("(a+b)*(c+d) + (e+f)*(g+1) - 2*a", dict(zip("abcdefg", map(float, range(1, 8)), strict=True))),
    ("+".join(f"a{i}*a{i + 1}" for i in range(12)), {f"a{i}": 1.0 for i in range(13)}),
]


@pytest.mark.parametrize(("text", "values"), EXPRESSIONS)
def test_no_node_lies_on_another_and_all_flow_forward(text, values):
    nodes = computation(text, values).nodes
    spots = layout({node.name: node.inputs for node in nodes})
    for a, b in combinations(spots.values(), 2):
        assert a.depth != b.depth or abs(a.lane - b.lane) >= 0.999
    for node in nodes:
        assert all(spots[source].depth < spots[node.name].depth for source in node.inputs)
    assert min(spot.lane for spot in spots.values()) == 0


@pytest.mark.parametrize(("text", "values"), EXPRESSIONS)
@pytest.mark.parametrize("width", [340, 680])
def test_every_value_and_gradient_is_written(text, values, width):
    made = computation(text, values)
    picture = drawn(made, width)
    assert picture.count("<rect") == len(made.nodes)
    assert picture.count("<path") == sum(len(node.inputs) for node in made.nodes)
    assert picture.count("∂") == sum(node.operation != "constant" for node in made.nodes)


def test_exact_gradients_differ_from_the_slide_in_three_places():
    figure = sigmoid()
    for number in ("0.7311", "−0.1966", "0.3932", "−0.3932", "−0.5898", "0.1966"):
        assert number in figure.body + figure.values["exact"]
    assert figure.body.count("≠") == 3
    gradients = computation(NEURON, VALUES).gradients
    differing = [n for n, printed in SLIDE.items() if f"{gradients[n]:.2f}".replace("-", "−") != printed]
    assert differing == ["x0", "w1", "x1"]
