"""What is attributed: the network, its inputs, and for each row of them the target."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from convscope.errors import GraphError, PlaceError, UsageError
from convscope.graph.spec import SOUND
from convscope.nets import (
    GraphModule,
    LayerAddress,
    Net,
    after_layer,
    from_vectors,
    front_end,
    frozen,
    layer_shapes,
    record,
    resolve,
    takes_network,
)
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.classifier_output import read_output, select_output
from convscope.recipe import whole_number
from convscope.see.attribution.gradients.passes import check_differentiable, influenced, ordinary, stored
from convscope.see.attribution.heatmaps import blurred
from convscope.see.features.recording import HALVES, check_rows
from convscope.see.optimize.objectives.activations import ChannelActivation, default_objective
from convscope.see.optimize.objectives.objective import Objective, ObjectiveTerm, per_image
from convscope.system.counting import counted
from convscope.worlds import InputLike, open_inputs

Target = int | str | LayerAddress | Objective
"""A class by number or label, an address (`conv2:17`, `output:tench`), or an objective."""

INPUT = "input"
"""The name that stands for the network's input, as `RESULT` does for its output."""
VALUES_AT_ONCE = 2_400_000
"""Input values in one batch on a CPU: 16 images of 3 x 224 x 224.

Larger batches are no faster; other devices take eight times as many.
"""


@dataclass(frozen=True, eq=False)
class AttributionTask:
    """A network, inputs and targets: one row for each pair of an input and a target.

    `inputs` has one tensor `[b ...]` for each input of the network, in its spec's range and on the
    network's device; `objectives` has the score of each row that is attributed.
    """

    net: Net
    inputs: tuple[Tensor, ...]
    objectives: tuple[Objective, ...]
    target_names: tuple[str, ...]
    """Each row's target as text: the label where there is one, else the address."""
    classes: tuple[int | None, ...]
    """The class number of each row's target, if it is a class of the network's output; else None."""
    whole: "AttributionTask | None" = None
    """The task of the whole network, where `net` is what comes after one of its layers (`wrt`)."""
    wrt: LayerAddress | None = None
    """The layer of the whole network whose output `inputs` is; None where they are the network's inputs."""
    absence: tuple[Tensor, ...] = ()
    """With `wrt`, the layer's output `[1 ...]` for the mean input, silence of a sound."""

    def __len__(self) -> int:
        return len(self.objectives)

    @property
    def batch(self) -> int:
        """How many rows of this input size are computed in one batch, 1 to 256."""
        if self.alone:
            return 1
        values = sum(prod(x.shape[1:]) for x in self.inputs)
        room = VALUES_AT_ONCE if self.net.device.type == "cpu" else 8 * VALUES_AT_ONCE
        return max(1, min(256, room // max(values, 1)))

    @cached_property
    def alone(self) -> bool:
        """Whether each row has to be computed by itself, because rows of one batch influence each other.

        True for normalisation by the statistics of the batch, and for networks that take only one row. Found
        by a pass with a row of noise beside the first row, once for each network and input shape.
        """
        key = ("alone", self.objectives[0].places, tuple(tuple(x.shape[1:]) for x in self.inputs))

        def found() -> bool:
            with frozen(self.net.module), ordinary(), torch.no_grad():
                return influenced(lambda x: self.scores(x, [0] * len(x[0])), self._beside())

        return self.net.cache(key, found)

    def _beside(self) -> tuple[Tensor, ...]:
        """Return the first row, and a second one of noise.

        The noise exceeds the spec's range, so that statistics over the batch differ.
        """
        generator = torch.Generator().manual_seed(0)
        made = []
        for x, spec in zip((x[:1] for x in self.inputs), self.net.input_specs, strict=True):
            low, high = spec.value_range
            draw = torch.rand(x.shape, generator=generator, dtype=torch.float64)
            noise = low + (high - low) * (7 * draw - 3)
            made.append(torch.cat([x, noise.to(x) if x.is_floating_point() else x.flip(-1)]))
        return tuple(made)

    @property
    def differentiable_inputs(self) -> tuple[int, ...]:
        """Indices of the inputs that have floating point values, and so can be attributed."""
        return tuple(i for i, x in enumerate(self.inputs) if x.is_floating_point())

    @property
    def places(self) -> tuple[LayerAddress, ...]:
        """The layers that have to be recorded to compute the scores."""
        return tuple(dict.fromkeys(place for goal in self.objectives for place in goal.places))

    def row(self, number: int) -> "AttributionTask":
        """Return the task for one row alone.

        Args:
            number: the row's index.

        Returns:
            A task with one row.
        """
        one = slice(number, number + 1)
        return replace(
            self,
            inputs=tuple(x[one] for x in self.inputs),
            objectives=self.objectives[one],
            target_names=self.target_names[one],
            classes=self.classes[one],
            whole=None if self.whole is None else self.whole.row(number),
        )

    def repeated(self, rows: Sequence[int]) -> tuple[Tensor, ...]:
        """Return the inputs of some rows, which may repeat.

        Args:
            rows: row indices.

        Returns:
            One tensor `[n ...]` for each input of the network.
        """
        if list(rows) == list(range(len(self))):
            return self.inputs
        return tuple(x[torch.tensor(rows, dtype=torch.int64, device=x.device)] for x in self.inputs)

    def goal(self, rows: Sequence[int]) -> Objective:
        """Return one objective for a batch whose image `i` has the target of row `rows[i]`.

        Args:
            rows: row indices, one for each image of the batch.

        Returns:
            The rows' common objective, or one that scores each image by its own.
        """
        goals = [self.objectives[row] for row in rows]
        return goals[0] if all(goal == goals[0] for goal in goals) else per_image(goals)

    def scores(self, inputs: Sequence[Tensor], rows: Sequence[int]) -> Float[Tensor, " b"]:
        """Compute the targets' values for any inputs; with a graph where gradients are enabled.

        Args:
            inputs: one tensor `[n ...]` for each input of the network.
            rows: for each of the n, the row whose target is scored.

        Returns:
            Float scores `[n]`, in float32 or better.

        Raises:
            PlaceError: a target's layer does not have one activation for each row.
        """
        goal = self.goal(rows)
        with stored():
            seen = record(self.net, tuple(x.clone() for x in inputs), goal.places)
        check_rows(self.net, inputs, seen)
        image = inputs[0] if inputs[0].is_floating_point() else inputs[0].float()
        return goal(_in_full(seen), image)

    def probabilities(self, inputs: Sequence[Tensor], rows: Sequence[int]) -> Float[Tensor, " b"]:
        """Compute probabilities where all targets are classes, else values; without gradients.

        Args:
            inputs: one tensor `[n ...]` for each input of the network.
            rows: for each of the n, the row whose target is scored.

        Returns:
            `[n]`.
        """
        return self.values(inputs, rows)[1]

    def values(
        self, inputs: Sequence[Tensor], rows: Sequence[int]
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Compute scores and probabilities without gradients; in one pass where all targets are classes.

        Args:
            inputs: one tensor `[n ...]` for each input of the network.
            rows: for each of the n, the row whose target is scored.

        Returns:
            Scores `[n]` (logits for classes), and probabilities `[n]`; the scores twice where targets are no
            classes.
        """
        with torch.no_grad():
            with stored():
                output = (
                    read_output(self.net, self.net(*(x.clone() for x in inputs)))
                    if self.are_classes
                    else None
                )
            if output is None:
                scores = self.scores(inputs, rows)
                return scores, scores
            answers = _in_float(output.values)
            chosen = torch.tensor([self.classes[row] for row in rows], device=answers.device)[:, None]
            return answers.gather(1, chosen)[:, 0], output.log_probabilities().gather(1, chosen)[:, 0].exp()

    @cached_property
    def input_scores(self) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Scores and probabilities of the task's own inputs, `[b]` each; computed at first access."""
        with frozen(self.net.module), ordinary():
            return self.batched(self.inputs)

    def batched(self, inputs: Sequence[Tensor]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Compute scores and probabilities of a modified copy of all inputs, in batches, without gradients.

        Args:
            inputs: one tensor `[b ...]` for each input of the network, with one entry for each row of the
                task.

        Returns:
            Scores `[b]` and probabilities `[b]`; the scores twice where targets are no classes.
        """
        found = []
        for first in range(0, len(self), self.batch):
            rows = list(range(first, min(first + self.batch, len(self))))
            found.append(self.values([x[first : first + len(rows)] for x in inputs], rows))
        scores, probabilities = (torch.cat(parts) for parts in zip(*found, strict=True))
        return scores, probabilities

    @property
    def are_classes(self) -> bool:
        """Whether every row's target is a class of the output, and so has a probability."""
        return None not in self.classes

    @property
    def baselines(self) -> tuple[str, str]:
        """What deleted positions show in metrics, the first of which gives the curves.

        Inputs are blurred, and a second time have the mean (`silence` of sounds, which is the same). Behind a
        layer the mean comes first: a blurred spectrogram still has its sounds.
        """
        first = self.net if self.whole is None else self.whole.net
        mean = "silence" if first.input_spec.kind == SOUND else "mean"
        return ("blur", mean) if self.whole is None else (mean, "blur")

    def baseline(self, kind: str) -> tuple[Tensor, ...]:
        """Return the reference input of every row, which stands for the absence of features.

        Args:
            kind: `mean`, `low` or `blur`; see `Baseline`. Vectors cannot be blurred and get the mean. That
                of sounds may be called `silence`.

        Returns:
            One tensor in the shape of each input; inputs that are indices stay as they are.
        """
        if kind in ("mean", "silence") and self.absence:
            pairs = zip(self.absence, self.inputs, strict=True)
            return tuple(o.expand_as(x).clone() for o, x in pairs)
        return tuple(
            _reference(x, i, self.net, kind) if i in self.differentiable_inputs else x
            for i, x in enumerate(self.inputs)
        )

    def origin(self) -> tuple[Tensor, ...]:
        """Return the input that the network's first layer sees as 0, from which relevance is counted.

        It is the mean that the network subtracts; where a batch normalisation comes first, what that maps
        to 0.

        Returns:
            One tensor in the shape of each input; inputs that are indices stay as they are.
        """
        plain = tuple(
            _reference(x, i, self.net, "mean") if i in self.differentiable_inputs else x
            for i, x in enumerate(self.inputs)
        )
        zero = _zero_of_first_norm(self.net)
        if zero is None:
            return plain
        (found,) = plain  # in the range of the spec, in which one unit behind the normalisation is its std
        shape = (-1, *[1] * (found.dim() - 2))
        std = found.new_tensor(self.net.input_spec.std).view(shape)
        return (found + std * zero.to(found).view(shape),)


@takes_network
def make_task(
    net: Net,
    image: InputLike | Sequence[InputLike],
    target: "Target | Sequence[Target] | None" = None,
    *,
    wrt: str | LayerAddress | None = None,
) -> AttributionTask:
    """Prepare a network, inputs and targets for attribution methods.

    Args:
        net: any network, or its name.
        image: one or more inputs, as `worlds.open_inputs` takes them; for a network with several inputs a
            list with one of these for each (those left out are held at the middle of their range).
        target: one for all images, one for each image, or several of one image; without it each image's
            likeliest class.
        wrt: the layer whose output is attributed in place of the input (layer attribution); `input` for the
            input itself. Without it the end of the fixed front end of a network of sounds, so that its
            attributions have time and frequency, and the input of others.

    Returns:
        The task, with one row for each pair of an image and a target.

    Raises:
        PlaceError: a target is not in this network, or behind no such layer.
        UsageError: numbers of images and targets do not fit, a target has to be named, or not everything
            passes through the layer.
        DataError: an input cannot be read or does not fit the network.
    """
    check_differentiable(net)
    with ordinary(), stored(), _watchable(net):
        inputs = _inputs(net, image)
        if len(inputs) == 1 and not inputs[0].is_floating_point():
            net, *inputs = from_vectors(net, inputs[0])
            inputs = tuple(inputs)
        wanted = _likeliest(net, inputs) if target is None else _listed(target)
        count = max(len(inputs[0]), len(wanted))
        if not wanted or {len(inputs[0]), len(wanted)} - {1, count}:
            raise UsageError(
                "one target, one for each image, or several of one image",
                received=f"{counted(len(inputs[0]), 'image')} and {counted(len(wanted), 'target')}",
                hint="Explain the images one by one, or give as many targets as images.",
            )
        inputs = tuple(x.expand(count, *x.shape[1:]) if len(x) == 1 else x for x in inputs)
        wanted = wanted * (count // len(wanted))
        goals, names, classes = zip(*(_resolved(net, one, inputs) for one in wanted), strict=True)
        return _with_respect_to(AttributionTask(net, inputs, goals, names, classes), wrt)


def _with_respect_to(task: AttributionTask, wrt: str | LayerAddress | None) -> AttributionTask:
    """Return the task with respect to a layer's output; the input where it is named, or no layer will do."""
    layer = _layer_named(task.net, wrt)
    if layer is None:
        return task
    try:
        return _behind(task, layer)
    except (UsageError, GraphError):
        if wrt or task.net.graph is not None:
            raise
        warnings.warn(
            f"{layer} makes a spectrogram, but what comes after it cannot be run by itself: "
            "the waveform is explained. --wrt names another layer.",
            stacklevel=6,  # whoever calls `explain`, which takes a network and calls `make_task`, which does
        )
        return task


def _layer_named(net: Net, wrt: str | LayerAddress | None) -> LayerAddress | None:
    """Return the layer whose output is attributed; None for the input."""
    chosen = front_end(net) if wrt is None or wrt == "" else wrt
    return None if chosen is None or chosen == INPUT else LayerAddress.parse(chosen)


def _behind(whole: AttributionTask, layer: LayerAddress) -> AttributionTask:
    """Return a task with respect to a layer's output."""
    mean = tuple(x[:1] for x in whole.baseline("mean"))
    net, output = after_layer(whole.net, layer, *whole.inputs)
    missing = next((p for p in whole.places if p.layer not in layer_shapes(net, output)), None)
    if missing is not None:
        raise PlaceError(
            f"a target behind {layer}",
            received=str(missing),
            hint=f"Choose a target behind it, or explain the input itself: wrt={INPUT!r}, --wrt {INPUT}.",
        )
    with torch.no_grad():
        absence = record(whole.net, mean, [layer])[layer].clone()
    return replace(
        whole, net=net, inputs=(_plain(output),), whole=whole, wrt=layer, absence=(_plain(absence),)
    )


@contextmanager
def _watchable(net: Net) -> Iterator[None]:
    """Explain torch's error for scripted layers, which take no hooks, with a next step."""
    try:
        yield
    except RuntimeError as error:
        if "ScriptModule" not in str(error):
            raise
        raise UsageError(
            "a network whose layers can be watched while they run",
            received=f"{net.name}, scripted by torch.jit.script",
            hint="Explain the module that it was made of.",
        ) from error


def _inputs(net: Net, image: InputLike | Sequence[InputLike]) -> tuple[Tensor, ...]:
    """Batch, broadcast and move the inputs; those left out are filled with examples."""
    given = list(open_inputs(image, net.input_specs))
    count = max(len(x) for x in given)
    if len(given) < len(net.input_specs):
        given += list(net.example(count))[len(given) :]
    if not count or any(not x.numel() for x in given):
        raise UsageError(
            "at least one image, with at least one position",
            received=" and ".join(f"shape {tuple(x.shape)}" for x in given),
            hint="Leave empty batches out before explaining.",
        )
    if any(len(x) not in (1, count) for x in given):
        raise UsageError("as many images at every input", received=" and ".join(str(len(x)) for x in given))
    ready = [x.detach().to(net.device).expand(count, *x.shape[1:]) for x in given]
    return tuple(_plain(x) for x in ready)


def _plain(x: Tensor) -> Tensor:
    """Convert half precision to float32, and inference tensors to ordinary ones."""
    return x.float() if x.dtype in HALVES else x.clone() if x.is_inference() else x


def _resolved(net: Net, target: Target, inputs: Sequence[Tensor]) -> tuple[Objective, str, int | None]:
    """Resolve one target to its objective, its name, and its class number if it is a class."""
    first = tuple(x[:1] for x in inputs)
    if isinstance(target, Objective):
        terms = tuple(replace(term, term=_resolved_term(net, term.term, first)) for term in target.terms)
        return Objective(terms, target.images), "objective", None
    if isinstance(target, bool) or not isinstance(target, (int, str, LayerAddress)):
        raise UsageError(
            "a class, a place or an objective as target",
            received=repr(target),
            hint="For example: target='goldfish', target=3 or target='conv2:7'",
        )
    place = _place(net, target)
    shape = _shape(net, place, first)
    if prod(shape) == 1 and place.unit in (None, 0) and place.position is None:
        name = str(resolve(net, place.layer_only, *first)) + (":0" if place.unit == 0 else "")
        return Objective.of(ChannelActivation(replace(place, unit=0))), name, None
    place = resolve(net, place, *first)
    is_class = place.layer == RESULT and place.key is None and len(shape) == 1 and sum(shape) > 1
    number = place.unit if is_class and isinstance(place.unit, int) else None
    labelled = number is not None and (len(net.classes),) == shape
    return (
        default_objective(place).resolve(net),
        net.classes[number] if labelled and number is not None else str(place),
        number,
    )


def _shape(net: Net, place: LayerAddress, first: tuple[Tensor, ...]) -> tuple[int, ...]:
    """Return the shape of an address for each row; `()` for results `[b]`, which have no channel axis."""
    calls = layer_shapes(net, *first)[resolve(net, place.layer_only, *first).layer]
    parts = calls[(place.call or len(calls)) - 1]
    return next(iter(parts.values()), ()) if place.key is None else parts[place.key]


def _resolved_term(net: Net, measure: ObjectiveTerm, first: tuple[Tensor, ...]) -> ObjectiveTerm:
    """Resolve a term's addresses; unit 0 of a result `[b]` is the result itself."""
    bare = (
        isinstance(measure, ChannelActivation) and measure.place.unit == 0 and measure.place.position is None
    )
    if bare and isinstance(measure, ChannelActivation) and not _shape(net, measure.place, first):
        return measure
    return measure.resolve(net)


def _place(net: Net, target: int | str | LayerAddress) -> LayerAddress:
    """Convert a class number, label or address to an address."""
    if isinstance(target, LayerAddress):
        return target
    text = str(target).strip()
    number = whole_number(text)
    if number is not None:
        return LayerAddress(RESULT, unit=number)
    try:
        place = LayerAddress.parse(text)
    except PlaceError:
        return LayerAddress(RESULT, unit=text)
    return place if place.layer in layer_shapes(net) or ":" in text else LayerAddress(RESULT, unit=text)


def _listed(target: "Target | Sequence[Target]") -> list[Target]:
    """Return targets as a list, also a single one."""
    return [target] if isinstance(target, (int, str, LayerAddress, Objective)) else list(target)


def _likeliest(net: Net, inputs: tuple[Tensor, ...]) -> list[Target]:
    """Return the likeliest class of each image; class 0 where the network returns one number."""
    with frozen(net.module), torch.no_grad():
        answer = net(*(x.clone() for x in inputs))
        result, output = select_output(net, answer), read_output(net, answer)
    if result is not None and result.numel() == len(inputs[0]):
        return [0] * len(inputs[0])
    if result is None or output is None:
        raise UsageError(
            "a target, since the network does not answer with one number for each class",
            received="no tensor" if result is None else f"a result of shape {tuple(result.shape[1:])}",
            hint="Name one: target='layer:unit', on the command line --target layer:unit.",
        )
    return list(output.values.argmax(1).tolist())


def _in_float(values: Tensor) -> Tensor:
    """Convert activations to float32 or better."""
    return values.float() if values.dtype in HALVES else values


def _in_full(seen: dict[LayerAddress, Tensor]) -> dict[LayerAddress, Tensor]:
    """Convert activations to float32 or better, and results `[b]` to `[b 1]`."""
    full = {place: _in_float(a) for place, a in seen.items()}
    return {place: a[:, None] if a.dim() == 1 else a for place, a in full.items()}


def _zero_of_first_norm(net: Net) -> Tensor | None:
    """Return what the batch normalisation that alone reads a network's only input maps to 0, `[c]`."""
    if not isinstance(net.module, GraphModule) or len(net.input_specs) != 1:
        return None
    graph = net.module.graph
    readers = [node for node in graph.nodes if set(graph.inputs) & set(node.inputs)]
    norm = net.module.get_submodule(readers[0].name) if len(readers) == 1 else None
    if not isinstance(norm, _BatchNorm) or norm.running_mean is None or norm.running_var is None:
        return None
    mean, spread = norm.running_mean.detach(), (norm.running_var.detach() + norm.eps).sqrt()
    if not norm.affine:
        return mean
    scale, shift = norm.weight.detach(), norm.bias.detach()
    return torch.where(scale == 0, mean, mean - shift * spread / scale)


def _reference(x: Tensor, number: int, net: Net, kind: str) -> Tensor:
    """Return the reference value of one input in its shape."""
    spec = net.input_specs[number]
    if kind == "blur" and x.dim() > 2:
        return blurred(x)
    level = spec.value_range[:1] if kind == "low" else spec.mean
    shape = (1, -1, *[1] * (x.dim() - 2))
    return x.new_tensor(level).view(shape).expand_as(x).clone()
