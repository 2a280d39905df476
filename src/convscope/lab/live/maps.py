"""All maps of one forward pass, for one input after another."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from convscope.errors import UsageError, nearest
from convscope.lab.live.frames import encode
from convscope.lab.live.networks import Layer, watchable
from convscope.lab.live.texts import pieces
from convscope.nets import HookedNet, Net, describe, read_output
from convscope.show.pages import crop
from convscope.worlds import Sample

INPUT = "input"
"""Name under which a frame has the input itself, as the network sees it."""
MAX_VALUES = 2**22
"""Values of all maps of one frame, where the page does not say which layers it wants."""
ONE_THREAD_MACS = 50_000_000
"""Multiply-accumulates up to which a network runs on one thread: waking others takes longer than it saves."""


class MapRecorder:
    """Records the maps of a network's layers, with hooks that stay between inputs.

    Args:
        net: the network.
        layers: which layers; None for all of those that fit into `MAX_VALUES` values, else one of each
            resolution.

    Attributes:
        layers: the layers, in the order in which they run.
    """

    def __init__(self, net: Net, layers: Sequence[str] | None = None) -> None:
        self.net, self.layers = net, select_layers(net, layers)
        self._small = describe(net).macs <= ONE_THREAD_MACS
        self._hooked = HookedNet(net, [layer.name for layer in self.layers])

    def close(self) -> None:
        """Take the hooks off."""
        self._hooked.close()

    def frame(self, sample: Sample, seq: int, scales: Mapping[str, float] | None = None) -> bytes:
        """Run the network, and return its maps as a binary frame.

        Args:
            sample: one input.
            seq: number of the input, which the header repeats.
            scales: factors of units. The maps are then those of the steered network, and the header has the
                probabilities of both.

        Returns:
            The frame, see `frames`.

        Raises:
            PlaceError: a place that is scaled does not exist.
            GraphError: the input does not fit.
        """
        header, maps = self.record(sample, scales)
        return encode({"type": "maps", "seq": seq, **header}, maps)

    def record(
        self, sample: Sample, scales: Mapping[str, float] | None = None
    ) -> tuple[dict[str, Any], list[tuple[str, Tensor]]]:
        """Run the network, and return what a frame holds.

        Args:
            sample: one input.
            scales: factors of units.

        Returns:
            `probabilities`, `steered_probabilities`, `pieces` of a text, `said` and `said_zh` of a cropped
            photograph, and `ms`; and the activations `[c ...]` by name, the input among them.

        Raises:
            PlaceError: a place that is scaled does not exist.
            GraphError: the input does not fit.
        """
        began, image = perf_counter(), sample.input
        with one_thread() if self._small else nullcontext():
            result, found = self._hooked.run(image[None])
            probabilities, steered = self.probabilities(result), None
            if scales:
                result, found = self._hooked.run(image[None], scales=scales)
                steered = self.probabilities(result)
        maps = [(str(place), act[0]) for place, act in found.items()]
        header: dict[str, Any] = {"probabilities": probabilities, "steered_probabilities": steered}
        words = pieces(self.net, image)
        if words:
            header["pieces"] = words
        cropped = crop.sentences([sample], self.net.input_spec)
        if cropped:
            header |= crop.as_fields(cropped)
        header["ms"] = round(1000 * (perf_counter() - began), 3)
        as_input = image if self.net.input_spec.has_channels else image[None]
        return header, [(INPUT, as_input), *maps]

    def probabilities(self, result: Any) -> list[float] | None:
        """Return the probabilities of the classes; None for a network that is no classifier.

        Args:
            result: what the network returned for one input.

        Returns:
            Probabilities of all classes, rounded to six digits.
        """
        output = read_output(self.net, result)
        if output is None:
            return None
        row = output.log_probabilities().exp()[0].nan_to_num(0.0).tolist()
        return [round(value, 6) for value in row]


def compared_frames(
    first: MapRecorder, second: MapRecorder, samples: tuple[Sample, Sample], seq: int
) -> tuple[bytes, bytes, bytes]:
    """Run two networks, and return the maps of both and their differences.

    Args:
        first: a network.
        second: the network that is compared with it.
        samples: the input of each.
        seq: number of the input, which the headers repeat.

    Returns:
        Three frames, whose header has `part`: `first`, `second`, and `difference`, which has `second` minus
        `first` for layers of the same name and shape.

    Raises:
        GraphError: an input does not fit.
    """
    runs = [recorder.record(sample) for recorder, sample in zip((first, second), samples, strict=True)]
    header = {"type": "maps", "seq": seq}
    frames = [
        encode({**header, "part": part, **found}, maps)
        for part, (found, maps) in zip(("first", "second"), runs, strict=True)
    ]
    others = dict(runs[1][1])
    differences = [
        (name, others[name].float() - act.float())
        for name, act in runs[0][1]
        if name in others and others[name].shape == act.shape
    ]
    last = encode({**header, "part": "difference", "probabilities": None}, differences)
    return frames[0], frames[1], last


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread inside `with`.

    Yields:
        Nothing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def select_layers(net: Net, names: Sequence[str] | None) -> tuple[Layer, ...]:
    """Return the layers that are watched.

    Args:
        net: the network.
        names: which ones; None for all that fit into a frame.

    Returns:
        Layers in the order in which they run.

    Raises:
        UsageError: a name is no layer that can be watched.
    """
    layers = watchable(net)
    if names is not None:
        known = {layer.name: layer for layer in layers}
        for name in names:
            if name not in known:
                raise UsageError(
                    "a layer that can be watched", received=name[:100], hint=nearest(name, known)
                )
        return tuple(layer for layer in layers if layer.name in set(names))
    if sum(map(_values, layers)) <= MAX_VALUES:
        return layers
    last = {layer.shape[1:]: layer for layer in layers}  # the last of each resolution
    kept, room = [], MAX_VALUES
    for layer in reversed(layers):
        if last[layer.shape[1:]] is layer and _values(layer) <= room:
            kept.append(layer)
            room -= _values(layer)
    return tuple(reversed(kept))


def _values(layer: Layer) -> int:
    count = 1
    for extent in layer.shape:
        count *= extent
    return count
