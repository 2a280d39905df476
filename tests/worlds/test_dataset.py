from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convscope import learn, nets, see
from convscope.errors import DataError, UsageError
from convscope.graph import chain
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.nets import record
from convscope.worlds import (
    ImageTensorDataset,
    JoinedSamples,
    LabelledTensors,
    input_fit,
    open_all,
    scaled,
)
from convscope.worlds.caching.fingerprint import dataset_fingerprint
from convscope.worlds.images.photos import resized_and_cropped

IMAGES = torch.arange(5 * 2 * 3 * 4, dtype=torch.uint8).reshape(5, 2, 3, 4)
LABELS = torch.tensor([0, 1, 2, 1, 0])


def test_pictures_in_memory():
    samples = ImageTensorDataset(IMAGES, LABELS, ("a", "b", "c"))
    assert len(samples) == 5 and samples.shape == (2, 3, 4) and samples.problems == ()
    assert torch.equal(samples.pixels([4, 0]), IMAGES[[4, 0]])
    part = samples.take(torch.tensor([3, 3, 1]))
    assert torch.equal(part.images, IMAGES[[3, 3, 1]]) and part.labels.tolist() == [1, 1, 1]
    assert part.classes == samples.classes
    assert "5 of 2x3x4, 3 classes" in repr(samples)


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 5))
def test_batches_are_the_indices_in_order(indices, size):
    samples = ImageTensorDataset(IMAGES, LABELS, ("a", "b", "c"))
    batches = list(samples.pixel_batches(indices, size))
    assert all(len(images) == len(labels) <= size for images, labels in batches)
    assert all(len(images) == size for images, _ in batches[:-1])
    if indices:
        assert torch.equal(torch.cat([images for images, _ in batches]), IMAGES[indices])
        assert torch.equal(torch.cat([labels for _, labels in batches]), LABELS[indices])
    else:
        assert batches == []


@pytest.mark.parametrize(
    ("images", "labels", "classes", "spec"),
    [
        (IMAGES.float(), LABELS, "abc", None),
        (IMAGES[:, 0], LABELS, "abc", None),
        (IMAGES, LABELS[:4], "abc", None),
        (IMAGES, LABELS, "ab", None),
        (IMAGES, LABELS - 1, "abc", None),
        (IMAGES, LABELS, "abc", TensorSpec((1, 3, 4))),
    ],
)
def test_what_does_not_fit(images, labels, classes, spec):
    with pytest.raises(DataError):
        ImageTensorDataset(images, labels, classes, spec)


@pytest.mark.parametrize("indices", [[5], [-1]])
def test_indices_outside(indices):
    with pytest.raises(UsageError, match="from 0 to 4"):
        ImageTensorDataset(IMAGES, LABELS, "abc").pixels(indices)


def test_scaled():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(scaled(levels, TensorSpec((1, 16, 16))), levels / 255)
    wide = scaled(levels, TensorSpec((1, 16, 16), value_range=(-2.0, 3.0)))
    torch.testing.assert_close(wide.double(), levels.double() / 255 * 5 - 2, atol=1e-6, rtol=0)
    assert levels.dtype == torch.uint8


@pytest.mark.parametrize("crop", [1.0, 0.875, 1.2])
def test_enlargement_is_that_of_the_reader_of_files(crop):
    """Compared with the size to which `photos` really resizes each file; the median, not the middle image."""
    spec = TensorSpec((3, 224, 224), transform=ImageTransform(crop=crop))
    sizes = [(50, 90), (64, 64), (300, 200)]
    fit = input_fit(sizes, spec, crop)
    factors = sorted(resized_and_cropped((w, h), spec)[0][1] / h for h, w in sizes)
    assert fit.enlarged == pytest.approx(factors[1], rel=0.01)
    assert (fit.smallest, fit.largest) == ((50, 90), (300, 200))


def test_pictures_in_memory_are_resized_without_a_crop():
    samples = ImageTensorDataset(IMAGES, LABELS, ("a", "b", "c"))
    assert samples.fit_to(TensorSpec((2, 30, 40), transform=ImageTransform(crop=0.5))).enlarged == 10


def test_labelled_tensors_are_returned_in_the_range_of_a_network() -> None:
    spec = TensorSpec((1, 4), value_range=(-1.0, 1.0))
    values = torch.tensor([[[-1.0, -0.5, 0.0, 1.0]], [[0.5, 0.0, 0.0, 0.0]]])
    data = LabelledTensors(values, torch.tensor([0, 1]), ("a", "b"), spec)
    assert torch.equal(data.inputs([1, 0]), values[[1, 0]])
    asked = data.inputs([0], replace(spec, value_range=(0.0, 255.0)))
    assert torch.allclose(asked, (values[:1] + 1) * 127.5)
    assert torch.equal(data.take([1]).batch([0]).targets, torch.tensor([1]))
    assert dataset_fingerprint(data) != dataset_fingerprint(data.take([1, 0]))


@pytest.mark.parametrize(
    ("tensor", "labels", "classes"),
    [
        (torch.zeros(2, 1, 4, dtype=torch.float64), [0, 1], "ab"),
        (torch.zeros(2, 1, 5), [0, 1], "ab"),
        (torch.zeros(2, 1, 4), [0], "ab"),
        (torch.zeros(2, 1, 4), [0, 2], "ab"),
    ],
)
def test_labelled_tensors_that_do_not_fit_are_refused(
    tensor: torch.Tensor, labels: list[int], classes: str
) -> None:
    with pytest.raises(DataError):
        LabelledTensors(tensor, torch.tensor(labels), tuple(classes), TensorSpec((1, 4)))


def test_a_network_of_signals_is_trained_and_indexed_from_labelled_tensors() -> None:
    """Sines of two frequencies: nothing above `worlds` needs images."""
    spec = TensorSpec((1, 32), value_range=(-1.0, 1.0))
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 2
    phase = torch.rand(60, 1, 1, generator=generator) * 6.3
    values = torch.sin(torch.arange(32) * (0.4 + 0.8 * labels[:, None, None]) + phase)
    data = LabelledTensors(values, labels, ("low", "high"), spec, "sines")
    graph = chain("1x32", "conv1d 8 5, relu, maxpool1d 2, flatten, dense 2")
    net = nets.wrap(nets.build(graph, seed=0), spec)
    for _event in learn.iter_train(net, data, recipe=learn.ClassificationRecipe(epochs=20, batch=20)):
        pass
    assert learn.evaluate(net, data).accuracy > 0.9
    index = see.index_units(net, data, ["conv1"], k=3)
    (activations,) = record(net, values, ["conv1"]).values()
    peaks = activations.amax(2)
    assert torch.equal(index.accumulator.top.values[:, 0], peaks.amax(0))


def test_images_are_returned_at_the_size_and_in_the_range_of_a_network() -> None:
    """An index over images in [0, 1], of a network that takes [-1, 1], has the peaks of [-1, 1]."""
    pixels = torch.randint(
        0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )
    data = ImageTensorDataset(pixels, LABELS, ("a", "b", "c"))
    spec = TensorSpec((1, 8, 8), value_range=(-1.0, 1.0))
    wanted = pixels.float() / 127.5 - 1
    assert torch.allclose(data.inputs(range(5), spec), wanted, atol=1e-6)
    assert torch.allclose(torch.cat([part for part, _ in data.batches(range(5), 2, spec)]), wanted, atol=1e-6)
    assert data.inputs([0], TensorSpec((3, 16, 16))).shape == (1, 3, 16, 16)
    net = nets.wrap(nets.build(chain("1x8x8", "conv 4 3x3, flatten, dense 3"), seed=0), spec)
    (activations,) = record(net, wanted, ["conv1"]).values()
    found = see.index_units(net, data, ["conv1"], k=1).accumulator.top.values[:, 0]
    assert torch.allclose(found, activations.amax((0, 2, 3)), atol=1e-5)


def test_parts_are_joined_one_after_the_other():
    parts = {
        "train": ImageTensorDataset(IMAGES, LABELS, ("a", "b", "c"), name="t"),
        "test": ImageTensorDataset(IMAGES[:2] + 100, LABELS[:2], ("a", "b", "c"), name="e"),
    }
    joined = JoinedSamples(parts, "both")
    assert len(joined) == 7 and joined.labels.tolist() == [0, 1, 2, 1, 0, 0, 1] and joined.name == "both"
    everything = torch.cat([parts["train"].inputs(range(5)), parts["test"].inputs(range(2))])
    for indices in ([0, 6], [6, 1, 5, 0, 6], [2]):
        assert torch.equal(joined.inputs(indices), everything[indices])
    some = joined.take([6, 2, 2])
    assert torch.equal(some.inputs([0, 1, 2]), everything[[6, 2, 2]]) and some.labels.tolist() == [1, 2, 2]
    assert torch.equal(some.take([1]).inputs([0]), everything[[2]])
    assert joined.inputs([]).shape == (0, 2, 3, 4)
    with pytest.raises(UsageError, match="from 0 to 6"):
        joined.inputs([7])
    other = ImageTensorDataset(IMAGES, LABELS, ("a", "b", "d"), name="other")
    with pytest.raises(DataError, match="same inputs and classes"):
        JoinedSamples({"train": parts["train"], "test": other}, "both")


def test_all_parts_of_the_digits_are_ten_thousand():
    spec = TensorSpec((1, 28, 28), kind="digit")
    found, test = open_all("digits", spec=spec), open_all("digits", "test", spec=spec)
    assert isinstance(found, JoinedSamples) and list(found.parts) == ["train", "test"]
    assert len(found) == 10_000 and len(test) == 2000 and not isinstance(test, JoinedSamples)
    assert torch.equal(found.inputs([8000, 9999]), test.inputs([0, 1999]))
