"""The live worker: the process that has torch and answers questions about networks, in order."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.lab.folder import LabFolder
from convscope.lab.live.answers import classified
from convscope.lab.live.background import Background
from convscope.lab.live.inputs import open_input, shipped
from convscope.lab.live.maps import Watched, chosen
from convscope.lab.live.networks import Networks, describe_network
from convscope.lab.live.pictures import picture, preview, sound
from convscope.lab.live.texts import tinted_words
from convscope.lab.live.units import Units, inspection
from convscope.lab.workers.ablation import Ablations
from convscope.lab.workers.channel import Channel, Operation
from convscope.lab.workers.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.lab.live.go import GoTable
    from convscope.nets import Net

MOST_WATCHED = 16
"""Networks with different layers that are watched at a time; the one used longest ago is given up."""


class Live:
    """What the live worker knows, and the operations that it answers.

    Args:
        folder: the folder of trainings; the lab's own things are in its `.lab`.
    """

    def __init__(self, folder: Path) -> None:
        self.networks = Networks(folder)
        self.folder = LabFolder(folder)
        self.samples = Samples(self.folder)
        self.ablations = Ablations(self.networks, self.samples)
        self.background = Background()
        self.units = Units(self.background)
        self._go: GoTable | None = None
        self._watched: OrderedDict[tuple[str, tuple[str, ...] | None], Watched] = OrderedDict()
        self.operations: dict[str, Operation] = {
            "networks": self.list_networks,
            "network": self.network,
            "forward": self.forward,
            "test_sample": self.test_sample,
            "ablation": self.ablation,
            "classify": self.classify,
            "inspect": self.inspect,
            "unit": self.unit,
            "preferred": self.preferred,
            "sample": self.sample,
            "seen": self.seen,
            "preview": self.preview,
            "go": self.go,
            "tint": self.tint,
        }

    def list_networks(self) -> dict[str, Any]:
        """List the networks.

        Returns:
            `networks`, entries as `Networks.list` has them.
        """
        return {"networks": self.networks.list()}

    def network(self, net: str) -> dict[str, Any]:
        """Describe a network, and which of its layers are watched where none are named.

        Args:
            net: its name in the lab.

        Returns:
            What `describe_network` returns, and `watched`, names of layers.
        """
        loaded = self.networks.load(net)
        return {**describe_network(loaded, net), "watched": [layer.name for layer in chosen(loaded, None)]}

    def forward(
        self,
        net: str,
        seq: int = 0,
        layers: Sequence[str] | None = None,
        given: Mapping[str, Any] | None = None,
        scales: Mapping[str, float] | None = None,
        data: bytes = b"",
    ) -> tuple[dict[str, Any], bytes]:
        """Run a network on an input.

        Args:
            net: its name in the lab.
            seq: number of the input.
            layers: the layers that are wanted; None for those that fit into a frame.
            given: the input, as `open_input` takes it.
            scales: factors of units.
            data: bytes of the input.

        Returns:
            No values, and a binary frame of the maps.
        """
        watched = self.watched(net, layers)
        sample = open_input(given or {}, data, watched.net, self.folder)
        return {}, watched.frame(sample.input, seq, scales)

    def test_sample(self, run: str, index: int, size: int, kind: str = "png") -> tuple[dict[str, Any], bytes]:
        """Draw a test sample of a training, or return its sound.

        Args:
            run: name of the run.
            index: number of the sample.
            size: longest side in pixels.
            kind: `png`, or `wav` for a network of sounds.

        Returns:
            No values, and the file.
        """
        if kind == "wav":
            return {}, self.samples.sound(run, index)
        return {}, self.samples.picture(run, index, size)

    def ablation(self, run: str, unit: str) -> dict[str, Any]:
        """Test the last saved network of a training without a unit, beside the network as it is.

        Args:
            run: name of the run.
            unit: its address.

        Returns:
            What `Ablations.measure` returns.
        """
        return self.ablations.measure(run, unit)

    def classify(
        self, net: str, top: int = 5, upload: str | None = None, name: str = "", data: bytes = b""
    ) -> dict[str, Any]:
        """Classify a file.

        Args:
            net: name of the network in the lab.
            top: number of classes.
            upload: id of the file; None where `data` is the file.
            name: what the user calls it.
            data: bytes of the file.

        Returns:
            What `classified` returns.
        """
        source = self.folder.upload(upload) if upload else data
        return classified(self.networks.load(net), source, top)

    def inspect(
        self, net: str, address: str, given: Mapping[str, Any] | None = None, data: bytes = b""
    ) -> dict[str, Any]:
        """Return the numbers behind one unit at one position of an input.

        Args:
            net: its name in the lab.
            address: the unit, with or without a position.
            given: the input, as `open_input` takes it.
            data: bytes of the input.

        Returns:
            What `inspection` returns.
        """
        loaded = self.networks.load(net)
        return inspection(loaded, open_input(given or {}, data, loaded, self.folder).input, address)

    def unit(self, net: str, address: str) -> dict[str, Any]:
        """Return the card of a unit.

        Args:
            net: its name in the lab.
            address: the unit.

        Returns:
            What `Units.card` returns.
        """
        return self.units.card(self.networks.load(net), net, address)

    def preferred(self, net: str, address: str, kind: str = "png") -> tuple[dict[str, Any], bytes]:
        """Return the picture that a unit prefers, as far as it is.

        Args:
            net: its name in the lab.
            address: the unit.
            kind: `png`, or `wav` for a network of sounds.

        Returns:
            `fraction`, and the file; empty before the first step.
        """
        loaded = self.networks.load(net)
        facts, found = self.units.preferred(loaded, address)
        return facts, b"" if found is None else _file(found, loaded, kind)

    def sample(self, net: str, index: int, kind: str = "png") -> tuple[dict[str, Any], bytes]:
        """Return an input of the data that ships.

        Args:
            net: the name of a network in the lab, whose inputs they are.
            index: which one.
            kind: `png`, or `wav` for a network of sounds.

        Returns:
            No values, and the file.
        """
        loaded = self.networks.load(net)
        return {}, _file(shipped(loaded.input_spec, index).input, loaded, kind)

    def seen(self, net: str, upload: str, kind: str = "png") -> tuple[dict[str, Any], bytes]:
        """Return an uploaded file as a network sees it: decoded, and encoded anew.

        Args:
            net: the name of a network in the lab.
            upload: its id.
            kind: `png`, or `wav` for a network of sounds.

        Returns:
            No values, and the file.
        """
        loaded = self.networks.load(net)
        return {}, _file(open_input({"upload": upload}, b"", loaded, self.folder).input, loaded, kind)

    def preview(self, upload: str, name: str = "") -> tuple[dict[str, Any], bytes]:
        """Return a small picture of an uploaded file, for no network.

        Args:
            upload: its id.
            name: what the user calls it; its ending says what it may be.

        Returns:
            `world`, and a PNG.
        """
        world, found = preview(self.folder.upload(upload), name)
        return {"world": world}, found

    def go(self, **question: Any) -> dict[str, Any]:
        """Answer a question about a game of Go.

        Args:
            **question: what `GoTable.answer` takes.

        Returns:
            What it returns.

        Raises:
            MissingError: numba, which compiles the rules, is not installed.
        """
        if self._go is None:
            from convscope.lab.live.go import GoTable

            self._go = GoTable(self.networks, self.background)
        return self._go.answer(**question)

    def tint(
        self, net: str, given: Mapping[str, Any] | None = None, target: int | None = None, data: bytes = b""
    ) -> dict[str, Any]:
        """Return what each word of a text adds to an answer.

        Args:
            net: its name in the lab.
            given: the input, as `open_input` takes it.
            target: number of the class; the likeliest one if None.
            data: bytes of the input.

        Returns:
            What `tinted_words` returns.
        """
        loaded = self.networks.load(net)
        return tinted_words(loaded, open_input(given or {}, data, loaded, self.folder).input, target)

    def watched(self, name: str, layers: Sequence[str] | None) -> Watched:
        """Return a network with hooks on its layers; the same one as long as its files are the same.

        Args:
            name: its name in the lab.
            layers: the layers; None for those that fit into a frame.

        Returns:
            The network with its hooks.
        """
        net = self.networks.load(name)
        key = (name, None if layers is None else tuple(layers))
        found = self._watched.get(key)
        if found is None or found.net is not net:
            if found is not None:
                found.close()
            self._watched[key] = found = Watched(net, layers)
        self._watched.move_to_end(key)
        while len(self._watched) > MOST_WATCHED:
            self._watched.popitem(last=False)[1].close()
        return found


def run(channel: Channel, settings: Mapping[str, Any]) -> None:
    """Answer requests until the channel is closed.

    Args:
        channel: where requests come from.
        settings: `folder`, that of the trainings.
    """
    import torch

    live = Live(Path(settings["folder"]))
    live.forward("digits", given={"sample": 0})  # so that the first stroke finds everything loaded
    channel.ready(device="cpu", torch=torch.__version__)
    requests = channel.requests()
    while True:
        while not channel.waiting() and live.background.step():
            pass
        request = next(requests, None)
        if request is None:
            live.background.close()
            return
        channel.answer(request, live.operations)


def _file(tensor: "Tensor", net: "Net", kind: str) -> bytes:
    return sound(tensor, net) if kind == "wav" else picture(tensor, net)
