import json

import pytest
import torch
import torchvision
from rich.console import Console

from convscope.errors import GraphError
from convscope.graph import TensorSpec, chain
from convscope.nets import build, describe, trace, wrap

LECTURE = "conv 25 3x3, maxpool 2, conv 50 3x3, maxpool 2, flatten, dense 100, relu, dense 10, softmax"


def lecture():
    return wrap(build(chain("1x28x28", LECTURE), seed=0), TensorSpec((1, 28, 28)), name="lecture")


def test_the_lecture_s_table():
    """Shapes and parameters as the slides print them: 25x26x26, 25x13x13, 50x11x11, 50x5x5, 1250."""
    rows = {layer.name: layer for layer in describe(lecture()).layers}
    shapes = {name: row.output_shape for name, row in rows.items()}
    assert list(shapes.values()) == [
        (25, 26, 26),
        (25, 13, 13),
        (50, 11, 11),
        (50, 5, 5),
        (1250,),
        (100,),
        (100,),
        (10,),
        (10,),
    ]
    counts = {name: row.parameters for name, row in rows.items() if row.parameters}
    assert counts == {"conv1": 250, "conv2": 11_300, "dense1": 125_100, "dense2": 1_010}
    assert describe(lecture()).parameters == 137_660
    assert rows["conv1"].macs == 25 * 26 * 26 * 9
    assert rows["conv2"].macs == 50 * 11 * 11 * 225
    assert [rows[name].field.size for name in ("conv1", "pool1", "conv2", "pool2")] == [
        (3, 3),
        (4, 4),
        (8, 8),
        (10, 10),
    ]


def test_the_same_rows_by_watching():
    net = lecture()
    watched = wrap(torch.nn.Sequential(*net.module.children()), net.input_spec)
    own, other = describe(net).layers, describe(watched).layers
    keys = ("kind", "output_shape", "parameters", "macs", "field")
    assert [[getattr(a, k) for k in keys] for a in own] == [[getattr(b, k) for k in keys] for b in other]


def test_json_html_and_terminal_hold_the_numbers():
    description = describe(lecture())
    document = json.loads(json.dumps(description.to_json()))
    assert document["parameters"] == 137_660
    assert document["layers"][2]["field"] == {
        "size": [8, 8],
        "stride": [2.0, 2.0],
        "offset": [0, 0],
        "covers_all": [False, False],
    }
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(description)
    console.file.close()
    for text in (description._repr_html_(), str(description), console.export_text()):
        assert all(part in text for part in ("conv2", "50×11×11", "11,300", "137,660 parameters"))
    assert description._repr_html_().count("<tr>") == 10


def test_names_are_escaped():
    net = wrap(torch.nn.Sequential(torch.nn.ReLU()), TensorSpec((1, 2, 2)), name="<script>")
    assert "<script>" not in describe(net)._repr_html_()


@pytest.mark.slow
def test_idle_parameters_are_told():
    net = wrap(torchvision.models.googlenet(init_weights=False), TensorSpec((3, 64, 64)))
    description = describe(net)
    assert (description.parameters, description.idle) == (13_004_888, 13_004_888 - 6_624_904)
    assert "6,379,984 of them idle" in description.summary()


def test_weights_that_several_layers_share_count_once():
    layer = torch.nn.Conv2d(2, 2, 3, padding=1)
    net = wrap(torch.nn.Sequential(layer, torch.nn.ReLU(), layer), TensorSpec((2, 5, 5)))
    assert [(row.name, row.parameters, row.calls) for row in describe(net).layers] == [
        ("0#1", 38, 2),
        ("1", 0, 1),
        ("0#2", 0, 2),
    ]
    assert describe(net).parameters == 38


def test_another_input_size_is_watched():
    module = build(chain("1x8x8", "conv 2 3x3, globalavgpool"), seed=0)
    assert describe(wrap(module, TensorSpec((1, 20, 10)))).layers[0].output_shape == (2, 18, 8)


def test_a_spec_that_is_wrong():
    with pytest.raises(GraphError, match="Correct the spec"):
        describe(wrap(torch.nn.Conv2d(3, 1, 9), TensorSpec((3, 5, 5))))


def test_it_is_computed_once():
    net = lecture()
    assert describe(net) is describe(net)
    assert trace(net.module, net.example()) == net.graph
