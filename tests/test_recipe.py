"""Settings without an effect are refused by name, in every schema; every field is accounted for."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from convscope.errors import UsageError
from convscope.graph import TensorSpec
from convscope.jobs import JOBS
from convscope.jobs.registry import load
from convscope.nets import wrap
from convscope.recipe import GIVEN, AtLeast, OnlyWith, Recipe
from convscope.see.activation_atlas.recipe import (
    AtlasRecipe,
    CaricatureRecipe,
    EmbedRecipe,
    FactorsRecipe,
    InvertRecipe,
)
from convscope.see.attribution.recipe import ExplainRecipe
from convscope.see.deepdream.recipe import DreamRecipe
from convscope.see.style.recipe import StyleRecipe
from convscope.see.units.recipe import UnitRecipe, UnitsRecipe
from convscope.see.visualization.recipe import LookRecipe, VisualizeRecipe
from convscope.see.visualization.visualization import iter_visualize
from convscope.show.report.recipe import TourRecipe
from convscope.use.recipe import ClassifyRecipe, StylizeRecipe
from convscope.worlds.images.checking.recipe import DataCheckRecipe

LAYER = {"net": "n", "layer": "a", "data": "d"}
LEAST: dict[type[Recipe], dict[str, Any]] = {
    LookRecipe: {},
    VisualizeRecipe: {"net": "n", "places": ["a:1"]},
    AtlasRecipe: LAYER,
    EmbedRecipe: LAYER,
    CaricatureRecipe: {"image": "i"},
    InvertRecipe: {"image": "i"},
    FactorsRecipe: {"images": ["i"], "layer": "a"},
    UnitsRecipe: {"net": "n", "data": "d"},
    UnitRecipe: {"net": "n", "place": "a:1", "data": "d"},
    DreamRecipe: {"photo": "p"},
    StyleRecipe: {"content": "c", "style": ["s"]},
    ExplainRecipe: {"image": "i"},
    ClassifyRecipe: {"images": ["i"]},
    StylizeRecipe: {"photo": "p"},
    TourRecipe: {},
    DataCheckRecipe: {"folder": "f"},
}
"""Every schema of the verbs that see, use and show, with no more than it needs."""
STILL, MOVING = {"steps": 0}, {"steps": 3}
USELESS: list[tuple[type[Recipe], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (LookRecipe, {"split": "test"}, {}, {"data": "digits"}),
    (LookRecipe, {"root": "r"}, {}, {"data": "digits"}),
    (LookRecipe, {"images": 9}, {}, {"data": "digits"}),
    (TourRecipe, {"epochs": 2}, {"world": "sound"}, {"world": "image"}),
    (TourRecipe, {"steps": 3}, {"world": "text"}, {"world": "image"}),
    (TourRecipe, {"digit": 4}, {"world": "go"}, {"world": "image"}),
    (VisualizeRecipe, {"stops": 3}, {}, {"journey": True, "places": []}),
    (VisualizeRecipe, {"stops": 3}, {"journey": True}, {"journey": True, "places": []}),
    (VisualizeRecipe, {"units": 3}, {}, {"journey": True}),
    (VisualizeRecipe, {"spectrum": ["p"]}, {}, {"canvas": "maco"}),
    (VisualizeRecipe, {"decay": 2.0}, {"canvas": "pixels"}, {"canvas": "fourier"}),
    (VisualizeRecipe, {"start": "zeros"}, {"canvas": "cppn"}, {"canvas": "pixels"}),
    (VisualizeRecipe, {"start": "zeros"}, {"canvas": "maco"}, {"canvas": "fourier"}),
    (VisualizeRecipe, {"start": "zeros"}, {"variants": 2}, {"variants": 1}),
    (VisualizeRecipe, {"negative": True}, {"both": True}, {"both": False}),
    (VisualizeRecipe, {"diversity": 2.0}, {}, {"variants": 2}),
    (VisualizeRecipe, {"optimizer": "adam"}, STILL, MOVING),
    (VisualizeRecipe, {"lr": 0.2}, STILL, MOVING),
    (VisualizeRecipe, {"schedule": "cosine"}, STILL, MOVING),
    (VisualizeRecipe, {"animate": True}, STILL, MOVING),
    (VisualizeRecipe, {"save_steps": [0, 9]}, {"steps": 8}, {"steps": 9}),
    (AtlasRecipe, {"lr": 0.2}, STILL, MOVING),
    (AtlasRecipe, {"cosine_power": 1}, STILL, MOVING),
    (FactorsRecipe, {"lr": 0.2}, STILL, MOVING),
    (FactorsRecipe, {"cosine_power": 1}, STILL, MOVING),
    (CaricatureRecipe, {"lr": 0.2}, STILL, MOVING),
    (CaricatureRecipe, {"cosine_power": 3}, STILL, MOVING),
    (InvertRecipe, {"lr": 0.2}, STILL, MOVING),
    (InvertRecipe, {"total_variation": 0.2}, STILL, MOVING),
    (InvertRecipe, {"contrast": 0.1}, STILL, MOVING),
    (UnitRecipe, {"batch": 4}, {"index": "i"}, {}),
    (DreamRecipe, {"octave_scale": 1.2}, {"octaves": 1}, {"octaves": 2}),
    (DreamRecipe, {"lr": 2.0}, STILL, {"steps": 0, "zoom": 3}),
    (DreamRecipe, {"jitter": 3}, {"seamless": True}, {}),
    (DreamRecipe, {"zoom_by": 1.1}, {}, {"zoom": 3}),
    (DreamRecipe, {"zoom_steps": 1}, {}, {"zoom": 3}),
    (DreamRecipe, {"mask": "m"}, {"zoom": 3}, {}),
    (DreamRecipe, {"seamless": True}, {"zoom": 3}, {}),
    (StyleRecipe, {"style_weight": [3.0]}, {}, {"style": ["s", "t"], "style_weight": [1.0, 3.0]}),
    (StyleRecipe, {"content_layer": ["a"]}, {"content_weight": 0}, {"content_weight": 1}),
    (StyleRecipe, {"optimizer": "adam"}, {"steps": [0]}, {"steps": [0, 4]}),
    (StyleRecipe, {"lr": 0.1}, {"steps": [0, 0]}, {"steps": [4]}),
    (StyleRecipe, {"steps": [4, 3]}, {"scales": 1}, {"scales": 2}),
    (StyleRecipe, {"guide": "g"}, {}, {"style_guide": ["h"]}),
    (StyleRecipe, {"style_guide": ["h"]}, {}, {"guide": "g"}),
    (ExplainRecipe, {"box": ["1,2,3,4"]}, {"checks": False}, {}),
]
"""Schema, a setting, what takes its effect away, and what gives it one."""
ALWAYS: dict[type[Recipe], set[str]] = {
    Recipe: {"device", "seed", "weights"},
    LookRecipe: {"net", "image", "places", "top_channels", "filters", "data"},
    VisualizeRecipe: {
        "net",
        "places",
        "journey",
        "steps",
        "size",
        "canvas",
        "transforms",
        "reduce",
        "both",
        "variants",
        "l1",
        "l2",
        "total_variation",
        "blur",
        "batch",
        "memory",
        "precision",
        "memory_format",
    },
    EmbedRecipe: {"net", "layer", "data", "split", "root", "images", "layout"},
    AtlasRecipe: {
        "net",
        "layer",
        "data",
        "split",
        "root",
        "images",
        "per_image",
        "layout",
        "grid",
        "min_count",
        "whiten",
        "examples",
        "steps",
        "size",
        "batch",
    },
    CaricatureRecipe: {"net", "image", "layer", "steps"},
    InvertRecipe: {"net", "image", "layer", "steps"},
    FactorsRecipe: {"net", "images", "layer", "count", "steps", "size", "batch"},
    UnitsRecipe: {"net", "data", "split", "root", "places", "top_k", "batch", "index"},
    UnitRecipe: {"net", "place", "data", "split", "root", "index", "top_k", "steps"},
    DreamRecipe: {
        "photo",
        "net",
        "layer",
        "guide",
        "octaves",
        "steps",
        "size",
        "zoom",
        "untrained",
        "memory",
        "precision",
        "memory_format",
    },
    StyleRecipe: {
        "content",
        "style",
        "content_weight",
        "smooth",
        "size",
        "style_scale",
        "color",
        "mask",
        "net",
        "style_layer",
        "pool",
        "scaling",
        "start",
        "scales",
        "untrained",
        "preview",
        "memory",
        "precision",
    },
    ExplainRecipe: {"image", "net", "method", "target", "wrt", "compare", "set", "checks"},
    ClassifyRecipe: {"net", "images", "top", "batch"},
    StylizeRecipe: {"photo", "model", "style", "mask", "size", "memory", "precision"},
    TourRecipe: {"world"},
    DataCheckRecipe: {"folder", "kind", "duplicates", "most_pixels"},
}
"""Fields that have an effect, or are refused by the verb itself, whatever the others are (transforms, decay,
size and reduce depend on the network: see test_settings_without_effect_on_this_network)."""


@pytest.mark.parametrize(("schema", "setting", "without", "needed"), USELESS)
def test_a_setting_without_effect_is_refused_by_its_name(schema, setting, without, needed) -> None:
    (name,) = setting
    with pytest.raises(UsageError, match=rf"{name}|{name.replace('_', ' ')}") as caught:
        schema.parse({**LEAST[schema], **without, **setting})
    assert caught.value.exit_code == 2
    schema.parse({**LEAST[schema], **setting, **needed})
    schema.parse({**LEAST[schema], **without})
    default = schema.model_fields[name].get_default(call_default_factory=True)
    if name not in ("steps", "style_guide", "guide"):
        schema.parse({**LEAST[schema], **without, name: default})  # as recipes inside results name all fields


def test_every_field_is_accounted_for() -> None:
    for schema in LEAST:
        told = {name for one, setting, _, _ in USELESS for name in setting if one is schema}
        assert told | ALWAYS[schema] | ALWAYS[Recipe] >= set(schema.model_fields), schema
        assert not told & (ALWAYS[schema] - {"steps", "seamless"} if schema is not StyleRecipe else set()), (
            schema
        )


def test_every_rule_is_tried() -> None:
    tried = {(schema, name) for schema, setting, _, _ in USELESS for name in setting}
    rules = {(schema, rule.field) for schema in LEAST for rule in schema.rules()}
    assert rules <= tried and len(rules) >= 30
    for schema in LEAST:
        for rule in schema.rules():
            assert {rule.field, *(name for name, _ in rule.others)} <= set(schema.model_fields)


def test_every_schema_of_these_rooms_is_here() -> None:
    modules = [
        "see.visualization.recipe",
        "see.activation_atlas.recipe",
        "see.units.recipe",
        "see.deepdream.recipe",
        "see.style.recipe",
        "see.attribution.recipe",
        "use.recipe",
        "show.report.recipe",
        "worlds.images.checking.recipe",
    ]
    found = {
        schema
        for name in modules
        for schema in vars(importlib.import_module(f"convscope.{name}")).values()
        if isinstance(schema, type) and issubclass(schema, Recipe) and schema.verb
    }
    assert found == set(LEAST)


def schemas(base: type[Recipe]) -> Iterator[type[Recipe]]:
    """Yield the package's schemas that derive from one, itself among them."""
    if base.__module__.startswith("convscope."):
        yield base
    for derived in base.__subclasses__():
        yield from schemas(derived)


def test_every_recipe_refuses_a_setting_as_parse_does() -> None:
    for verb in JOBS:
        load(verb)
    found = {schema for schema in schemas(Recipe) if schema.model_fields}
    assert {load(verb).schema for verb in JOBS if load(verb).schema.model_fields} <= found
    for schema in found:
        first = next(iter(schema.model_fields))
        for wrong in ({f"{first}x": 1}, {first: object()}):
            with pytest.raises(UsageError, match=r"expected .*; received ") as parsed:
                schema.parse(wrong)
            with pytest.raises(UsageError) as built:
                schema(**wrong)
            assert str(built.value) == str(parsed.value)
            with pytest.raises(ValidationError):  # inside other models pydantic collects the errors of all
                schema.model_validate(wrong)
        with pytest.raises(UsageError, match=f"Did you mean {first.rstrip('_')}"):
            schema(**{f"{first}x": 1})


def test_a_rule_names_both_settings_their_values_and_the_next_step() -> None:
    class Some(Recipe):
        verb = "some"
        only_with = (
            OnlyWith("a", b=GIVEN, hint="Try c."),
            OnlyWith("c", values=(3,), d=AtLeast(2), b=("x", "y")),
        )
        a: int = 1
        b: str = ""
        c: int = 0
        d: list[int] = []  # noqa: RUF012

    with pytest.raises(UsageError) as caught:
        Some.parse({"a": 2, "c": 3})
    assert (
        "a (2), which has an effect only with --b given, and --b is left out. Try c." in caught.value.received
    )
    assert (
        "c (3), which has an effect only with --d of 2 or more or --b x or y, and --d is left out"
        in caught.value.received
    )
    for good in ({"a": 2, "b": "z"}, {"c": 2}, {"c": 3, "d": [1, 2]}, {"c": 3, "b": "y"}, {"a": 1, "c": 0}):
        Some.parse(good)


def _images(recipe: VisualizeRecipe) -> torch.Tensor:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3)).eval()
    *_, last = iter_visualize(wrap(module, TensorSpec((3, 16, 18)), name="n"), recipe)
    return last.result().images


def _refused() -> Iterator[Any]:
    for schema, setting, without, needed in USELESS:
        if schema is VisualizeRecipe and not set(setting) & {
            "stops",
            "units",
            "spectrum",
            "animate",
            "save_steps",
        }:
            yield setting, without, needed


@pytest.mark.parametrize(("setting", "without", "needed"), list(_refused()))
def test_what_is_refused_would_have_had_no_effect_and_what_is_accepted_has_one(
    setting, without, needed
) -> None:
    """Past the rules, by `model_copy`: the same pictures, bit for bit; with what is needed, others."""
    if without == {"variants": 2}:
        both = _images(
            VisualizeRecipe(net="n", places=["2:1"], steps=3).model_copy(update={**setting, **without})
        )
        assert torch.equal(both[0], both[1])  # the second variant is what has no effect
        return
    places = {"net": "n", "places": ["2:1"]}
    useless, useful = (VisualizeRecipe.parse({**places, "steps": 3, **w}) for w in (without, needed))
    assert torch.equal(_images(useless), _images(useless.model_copy(update=setting)))
    assert not torch.equal(_images(useful), _images(useful.model_copy(update=setting)))


@pytest.mark.parametrize(
    ("module", "spec", "place", "setting"),
    [
        (nn.Linear(5, 4), TensorSpec((5,)), "output:1", {"decay": 2.0}),
        (nn.Linear(5, 4), TensorSpec((5,)), "output:1", {"transforms": "standard"}),
        (nn.Linear(5, 4), TensorSpec((5,)), "output:1", {"size": [7]}),
        (nn.Conv1d(2, 4, 3), TensorSpec((2, 12)), "output:1", {"transforms": "shifts"}),
        (nn.Conv2d(3, 4, 3), TensorSpec((3, 8, 8)), "output", {"reduce": "max"}),
        (nn.Conv2d(3, 4, 3), TensorSpec((3, 8, 8)), "output:1@2,2", {"reduce": "sum"}),
    ],
)
def test_settings_without_effect_on_this_network(module, spec, place, setting) -> None:
    from convscope.see import visualize

    net = wrap(nn.Sequential(module).eval(), spec, name="n")
    with pytest.raises(UsageError, match=next(iter(setting))):
        visualize(net, place, steps=1, **setting)
    assert visualize(net, place, steps=1).steps == 1
