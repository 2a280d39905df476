"""What programs are told of a file that they send."""

import io

import numpy as np
import pytest
from PIL import Image

from convscope.graph import TensorSpec, chain
from convscope.lab.live.answers import classify_file
from convscope.nets import build, wrap

SPEC = TensorSpec((3, 32, 32), kind="image", value_range=(0.0, 1.0))


@pytest.mark.parametrize(("size", "share"), [((80, 40), "50%"), ((40, 40), "")])
def test_the_answer_says_how_much_of_a_photograph_the_network_sees(size, share):
    net = wrap(build(chain(SPEC.shape, "conv 4 3x3, relu, globalavgpool, dense 2"), seed=0).eval(), SPEC)
    noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    answer = classify_file(net, file.getvalue(), 2)
    assert [line.count(share) for line in (*answer["said"], *answer["said_zh"])] == [1, 1] * bool(share)
    assert len(answer["top"]) == 2
