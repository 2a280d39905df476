"""Every public function that takes an input takes it in every form a person has, and answers the same."""

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError, DataError
from convscope.graph import ImageTransform, TensorSpec
from convscope.graph.spec import DIGIT
from convscope.see.activation_atlas import CaricatureRecipe, FactorsRecipe, iter_factors
from convscope.see.deepdream import DreamRecipe
from convscope.see.style import StyleRecipe
from convscope.see.visualization import VisualizeRecipe, iter_journey
from convscope.worlds import Sample, open_inputs, open_mask, open_sample, open_whole
from tests.test_house import surface

SPEC = TensorSpec((3, 20, 24), mean=(0.4,), std=(0.3,), transform=ImageTransform(crop=0.8))
Call = Callable[[Any, Any], Tensor]


def net() -> Any:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    )
    return cs.wrap(module.eval(), SPEC, ("a", "b", "c", "d"))


def photograph(height: int = 44, width: int = 52) -> np.ndarray:
    """A smooth picture in colour, so that all interpolations agree with themselves only."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(7 * x + 3 * y), np.cos(5 * y - x), np.sin(9 * x * y)]
    return ((np.stack(waves, -1) + 1) * 127.5).round().astype(np.uint8)


def last(steps: Any) -> Any:
    return list(steps)[-1].result()


def dreamt(net: Any, x: Any, **more: Any) -> Tensor:
    return cs.see.dream(net, x, "1", untrained=True, steps=1, octaves=1, precision="fp32", **more).image


def painted(net: Any, x: Any, painting: Any, **more: Any) -> Tensor:
    settings = {
        "untrained": True,
        "steps": [1],
        "scales": 1,
        "size": 32,
        "style_layer": ["1"],
        "content_layer": ["1"],
    }
    return cs.see.style_transfer(net, x, painting, **settings, **more).image


def style_problem(net: Any, x: Any) -> Tensor:
    recipe = StyleRecipe.parse(
        {"content": "", "style": [""], "net": "", "untrained": True, "style_layer": ["1"]}
    )
    return cs.see.StyleProblem(net, x, [x], recipe).picture


def iter_dreamt(net: Any, x: Any) -> Tensor:
    wanted = {"photo": "", "net": "", "layer": ["1"], "untrained": True, "steps": 1, "octaves": 1}
    return last(cs.see.iter_dream(net, x, DreamRecipe.parse({**wanted, "precision": "fp32"}))).image


def iter_reconstructed(net: Any, x: Any) -> Tensor:
    recipe = CaricatureRecipe.parse({"net": "", "image": "", "layer": ["1"], "steps": 1})
    return last(cs.see.iter_reconstruct(net, x, recipe)).images


def iter_factored(net: Any, x: Any) -> Tensor:
    recipe = FactorsRecipe.parse({"net": "", "images": [""], "layer": "1", "count": 2, "steps": 0})
    return last(iter_factors(net, x, recipe)).maps


def iter_visualized(net: Any, x: Any) -> Tensor:
    recipe = VisualizeRecipe.parse({"net": "", "places": ["0:1"], "steps": 0, "canvas": "pixels"})
    return last(cs.see.iter_visualize(net, recipe, start=x)).images


def spectrum_of_journey(net: Any, x: Any) -> Tensor:
    settings = {"net": "", "journey": True, "steps": 0, "canvas": "maco", "spectrum": [""]}
    stops = cs.see.choose_layers(net, ["0"], units=1)
    return last(iter_journey(net, VisualizeRecipe.parse(settings), stops, photographs=x)).images


loaded = cache(cs.load)


def stylized(net: Any, x: Any, style: Any = None) -> Tensor:
    picture = cs.use.stylize(loaded(net), x, style, choice=cs.nets.ExecutionConfig("fp32", "channels_last"))
    return torch.from_numpy(np.asarray(picture).astype(np.float32))


def of_whole_region(net: cs.Net, image: Any) -> Tensor:
    found = cs.see.units.units_in_region(net, image, "0", [(0, extent) for extent in net.input_spec.size])
    return torch.tensor([one.value for one in found])


FITTED: dict[str, Call] = {
    "see.units.units_in_region": of_whole_region,
    "see.activations": lambda n, x: cs.see.activations(n, x, ["1"])["1"],
    "see.feature_maps": lambda n, x: next(iter(cs.see.feature_maps(n, x, ["1"]))).maps,
    "see.effective_receptive_field": lambda n, x: cs.see.effective_receptive_field(n, "1:2", x).influence,
    "see.unit_terms": lambda n, x: cs.see.unit_terms(n, x, "0:1@2,3").window,
    "see.explain": lambda n, x: cs.see.explain(n, x, "saliency", 1).attribution,
    "see.make_task": lambda n, x: cs.see.make_task(n, x, 1).inputs[0],
    "see.caricature": lambda n, x: cs.see.caricature(n, x, "1", steps=1).images,
    "see.invert": lambda n, x: cs.see.invert(n, x, "1", steps=1).images,
    "see.iter_reconstruct": iter_reconstructed,
    "see.factors": lambda n, x: cs.see.factors(n, x, "1", count=2, steps=0).maps,
    "see.activation_atlas.iter_factors": iter_factored,
    "see.visualize": lambda n, x: cs.see.visualize(n, "0:1", steps=0, start=x, canvas="pixels").images,
    "see.iter_visualize": iter_visualized,
    "see.visualization.iter_journey": spectrum_of_journey,
    "use.classify": lambda n, x: torch.tensor(cs.use.classify(n, x, 4).probabilities),
    "use.iter_predictions": lambda n, x: torch.tensor(
        next(cs.use.iter_predictions(n, [x], top=4)).probabilities
    ),
    "worlds.open_sample": lambda n, x: open_sample(x, n.input_spec).input,
    "worlds.open_inputs": lambda n, x: open_inputs(x, n.input_specs)[0],
}
"""Functions that fit a picture into the size of the network's input."""
WHOLE: dict[str, Call] = {
    "see.dream": dreamt,
    "see.iter_dream": iter_dreamt,
    "see.style_transfer": lambda n, x: painted(n, x, x),
    "see.StyleProblem": style_problem,
    "use.stylize": lambda n, x: stylized("stylebank", x, "wave"),
    "worlds.open_whole": lambda n, x: open_whole(x, n.input_spec).input,
    "worlds.open_mask": lambda n, x: open_mask(x),
}
"""Functions that keep a picture's own size."""
NO_INPUTS = {
    "record": "the layer below: tensors as a module takes them",
    "trace": "the layer below: tensors as a module takes them",
    "see.visualization.VisualizationRun": "what `iter_visualize` runs on the images that it has read",
    "see.units.overrepresented": "takes labels of images",
    "see.activation_sum": "takes feature maps",
    "see.picture_correlations": "takes feature maps, and the input that they were made of",
    "see.direction": "takes a vector over channels",
    "see.dot_cosine_match": "takes activations",
    "see.normalized_l2": "takes activations",
    "see.gram_loss": "takes Gram matrices",
    "see.filters": "takes no input",
    "see.iter_render_directions": "takes vectors over channels",
    "see.fft_image": "an image parameterization: `visualize(start=...)` reads images",
    "see.pixel_image": "an image parameterization",
    "see.maco_image": "an image parameterization",
    "see.style.luminance": "changes a tensor",
    "see.style.resized": "changes a tensor",
    "see.clipped_shares": "measures images that were made",
    "see.robust_scores": "scores images that were made",
    "see.visualization.clean_scores": "scores images that were made, in a loop",
    "worlds.augmented": "takes batches of a data set",
    "worlds.render": "the way back: draws a tensor",
    "worlds.scaled": "takes pixels of a data set",
    "worlds.ImageTensorDataset": "a data set: takes all its images as one tensor",
    "worlds.LabelledTensors": "a data set: takes all its inputs as one tensor",
    "worlds.text.TextDataset": "a data set: takes all its texts, and labels as a tensor",
    "worlds.JoinedSamples": "joins data sets",
    "worlds.ColumnDataset": "a data set: takes all its inputs as tensors",
    "worlds.Points": "a data set: takes all its places as one tensor",
    "worlds.Sample": "what was read",
    "worlds.images.flat": "draws arrays",
    "worlds.images.grayscale_alpha": "draws arrays",
    "worlds.images.numbers": "draws arrays",
    "worlds.images.rgb": "draws arrays",
    "worlds.images.to_pil": "the way back: draws a tensor",
    "worlds.images.to_spec": "takes pixels of a data set",
    "worlds.go.GoPositions": "a data set of recorded games",
    "worlds.go.encode": "takes a board",
    "worlds.go.draw_board": "the way back: draws stones",
    "use.go.Evaluation": "what was computed",
    "use.go.move_probabilities": "takes scores of moves",
    "show.grid": "lays out opened images",
    "nets.style.losses": "a module",
}
"""Public names whose parameters are tensors or images, but no inputs that a person brings; with the
reason.
"""


def taking_pictures() -> set[str]:
    """Public functions and classes with a parameter that is a picture or a tensor, results aside."""
    found = {}
    for package, names in surface().items():
        if package.startswith(("convscope.jobs", "convscope.cli", "convscope.learn", "convscope.nets")):
            continue
        for name in names:
            thing = getattr(importlib.import_module(package), name)
            if not callable(thing) or name.isupper() or issubclass(_type(thing), Exception):
                continue
            if isinstance(thing, type) and (hasattr(thing, "__dataclass_fields__") or name == "Step"):
                continue
            try:
                parameters = inspect.signature(thing).parameters.values()
            except (TypeError, ValueError):
                continue
            texts = [re.sub(r"Callable\[.*", "", str(one.annotation)) for one in parameters]
            if re.search(r"Image\.Image|\bTensor\b|ndarray|ArrayLike|InputLike", " ".join(texts)):
                known = found.get(id(thing), "")
                short = f"{package}.{name}".removeprefix("convscope.")
                found[id(thing)] = min(filter(None, (known, short)), key=len)
    return set(found.values())


def _type(thing: object) -> type:
    return thing if isinstance(thing, type) else type(thing)


def test_every_public_function_that_takes_an_input_is_covered() -> None:
    found = taking_pictures()
    assert len(found) > 25
    assert found - FITTED.keys() - WHOLE.keys() - NO_INPUTS.keys() == set()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(photograph()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def forms(file: Path, read: Tensor) -> dict[str, Any]:
    """Every form of one picture: as a file, as bytes, and as what is read of it, in floating point."""
    pixels = photograph()
    tensor = torch.from_numpy(pixels)
    values = read.permute(1, 2, 0).numpy()
    return {
        "Path": file,
        "bytes of the file": file.read_bytes(),
        "PIL": Image.open(file),
        "PIL RGBA": Image.open(file).convert("RGBA"),
        "uint8 h w c": pixels,
        "uint8 c h w": pixels.transpose(2, 0, 1),
        "uint8 b h w c": pixels[None],
        "uint8 tensor": tensor.permute(2, 0, 1),
        "uint8 tensor with batch axis": tensor.permute(2, 0, 1)[None],
        "uint8 tensor h w c": tensor,
        "float tensor": read,
        "float tensor with batch axis": read[None],
        "float h w c": values,
        "float64 c h w": values.transpose(2, 0, 1).astype(np.float64),
        "sample": Sample(read, None),
    }


@pytest.mark.parametrize("name", [*FITTED, *WHOLE])
def test_all_forms_of_a_picture_give_the_same_numbers(name: str, file: Path) -> None:
    call, model = FITTED.get(name) or WHOLE[name], net()
    read = (open_sample if name in FITTED else open_whole)(file, SPEC).input
    wanted = call(model, str(file))
    assert wanted.numel() and bool(wanted.isfinite().all())
    for form, given in forms(file, read).items():
        if name == "worlds.open_mask" and ("float" in form or form == "sample"):
            continue  # in floating point a mask has one channel
        assert torch.equal(call(model, given).float(), wanted.float()), form


def test_guide_mask_and_painting_take_every_form_too(file: Path, tmp_path: Path) -> None:
    model, grey = net(), photograph()[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "mask.png")
    whole = open_whole(file, SPEC).input
    for masks in (
        tmp_path / "mask.png",
        grey,
        Image.fromarray(grey),
        torch.from_numpy(grey / np.float32(255)),
    ):
        made = dreamt(model, file, mask=masks), painted(model, file, file, mask=masks)
        first = dreamt(model, whole, mask=open_mask(grey)), painted(model, whole, whole, mask=open_mask(grey))
        assert all(map(torch.equal, made, first))
    half = np.zeros((44, 52), bool)
    half[:, :26] = True
    changed = dreamt(model, whole, mask=half) != whole
    assert bool(changed[:, :, :26].any()) and not bool(changed[:, :, 26:].any())
    guided = [dreamt(model, file, guide=guide) for guide in (file, photograph(), Image.open(file))]
    assert torch.equal(guided[0], guided[1]) and torch.equal(guided[0], guided[2])
    big = photograph(80, 96)
    Image.fromarray(big).save(tmp_path / "painting.png")
    one, other = (
        stylized("adain", file, tmp_path / "painting.png"),
        stylized("adain", file, Image.fromarray(big)),
    )
    assert torch.equal(one, other)
    assert torch.equal(one, stylized("adain", file, {str(tmp_path / "painting.png"): 1.0}))


REFUSED: dict[str, tuple[Any, str]] = {
    "0 to 255 in floating point": (photograph(20, 24).transpose(2, 0, 1).astype(np.float32), "Divide by 255"),
    "0 to 255 in a tensor": (255 * torch.rand(3, 20, 24), "Divide by 255"),
    "normalised before": (torch.rand(3, 20, 24) * 4 - 2, "normalises its input itself"),
    "NaN": (torch.full((3, 20, 24), torch.nan), "NaN"),
    "infinite": (np.full((3, 20, 24), np.inf), "infinity"),
    "bool": (np.ones((3, 20, 24), bool), "bool"),
    "int64": (photograph(20, 24).astype(np.int64), "bytes"),
    "uint16": (photograph(20, 24).astype(np.uint16) * 257, "257"),
    "complex": (np.ones((3, 20, 24), complex), "complex"),
    "five channels": (np.zeros((20, 24, 5), np.uint8)[None], "channels"),
    "four channels in floating point": (torch.rand(4, 20, 24), "channel"),
    "grey in floating point": (torch.rand(20, 24), "Give bytes"),
    "channels first or last": (np.zeros((3, 20, 3), np.uint8), "channels first, or channels last"),
    "first or last in floating point": (np.zeros((3, 20, 3), np.float32), "channels first, or channels last"),
    "several": (torch.rand(2, 3, 20, 24), "2 of them"),
    "several of bytes": (np.zeros((2, 20, 24, 3), np.uint8), "2 of them"),
    "none": (torch.rand(0, 3, 20, 24), "none"),
    "no pixels": (np.zeros((0, 24, 3), np.uint8), "shape"),
    "one axis": (np.zeros(20, np.uint8), "shape"),
    "five axes": (torch.rand(1, 1, 3, 20, 24), "shape"),
    "nothing": (None, "NoneType"),
    "a number": (3, "int"),
    "words": (np.array(["a"]), "bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_unclear_is_refused_with_what_was_received(case: str) -> None:
    given, said = REFUSED[case]
    with pytest.raises(DataError, match=said):
        open_sample(given, SPEC)
    with pytest.raises(ConvscopeError, match=said):
        cs.use.classify(net(), given)


def test_a_grey_network_tells_colour_from_several_grey_pictures() -> None:
    spec = TensorSpec((1, 20, 24))
    for given in (np.zeros((3, 20, 24), np.uint8), torch.zeros(3, 20, 24), np.zeros((20, 24, 3), np.float32)):
        with pytest.raises(DataError, match="one picture in colour, or"):
            open_inputs(given, [spec])
    assert open_inputs(np.zeros((5, 20, 24), np.uint8), [spec])[0].shape == (5, 1, 20, 24)
    assert open_inputs(torch.zeros(5, 20, 24), [spec])[0].shape == (5, 1, 20, 24)
    assert open_sample(np.zeros((20, 24), np.float32), spec).input.shape == (1, 20, 24)
    light = photograph(20, 24)
    grey = torch.from_numpy(np.asarray(Image.fromarray(light).convert("L")).copy()) / 255
    assert torch.equal(open_sample(light, spec).input[0], grey)


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, shape=(1, 20, 24))])
def test_a_photograph_divided_by_255_is_not_shown_at_a_size_the_network_was_not_made_for(spec: Any) -> None:
    values = photograph().astype(np.float32) / 255
    given = values if spec.channels == 3 else values[..., 0]
    for one in (given, np.asarray(given, np.float64), given[None] if spec.channels == 1 else given):
        for reads in (open_sample, lambda x, s: open_inputs(x, [s]), lambda x, s: open_inputs([x], [s])):
            with pytest.raises(DataError, match=r"20 x 24.*44 x 52.*PIL") as refused:
                reads(one, spec)
            assert "astype('uint8')" in refused.value.hint
    assert open_whole(given, spec).input.shape == (spec.channels, 44, 52)  # which has any size
    assert open_sample(given[:20, :24], spec).input.shape == spec.shape


@pytest.mark.parametrize("form", ["tensor", "batch", "array with a batch axis"])
def test_an_input_of_another_size_is_shown_with_a_warning(form: str) -> None:
    values = torch.rand(3, 44, 52)
    given: Any = {"tensor": values, "batch": values[None], "array with a batch axis": values[None].numpy()}[
        form
    ]
    expected = net().module((values[None] - 0.4) / 0.3).softmax(1).max().item()
    with pytest.warns(UserWarning, match=r"made for 20 x 24.*44 x 52.*are resized"):
        assert cs.use.classify(net(), given).probabilities[0] == pytest.approx(expected, rel=1e-5)
    with pytest.warns(UserWarning, match="made for 20 x 24"):
        cs.see.explain(net(), given, "saliency", checks=())


def test_an_opened_image_is_turned_upright_and_put_on_white_as_its_file_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.jpg"
    Image.fromarray(photograph()).save(turned, exif=exif)
    clear = Image.fromarray(np.dstack([photograph(), np.tile(np.arange(52, dtype=np.uint8), (44, 1))]))
    clear.save(tmp_path / "clear.png")
    for path in (turned, tmp_path / "clear.png"):
        assert torch.equal(open_sample(Image.open(path), SPEC).input, open_sample(path, SPEC).input)
    assert torch.equal(open_sample(np.asarray(clear), SPEC).input, open_sample(clear, SPEC).input)
    assert float(open_whole(np.asarray(clear), SPEC).input[:, :, 0].min()) > 0.99


def test_a_digit_is_centred_in_every_form_but_floating_point(tmp_path: Path) -> None:
    spec, pixels = TensorSpec((1, 28, 28), kind=DIGIT), np.full((60, 50), 250, np.uint8)
    pixels[5:40, 30:36] = 10
    Image.fromarray(pixels).save(tmp_path / "one.png")
    wanted = open_sample(tmp_path / "one.png", spec).input
    for given in (
        pixels,
        Image.fromarray(pixels),
        torch.from_numpy(pixels),
        pixels[None, :, :, None],
        wanted,
    ):
        assert torch.equal(open_sample(given, spec).input, wanted)
    several = open_inputs([tmp_path / "one.png", pixels, wanted], [spec])[0]
    assert several.shape == (3, 1, 28, 28) and torch.equal(several[2], wanted)


BLANK_FORMS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "path": lambda grey, file: (Image.fromarray(grey).save(file), file)[1],
    "PIL": lambda grey, file: Image.fromarray(grey),
    "bytes": lambda grey, file: grey,
    "bytes [1 h w]": lambda grey, file: grey[None],
    "bytes in colour": lambda grey, file: grey.repeat(3).reshape(*grey.shape, 3),
    "bytes in a tensor": lambda grey, file: torch.from_numpy(grey)[None],
    "bytes in a batch": lambda grey, file: torch.from_numpy(grey)[None, None],
    "floats": lambda grey, file: grey.astype(np.float32) / 255,
    "floats [h w 1]": lambda grey, file: grey[..., None].astype(np.float64) / 255,
    "floats [1 h w]": lambda grey, file: grey[None].astype(np.float32) / 255,
    "floats in a batch": lambda grey, file: grey[None, None].astype(np.float32) / 255,
    "a tensor [1 h w]": lambda grey, file: torch.from_numpy(grey)[None] / 255,
    "a tensor [1 1 h w]": lambda grey, file: torch.from_numpy(grey)[None, None] / 255,
    "halves": lambda grey, file: (torch.from_numpy(grey)[None, None] / 255).half(),
    "an array file": lambda grey, file: (
        np.save(file.with_suffix(".npy"), grey[None].astype(np.float32) / 255),
        file.with_suffix(".npy"),
    )[1],
}


@pytest.mark.parametrize("level", [0, 77, 128, 255])
@pytest.mark.parametrize("form", BLANK_FORMS)
def test_a_picture_of_one_value_is_no_digit_in_any_form(form: str, level: int, tmp_path: Path) -> None:
    """Nothing is drawn, so there is no answer; one other pixel is enough for one."""
    digits = cs.load("digits")
    grey = np.full((28, 28), level, np.uint8)
    blank = BLANK_FORMS[form](grey, tmp_path / "blank.png")
    for call in (cs.use.classify, lambda net, x: cs.see.explain(net, x, "saliency")):
        with pytest.raises(DataError, match=r"one digit, drawn in a colour.* at most 0 of 255"):
            call(digits, blank)
    drawn = np.zeros((28, 28), np.uint8)
    drawn[4:24, 12:16] = 255
    seven = BLANK_FORMS[form](drawn, tmp_path / "drawn.png")
    assert cs.use.classify(digits, seven).label == "1"


def test_one_blank_picture_of_several_is_refused_too() -> None:
    drawn = np.zeros((2, 1, 28, 28), np.float32)
    drawn[0, 0, 4:24, 12:16] = 1
    for values in (
        drawn,
        torch.from_numpy(drawn),
        (drawn * 255).astype(np.uint8),
        torch.from_numpy(drawn[1:]),
    ):
        with pytest.raises(DataError, match="one digit, drawn in a colour"):
            open_inputs(values, cs.load("digits").input_specs)
    assert open_inputs(drawn[:1], cs.load("digits").input_specs)[0].shape == (1, 1, 28, 28)


def test_a_network_is_taken_by_its_name_and_a_bare_module_is_told_how() -> None:
    digit = cs.worlds.digits.test().pixels([0])
    loaded, named = cs.use.classify(cs.load("digits"), digit), cs.use.classify("digits", digit)
    assert loaded.probabilities == named.probabilities
    for wrong, said in ((nn.Conv2d(1, 1, 1), "convscope.wrap"), ("digitz", "digits")):
        with pytest.raises(ConvscopeError, match=said):
            cs.use.classify(wrong, digit)


def test_sizes_are_a_number_or_a_pair() -> None:
    model = net()
    assert cs.see.visualize(model, "0:1", steps=0, size=16).images.shape[2:] == (16, 16)
    assert cs.see.visualize(model, "0:1", steps=0, size=(12, 16)).images.shape[2:] == (12, 16)
    assert dreamt(model, photograph(), size=26).shape[1:] == (22, 26)
    assert stylized("stylebank", photograph(), "wave").shape[:2] == (44, 52)
