"""Tiles, and pages of hostile words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope.graph.spec import TensorSpec
from convscope.show.images import input_image
from convscope.show.images.draw import ORANGE
from convscope.show.pages import features, unit
from convscope.show.report.figures.network import unit as figures
from convscope.worlds import Sample, render


def test_tiles_show_inputs_of_any_form():
    colour = TensorSpec((3, 4, 6), value_range=(-1.0, 1.0))
    image = render(torch.full((3, 4, 6), 1.0), colour)
    assert image.mode == "RGB" and image.size == (6, 4) and image.getpixel((0, 0)) == (255, 255, 255)
    for spec in (
        TensorSpec((1, 4, 6)),
        TensorSpec((5, 4, 6)),
        TensorSpec((5, 6)),
        TensorSpec((7,)),
    ):
        assert input_image.fitted(render(torch.rand(spec.shape), spec), 40).size == (
            40,
            40,
        )


def test_a_box_is_drawn_where_it_lies():
    image = render(torch.zeros(3, 10, 20), TensorSpec((3, 10, 20)))
    drawn = np.asarray(input_image.outlined(image, ((2, 6), (4, 12)), 200))
    rows, columns = np.nonzero((drawn == ORANGE).all(2))
    assert (rows.min(), rows.max()) == (50 + 20, 50 + 60 - 1)  # the picture's height is 100 of 200
    assert (columns.min(), columns.max()) == (40, 119)


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    from convscope.nets import load
    from convscope.see import unit_report
    from convscope.worlds import ImageTensorDataset
    from convscope.worlds.datasets import digits

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = digits.test().take(range(30))
    named = ImageTensorDataset(
        data.images, data.labels, [f"<script>{k}</script>" for k in range(10)], data.spec
    )
    net = load("digits")
    return net, unit_report(net, "output:3", named, top_k=4, steps=2)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """A unit of a small field over real digits."""
    from convscope.nets import load
    from convscope.see import unit_report
    from convscope.worlds.datasets import digits

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        net = load("digits")
        return net, unit_report(net, "conv2:3", digits.test().take(range(30)), top_k=4, steps=2)


def test_the_value_of_a_synthetic_input_depends_on_its_crop_alone(portrait):
    """Everything outside of the frame is made noise; the value at that position stays."""
    net, report = portrait
    for made, extreme in ((report.maximizing, torch.max), (report.minimizing, torch.min)):
        assert made.is_part and made.crop.shape == (1, 8, 8)
        (top, bottom), (left, right) = made.box
        noise = torch.rand(made.picture.shape)
        noise[:, top:bottom, left:right] = made.crop
        with torch.no_grad():
            maps = net.module.conv2(
                net.module.pool1(net.module.relu1(net.module.conv1(torch.stack([made.picture, noise]))))
            )[:, 3]
        whole, changed = maps
        at = (whole == extreme(whole)).nonzero()[0]
        assert abs(float(changed[*at]) - made.value) < 1e-4 * max(1, abs(made.value))


def test_a_synthetic_input_that_a_real_one_outdoes_is_named_so(portrait):
    net, report = portrait
    best, worst = report.top[0].example.value, report.bottom[0].example.value

    def said(high: float, low: float) -> str:
        made = (replace(report.maximizing, value=high), replace(report.minimizing, value=low))
        changed = replace(report, maximizing=made[0], minimizing=made[1])
        return unit.page(changed, net, data="digits", command="x")

    ends = {
        "high": ("The ascent ended below", "上升过程停在"),
        "low": ("The descent ended above", "下降过程停在"),
    }
    for high, low, named in (
        (best + 1, worst - 1, ()),
        (best - 1, worst - 1, ("high",)),
        (best + 1, worst + 1, ("low",)),
        (best - 1, worst + 1, ("high", "low")),
    ):
        page = said(high, low)
        for end, words in ends.items():
            assert all((text in page) == (end in named) for text in words)


def test_names_of_classes_cannot_break_the_page(hostile):
    net, portrait = hostile
    html = unit.page(portrait, net, data="<b>", command="convscope unit '<i>'")
    assert "<script>3" not in html and "&lt;script&gt;3" in html and "<i>" not in html
    assert html.count("<figure ") == 6
    assert unit.sheet(portrait, net).width > 500


def test_every_layer_has_a_row(hostile):
    from convscope.see import feature_maps

    net, portrait = hostile
    layers = list(feature_maps(net, portrait.top[0].picture, features.changing_layers(net)))
    sample = Sample(portrait.top[0].picture, None)
    html = features.page(net, sample, layers, strongest=3, command="convscope look --net digits")
    assert html.count('class="stage"') == len(layers) == 10
    assert features.best_answer(net, layers) in net.classes


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (-24.0, "\u221224.0"),
        (24.81, "24.8"),
        (101.8, "102"),
        (0.0, "0.00"),
        (1.9, "1.90"),
        (2.2184e-7, "2.22e\u221207"),
        (999.6, "1000"),
        (-12345.6, "\u221212346"),
    ],
)
def test_values_beside_each_other_have_the_same_digits(value, said):
    assert figures.number(value) == said
