"""The AdaIN network that ships, on photographs and a painting that it did not learn from."""

import math

import pytest
import torch

from convscope import nets
from convscope.learn.style.perceptual import PerceptualLoss, frozen_copy
from convscope.nets.zoo import ZOO
from convscope.use import stylize
from convscope.use.feed_forward import PAINTING
from convscope.worlds import UnlabelledImages
from convscope.worlds.images import photos
from convscope.worlds.images.datasets.style_images import painting

pytestmark = pytest.mark.slow

DECIBELS = 21.0
UNSEEN = "matisse_woman_with_a_hat_1905.jpg"
PAINTINGS = (
    UNSEEN,
    "van_gogh_starry_night_1889.jpg",
    "hokusai_great_wave_c1831.jpg",
    "munch_the_scream_1893.jpg",
)


@pytest.fixture(scope="module")
def net():
    return nets.load("adain")


@pytest.fixture(scope="module")
def images(shared_data):
    photographs = UnlabelledImages(shared_data / "coco200" / "images" / "val2017")
    return photographs.middles([17, 21, 33, 40], 256).float() / 255


def test_photographs_keep_their_own_style(net, images):
    with torch.no_grad():
        again = net.module(*net.normalise(images)).clamp(0, 1)
    error = float((again - images).square().mean())
    assert -10 * math.log10(error) > DECIBELS


def test_photographs_come_nearest_to_the_painting_that_is_asked_for(net, images, shared_data):
    """By correlations of layers that its training did not look at; the first painting is new to it."""
    files = [shared_data / "paintings" / name for name in PAINTINGS]
    judge = PerceptualLoss(
        frozen_copy(nets.load("hed-vgg16")),
        [painting(file, PAINTING) for file in files],
        style=("relu1_2", "relu2_2", "relu3_2"),
    )
    table = []
    for file in files:
        painted = [stylize(net, photos.to_pil(image), {str(file): 1.0}) for image in images]
        seen = judge.features(torch.stack([photos.to_uint8(one) for one in painted]).float() / 255)
        table.append([judge.style_of(seen, torch.full((4,), k)) for k in range(len(files))])
    plain = judge.features(images)
    for index in range(len(files)):
        own, before = table[index][index], judge.style_of(plain, torch.full((4,), index))
        assert float(own.mean()) < 0.5 * float(before.mean())
        assert all(float(own.mean()) < float(row[index].mean()) for row in table if row is not table[index])


def test_it_says_where_it_is_from(net):
    assert net.input_spec == ZOO["adain"].input_spec
    assert "seed" in net.source.weights
    assert "hed-vgg16" in net.source.licence
    fresh = nets.load("adain", weights=None, seed=0)
    assert fresh.module.options == net.module.options
