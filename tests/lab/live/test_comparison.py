"""Two networks, or two checkpoints of a training, on the same input."""

from pathlib import Path

import pytest
import torch
from tests.lab.frame_decoder import decode_frame

from convscope import nets, see
from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.graph import TensorSpec, chain
from convscope.lab.folder import LabFolder
from convscope.lab.live import frames
from convscope.lab.live.inputs import open_same_input
from convscope.lab.live.maps import MapRecorder, compared_frames
from convscope.lab.live.networks import Networks, describe_network
from convscope.lab.workers.live import LiveOperations
from convscope.learn import train
from convscope.nets import Net
from convscope.worlds import Sample
from convscope.worlds.datasets import digits

TEXT = "conv 3 3x3, relu, flatten, dense 10"
BYTES = torch.randint(0, 256, (1, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def net(text: str = TEXT, seed: int = 0, side: int = 28) -> Net:
    module = nets.build(chain(f"1x{side}x{side}", text), seed=seed)
    return nets.wrap(module, TensorSpec((1, side, side), "digit"), name="small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings, the first with two states."""
    made = tmp_path_factory.mktemp("runs")
    data = digits.train().take(range(200))
    train(net(), data, out=made / "mine", epochs=2, batch=50)
    nets.save(net(seed=5), made / "other@home")
    return made


def difference(frame: bytes, name: str) -> torch.Tensor:
    low, high, values = decode_frame(frame)[1][name]
    return low[:, None, None] + values * (high - low)[:, None, None] / 255


def test_maps_of_both_and_their_signed_differences() -> None:
    first, second = net(seed=0), net("conv 3 3x3, relu, maxpool 2, flatten, dense 10", seed=1)
    watched = MapRecorder(first), MapRecorder(second)
    image = BYTES / 255
    found = compared_frames(*watched, (Sample(image, None), Sample(image, None)), 9)
    headers = [decode_frame(frame)[0] for frame in found]
    assert [header["part"] for header in headers] == ["first", "second", "difference"]
    assert {header["seq"] for header in headers} == {9}
    for which, header in zip((first, second), headers, strict=False):
        assert header["probabilities"] == pytest.approx(which(image[None]).softmax(1)[0].tolist(), abs=1e-5)
    assert [layer["name"] for layer in headers[2]["layers"]] == ["input", "conv1", "relu1", "dense1"]
    maps = [
        {one.place: one.maps for one in see.feature_maps(which, image[None])} for which in (first, second)
    ]
    for name in ("conv1", "relu1", "dense1"):
        exact = (maps[1][name] - maps[0][name]).reshape(*frames.map_shape(maps[0][name]))
        step = float((exact.amax((1, 2)) - exact.amin((1, 2))).max()) / 255
        assert float((difference(found[2], name) - exact).abs().max()) <= step / 2 + 1e-5
    for one in watched:
        one.close()


def test_a_small_difference_is_not_lost_in_the_steps_of_bytes() -> None:
    first, second = net(), net()
    with torch.no_grad():
        next(second.module.parameters()).add_(1e-6)
    watched = MapRecorder(first), MapRecorder(second)
    given = Sample(BYTES / 255, None)
    found = difference(compared_frames(*watched, (given, given), 0)[2], "conv1")
    near = torch.nn.functional.conv2d(BYTES[None] / 255, torch.full((1, 1, 3, 3), 1e-6))[0]
    assert float((found - near).abs().max()) < 5e-7 < float(near.max())
    for one in watched:
        one.close()


def test_both_get_the_same_picture_whatever_its_size(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path)
    given = torch.zeros(28, 28, dtype=torch.uint8)
    given[4:24, 12:16] = 255
    first, second = open_same_input({}, given.numpy().tobytes(), (net(), net(side=32)), lab)
    assert torch.equal(first.input[0], given / 255) and second.input.shape == (1, 32, 32)
    assert torch.equal(second.input[0, 2:30, 2:30], given / 255) and float(second.input.sum()) == 80  # padded
    third = open_same_input({}, given.numpy().tobytes(), (net(), net(side=56)), lab)[1]
    assert torch.equal(third.input[0, 1::2, 1::2] > 0.5, given > 0)  # enlarged
    same, again = open_same_input({"sample": 3}, b"", (net(), net(seed=1)), lab)
    assert torch.equal(same.input, again.input)
    with pytest.raises(DataError):
        open_same_input({}, bytes(5), (net(), net()), lab)
    with pytest.raises(ConvscopeError):
        open_same_input({}, given.numpy().tobytes(), (net(), nets.load("questions")), lab)


def test_checkpoints_of_a_training_are_networks_of_the_lab(folder: Path) -> None:
    networks = Networks(folder)
    found = networks.checkpoints("run:mine")
    assert [(one["name"], one["epoch"]) for one in found] == [("run:mine@last", 2), ("run:mine@previous", 1)]
    assert networks.checkpoints("run:mine@previous") == found
    assert networks.checkpoints("digits") == networks.checkpoints("run:other@home") == []
    saved, last, previous = map(networks.load, ("run:mine", "run:mine@last", "run:mine@previous"))
    weight = [one.module.state_dict()["dense1.weight"] for one in (saved, last, previous)]
    assert torch.equal(weight[0], weight[1]) and not torch.equal(weight[0], weight[2])
    assert networks.load("run:mine@previous") is previous
    where = networks.folder.reference("run:mine@previous")
    assert (
        describe_network(previous, "run:mine@previous", where)["command"]
        == f"convscope describe {folder}/mine"
    )
    assert networks.load("run:other@home").name == "small"


@pytest.mark.parametrize("name", ["run:mine@nothing", "run:mine@../state", "run:@last", "run:no@last"])
def test_checkpoints_that_do_not_exist_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Networks(folder).load(name)


def test_the_worker_compares_a_training_with_its_checkpoint(folder: Path) -> None:
    live = LiveOperations(folder)
    facts, data = live.compare(("run:mine", "run:mine@previous"), 4, given={"sample": 0})
    parts, begin = [], 0
    for size in facts["sizes"]:
        parts.append(data[begin : begin + size])
        begin += size
    assert begin == len(data)
    assert float(difference(parts[2], "dense1").abs().max()) > 0
    assert float(difference(parts[2], "input").abs().max()) == 0
    narrowed, data = live.compare(("run:mine", "digits"), 4, (["relu1"], ["relu1", "conv1"]), {"sample": 0})
    header, _ = decode_frame(data[: narrowed["sizes"][0]])
    assert [layer["name"] for layer in header["layers"]] == ["input", "relu1"]
