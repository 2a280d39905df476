import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from convscope.errors import UsageError
from convscope.nets.description.depth import depth
from convscope.nets.zoo.keras_reference import (
    EQUAL,
    KERAS_MODELS,
    LECTURE,
    count,
    keras_counts,
    keras_table,
    row,
)
from convscope.nets.zoo.published.nasnet_mobile import NASNetAMobile

ROOT = Path(__file__).resolve().parents[2]
PRINTED_BY_THE_LECTURE = {
    "Xception": 22_910_480,
    "VGG16": 138_357_544,
    "VGG19": 143_667_240,
    "ResNet50": 25_636_712,
    "InceptionV3": 23_851_784,
    "InceptionResNetV2": 55_873_736,
    "MobileNet": 4_253_864,
}
TORCH = {
    "Xception": 22_855_952,
    "VGG16": 138_357_544,
    "VGG19": 143_667_240,
    "ResNet50": 25_557_032,
    "InceptionV3": 23_834_568,
    "InceptionResNetV2": 55_843_464,
    "MobileNet": 4_231_976,
    "MobileNetV2": 3_504_872,
    "DenseNet121": 7_978_856,
    "DenseNet169": 14_149_480,
    "DenseNet201": 20_013_928,
    "NASNetMobile": 5_289_978,
    "NASNetLarge": 88_753_150,
    "ResNet101": 44_549_160,
    "ResNet152": 60_192_808,
    "ResNet50V2": 25_549_352,
    "ResNet101V2": 44_541_480,
}
"""Known counts of the torch side; of ResNet152V2 only timm's rounded 60.19 million."""
RELATIONS = {
    "ResNet50": "equal plus 26,560 convolution biases",
    "ResNet50V2": "equal plus 19,008 convolution biases",
    "InceptionV3": "equal minus 17,216 normalisation scales",
    "InceptionResNetV2": "equal minus 30,272 normalisation scales",
}
NAMED_DEPTH = {
    "VGG16": 16,
    "VGG19": 19,
    "ResNet50": 50,
    "ResNet101": 101,
    "ResNet152": 152,
    "DenseNet121": 121,
    "DenseNet169": 169,
    "DenseNet201": 201,
    "MobileNet": 28,
    "MobileNetV2": 53,
    "InceptionV3": 48,
    "Xception": 71,
}
"""From the networks' names; MobileNet's paper says 28; 53, 48 and 71 are the usual figures for the others."""


@pytest.mark.parametrize("line", KERAS_MODELS, ids=lambda line: line.name)
class TestEveryRow:
    @pytest.mark.slow
    def test_printed_total_follows_from_this_module(self, line):
        counted = count(line)
        assert counted.agrees
        assert counted.keras_total == line.parameters == keras_counts()[line.name]["total"]

    def test_keras_itself_counts_the_same(self, line):
        counted, keras = count(line), keras_counts()[line.name]
        assert counted.keras_trainable == keras["trainable"]
        assert counted.statistics == keras["norm_statistics"]
        if counted.biases:
            assert counted.biases == keras["convolution_biases"]
        if counted.scales:
            assert keras["norm_scales"] == 0

    def test_torch_side_is_the_published_count(self, line):
        assert count(line).parameters == TORCH.get(line.name, pytest.approx(60.19e6, abs=5e3))

    def test_relation_is_stated(self, line):
        counted = count(line)
        if counted.biases or counted.scales:
            assert counted.relation == RELATIONS.get(line.name, counted.relation)
        else:
            assert counted.relation == "equal"
            assert counted.parameters == keras_counts()[line.name]["trainable"]

    def test_size_is_the_printed_one_but_for_file_headers(self, line):
        assert line.size_mb is not None
        assert line.size_mb - 4 < count(line).size_mb <= line.size_mb + 0.5

    def test_depth_is_the_named_one(self, line):
        counted = count(line)
        assert counted.depth == NAMED_DEPTH.get(line.name, counted.depth)
        assert counted.depth > 10


def test_lecture_rows_are_the_lectures():
    assert {r.name: r.parameters for r in KERAS_MODELS if r.edition == LECTURE} == PRINTED_BY_THE_LECTURE


def test_table_yields_every_row_and_keeps_the_mode_on_meta():
    assert [counted.row for counted in keras_table()] == list(KERAS_MODELS)
    with torch.device("meta"):
        module = NASNetAMobile()
    module.conv0.eval()
    depth(module, torch.empty(1, 3, 224, 224, device="meta"))
    assert module.training
    assert not module.conv0.training


def test_a_wrong_relation_is_noticed():
    assert not count(replace(row("ResNet50"), difference=EQUAL)).agrees
    assert not count(replace(row("InceptionV3"), difference=EQUAL)).agrees


def test_unknown_row_names_the_nearest():
    with pytest.raises(UsageError, match="ResNet50"):
        row("resnet51")


def test_depth_takes_the_longest_way():
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.long = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(1, 1, 1))
            self.short = nn.Conv2d(1, 1, 1)
            self.dense = nn.Linear(4, 2)

        def forward(self, x):
            return self.dense((self.long(x) + self.short(x)).flatten(1))

    assert depth(Fork(), torch.zeros(1, 1, 2, 2)) == 3


def test_nasnet_mobile_runs():
    torch.manual_seed(0)
    module = NASNetAMobile(classes=5).eval()
    with torch.no_grad():
        out = module(torch.rand(1, 3, 64, 64))
    assert out.shape == (1, 5)
    assert out.isfinite().all()
    assert sorted(n for n, _ in module.named_children() if n.startswith("cell_")) == sorted(
        [*(f"cell_{i}" for i in range(12)), "cell_stem_0", "cell_stem_1"]
    )


@pytest.mark.oracle
def test_stored_numbers_are_what_keras_builds():
    pytest.importorskip("keras")
    pytest.importorskip("jax")
    out = subprocess.run(
        [sys.executable, "scripts/count_keras.py"],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(out.stdout)["models"] == keras_counts()
