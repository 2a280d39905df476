"""The page of all layers: groups by module, the frame around what was seen, the three scales."""

import re

import torch
from PIL import Image
from torch import nn

from convscope import worlds
from convscope.graph import TensorSpec, chain
from convscope.nets import build, load, wrap
from convscope.see import feature_maps, filters, layers_with_filters
from convscope.show.pages import crop, features
from convscope.show.report.figures.network import layers as rows


def test_layers_are_grouped_by_module():
    places = [
        "stem",
        "bn.act",
        *(f"blocks.{b}.{k}.conv" for b in range(3) for k in range(10)),
        "head",
        "output",
    ]
    found = features.groups(places, most=12)
    assert [name for name, _ in found] == [
        "stem – bn.act",
        "blocks.0",
        "blocks.1",
        "blocks.2",
        "head – output",
    ]
    assert [k for _, numbers in found for k in numbers] == list(range(len(places)))


def test_a_long_chain_is_split_into_pieces():
    found = features.groups([f"features.{k}" for k in range(31)] + ["classifier.0", "classifier.1"], most=12)
    assert [len(numbers) for _, numbers in found] == [12, 12, 7, 2]
    assert found[0][0] == "features.0 – features.11" and found[-1][0] == "classifier"


def test_few_layers_are_one_group():
    assert features.groups(["conv1", "relu1", "output"]) == [("conv1 – output", [0, 1, 2])]


def test_the_frame_is_what_the_network_saw():
    """A net of 224 px takes the middle square of 7/8 of the shorter side."""
    net = load("torchvision/resnet18", seed=0)
    photo = Image.new("RGB", (400, 200), (90, 120, 150))
    sample = worlds.open_sample(photo, net.input_spec)
    drawn, share = crop.framed(sample, net.input_spec), crop.share_seen(sample, net.input_spec)
    side = 200 * 224 / 256
    assert abs(share - side * side / (400 * 200)) < 0.02
    left, top, right, bottom = map(
        float, re.search(r'd="M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+Z" class="window"', drawn).groups()
    )
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', drawn)[1])
    assert abs((left + right) / 2 - width / 2) < 2 and abs((right - left) - side * width / 400) < 3
    assert abs((right - left) - (bottom - top)) < 3


def test_shares_of_the_scales_follow_the_values():
    weak, strong = torch.full((2, 4, 4), 1.0), torch.full((2, 4, 4), 8.0)
    weak[1] = 0.5
    layers = [rows.FeatureMaps("weak", weak), rows.FeatureMaps("strong", strong)]
    body = str(rows.figure(layers, 2, (), {}, {}, 8.0).body)
    shares = re.findall(r"--layer:([\d.]+);--network:([\d.]+)", body)
    assert sorted(shares) == [
        ("0.5000", "0.0625"),
        ("1.0000", "0.1250"),
        ("1.0000", "1.0000"),
        ("1.0000", "1.0000"),
    ]


def test_a_group_is_shown_by_its_last_activation():
    """An inverted residual ends in a linear projection, whose maps have an offset; the head in the output."""
    net = load("efficientnet_lite0")
    layers = list(feature_maps(net, torch.rand(1, 3, 224, 224), features.changing_layers(net)))
    blocks = ["1.1", "2.1", "3.2", "4.2", "5.3", "6.0"]
    expected = [
        "bn1.act",
        "blocks.0.0.bn1.act",
        *(f"blocks.{b}.bn2.act" for b in blocks),
        "bn2.act",
        "output",
    ]
    assert features.shown_layers(net, layers) == expected == features.listed_layers(net, layers)
    linear = wrap(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)).eval(), TensorSpec((1, 9, 9)))
    layers = list(feature_maps(linear, torch.rand(1, 1, 9, 9), ["0", "1"]))
    assert features.shown_layers(linear, layers) == ["1"]
    assert features.listed_layers(linear, layers) == ["0", "1"]


def test_a_constant_offset_is_not_strong():
    offset, edge = torch.full((6, 6), 50.0), torch.zeros(6, 6)
    edge[:, 3] = 2.0
    maps = rows.FeatureMaps("linear", torch.stack([offset, edge, -edge * 2]))
    assert maps.degrees.argmax() == 0 and maps.strongest(3) == [2, 1, 0]
    assert rows.FeatureMaps("dense", torch.tensor([-3.0, 1.0, 0.5])).strongest(2) == [1, 2]
    assert rows.FeatureMaps("pooled", torch.tensor([[[-3.0]], [[1.0]]])).strongest(1) == [1]


def test_a_page_of_85_layers_is_one_small_file():
    net = load("efficientnet_lite0")
    photo = Image.effect_noise((300, 260), 60).convert("RGB")
    sample = worlds.open_sample(photo, net.input_spec)
    layers = list(feature_maps(net, sample.input[None], features.changing_layers(net)))
    page = features.page(net, sample, layers, strongest=8, command="convscope look cat.jpg")
    assert len(layers) > 50 and len(page) < 3_000_000
    assert page.count('<details class="fold"') > 5 and 'class="fold" open' not in page


def test_kernels_of_one_position_have_no_row(monkeypatch):
    """They would be squares of one colour; how many layers are left out is said."""
    shape, text = (3, 16, 16), "conv 4 3x3, relu, conv 8 1x1, relu, conv 4 1x1, relu, globalavgpool, dense 2"
    net = wrap(build(chain(shape, text), seed=0).eval(), TensorSpec(shape))
    kernels = [filters(net, name) for name in layers_with_filters(net)]
    assert len(kernels) == 3
    seen = {}
    monkeypatch.setattr(
        features.contact_sheet, "compose", lambda lines, **words: seen.update(rows=lines, **words)
    )
    features.filters_sheet([kernels[0], *kernels[1:]], 4)
    assert [row.name for row in seen["rows"]] == [kernels[0].place]
    assert seen["note"].startswith("2 layers left out")
    features.filters_sheet(kernels[:2], 4)
    assert seen["note"].startswith("1 layer left out")
