"""The live worker: the process that has torch and answers questions about networks, in order."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.lab.folder import LabFolder
from convscope.lab.live.answers import classified
from convscope.lab.live.inputs import open_input, uploaded
from convscope.lab.live.maps import Watched, chosen
from convscope.lab.live.networks import Networks, describe_network
from convscope.lab.live.samples import Samples
from convscope.lab.workers.channel import Channel, Operation

MOST_WATCHED = 16
"""Networks with different layers that are watched at a time; the one used longest ago is given up."""


class Live:
    """What the live worker knows, and the operations that it answers.

    Args:
        folder: the folder of trainings; the lab's own things are in its `.lab`.
    """

    def __init__(self, folder: Path) -> None:
        self.networks = Networks(folder)
        self.samples = Samples(LabFolder(folder))
        self.uploads = folder / ".lab" / "uploads"
        self._watched: OrderedDict[tuple[str, tuple[str, ...] | None], Watched] = OrderedDict()
        self.operations: dict[str, Operation] = {
            "networks": self.list_networks,
            "network": self.network,
            "forward": self.forward,
            "sample": self.sample,
            "classify": self.classify,
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
        sample = open_input(given or {}, data, watched.net, self.uploads)
        return {}, watched.frame(sample.input, seq, scales)

    def sample(self, run: str, index: int, size: int) -> tuple[dict[str, Any], bytes]:
        """Draw a test sample of a training.

        Args:
            run: name of the run.
            index: number of the sample.
            size: longest side in pixels.

        Returns:
            No values, and a PNG.
        """
        return {}, self.samples.picture(run, index, size)

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
        source = uploaded(upload, self.uploads) if upload else data
        return classified(self.networks.load(net), source, top)

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
    for request in channel.requests():
        channel.answer(request, live.operations)
