"""Every world, one contract: files become inputs in range, positions map back, inputs can be drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.graph import ImageTransform, TensorSpec
from convscope.graph.spec import DIGIT, GO, SPECTROGRAM
from convscope.worlds import WORLDS, Placement, open_sample, render, world_of
from convscope.worlds.images.world import placement
from convscope.worlds.registry import register_world
from convscope.worlds.sound.audio import to_wav
from convscope.worlds.sound.folder import sound_spec
from convscope.worlds.text import WORDS, fit_spec


def photo(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(path)
    return path


def seven(path: Path) -> Path:
    image = np.full((60, 60), 240, np.uint8)
    image[12:18, 15:45] = image[12:50, 39:45] = 20
    Image.fromarray(image).save(path)
    return path


def array(*shape: int):
    def write(path: Path) -> Path:
        np.save(path, np.random.default_rng(1).random(shape).astype(np.float32))
        return path

    return write


def sound(path: Path) -> Path:
    path.write_bytes(to_wav(np.random.default_rng(2).uniform(-0.5, 0.5, 900), 8000))
    return path


def game(path: Path) -> Path:
    path.write_bytes(b"(;SZ[9];B[ee];W[gc];B[cd])")
    return path


def sentence(path: Path) -> Path:
    path.write_text("a fine film", encoding="utf-8")
    return path


CASES = {
    "text": (fit_spec(WORDS, ["a fine film", "a dull one"]), sentence, "a.txt"),
    "image": (TensorSpec((3, 24, 32)), photo, "a.png"),
    "digit": (TensorSpec((1, 28, 28), kind=DIGIT), seven, "a.png"),
    "sound": (sound_spec(8000, 0.1), sound, "a.wav"),
    "go": (TensorSpec((20, 9, 9), kind=GO), game, "a.sgf"),
    "spectrogram": (TensorSpec((1, 6, 9), kind=SPECTROGRAM), array(1, 6, 9), "a.npy"),
    "signal": (TensorSpec((2, 50)), array(2, 50), "a.npy"),
    "vector": (TensorSpec((7,)), array(7), "a.npy"),
    "tensor": (TensorSpec((2, 3, 4, 5), axes="c d h w"), array(2, 3, 4, 5), "a.npy"),
}


def test_every_world_has_a_case() -> None:
    assert set(CASES) == set(WORLDS)


@pytest.mark.parametrize("kind", CASES)
def test_a_file_becomes_an_input_and_a_picture(kind: str, tmp_path: Path) -> None:
    spec, write, name = CASES[kind]
    sample = open_sample(write(tmp_path / name), spec)
    assert spec.kind == kind and sample.input.shape == spec.shape
    low, high = spec.value_range
    assert low <= float(sample.input.min()) < float(sample.input.max()) <= high
    drawn = render(sample.input if kind != "tensor" else sample.input[0, 0], spec)
    expected = "RGB" if spec.is_rgb or kind == GO else "LA" if WORLDS[kind].is_ink else "L"
    assert drawn.mode == expected


@pytest.mark.parametrize("kind", CASES)
def test_what_is_no_file_of_the_world_is_refused(kind: str, tmp_path: Path) -> None:
    spec, _, name = CASES[kind]
    (tmp_path / name).write_bytes(b"neither image, array nor text \xff")
    for path in (tmp_path / name, tmp_path / f"missing-{name}", tmp_path):
        with pytest.raises(DataError):
            open_sample(path, spec)


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    spec = TensorSpec((2, 5))
    for values in (
        np.zeros((5, 2)),
        np.full((2, 5), 3.0),
        np.full((2, 5), np.nan),
        np.array([["a"] * 5] * 2),
    ):
        np.save(tmp_path / "a.npy", values)
        with pytest.raises(DataError):
            open_sample(tmp_path / "a.npy", spec)
    np.save(tmp_path / "a.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(DataError):
        open_sample(tmp_path / "a.npy", TensorSpec((1, 1)))
    (tmp_path / "a.npy").write_bytes(b"neither signature nor numbers")
    with pytest.raises(DataError, match="without its signature") as told:
        open_sample(tmp_path / "a.npy", spec)
    assert "unsafe" not in str(told.value) and "pickle" not in str(told.value)


def test_channels_that_no_photograph_has_come_from_arrays(tmp_path: Path) -> None:
    spec = TensorSpec((5, 8, 8))
    assert torch.equal(
        open_sample(array(5, 8, 8)(tmp_path / "a.npy"), spec).input,
        torch.from_numpy(np.load(tmp_path / "a.npy")),
    )
    assert not spec.is_rgb and render(torch.rand(5, 8, 8), spec).mode == "L"


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (90, 90), (640, 100)])
@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 48, 80)])
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_a_spot_of_the_file_is_found_where_the_placement_says(size, shape, crop) -> None:
    """A white square on black is opened; the centre of what is white in the input is where it should be."""
    spec = TensorSpec(shape, transform=ImageTransform(crop=crop))
    width, height = size
    centre, half = (height * 0.47, width * 0.51), min(size) * 0.15
    box = tuple((middle - half, middle + half) for middle in centre)
    image = np.zeros((height, width, 3), np.uint8)
    (y0, y1), (x0, x1) = ((round(a), round(b)) for a, b in box)
    image[y0:y1, x0:x1] = 255
    sample = open_sample(Image.fromarray(image), spec)
    assert sample.placement == placement(size, spec)
    (top, bottom), (left, right) = sample.placement.to_input(((y0, y1), (x0, x1)))
    assert centroid(sample.input) == pytest.approx(((top + bottom) / 2, (left + right) / 2), abs=0.6)
    back = sample.placement.to_file(((top, bottom), (left, right)))
    assert np.allclose(back, ((y0, y1), (x0, x1)))


def centroid(image: Tensor) -> tuple[float, float]:
    mass = image.mean(0)
    rows, columns = (torch.arange(n) + 0.5 for n in mass.shape)
    total = float(mass.sum())
    return float((mass.sum(1) * rows).sum()) / total, float((mass.sum(0) * columns).sum()) / total


def test_what_lies_outside_is_clipped_to_the_file() -> None:
    halves = Placement((0.5,), (-10.0,), (100.0,))
    assert halves.to_input(((20, 40),)) == ((0.0, 10.0),) and halves.to_file(((-9, 99),)) == ((2.0, 100.0),)


def test_a_digit_has_no_placement_and_an_example_that_ships() -> None:
    spec = TensorSpec((1, 32, 32), kind=DIGIT, value_range=(-1.0, 1.0))
    example = world_of(spec).example(spec)
    assert example is not None and example.placement is None and example.input.shape == spec.shape
    assert float(example.input.min()) == -1.0
    assert world_of(TensorSpec((3, 8, 8))).example(TensorSpec((3, 8, 8))) is None


def test_unknown_kinds_are_refused_and_known_ones_kept() -> None:
    with pytest.raises(UsageError, match="image"):
        world_of(TensorSpec((3, 8, 8), kind="imagee"))
    with pytest.raises(UsageError, match="no world has yet"):
        register_world(WORLDS["image"])
