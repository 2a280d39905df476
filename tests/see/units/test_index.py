"""The index against brute force: every activation kept, sorted and counted by NumPy."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.nets.hostile import HOSTILE
from torch import nn

from convscope.errors import DataError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, wrap
from convscope.nets.inference.memory_format import channels_last, channels_last_is_faster
from convscope.see.units.index import build, storage
from convscope.see.units.index.build import index_units, iter_index_units
from convscope.see.units.index.distributed import ProcessShard
from convscope.see.units.index.topk import RunningTopK
from convscope.see.units.index.unit_index import weighted_layers
from convscope.worlds import ImageFolder, ImageTensorDataset

K = 5


def pictures(count, channels, height, width, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, channels, height, width), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, classes, (count,), generator=generator)
    return ImageTensorDataset(images, labels, [f"class {k}" for k in range(classes)])


def everything(net, samples, place):
    """All activations of a module, kept as copies, from plain passes of the same batches."""
    kept = []
    module = net.module.get_submodule(place)
    handle = module.register_forward_hook(lambda _m, _i, out: kept.append(out.detach().clone()))
    net.module.eval()
    with torch.no_grad():
        for first in range(0, len(samples), 32):
            images = samples.pixels(list(range(first, min(first + 32, len(samples))))).float() / 255
            net(channels_last(images) if channels_last_is_faster(net) else images)
    handle.remove()
    return torch.cat(kept).numpy()


def alike(one, other):
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


def check_ends(entry, values, size):
    """Both ends of one unit's scale: `values` is [n positions]."""
    peaks, lows = values.max(1), values.min(1)
    for examples, numbers, best in (
        (entry.top, np.argsort(-peaks, kind="stable"), peaks),
        (entry.bottom, np.argsort(lows, kind="stable"), lows),
    ):
        assert [e.image for e in examples] == numbers[:K].tolist()
        assert [e.value for e in examples] == [best[i] for i in numbers[:K]]
        for e in examples:
            flat = values[e.image].argmax() if best is peaks else values[e.image].argmin()
            assert e.position == (tuple(map(int, np.unravel_index(flat, size))) if size else ())


@pytest.mark.parametrize("place", ["conv1", "relu1", "conv2", "relu2", "dense1", "dense2"])
def test_every_unit_is_what_brute_force_finds(digit_net, place):
    samples = pictures(90, 1, 28, 28)
    index = index_units(digit_net, samples, [place], k=K)
    acts = everything(digit_net, samples, place)
    values = acts.reshape(*acts.shape[:2], -1)
    assert len(index) == acts.shape[1]
    for unit in range(acts.shape[1]):
        entry, mine = index.entry(f"{place}:{unit}"), values[:, unit]
        peaks = mine.max(1)
        check_ends(entry, mine, acts.shape[2:])
        assert entry.images == 90
        assert entry.counts.tolist() == np.histogram(peaks, entry.edges.numpy())[0].tolist()
        assert int(entry.counts.sum()) == 90
        assert entry.mean == pytest.approx(mine.mean(dtype=np.float64), rel=1e-4, abs=1e-6)
        assert entry.std == pytest.approx(mine.std(dtype=np.float64), rel=1e-3, abs=1e-6)
        assert entry.inactive_share == pytest.approx((peaks <= 0).mean())
        labels = samples.labels.numpy()
        means = [peaks[labels == k].mean(dtype=np.float64) for k in range(3)]
        assert entry.by_class.tolist() == pytest.approx(means, rel=1e-5, abs=1e-7)
        shares = np.bincount(labels[[e.image for e in entry.top]], minlength=3) / K
        assert entry.class_shares.tolist() == pytest.approx(shares.tolist())
        assert entry.percentile(float(peaks.max()) + 1) == 100
        assert entry.percentile(float(peaks.max()) - 1e-6) <= 100 * 89 / 90  # less than the best is not all
        middle = float(np.median(peaks))
        width = float(entry.edges[1] - entry.edges[0])
        near = np.array([(peaks < middle - width).mean(), (peaks < middle + width).mean()]) * 100
        assert near[0] - 0.1 <= entry.percentile(middle) <= near[1] + 1e-6


def test_what_a_layer_overwrites_in_place_is_seen_before(small):
    samples = pictures(40, 3, 20, 24)
    index = index_units(small, samples, ["conv2", "relu2"], k=K)
    assert float(index.accumulator.low[index.rows("conv2")].min()) < 0
    assert float(index.accumulator.low[index.rows("relu2")].min()) == 0
    torch.testing.assert_close(
        index.accumulator.high[index.rows("conv2")].clamp_min(0), index.accumulator.high[index.rows("relu2")]
    )


def test_among_equals_the_earlier_image_comes_first(digit_net):
    one = pictures(1, 1, 28, 28).images
    samples = ImageTensorDataset(
        one.expand(70, -1, -1, -1).contiguous(), torch.zeros(70, dtype=torch.int64), ["same"]
    )
    index = index_units(digit_net, samples, ["conv1"], k=K, batch=10)
    assert index.accumulator.top.images.tolist() == [list(range(K))] * 5
    assert index.accumulator.bottom.images.tolist() == [list(range(K))] * 5
    both = index.accumulator.top.merged(
        RunningTopK(*(t.clone() for t in vars(index.accumulator.top).values()))
    )
    assert both.images[:, 0].tolist() == [0] * 5


def test_the_layers_that_are_indexed_by_default(digit_net, small):
    assert weighted_layers(digit_net) == ("conv1", "conv2", "dense1", "dense2", "output")
    assert weighted_layers(small) == ("conv1", "conv2", "output")


def finished(net, samples, **options):
    *_, last = iter_index_units(net, samples, **options)
    assert last.fraction == 1
    return last.result()


def test_a_pass_that_was_stopped_ends_with_the_identical_index(digit_net, tmp_path):
    samples = pictures(100, 1, 28, 28)
    whole = index_units(digit_net, samples, batch=16)
    steps = iter_index_units(digit_net, samples, batch=16, folder=tmp_path / "i")
    assert [next(steps).message for _ in range(3)] == [f"{n} of 100 images" for n in (16, 32, 48)]
    steps.close()
    assert sorted(p.name for p in (tmp_path / "i").iterdir()) == [
        "part-0-of-1-3.safetensors",
        "part-0-of-1.json",
    ]
    resumed = iter_index_units(digit_net, samples, batch=16, folder=tmp_path / "i")
    assert next(resumed).fraction == 0.64
    *_, last = resumed
    alike(last.result().accumulator, whole.accumulator)
    read = storage.read(tmp_path / "i")
    alike(read.accumulator, whole.accumulator)
    assert read.layers == whole.layers and read.entry("conv2:3").top == whole.entry("conv2:3").top
    assert sorted(p.suffix for p in (tmp_path / "i").iterdir()) == [".json", ".safetensors"]


def test_what_a_kill_leaves_on_disk_is_enough(digit_net, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "SAVE_EVERY", -1.0)
    samples = pictures(100, 1, 28, 28)
    steps = iter_index_units(digit_net, samples, batch=16, folder=tmp_path / "i")
    for number in range(4):
        next(steps)
        shutil.copytree(tmp_path / "i", tmp_path / f"killed{number}")
    alike(
        finished(digit_net, samples, batch=16, folder=tmp_path / "killed3").accumulator,
        index_units(digit_net, samples, batch=16).accumulator,
    )


def test_ctrl_c_inside_a_layer_keeps_whole_batches(digit_net, tmp_path):
    samples, calls = pictures(100, 1, 28, 28), []

    def stop(_module, _inputs, _output):
        calls.append(1)
        if len(calls) == 4:  # the first is the survey
            raise KeyboardInterrupt

    index_units(digit_net, samples.take([0, 1]))
    calls.append(1)
    handle = digit_net.module.conv2.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        finished(digit_net, samples, batch=16, folder=tmp_path / "i")
    handle.remove()
    assert not any(m._forward_hooks for m in digit_net.module.modules())
    steps = iter_index_units(digit_net, samples, batch=16, folder=tmp_path / "i")
    assert next(steps).fraction == 0.48
    *_, last = steps
    alike(last.result().accumulator, index_units(digit_net, samples, batch=16).accumulator)


def test_a_finished_index_is_not_made_again_and_another_is_not_overwritten(digit_net, tmp_path):
    samples = pictures(40, 1, 28, 28)
    finished(digit_net, samples, folder=tmp_path / "i")
    (only,) = iter_index_units(digit_net, samples, folder=tmp_path / "i")
    assert only.fraction == 1
    with pytest.raises(UsageError, match="another data"):
        finished(digit_net, pictures(40, 1, 28, 28, seed=1), folder=tmp_path / "i")
    with torch.no_grad():
        digit_net.module.conv1.weight[0, 0, 0, 0] += 1
    with pytest.raises(UsageError, match="another net"):
        finished(digit_net, samples, folder=tmp_path / "i")


def test_shares_of_the_work_add_up_to_the_whole(digit_net):
    samples = pictures(100, 1, 28, 28)
    whole = index_units(digit_net, samples, batch=16).accumulator
    parts = []
    for rank in range(3):
        steps = iter_index_units(digit_net, samples, batch=16, shard=_Apart(rank, 3))
        *_, last = steps
        parts.append(last.result().accumulator)
    merged = parts[2].merged(parts[0]).merged(parts[1])
    for name, tensor in merged.tensors().items():
        exact = name not in ("sums", "classes")
        torch.testing.assert_close(
            tensor, whole.tensors()[name], rtol=0 if exact else 1e-12, atol=0 if exact else 1e-12
        )


class _Apart(ProcessShard):
    """A share that is not merged with others."""

    def merged(self, tally, problems):
        return tally, problems


def test_damaged_files_are_left_out(digit_net, tmp_path):
    samples = pictures(12, 1, 28, 28)
    for i in range(12):
        folder = tmp_path / "data" / f"class {i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(samples.images[i, 0].numpy()).save(folder / f"{i:02}.png")
    damaged = tmp_path / "data" / "class 0" / "04.png"
    damaged.write_bytes(damaged.read_bytes()[:120])
    data = ImageFolder(tmp_path / "data", spec=digit_net.input_spec)
    index = index_units(digit_net, data, k=12, batch=4)
    assert index.fingerprint["images"] == 11 and [Path(p).name for p in index.problems] == ["04.png"]
    row = [path.name for path in data.paths].index("04.png")
    seen = [e.image for e in index.entry("conv1:0").top]
    assert len(seen) == 11 and row not in seen
    alone = index_units(digit_net, data.readable(), k=12, batch=4)
    assert [e.value for e in alone.entry("conv2:1").top] == pytest.approx(
        [e.value for e in index.entry("conv2:1").top], abs=1e-6
    )


@pytest.mark.parametrize("kind", [h for h in HOSTILE if len(h.specs[0].shape) == 3], ids=lambda h: h.__name__)
def test_any_network_is_indexed_and_left_as_it_was(kind):
    torch.manual_seed(0)
    module = kind()
    net = wrap(module, kind.specs)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    modes = [m.training for m in module.modules()]
    flags = [p.requires_grad for p in module.parameters()]
    index = index_units(net, pictures(20, *net.input_spec.shape), k=3, batch=8)
    assert int(index.accumulator.images.max()) == 20
    for layer in index.layers:
        entry = index.entry(f"{layer.place}:0")
        assert len(entry.top) == min(3, entry.images) and int(entry.counts.sum()) == entry.images
        assert all(len(e.position) == len(layer.size) for e in entry.top)
    assert [m.training for m in module.modules()] == modes
    assert [p.requires_grad for p in module.parameters()] == flags
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def test_each_call_of_a_reused_layer_is_a_place_of_its_own():
    reused = HOSTILE[0]
    net = wrap(reused(), reused.specs)
    assert weighted_layers(net) == ("conv#1", "conv#2", "output")
    index = index_units(net, pictures(10, 4, 9, 11), k=2)
    assert index.entry("conv#1:0").top != index.entry("conv#2:0").top


def test_values_that_are_not_finite_are_in_no_number():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1, bias=False)

        def forward(self, x):
            return self.conv(x / (x.amax((1, 2, 3), keepdim=True) > 0.5))

    net = wrap(Odd(), TensorSpec((1, 4, 4)))
    images = torch.full((6, 1, 4, 4), 200, dtype=torch.uint8)
    images[3] = 20
    index = index_units(
        net, ImageTensorDataset(images, torch.zeros(6, dtype=torch.int64), ["a"]), ["conv"], k=6
    )
    entry = index.entry("conv:0")
    assert entry.images == 5 and [e.image for e in entry.top] == [0, 1, 2, 4, 5]


def test_requests_that_make_no_sense(digit_net, tmp_path):
    samples = pictures(10, 1, 28, 28)
    with pytest.raises(UsageError, match="3x28x28"):
        index_units(digit_net, pictures(10, 3, 28, 28))
    with pytest.raises(UsageError, match="k=0"):
        index_units(digit_net, samples, k=0)
    with pytest.raises(UsageError, match="0 samples"):
        index_units(digit_net, samples.take([]))
    with pytest.raises(PlaceError, match="Did you mean conv"):
        index_units(digit_net, samples, ["conv3"])
    index = index_units(digit_net, samples, ["conv1"])
    with pytest.raises(PlaceError, match="units 0 to 4"):
        index.entry("conv1:5")
    with pytest.raises(PlaceError, match="layer of the index"):
        index.entry("conv2:0")
    with pytest.raises(DataError, match="convscope units"):
        storage.read(tmp_path)


def test_a_damaged_index_is_bad_data(digit_net, tmp_path):
    finished(digit_net, pictures(10, 1, 28, 28), folder=tmp_path / "i")
    tensors = next((tmp_path / "i").glob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:100])
    with pytest.raises(DataError, match="tensors at"):
        storage.read(tmp_path / "i")
    (tmp_path / "i" / "index.json").write_text("[1")
    with pytest.raises(DataError, match="JSON at"):
        storage.read(tmp_path / "i")


def test_dead_and_saturated_units_are_told():
    module = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.Tanh())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1, 1))
        module[0].bias.copy_(torch.tensor([0.0, -0.1, 0.5]))
        module[2].weight.fill_(0.1)
        module[2].bias.copy_(torch.tensor([0.0, 9.0, -9.0]))
    index = index_units(wrap(module, TensorSpec((1, 4, 4))), pictures(10, 1, 4, 4), ["0", "1", "2"])
    assert index.dead("0").tolist() == [False, True, True]  # never above 0; always 0.5
    assert index.dead("1").tolist() == [False, True, True]
    assert index.saturated("2").tolist() == [False, True, True]
    assert index.layer(LayerAddress.parse("2")).reader == "tanh"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_units_that_are_negligible_in_their_layer_are_dead(scale):
    module = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    with torch.no_grad():
        module[0].weight.copy_(scale * torch.tensor([1.0, 1e-8, -1.0, 1e-2]).view(4, 1, 1, 1))
        module[0].bias.copy_(scale * torch.tensor([0.0, 0.0, 1e-8, 0.0]))
        module[2].weight.copy_(scale * torch.tensor([1.0, 1e-8, 1e-2]).view(3, 1, 1, 1).expand(3, 4, 1, 1))
        module[2].bias.fill_(0.0)
    index = index_units(wrap(module, TensorSpec((1, 4, 4))), pictures(10, 1, 4, 4), ["0", "1", "2"])
    assert index.dead("0").tolist() == index.dead("1").tolist() == [False, True, True, False]
    assert index.dead("2").tolist() == [False, True, False]


@pytest.mark.parametrize(
    "function",
    [nn.Sigmoid(), nn.Tanh(), nn.ReLU6(), nn.Hardsigmoid(), nn.Hardtanh()],
    ids=lambda module: type(module).__name__,
)
def test_a_layer_and_its_activation_function_saturate_alike(function):
    """Units that differ by bias alone: the same are found before the function and behind it."""
    biases = torch.linspace(-8, 8, 161)
    module = nn.Sequential(nn.Conv2d(1, len(biases), 1), function)
    with torch.no_grad():
        module[0].weight.fill_(1e-4)
        module[0].bias.copy_(biases)
    index = index_units(wrap(module, TensorSpec((1, 4, 4))), pictures(4, 1, 4, 4), ["0", "1"])
    values = function(biases)
    low, high = float(values.min()), float(values.max())
    near = (high - values) / (high - low) < 0.05
    if not isinstance(function, nn.ReLU6):
        near |= (values - low) / (high - low) < 0.05
    for place in "01":
        wrong = (index.saturated(place) != near).nonzero().flatten()
        assert len(wrong) <= 2 and near.any() and not near.all()  # those within rounding of the threshold


def test_bounds_of_its_own_are_no_saturation():
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Hardtanh(0, 20))
    with torch.no_grad():
        module[0].bias.fill_(5)
    index = index_units(wrap(module, TensorSpec((1, 4, 4))), pictures(4, 1, 4, 4), ["0", "1"])
    assert not index.saturated("0").any() and not index.saturated("1").any()


class Positional(nn.Module):
    """A convolution of the image, and one of the positions alone, whose output has one row for any batch."""

    specs = (TensorSpec((1, 6, 6)),)

    def __init__(self) -> None:
        super().__init__()
        self.image, self.positions = nn.Conv2d(1, 3, 3), nn.Conv2d(2, 3, 3)

    def forward(self, x):
        rows = torch.arange(6.0)
        grid = torch.stack(torch.meshgrid(rows, rows, indexing="ij"))[None]
        return self.image(x) + self.positions(grid)


def test_layers_without_a_row_for_each_image_are_left_out() -> None:
    net = wrap(Positional(), Positional.specs)
    places = [str(place) for place in weighted_layers(net)]
    assert places == ["image", "output"]
