import struct

import pytest
import torch
from torch import nn

from convscope import nets, see
from convscope.errors import DataError, PlaceError, UsageError
from convscope.graph import TensorSpec
from convscope.lab.live import frames, inputs
from convscope.lab.live.maps import Watched
from convscope.lab.live.networks import watchable


@pytest.fixture(scope="module")
def digits() -> nets.Net:
    return nets.load("digits")


def image(index: int) -> torch.Tensor:
    return inputs.example(nets.load("digits").input_spec, index).input


def test_a_frame_has_the_maps_that_see_finds(digits: nets.Net) -> None:
    watched = Watched(digits)
    try:
        header, found = frames.decode(watched.frame(image(3), 7))
    finally:
        watched.close()
    wanted = {maps.place: maps.maps for maps in see.feature_maps(digits, image(3)[None])}
    assert header["seq"] == 7 and next(layer["name"] for layer in header["layers"]) == "input"
    assert set(found) == {*wanted, "input"} - {"output"}
    for name, (low, high, values) in found.items():
        maps = (image(3) if name == "input" else wanted[name]).reshape(values.shape)
        torch.testing.assert_close(low, maps.amin((1, 2)))
        torch.testing.assert_close(high, maps.amax((1, 2)))
        again = low[:, None, None] + values * (high - low)[:, None, None] / 255
        assert float((again - maps).abs().max()) <= float((high - low).max()) / 510 + 1e-5
    probabilities = digits(image(3)[None]).softmax(1)[0].tolist()
    assert header["answer"] == pytest.approx(probabilities, abs=1e-5) and header["steered"] is None


def test_a_frame_is_what_the_contract_says_byte_for_byte() -> None:
    frame = frames.encode(
        {"type": "maps"}, [("a", torch.tensor([[[0.0, 1.0], [0.5, 0.25]]])), ("b", torch.tensor([2.0, -3.0]))]
    )
    (length,) = struct.unpack("<I", frame[:4])
    a, b = (layer["offset"] for layer in frames.decode(frame)[0]["layers"])
    assert a % 4 == b % 4 == 0 and 4 + length <= a < 4 + length + 256
    assert struct.unpack_from("<2f4B", frame, a) == (0.0, 1.0, 0, 255, 128, 64)
    assert struct.unpack_from("<4f2B", frame, b) == (2.0, -3.0, 2.0, -3.0, 0, 0)
    assert b == a + 12 and len(frame) == b + 20


@pytest.mark.parametrize("values", [[float("nan"), 1.0, 0.0], [float("inf"), 1.0, 0.0], [3e38, -3e38, 0.0]])
def test_values_that_are_no_numbers_do_not_break_a_frame(values: list[float]) -> None:
    _, found = frames.decode(frames.encode({"a": 1}, [("x", torch.tensor([[values], [[0.0, 1.0, 2.0]]]))]))
    low, high, scaled = found["x"]
    assert bool(torch.isfinite(low).all() and torch.isfinite(high).all())
    assert scaled[1].tolist() == [[0, 128, 255]] and scaled[0].max() == 255


def test_tiny_ranges_constant_maps_and_empty_layers() -> None:
    tiny = torch.tensor([[1e-38, 3e-38], [5.0, 5.0], [-1.0, 1.0]])
    _, found = frames.decode(
        frames.encode({"a": 1}, [("x", tiny), ("none", torch.zeros(0, 3, 3)), ("half", tiny.half())])
    )
    assert found["x"][2][1:].reshape(2, 2).tolist() == [[0, 0], [0, 255]]
    assert found["none"][2].shape == (0, 3, 3) and found["half"][1].tolist()[1:] == [5.0, 1.0]


def test_maps_of_one_axis_are_rows_and_more_axes_are_units() -> None:
    assert frames.map_shape(torch.zeros(5)) == (5, 1, 1)
    assert frames.map_shape(torch.zeros(5, 9)) == (5, 1, 9)
    assert frames.map_shape(torch.zeros(5, 2, 3, 4)) == (10, 3, 4)


def test_steering_gives_both_answers(digits: nets.Net) -> None:
    watched = Watched(digits)
    header, found = frames.decode(watched.frame(image(0), 1, {"relu2": 0.0}))
    watched.close()
    assert float(found["relu2"][1].abs().max()) == 0 and float(found["conv2"][1].max()) > 0
    ends = {
        name: parameter for name, parameter in digits.module.named_parameters() if name.startswith("dense")
    }
    hidden = (ends["dense1.bias"]).relu()
    wanted = (ends["dense2.weight"] @ hidden + ends["dense2.bias"]).softmax(0).tolist()
    assert header["steered"] == pytest.approx(wanted, abs=1e-5)
    assert header["answer"] == pytest.approx(digits(image(0)[None]).softmax(1)[0].tolist(), abs=1e-5)


def test_layers_can_be_chosen_and_their_inputs_skip_what_is_no_module() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two((x + self.one(x)).relu())

    net = nets.wrap(Residual(), TensorSpec((3, 8, 8)))
    layers = watchable(net)
    assert [(layer.name, layer.shape, layer.inputs) for layer in layers] == [
        ("one", (3, 8, 8), ("input",)),
        ("two", (2, 8, 8), ("input", "one")),
    ]
    assert layers[1].info.field and layers[1].info.field.size == (3, 3)
    watched = Watched(net, ["two"])
    header, found = frames.decode(watched.frame(torch.rand(3, 8, 8), 0))
    watched.close()
    assert set(found) == {"input", "two"} and header["answer"] is None
    with pytest.raises(UsageError, match="two"):
        Watched(net, ["twoo"])


def test_bytes_are_scaled_to_the_value_range() -> None:
    spec = TensorSpec((1, 2), value_range=(-1.0, 1.0))
    assert inputs.from_bytes(bytes([0, 255]), spec).tolist() == [[-1.0, 1.0]]
    with pytest.raises(DataError, match="2 bytes"):
        inputs.from_bytes(bytes(3), spec)


def test_a_place_that_does_not_exist_cannot_be_steered(digits: nets.Net) -> None:
    watched = Watched(digits)
    with pytest.raises(PlaceError):
        watched.frame(image(0), 0, {"relu2:99": 0.0})
    watched.close()
    assert not any(module._forward_hooks for module in digits.module.modules())
