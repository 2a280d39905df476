import torch
from PIL import ImageFont

from convscope.nets import load
from convscope.see.visualization.reconstruction import Reconstruction
from convscope.show.images.reconstruction_sheets import strip


def test_a_strip_is_as_wide_as_its_title_and_its_pictures():
    picture = torch.rand(1, 28, 28)
    drawn = Reconstruction(("conv1",), picture[None], torch.ones(1), torch.zeros(1), picture, 3)
    title = "What the layers of a network with a rather long name remember of a picture"
    made = strip(drawn, load("digits"), title)
    assert made.width >= ImageFont.load_default(20).getlength(title)
    assert strip(drawn, load("digits"), "short").width == 12 + 2 * (224 + 12)
