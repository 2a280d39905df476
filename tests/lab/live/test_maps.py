import os
import struct
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.lab.frame_decoder import decode_frame
from torch import nn

from convscope import nets, see
from convscope.errors import DataError, PlaceError, UsageError
from convscope.graph import TensorSpec
from convscope.lab.live import frames, inputs
from convscope.lab.live.maps import MapRecorder
from convscope.lab.live.networks import Networks, watchable
from convscope.worlds import Sample, open_sample


@pytest.fixture(scope="module")
def digits() -> nets.Net:
    return nets.load("digits")


def sample(index: int) -> Sample:
    return inputs.example(nets.load("digits").input_spec, index)


def image(index: int) -> torch.Tensor:
    return sample(index).input


def test_a_frame_has_the_maps_that_see_finds(digits: nets.Net) -> None:
    recorder = MapRecorder(digits)
    try:
        header, found = decode_frame(recorder.frame(sample(3), 7))
    finally:
        recorder.close()
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
    assert (
        header["probabilities"] == pytest.approx(probabilities, abs=1e-5)
        and header["steered_probabilities"] is None
    )


def test_a_frame_is_what_the_contract_says_byte_for_byte() -> None:
    frame = frames.encode(
        {"type": "maps"}, [("a", torch.tensor([[[0.0, 1.0], [0.5, 0.25]]])), ("b", torch.tensor([2.0, -3.0]))]
    )
    (length,) = struct.unpack("<I", frame[:4])
    a, b = (layer["offset"] for layer in decode_frame(frame)[0]["layers"])
    assert a % 4 == b % 4 == 0 and 4 + length <= a < 4 + length + 256
    assert struct.unpack_from("<2f4B", frame, a) == (0.0, 1.0, 0, 255, 128, 64)
    assert struct.unpack_from("<4f2B", frame, b) == (2.0, -3.0, 2.0, -3.0, 0, 0)
    assert b == a + 12 and len(frame) == b + 20


@pytest.mark.parametrize("values", [[float("nan"), 1.0, 0.0], [float("inf"), 1.0, 0.0], [3e38, -3e38, 0.0]])
def test_values_that_are_no_numbers_do_not_break_a_frame(values: list[float]) -> None:
    _, found = decode_frame(frames.encode({"a": 1}, [("x", torch.tensor([[values], [[0.0, 1.0, 2.0]]]))]))
    low, high, scaled = found["x"]
    assert bool(torch.isfinite(low).all() and torch.isfinite(high).all())
    assert scaled[1].tolist() == [[0, 128, 255]] and scaled[0].max() == 255


def test_tiny_ranges_constant_maps_and_empty_layers() -> None:
    tiny = torch.tensor([[1e-38, 3e-38], [5.0, 5.0], [-1.0, 1.0]])
    _, found = decode_frame(
        frames.encode({"a": 1}, [("x", tiny), ("none", torch.zeros(0, 3, 3)), ("half", tiny.half())])
    )
    assert found["x"][2][1:].reshape(2, 2).tolist() == [[0, 0], [0, 255]]
    assert found["none"][2].shape == (0, 3, 3) and found["half"][1].tolist()[1:] == [5.0, 1.0]


def test_maps_of_one_axis_are_rows_and_more_axes_are_units() -> None:
    assert frames.map_shape(torch.zeros(5)) == (5, 1, 1)
    assert frames.map_shape(torch.zeros(5, 9)) == (5, 1, 9)
    assert frames.map_shape(torch.zeros(5, 2, 3, 4)) == (10, 3, 4)


def test_a_frame_may_have_no_layer_or_some_in_the_order_of_the_network(digits: nets.Net) -> None:
    for names, expected in (([], ["input"]), (["relu2", "conv1"], ["input", "conv1", "relu2"])):
        recorder = MapRecorder(digits, names)
        header, found = decode_frame(recorder.frame(sample(3), 1))
        recorder.close()
        assert [layer["name"] for layer in header["layers"]] == expected == list(found)
        exact = digits(image(3)[None]).softmax(1)[0].tolist()
        assert header["probabilities"] == pytest.approx(exact, abs=1e-5)


def test_steering_gives_both_answers(digits: nets.Net) -> None:
    recorder = MapRecorder(digits)
    header, found = decode_frame(recorder.frame(sample(0), 1, {"relu2": 0.0}))
    recorder.close()
    assert float(found["relu2"][1].abs().max()) == 0 and float(found["conv2"][1].max()) > 0
    ends = {
        name: parameter for name, parameter in digits.module.named_parameters() if name.startswith("dense")
    }
    hidden = (ends["dense1.bias"]).relu()
    wanted = (ends["dense2.weight"] @ hidden + ends["dense2.bias"]).softmax(0).tolist()
    assert header["steered_probabilities"] == pytest.approx(wanted, abs=1e-5)
    assert header["probabilities"] == pytest.approx(digits(image(0)[None]).softmax(1)[0].tolist(), abs=1e-5)


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
    recorder = MapRecorder(net, ["two"])
    header, found = decode_frame(recorder.frame(Sample(torch.rand(3, 8, 8), None), 0))
    recorder.close()
    assert set(found) == {"input", "two"} and header["probabilities"] is None
    with pytest.raises(UsageError, match="two"):
        MapRecorder(net, ["twoo"])


def test_a_frame_says_how_much_of_a_photograph_is_cropped() -> None:
    net = nets.load("efficientnet_lite0")
    recorder = MapRecorder(net, ["bn1.act"])
    photo = Image.effect_noise((448, 224), 60).convert("RGB")
    header, _ = decode_frame(recorder.frame(open_sample(photo, net.input_spec), 0))
    drawn, _ = decode_frame(recorder.frame(Sample(torch.rand(3, 224, 224), None), 1))
    recorder.close()
    share = round(100 * 0.875**2 / 2)  # of the shorter side 0.875, and the same of the longer, twice as long
    assert f"{share}%" in header["said"][0] and f"{share}%" in header["said_zh"][0]
    assert "said" not in drawn and "said_zh" not in drawn


def test_bytes_are_scaled_to_the_value_range() -> None:
    spec = TensorSpec((1, 2), value_range=(-1.0, 1.0))
    assert inputs.from_bytes(bytes([0, 255]), spec).tolist() == [[-1.0, 1.0]]
    with pytest.raises(DataError, match="2 bytes"):
        inputs.from_bytes(bytes(3), spec)


def test_a_place_that_does_not_exist_cannot_be_steered(digits: nets.Net) -> None:
    recorder = MapRecorder(digits)
    with pytest.raises(PlaceError):
        recorder.frame(sample(0), 0, {"relu2:99": 0.0})
    recorder.close()
    assert not any(module._forward_hooks for module in digits.module.modules())


def test_trainings_are_listed_and_loaded_by_the_name_of_their_folder_only(tmp_path: Path) -> None:
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    nets.save(nets.load("digits"), runs / "quiet-iris")
    nets.save(nets.load("digits"), elsewhere)
    (runs / "link").symlink_to(elsewhere)
    (runs / "damaged").mkdir()
    (runs / "damaged" / "model.json").write_text('{"inputs": []}')
    networks = Networks(runs)
    listed = {entry["name"]: entry for entry in networks.list()}
    assert {name for name in listed if name.startswith("run:")} == {"run:quiet-iris"}
    assert listed["run:quiet-iris"]["shape"] == [1, 28, 28] and listed["run:quiet-iris"]["origin"] == "run"
    assert networks.load("run:quiet-iris") is networks.load("run:quiet-iris")
    for wrong in (
        "run:link",
        "run:..",
        "run:../elsewhere",
        "run:",
        str(elsewhere),
        "hf://someone/net",
        "../runs",
    ):
        with pytest.raises(UsageError):
            networks.load(wrong)


def test_a_training_that_goes_on_is_loaded_anew(tmp_path: Path) -> None:
    nets.save(nets.load("digits"), tmp_path / "a")
    networks = Networks(tmp_path)
    before = networks.load("run:a")
    nets.save(nets.load("lecture", seed=0), tmp_path / "a")
    os.utime(tmp_path / "a" / "model.json", (1, 1))
    assert networks.load("run:a") is not before


def test_every_network_of_the_list_says_what_its_entry_says() -> None:
    entries = {entry["name"]: entry for entry in Networks(Path("nowhere")).list()}
    for name in ("digits", "efficientnet_lite0", "spoken-digits", "questions", "go-9x9"):
        net, entry = nets.load(name), entries[name]
        assert entry["shape"] == list(net.input_spec.shape) and entry["classes"] == len(net.classes)
        assert entry["trained"] and entry["world"] == net.input_spec.kind
