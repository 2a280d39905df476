"""The spatial transformer against scipy, whole-pixel shifts and finite differences."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from convscope import nets
from convscope.errors import GraphError
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.resizing import SpatialTransformer as SpatialTransformerLayer
from convscope.graph.spec import TensorSpec
from convscope.nets.modules.classics.spatial_transformer import SpatialTransformer, sample

IDENTITY = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])


def rotation(degrees: float) -> torch.Tensor:
    angle = torch.tensor(degrees).double().deg2rad()
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros(()).double()
    return torch.stack([cosine, -sine, zero, sine, cosine, zero]).view(1, 2, 3)


@pytest.mark.parametrize("size", [(28, 28), (42, 42), (7, 12)])
def test_the_identity_is_the_input(size):
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 2e-5)):
        maps = torch.rand(2, 3, *size, dtype=dtype)
        found = sample(maps, IDENTITY.to(dtype).expand(2, -1, -1), size)
        torch.testing.assert_close(found, maps, atol=tolerance, rtol=0)


def test_the_identity_of_half_the_size_takes_every_second_pixel():
    """Outermost pixels stay outermost: 9 positions become 5."""
    maps = torch.rand(1, 1, 9, 9).double()
    torch.testing.assert_close(sample(maps, IDENTITY.double(), (5, 5)), maps[:, :, ::2, ::2])


def test_x_is_to_the_right_and_y_downwards():
    maps = torch.rand(1, 1, 5, 9).double()
    theta = IDENTITY.double().clone()
    theta[0, 0, 2] = 2 * 2 / 8  # two of eight steps between nine columns
    torch.testing.assert_close(sample(maps, theta, (5, 9))[..., :7], maps[..., 2:])
    theta = IDENTITY.double().clone()
    theta[0, 1, 2] = 2 * 1 / 4
    torch.testing.assert_close(sample(maps, theta, (5, 9))[..., :4, :], maps[..., 1:, :])


@pytest.mark.parametrize("degrees", [-37.0, 12.5, 90.0])
def test_a_rotation_is_that_of_scipy_inside(degrees):
    maps = torch.rand(1, 1, 21, 21).double()
    theta = rotation(degrees)
    found = sample(maps, theta, (21, 21))[0, 0].numpy()
    matrix = theta[0, :, :2].flip(0, 1).numpy()  # scipy has rows before columns
    centre = np.array([10.0, 10.0])
    expected = ndimage.affine_transform(maps[0, 0].numpy(), matrix, centre - matrix @ centre, order=1)
    rows, columns = np.indices((21, 21)) - 10
    inside = np.hypot(rows, columns) <= 9.9
    assert inside.sum() > 250
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-12)


def test_any_affine_transform_is_that_of_scipy_everywhere():
    """Beyond the edge, too: scipy interpolates towards zeros only where the array has them."""
    torch.manual_seed(1)
    maps, theta = torch.rand(1, 1, 13, 9).double(), IDENTITY.double() + 0.3 * torch.randn(1, 2, 3).double()
    found = sample(maps, theta, (8, 11))[0, 0].numpy()
    y, x = (np.linspace(-1, 1, n) for n in (8, 11))
    points = np.stack([*np.meshgrid(x, y), np.ones((8, 11))])
    across, down = np.einsum("ij,jyx->iyx", theta[0].numpy(), points)
    places = [(down + 1) / 2 * 12 + 2, (across + 1) / 2 * 8 + 2]
    expected = ndimage.map_coordinates(np.pad(maps[0, 0].numpy(), 2), places, order=1)
    assert (found == 0).any() and (found != 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_gradients_are_finite_differences():
    torch.manual_seed(0)
    maps = torch.rand(2, 2, 6, 7).double().requires_grad_()
    theta = (IDENTITY.double().repeat(2, 1, 1) + 0.1 * torch.randn(2, 2, 3).double()).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, t: sample(m, t, (5, 4)), (maps, theta), eps=1e-7, atol=1e-5)
    layer, features = SpatialTransformer(3, (5, 4)).double(), torch.randn(2, 3).double()
    with torch.no_grad():
        layer.weight.normal_(0, 0.1)
    assert torch.autograd.gradcheck(layer, (maps, features.requires_grad_()), eps=1e-7, atol=1e-5)


def test_it_begins_as_the_identity_whatever_the_features_are():
    layer, maps = SpatialTransformer(4, 8), torch.rand(3, 1, 8, 8)
    features = 100 * torch.randn(3, 4)
    assert torch.equal(layer.theta(features), IDENTITY.expand(3, -1, -1))
    torch.testing.assert_close(layer(maps, features), maps, atol=1e-5, rtol=0)
    layer(maps, features)[:, :, 2:4].square().sum().backward()
    assert layer.weight.grad.abs().sum() > 0  # it can leave the identity


def test_positions_are_computed_in_float32_under_autocast():
    torch.manual_seed(0)
    layer, maps, features = SpatialTransformer(4, 40), torch.rand(1, 1, 40, 40), torch.randn(1, 4)
    torch.nn.init.normal_(layer.weight, 0, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(maps, features.bfloat16())
    torch.testing.assert_close(found, layer(maps, features.bfloat16().float()))


def test_the_features_are_a_vector_of_any_length():
    layer = SpatialTransformerLayer((4, 5))
    assert layer.output_shape((3, 8, 9), (7,)) == (3, 4, 5)
    assert SpatialTransformerLayer().output_shape((3, 8, 9), (7,)) == (3, 8, 9)
    with pytest.raises(GraphError, match="features"):
        layer.output_shape((3, 8, 9), (7, 2, 2))
    with pytest.raises(GraphError):
        layer.output_shape((3, 8), (7,))


def test_the_networks_have_as_many_parameters():
    counts = [
        sum(p.numel() for p in nets.load(name).module.parameters())
        for name in ("spatial-transformer", "distorted-digits-cnn")
    ]
    assert counts == [92_096, 92_208]
    localisation = 16 * 26 + 16 * (16 * 25 + 1) + 32 * (16 * 49 + 1) + 6 * 33
    classifier = 32 * 26 + 32 * (32 * 25 + 1) + 64 * (32 * 16 + 1) + 10 * 65
    assert counts[0] == localisation + classifier


def test_another_input_size_begins_as_the_identity_too():
    net = nets.with_input_size(nets.load("spatial-transformer", seed=0), 60)
    images = torch.rand(2, 1, 60, 60)
    (found,) = nets.record(net, images, ["sampled"]).values()
    torch.testing.assert_close(found, sample(images, IDENTITY.expand(2, -1, -1), (28, 28)))


def test_it_is_saved_and_opened(tmp_path):
    net = nets.load("spatial-transformer", seed=0)
    torch.nn.init.normal_(net.module.get_parameter("sampled.weight"), 0, 0.1)
    nets.save(net, tmp_path / "saved")
    images = torch.rand(2, 1, 42, 42)
    assert torch.equal(nets.load(str(tmp_path / "saved"))(images), net(images))


def test_a_graph_may_sample_maps_of_many_channels():
    graph = Graph(
        {"maps": (5, 9, 9), "features": (3,)},
        (Node("it", SpatialTransformerLayer(4), ("maps", "features")),),
    )
    net = nets.wrap(nets.build(graph, seed=0), [TensorSpec((5, 9, 9)), TensorSpec((3,))])
    assert net(torch.rand(2, 5, 9, 9), torch.rand(2, 3)).shape == (2, 5, 4, 4)
