"""The main verbs of see, each as a function of a network and its last layer that can be seen."""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import prod

import torch

from convscope import see
from convscope.errors import ConvscopeError
from convscope.nets import Net, layer_shapes, record
from convscope.see.activation_atlas.build import iter_atlas
from convscope.see.activation_atlas.class_attribution import vectors_to_logits
from convscope.see.activation_atlas.recipe import AtlasRecipe
from convscope.see.attribution.registry import METHODS, method_class
from convscope.see.features.maps import layers_with_units
from convscope.see.features.recording import HALVES
from convscope.worlds import ImageTensorDataset
from convscope.worlds.images.adapt import scaled


def target(net: Net) -> str:
    """The last layer with maps, or the last with units."""
    shapes, names = layer_shapes(net), layers_with_units(net)
    inner = [name for name in names if name != "output"] or names
    spatial = [n for n in inner if len(next(iter(shapes[n][-1].values()))) > 1 and prod(_size(net, n)) > 1]
    return (spatial or inner)[-1]


def _size(net: Net, name: str) -> tuple[int, ...]:
    return next(iter(layer_shapes(net)[name][-1].values()))[1:]


def picture(net: Net, count: int = 1) -> tuple[torch.Tensor, ...]:
    """Noise within each spec's range."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for spec in net.input_specs:
        low, high = spec.value_range
        made.append(low + (high - low) * torch.rand(count, *spec.shape, generator=generator))
    return tuple(made)


def does_record(net: Net) -> None:
    """Every layer, twice: finite, and the same."""
    names = layers_with_units(net)
    with torch.no_grad():
        first, second = (record(net, picture(net), names) for _ in range(2))
    assert len(first) == len(names) >= 1
    for place, value in first.items():
        assert len(value) >= 1  # MobileViT folds patches into the batch axis
        assert torch.isfinite(value.float()).all(), str(place)
        assert torch.equal(value, second[place]), str(place)


def does_activations(net: Net) -> None:
    inputs = picture(net)
    found = see.activations(net, inputs if len(inputs) > 1 else inputs[0], [target(net)])
    assert all(value.dim() >= 2 for value in found.values())


def does_feature_maps(net: Net) -> None:
    inputs = picture(net)
    maps = list(see.feature_maps(net, inputs if len(inputs) > 1 else inputs[0]))
    assert [m.place for m in maps] == layers_with_units(net)
    assert all(len(m.strongest(3)) >= 1 for m in maps)


def does_visualize(net: Net) -> None:
    place = target(net)
    made = see.visualize(net, f"{place}:0", place, steps=2, transforms="none")
    assert made.images.shape == (2, *net.input_spec.shape)
    low, high = net.input_spec.value_range
    assert torch.isfinite(made.images).all()
    assert low <= float(made.images.min()) <= float(made.images.max()) <= high


def does_effective_field(net: Net) -> None:
    if len(net.input_specs) == 1:
        found = see.effective_receptive_field(net, target(net), picture(net, 2)[0])
        total = float(found.influence.sum())
        assert total == 0 or abs(total - 1) < 1e-6


FEW = {"samples": 4, "steps": 2, "channels": 4, "window": 8, "stride": 8}
"""As little of each method as there can be."""


def does_explain(net: Net, names: Iterable[str] = METHODS) -> None:
    """Saliency works on everything; its check and the other methods work, or say what they cannot."""
    inputs = picture(net)
    place, image = f"{target(net)}:0", inputs if len(inputs) > 1 else inputs[0]
    found = see.explain(net, image, "saliency", place, checks=())
    if found.task.wrt is None:  # else they have the shape of a spectrogram
        assert [a.shape for a in found.attributions] == [x.shape for x in inputs]
    assert all(torch.isfinite(a).all() for a in found.attributions)
    for name in names:
        few = {key: value for key, value in FEW.items() if key in method_class(name).model_fields}
        checks = ("randomisation",) if name == "saliency" else ()
        with suppress(ConvscopeError):
            see.explain(net, image, name, place, checks=checks, **few)


def does_retell(net: Net) -> None:
    if len(net.input_specs) == 1:
        made = see.invert(net, picture(net)[0], target(net), steps=2)
        assert made.images.shape == (1, *net.input_spec.shape)
        assert torch.isfinite(made.images).all()
        assert torch.isfinite(see.caricature(net, picture(net)[0], target(net), steps=1).images).all()


def does_factors(net: Net) -> None:
    if len(net.input_specs) == 1:
        with torch.no_grad():
            act = record(net, picture(net, 2)[0], [target(net)])
        (act,) = act.values()
        if act.shape[1] < 2 or not bool((act > 0).any()):
            return
        made = see.factors(net, picture(net, 2)[0], target(net), count=2, steps=1)
        assert (made.maps >= 0).all()
        assert 0 <= made.explained <= 1 + 1e-6


def does_attribute(net: Net) -> None:
    """The whole way to the answer: forward derivatives, or an honest None."""
    if len(net.input_specs) == 1:
        place = next(iter(record(net, picture(net), [target(net)])))
        axes = len(_size(net, place.layer))
        found = vectors_to_logits(net, place, picture(net)[0], torch.zeros(1, axes, dtype=torch.int64))
        if found is not None:
            assert torch.isfinite(found.contributions).all() and torch.isfinite(found.logits).all()


def does_units(net: Net) -> None:
    """All layers in one pass: the best of a few pictures are those that `record` finds for each unit."""
    if len(net.input_specs) > 1 or len(net.input_spec.shape) != 3:  # samples are pictures
        return
    chance = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (4, *net.input_spec.shape), dtype=torch.uint8, generator=chance)
    data = ImageTensorDataset(images, torch.zeros(4, dtype=torch.int64), ("noise",), net.input_spec)
    index = see.index_units(net, data, k=2, batch=3)
    places = [layer.place for layer in index.layers]
    assert len(index) == sum(layer.units for layer in index.layers) >= 1
    with torch.no_grad():
        parts = [record(net, scaled(part, net.input_spec), places) for part in images.split(3)]
    for place in parts[0]:  # in the same batches: statistics of the batch let rows influence each other
        act = torch.cat([part[place] for part in parts])
        peaks = act.float().reshape(*act.shape[:2], -1).amax(2)
        wanted = peaks.amax(0)
        found = torch.tensor([index.entry(f"{place}:{u}").top[0].value for u in range(len(wanted))])
        slack = 0.02 if act.dtype in HALVES else 1e-3  # of the layer: sums of large terms round by these
        assert float((found - wanted).abs().max()) <= slack * max(1.0, float(act.float().abs().max())), str(
            place
        )


def does_atlas(net: Net) -> None:
    if len(net.input_specs) == 1 and len(net.input_spec.shape) == 3:
        chance = torch.Generator().manual_seed(2)
        images = torch.randint(0, 256, (16, *net.input_spec.shape), dtype=torch.uint8, generator=chance)
        data = ImageTensorDataset(images, torch.zeros(16, dtype=torch.int64), ("noise",), net.input_spec)
        recipe = AtlasRecipe(
            net="", layer=target(net), data="", layout="pca", grid=2, min_count=1, steps=0, batch=2
        )
        last = deque(iter_atlas(net, data, recipe), maxlen=1).pop()
        made = last.result()
        assert made is not None and made.placed == 16


VERBS: dict[str, Callable[..., None]] = {
    name.removeprefix("does_"): verb for name, verb in globals().items() if name.startswith("does_")
}
