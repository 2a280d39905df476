"""The live worker: the process that has torch and answers questions about networks.

Questions are answered in order; those whose network has to be loaded wait for a thread that does so, while
others go on.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.lab.folder import LabFolder
from convscope.lab.live.answers import classify_file
from convscope.lab.live.background import Background
from convscope.lab.live.inputs import bundled_input, open_input, open_same_input
from convscope.lab.live.maps import MapRecorder, compared_frames, select_layers
from convscope.lab.live.networks import Networks, describe_network
from convscope.lab.live.pictures import preview, to_png, to_wav
from convscope.lab.live.texts import word_attributions
from convscope.lab.live.units import Units, inspect_unit
from convscope.lab.recent import LRUCache
from convscope.lab.workers.ablation import Ablations
from convscope.lab.workers.channel import Channel, Operation
from convscope.lab.workers.datasets import Datasets, Format
from convscope.lab.workers.loading import Loader
from convscope.lab.workers.samples import Samples
from convscope.learn import find_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from convscope.lab.live.go import GoService
    from convscope.nets import Net

MAX_RECORDERS = 16
"""Networks with different layers that are watched at a time; the one used longest ago is given up."""


class LiveOperations:
    """What the live worker knows, and the operations that it answers.

    Args:
        folder: the folder of trainings; the lab's own things are in its `.lab`.
        device: where networks compute.
    """

    def __init__(self, folder: Path, device: "torch.device | str" = "cpu") -> None:
        self.networks = Networks(folder, device)
        self.folder = LabFolder(folder)
        self.samples = Samples(self.folder)
        self.datasets = Datasets()
        self.ablations = Ablations(self.networks, self.samples)
        self.background = Background()
        self.units = Units(self.background, self.folder)
        self._go: GoService | None = None
        self._recorders: LRUCache[tuple[str, tuple[str, ...] | None], MapRecorder]
        self._recorders = LRUCache(MAX_RECORDERS, MapRecorder.close)
        self.operations: dict[str, Operation] = {
            "networks": self.list_networks,
            "network": self.network,
            "forward": self.forward,
            "compare": self.compare,
            "test_sample": self.test_sample,
            "dataset_input": self.dataset_input,
            "ablation": self.ablation,
            "classify": self.classify,
            "inspect": self.inspect,
            "unit": self.unit,
            "units": self.layer_units,
            "region": self.region,
            "visualization": self.visualization,
            "sample": self.sample,
            "upload_as_input": self.upload_as_input,
            "preview": self.preview,
            "go": self.go,
            "word_attributions": self.word_attributions,
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
            What `describe_network` returns, `default_layers` (names of layers) and `checkpoints` of a
            training.
        """
        loaded = self.networks.load(net)
        return {
            **describe_network(loaded, net, self.folder.reference(net)),
            "default_layers": [layer.name for layer in select_layers(loaded, None)],
            "checkpoints": self.networks.checkpoints(net),
        }

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
        recorder = self.recorder(net, layers)
        sample = open_input(given or {}, data, recorder.net, self.folder)
        return {}, recorder.frame(sample, seq, scales)

    def compare(
        self,
        nets: tuple[str, str],
        seq: int = 0,
        layers: tuple[Sequence[str] | None, Sequence[str] | None] = (None, None),
        given: Mapping[str, Any] | None = None,
        data: bytes = b"",
    ) -> tuple[dict[str, Any], bytes]:
        """Run two networks on the same input.

        Args:
            nets: their names in the lab.
            seq: number of the input.
            layers: the layers of each that are wanted; None for those that fit into a frame.
            given: the input, as `open_input` takes it.
            data: bytes of the input, as the first network takes it.

        Returns:
            `sizes`, bytes of each frame; and the frames of `compared_frames`, one after the other.
        """
        first, second = (self.recorder(*pair) for pair in zip(nets, layers, strict=True))
        samples = open_same_input(given or {}, data, (first.net, second.net), self.folder)
        frames = compared_frames(first, second, samples, seq)
        return {"sizes": [len(frame) for frame in frames]}, b"".join(frames)

    def test_sample(
        self, run: str, index: int, size: int, format: str = "png"
    ) -> tuple[dict[str, Any], bytes]:
        """Draw a test sample of a training, or return its sound.

        Args:
            run: name of the run.
            index: number of the sample.
            size: longest side in pixels.
            format: `png`, or `wav` for a network of sounds.

        Returns:
            No values, and the file.
        """
        if format == "wav":
            return {}, self.samples.sound(run, index)
        return {}, self.samples.picture(run, index, size)

    def dataset_input(
        self,
        net: str,
        data: str,
        index: int,
        split: str | None = None,
        root: str | None = None,
        format: Format = "png",
    ) -> tuple[dict[str, Any], bytes]:
        """Return an input of a data set as a file.

        Args:
            net: the name of a network in the lab, whose inputs they are.
            data: name of the data set, or its folder, as the recipe of a job has it.
            index: number of the input.
            split: part of the data; None for all.
            root: folder of a published data set.
            format: `png`, `wav`, or `file` for one that is read as the same input.

        Returns:
            `ending` of the file, and its bytes.
        """
        ending, found = self.datasets.encode(self.networks.load(net), data, split, root, index, format)
        return {"ending": ending}, found

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
        self, net: str, top: int = 5, upload: str | None = None, data: bytes = b""
    ) -> dict[str, Any]:
        """Classify a file.

        Args:
            net: name of the network in the lab.
            top: number of classes.
            upload: id of the file; None where `data` is the file.
            data: bytes of the file.

        Returns:
            What `classify_file` returns.
        """
        source = self.folder.upload(upload) if upload else data
        return classify_file(self.networks.load(net), source, top)

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
            What `inspect_unit` returns.
        """
        loaded = self.networks.load(net)
        return inspect_unit(loaded, open_input(given or {}, data, loaded, self.folder).input, address)

    def unit(self, net: str, address: str) -> dict[str, Any]:
        """Return the card of a unit.

        Args:
            net: its name in the lab.
            address: the unit.

        Returns:
            What `Units.card` returns.
        """
        return self.units.card(self.networks.load(net), net, address)

    def layer_units(self, net: str, layer: str, units: str = "") -> dict[str, Any]:
        """Return the units of a layer in a list.

        Args:
            net: its name in the lab.
            layer: the layer.
            units: which ones, like `1,5,7-9`; all if empty.

        Returns:
            What `Units.layer` returns.
        """
        return self.units.layer(self.networks.load(net), net, layer, units)

    def region(
        self, net: str, layer: str, region: Sequence[Sequence[float]], given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the units of a layer that respond most to a part of an input.

        Args:
            net: its name in the lab.
            layer: the layer.
            region: the part: along each axis the first position, and the one after the last.
            given: the input, as `open_input` takes it.

        Returns:
            What `Units.region` returns.
        """
        loaded = self.networks.load(net)
        return self.units.region(loaded, open_input(given, b"", loaded, self.folder).input, layer, region)

    def visualization(self, net: str, address: str, format: str = "png") -> tuple[dict[str, Any], bytes]:
        """Return the activation maximisation of a unit, as far as it is computed.

        Args:
            net: its name in the lab.
            address: the unit.
            format: `png`, or `wav` for a network of sounds.

        Returns:
            `fraction`, and the file; empty before the first step.
        """
        loaded = self.networks.load(net)
        facts, found = self.units.visualization(loaded, address)
        return facts, b"" if found is None else _file(found, loaded, format)

    def sample(self, net: str, index: int, format: str = "png") -> tuple[dict[str, Any], bytes]:
        """Return an input of the data that ships.

        Args:
            net: the name of a network in the lab, whose inputs they are.
            index: which one.
            format: `png`, or `wav` for a network of sounds.

        Returns:
            No values, and the file.
        """
        loaded = self.networks.load(net)
        return {}, _file(bundled_input(loaded.input_spec, index).input, loaded, format)

    def upload_as_input(self, net: str, upload: str, format: str = "png") -> tuple[dict[str, Any], bytes]:
        """Return an uploaded file as a network sees it: decoded, and encoded anew.

        Args:
            net: the name of a network in the lab.
            upload: its id.
            format: `png`, or `wav` for a network of sounds.

        Returns:
            No values, and the file.
        """
        loaded = self.networks.load(net)
        return {}, _file(open_input({"upload": upload}, b"", loaded, self.folder).input, loaded, format)

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
            **question: what `GoService.answer` takes.

        Returns:
            What it returns.

        Raises:
            MissingError: numba, which compiles the rules, is not installed.
        """
        if self._go is None:
            from convscope.lab.live.go import GoService

            self._go = GoService(self.networks, self.background)
        return self._go.answer(**question)

    def word_attributions(
        self, net: str, given: Mapping[str, Any] | None = None, target: int | None = None, data: bytes = b""
    ) -> dict[str, Any]:
        """Return what each word of a text adds to an answer.

        Args:
            net: its name in the lab.
            given: the input, as `open_input` takes it.
            target: number of the class; the likeliest one if None.
            data: bytes of the input.

        Returns:
            What `word_attributions` returns.
        """
        loaded = self.networks.load(net)
        return word_attributions(loaded, open_input(given or {}, data, loaded, self.folder).input, target)

    def recorder(self, name: str, layers: Sequence[str] | None) -> MapRecorder:
        """Return a network with hooks on its layers; the same one as long as its files are the same.

        Args:
            name: its name in the lab.
            layers: the layers; None for those that fit into a frame.

        Returns:
            The network with its hooks.
        """
        net = self.networks.load(name)
        key = (name, None if layers is None else tuple(layers))
        return self._recorders.get(key, lambda: MapRecorder(net, layers), lambda found: found.net is net)


def run(channel: Channel, settings: Mapping[str, Any]) -> None:
    """Answer requests until the channel is closed.

    Args:
        channel: where requests come from.
        settings: `folder`, that of the trainings, and `device`, as `find_device` takes it.

    Raises:
        MissingError: there is no such device.
    """
    import torch

    device = find_device(settings.get("device", "auto"))
    live = LiveOperations(Path(settings["folder"]), device)
    live.forward("digits", given={"sample": 0})  # so that the first stroke finds everything loaded
    channel.ready(device=device.type, torch=torch.__version__)
    loader, requests = Loader(live.networks, channel.repeat), channel.requests()
    while True:
        while not channel.waiting() and not loader.busy and live.background.step():
            pass
        request = next(requests, None)
        if request is None:
            live.background.close()
            return
        if not loader.defer(request):
            channel.answer(request, live.operations)


def _file(tensor: "Tensor", net: "Net", format: str) -> bytes:
    return to_wav(tensor, net) if format == "wav" else to_png(tensor, net)
