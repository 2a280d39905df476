import pytest
import torch
from torch import nn

from convscope.errors import ConvscopeError, GraphError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.see import Visualization, compare_with_data, iter_visualize, visualize
from convscope.see.visualization.objective_parser import expand_units
from convscope.see.visualization.recipe import LookRecipe, VisualizeRecipe
from convscope.worlds import ImageTensorDataset
from convscope.worlds.images.bit_depth import PictureWarning


def test_many_units_by_one_text(small: Net) -> None:
    assert list(map(str, expand_units(small, ["conv2:*"]))) == [f"conv2:{u}" for u in range(6)]
    assert list(map(str, expand_units(small, ["conv2:1-3", "conv1:0-1@4,5", "relu1"]))) == [
        "conv2:1",
        "conv2:2",
        "conv2:3",
        "conv1:0@4,5",
        "conv1:1@4,5",
        "relu1",
    ]
    for wrong in ("conv2:4-9", "conv9:*", "conv2:**", ":*"):
        with pytest.raises(PlaceError):
            expand_units(small, [wrong])


def test_pictures_of_every_kind_of_place(digit_net: Net) -> None:
    """The lecture's three: a filter, a flattened neuron, an answer; and a layer's energy."""
    with torch.no_grad():
        largest = int(digit_net.module[:7](torch.full((1, 1, 28, 28), 0.5)).argmax())
    places = ("conv2:3", "conv2:3@2,2", f"flatten:{largest}", "output:digit 7", "conv1")
    made = visualize(digit_net, *places, steps=24, canvas="pixels", lr=0.02)
    assert made.places == places and made.images.shape == (5, 1, 28, 28)
    assert made.images.min() >= 0 and made.images.max() <= 1
    start = visualize(digit_net, *places, steps=0, canvas="pixels")
    assert bool((made.clean_scores > start.clean_scores).all()) and made.uninformative == ()


def test_clean_scores_are_the_activations(digit_net: Net) -> None:
    made = visualize(digit_net, "conv2:3", "output:digit 7", steps=8, reduce="sum", l1=0.01)
    with torch.no_grad():
        maps = digit_net.module[:4](made.images[:1])[0, 3]
        torch.testing.assert_close(made.clean_scores[0], maps.sum())
        torch.testing.assert_close(made.clean_scores[1], digit_net(made.images[1:])[0, 7])


def test_a_picture_does_not_depend_on_the_batch(digit_net: Net) -> None:
    options = {"steps": 10, "lr": 0.03}
    whole = visualize(digit_net, "conv2:*", batch=3, **options)
    for unit in (0, 4):
        alone = visualize(digit_net, f"conv2:{unit}", **options)
        torch.testing.assert_close(alone.images[0], whole.images[unit], atol=2e-4, rtol=0)
    other = visualize(digit_net, "conv2:4", seed=1, **options)
    assert not torch.allclose(other.images[0], whole.images[4], atol=1e-2)


@pytest.mark.slow
def test_l1_leaves_less_ink(digit_net: Net) -> None:
    ink = [
        visualize(digit_net, "output:7", steps=80, canvas="pixels", lr=0.02, l1=strength).images.sum().item()
        for strength in (0.0, 0.003, 0.03)
    ]
    assert ink[0] > ink[1] > ink[2]


def test_negative(digit_net: Net) -> None:
    up, down = (visualize(digit_net, "conv1:2", steps=30, negative=n, lr=0.1) for n in (False, True))
    with torch.no_grad():
        means = [digit_net.module[0](v.images)[0, 2].mean() for v in (up, down)]
    assert means[0] > means[1] and torch.allclose(down.clean_scores[0], -means[1])


def test_a_unit_that_never_fires_is_named() -> None:
    torch.manual_seed(4)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        module[0].bias[2] = -1e4
    net = wrap(module, TensorSpec((3, 16, 16)))
    made = visualize(net, "1:*", steps=40)
    assert made.uninformative == ("1:2",) and (made.clean_scores > 0).tolist() == [True, True, False, True]


def test_stopping_keeps_what_there_is(small: Net) -> None:
    recipe = VisualizeRecipe(net="small", places=["conv2:*"], steps=6, batch=4)
    for progress in iter_visualize(small, recipe):
        made = progress.result()
        if (len(made), made.steps) == (6, 2):
            break
    assert progress.fraction == pytest.approx((4 * 6 + 2 * 2) / (6 * 6))
    assert len(made) == 6 and made.steps == 2
    torch.testing.assert_close(
        made.images[:4], visualize(small, "conv2:0-3", steps=6).images, atol=1e-4, rtol=0
    )


def test_start_from_an_image(small: Net) -> None:
    image = 0.2 + 0.6 * torch.rand(3, 20, 24)
    made = visualize(small, "conv2:0", "conv2:1", steps=0, start=image)
    torch.testing.assert_close(made.images, image.expand(2, -1, -1, -1), atol=1e-3, rtol=0)
    plain = visualize(small, "conv2:0", steps=0, start="zeros", canvas="pixels")
    assert bool((plain.images == 0.5).all()) and plain.recipe.start == "zeros"
    with pytest.raises(UsageError), pytest.warns(PictureWarning, match="5 x 5"):
        visualize(small, "conv2:0", steps=0, start=torch.rand(3, 5, 5))
    with pytest.raises(UsageError, match="start"):
        visualize(small, "conv2:0", steps=0, start="nowhere")


@pytest.mark.parametrize("size", [[15], [17, 30], [9, 9]])
def test_other_sizes(small: Net, size: list[int]) -> None:
    made = visualize(small, "conv2:1", size=size, steps=3)
    assert made.images.shape[2:] == ((*size, *size) if len(size) == 1 else tuple(size))


def test_errors_name_what_is_wrong(digit_net: Net) -> None:
    with pytest.raises(PlaceError, match="dense1"):
        visualize(digit_net, "dense9:1")
    with pytest.raises(UsageError, match="stepps"):
        visualize(digit_net, "conv1:1", stepps=3)
    with pytest.raises(UsageError, match="steps"):
        visualize(digit_net, "conv1:1", steps=-3)
    with pytest.raises(UsageError):
        visualize(digit_net)
    with pytest.raises(GraphError, match="28, 28"):
        visualize(digit_net, "output:1", size=[50], steps=1)


def test_comparison(digit_net: Net) -> None:
    pictures = torch.randint(0, 256, (50, 1, 28, 28), dtype=torch.uint8)
    data = ImageTensorDataset(pictures, torch.zeros(50, dtype=torch.int64), ["x"])
    made = visualize(digit_net, "conv2:3", "output:4", steps=40, canvas="pixels", lr=0.05, reduce="sum")
    lines = compare_with_data(digit_net, made, data, batch=16)
    with torch.no_grad():
        maps = digit_net.module[:4](pictures / 255)[:, 3].sum((1, 2))
        answers = digit_net(pictures / 255)[:, 4]
    for line, real, place in zip(lines, (maps, answers), made.places, strict=True):
        assert line.place == place and line.best_index == int(real.argmax())
        assert line.best == pytest.approx(float(real.max()), rel=1e-4)
        assert line.mean == pytest.approx(float(real.mean()), rel=1e-4)
        assert line.percentile == pytest.approx(100 * float((real < line.synthetic).float().mean()))
        assert line.start < line.synthetic
    start = visualize(digit_net, "conv2:3", "output:4", steps=0, canvas="pixels", reduce="sum")
    assert [line.start for line in lines] == pytest.approx(start.clean_scores.tolist(), rel=1e-4)


def test_recipes_are_commands() -> None:
    recipe = VisualizeRecipe(net="digits", places=["conv2:3", "output:7"], steps=64, l1=0.1, size=[28, 30])
    assert (
        recipe.command()
        == "convscope visualize digits conv2:3 output:7 --steps 64 --size 28 --size 30 --l1 0.1"
    )
    assert LookRecipe(net="digits").command() == "convscope look --net digits"
    with pytest.raises(UsageError, match="places"):
        VisualizeRecipe.parse({"net": "digits", "places": []})


def test_the_result_carries_its_recipe(small: Net) -> None:
    made: Visualization = visualize(small, "conv2:1", steps=2, seed=4)
    options = {name: value for name, value in made.recipe.chosen().items() if name not in ("net", "places")}
    again = visualize(small, *made.recipe.places, **options)
    assert torch.equal(made.images, again.images) and options == {"steps": 2, "seed": 4}


def test_a_picture_that_no_memory_holds_is_refused_before_it_is_made(small: Net) -> None:
    with pytest.raises(ConvscopeError, match="fits into memory") as caught:
        visualize(small, "conv2:1", size=[32_768], steps=1)
    assert "--size" in (caught.value.hint or "")
