"""First weights: whitening against NumPy's covariance, identities; test-time views against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from convscope import nets
from convscope.errors import UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import Classification, ClassificationRecipe, Epoch, Trainer
from convscope.learn.tasks.classifiers.averaged_views import AveragedViews
from convscope.learn.tasks.classifiers.initialization import EPSILON, dirac_init, whiten_first_conv
from convscope.nets import Net
from convscope.worlds import ImageTensorDataset

SPEC = TensorSpec((3, 12, 12), kind="image", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
WHITENED = "conv 24 2x2, gelu, maxpool 2, flatten, dense 3"


def images(count: int = 400) -> ImageTensorDataset:
    """Blurred noise in three correlated channels, so that neighbouring pixels are alike."""
    noise = np.random.default_rng(3).normal(size=(count, 3, 12, 12))
    noise[:, 1] += noise[:, 0]
    smooth = noise + np.roll(noise, 1, 2) + np.roll(noise, 1, 3)
    pixels = torch.from_numpy((128 + 25 * smooth).clip(0, 255).astype(np.uint8))
    return ImageTensorDataset(pixels, torch.arange(count) % 3, ("a", "b", "c"))


def network(text: str = WHITENED, seed: int = 0) -> Net:
    return nets.wrap(nets.build(chain("3x12x12", text), seed=seed), SPEC, name="small")


def normalised(data: ImageTensorDataset) -> torch.Tensor:
    mean, std = (torch.tensor(values)[:, None, None] for values in (SPEC.mean, SPEC.std))
    return (data.images.float() / 255 - mean) / std


def responses(net: Net) -> np.ndarray:
    """The responses of the first convolution to all images, `[filters positions]`."""
    inputs = normalised(images())
    with torch.no_grad():
        found = net.module.get_submodule("conv1")(inputs)
    return found.transpose(0, 1).flatten(1).double().numpy()


def test_the_responses_have_no_mean_variance_one_and_no_correlation() -> None:
    net = network()
    before = np.cov(responses(net))
    assert abs(before - np.diag(np.diag(before))).max() > 0.05
    assert whiten_first_conv(net, images()) == "conv1"
    found = responses(net)
    assert abs(found.mean(1)).max() < 1e-3
    half, negative = found[:12], found[12:]
    np.testing.assert_allclose(negative, -half, atol=1e-4)
    covariance = np.cov(half)
    np.testing.assert_allclose(covariance, np.eye(12), atol=0.02)
    patches = np.lib.stride_tricks.sliding_window_view(images().images.numpy() / 255, (2, 2), axis=(2, 3))
    deviation = np.array(SPEC.std).repeat(4)
    flat = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12) / deviation
    variances = np.linalg.eigvalsh(np.cov(flat.T))[::-1]
    expected = variances / (variances + EPSILON * variances.mean())
    np.testing.assert_allclose(np.diag(covariance), expected, rtol=2e-3)


def test_without_a_bias_and_without_negatives() -> None:
    net = network("conv 12 2x2 bias=false, gelu, flatten, dense 3")
    whiten_first_conv(net, images())
    np.testing.assert_allclose(np.cov(responses(net)), np.eye(12), atol=0.02)


def test_images_of_one_value_give_finite_filters() -> None:
    net = network()
    plain = ImageTensorDataset(
        torch.full((4, 3, 12, 12), 7, dtype=torch.uint8), torch.arange(4) % 2, ("a", "b")
    )
    whiten_first_conv(net, plain)
    assert all(bool(p.isfinite().all()) for p in net.module.parameters())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conv 16 2x2, relu, flatten, dense 3", "conv1 with 16 filters for patches of 12 values"),
        ("flatten, dense 3", "has none"),
        ("maxpool 2, conv 24 2x2, relu, flatten, dense 3", "reads something else"),
        ("conv 12 2x2 groups=3, relu, flatten, dense 3", "reads something else"),
        ("conv 24 2x2 dilation=2, relu, flatten, dense 3", "reads something else"),
    ],
)
def test_a_convolution_that_cannot_whiten_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        whiten_first_conv(network(text), images())
    assert said in caught.value.received


def test_a_loader_is_refused() -> None:
    loader = DataLoader(TensorDataset(torch.rand(4, 3, 12, 12), torch.arange(4) % 3), 2)
    recipe = ClassificationRecipe(whiten_first_conv=True, epochs=1)
    with pytest.raises(UsageError, match="labelled images"):
        Trainer(network().with_classes(("a", "b", "c")), loader, recipe=recipe)


def test_beside_weights_that_are_the_start_it_is_refused() -> None:
    with pytest.raises(UsageError, match="whiten_first_conv"):
        ClassificationRecipe(whiten_first_conv=True, from_="efficientnet_lite0")


def trained(*, stop: bool) -> dict[str, torch.Tensor]:
    """Train for two epochs, with or without an interruption after the first."""
    recipe = ClassificationRecipe(epochs=2, batch=50, whiten_first_conv=True, precision="fp32")
    loop = Trainer(network(), images(), recipe=recipe)
    if not stop:
        list(loop)
        return loop.net.module.state_dict()
    next(event for event in loop if isinstance(event, Epoch))
    again = Trainer(network(seed=9), images(), recipe=recipe, state=loop.state())
    list(again)
    return again.net.module.state_dict()


def test_a_training_begins_with_it_and_a_resumed_one_does_not_begin_again() -> None:
    recipe = ClassificationRecipe(epochs=2, batch=50, whiten_first_conv=True, freeze=("conv1",))
    loop, alone = Trainer(network(), images(), recipe=recipe), network()
    list(loop)
    whiten_first_conv(alone, images(), seed=0)
    kept = loop.net.module.get_parameter("conv1.weight")
    assert torch.allclose(kept, alone.module.get_parameter("conv1.weight"), rtol=1e-3, atol=1e-3)
    whole, resumed = trained(stop=False), trained(stop=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not torch.allclose(whole["conv1.weight"], kept, rtol=1e-3, atol=1e-3)


def test_a_task_sets_first_weights_once() -> None:
    class Counting(Classification):
        begun = 0

        def initialize(self, net: Net, data: Any, recipe: Any) -> None:
            Counting.begun += 1

    recipe = ClassificationRecipe(epochs=2, batch=50)
    loop = Trainer(network(), images(), recipe=recipe, task=Counting())
    next(event for event in loop if isinstance(event, Epoch))
    Trainer(network(), images(), recipe=loop.recipe, state=loop.state(), task=Counting())
    assert Counting.begun == 1


class Corner(nn.Module):
    """Two scores: the pixel at the top left, and that at the bottom right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack((x[:, 0, 0, 0], 3 * x[:, 1, -1, -1]), 1)


def test_views_are_those_of_the_source() -> None:
    """Half the image and its mirror image, a quarter each of the two shifted ones and theirs."""
    x = np.random.default_rng(0).normal(size=(5, 3, 6, 7)).astype(np.float32)

    def run(pictures: np.ndarray) -> np.ndarray:
        both = [Corner()(torch.from_numpy(p.copy())).numpy() for p in (pictures, pictures[..., ::-1])]
        return (both[0] + both[1]) / 2

    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    expected = run(x) / 2 + (run(padded[..., 0:6, 0:7]) + run(padded[..., 2:8, 2:9])) / 4
    np.testing.assert_allclose(AveragedViews(Corner())(torch.from_numpy(x)).numpy(), expected, rtol=1e-5)


def test_views_are_tested_at_the_end_alone() -> None:
    recipe = ClassificationRecipe(epochs=2, batch=50, tta=True)
    loop = Trainer(network(), images(), images(90), recipe)
    first, last = (event for event in loop if isinstance(event, Epoch))
    assert "tta_accuracy" not in first.test_metrics
    with torch.no_grad(), nets.frozen(loop.net.module):
        inputs = normalised(images(90))
        answers = AveragedViews(loop.net.module)(inputs).argmax(1)
    right = (answers == images(90).labels).double().mean().item()
    assert last.test_metrics["tta_accuracy"] == pytest.approx(right)
    assert last.tested is not None
    assert f"Averaged over six views of each: {right:.2%}." in last.tested.summary
    assert last.tested.details["tta_accuracy"] == pytest.approx(right)


def test_views_of_digits_are_refused() -> None:
    digits = nets.wrap(
        nets.build(chain("3x12x12", WHITENED)), TensorSpec((3, 12, 12), kind="digit"), name="d"
    )
    with pytest.raises(UsageError, match="shifted and mirrored"):
        Trainer(digits, images(), recipe=ClassificationRecipe(tta=True))


def test_the_task_names_its_settings() -> None:
    recipe = ClassificationRecipe(dirac_init=True, whiten_first_conv=True, tta=True)
    settings = Classification.from_recipe(recipe).settings()
    assert settings["dirac_init"] is settings["whiten_first_conv"] is settings["tta"] is True


IDENTITIES = "conv 5 3x3 padding=1, gelu, conv 4 3x3 padding=1, gelu, flatten, dense 3"


def test_identities_return_each_channel_and_leave_other_filters() -> None:
    net, fresh = network(IDENTITIES), network(IDENTITIES)
    assert dirac_init(net) == ["conv1"]
    inputs = normalised(images(5))
    with torch.no_grad():
        conv, before = (one.module.get_submodule("conv1") for one in (net, fresh))
        found = conv(inputs) - conv.get_parameter("bias")[:, None, None]
        torch.testing.assert_close(found[:, :3], inputs)
        assert torch.equal(conv.get_parameter("weight")[3:], before.get_parameter("weight")[3:])
    narrow = [one.module.get_parameter("conv2.weight") for one in (net, fresh)]
    assert torch.equal(*narrow)


def test_without_a_convolution_that_can_be_an_identity_it_is_refused() -> None:
    with pytest.raises(UsageError, match=r"as many filters as channels.*received small, which has none"):
        dirac_init(network("conv 2 3x3, flatten, dense 3"))


def test_a_training_begins_with_identities_and_whitens_the_first() -> None:
    text = "conv 24 2x2, gelu, conv 30 3x3 padding=1 bias=false, maxpool 2, flatten, dense 3"
    recipe = ClassificationRecipe(
        epochs=1, batch=50, dirac_init=True, whiten_first_conv=True, freeze=("conv1", "conv2")
    )
    loop = Trainer(network(text), images(), recipe=recipe)
    list(loop)
    weight = loop.net.module.get_parameter("conv2.weight")[:24]
    assert torch.equal(weight, nn.init.dirac_(torch.empty_like(weight)))
    first = loop.net.module.get_parameter("conv1.weight")
    assert not torch.equal(first[:3], nn.init.dirac_(torch.empty_like(first[:3])))
