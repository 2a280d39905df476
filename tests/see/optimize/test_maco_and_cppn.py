import numpy as np
import pytest
import torch
from tests.reference import numpy_phases

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net
from convscope.see import visualize
from convscope.see.optimize.image_params.cppn import cppn_image
from convscope.see.optimize.image_params.maco import CONTRAST, maco_image, mean_magnitude, power_law


@pytest.mark.parametrize("size", [(8, 10), (7, 9), (6, 5)])
def test_phases_against_numpy(size: tuple[int, int]) -> None:
    canvas = maco_image(TensorSpec((1, *size)), [3])
    angles = canvas.parameters[0].detach()
    expected = numpy_phases.picture(
        power_law((1, *size), is_rgb=False).numpy(), angles[0].numpy(), size, CONTRAST
    )
    np.testing.assert_allclose(canvas.images()[0].detach().logit().numpy(), expected, atol=2e-4)


def test_only_phases_move() -> None:
    """Whatever the phases, the strength of every frequency is the photographs' times one number."""
    photographs = torch.rand(4, 2, 12, 16, generator=torch.Generator().manual_seed(0))
    canvas = maco_image(TensorSpec((2, 12, 16)), [0, 1], photographs=photographs)
    held = mean_magnitude(photographs, is_rgb=False)
    for image in canvas.images().detach():
        found = torch.fft.rfft2(image.logit(), norm="ortho").abs()[..., 1:-1]
        ratio = found / held[..., 1:-1]
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=2e-3, atol=0)
    with pytest.raises(UsageError):
        maco_image(TensorSpec((2, 12, 16)), [0], photographs=photographs[..., :9])


def test_the_power_law_falls_as_photographs_do(shared_data) -> None:
    from convscope.worlds.images import photos

    spec = TensorSpec((3, 96, 96))
    files = sorted((shared_data / "flowers").rglob("*.jpg"))[:40]  # not those it was fitted to
    pictures = torch.stack([photos.to_tensor(photos.open_photo(file), spec) for file in files])
    real, law = mean_magnitude(pictures, is_rgb=True).log(), power_law((3, 96, 96), is_rgb=True).log()
    inner = (slice(None), slice(1, 40), slice(1, 40))
    both = torch.stack([real[inner].flatten(), law[inner].flatten()])
    assert float(torch.corrcoef(both)[0, 1]) > 0.95


@pytest.mark.parametrize("make", [maco_image, cppn_image])
@pytest.mark.parametrize("shape", [(3, 14, 20), (1, 9, 9), (5, 8, 6), (2, 30)])
def test_any_shape_each_image_its_own(make, shape: tuple[int, ...]) -> None:
    spec = TensorSpec(shape, value_range=(-1.0, 2.0))
    both = make(spec, [4, 9])
    images = both.images().detach()
    assert images.shape == (2, *shape) and -1 < images.min() <= images.max() < 2
    torch.testing.assert_close(make(spec, [9]).images()[0].detach(), images[1], atol=1e-6, rtol=0)
    with pytest.raises(UsageError):
        make(TensorSpec((4,)), [0])


@pytest.mark.parametrize("canvas", ["maco", "cppn"])
def test_pictures_of_a_unit(small: Net, canvas: str) -> None:
    options = {"canvas": canvas, "steps": 12, "size": [24]}
    made = visualize(small, "conv2:1", "conv2:4", **options)
    start = visualize(small, "conv2:1", "conv2:4", **{**options, "steps": 0})
    assert bool((made.clean_scores > start.clean_scores).all())
    short = {**options, "steps": 4}  # later, rounding alone tells them apart
    alone, both = visualize(small, "conv2:4", **short), visualize(small, "conv2:1", "conv2:4", **short)
    torch.testing.assert_close(alone.images[0], both.images[1], atol=1e-4, rtol=0)
    assert torch.equal(made.images, visualize(small, "conv2:1", "conv2:4", **options).images)
    with pytest.raises(UsageError, match="start"):
        visualize(small, "conv2:1", canvas=canvas, start=torch.rand(3, 20, 24), steps=0)
