"""Switch a unit of a training's last saved network off, and measure what that costs. The training goes on."""

from dataclasses import dataclass
from typing import Any
from weakref import ref

from convscope.errors import DataError
from convscope.lab.folder import RUN
from convscope.lab.live.networks import Networks
from convscope.lab.workers.samples import Samples
from convscope.learn import Evaluation, evaluate
from convscope.nets import Net, describe, scaled_units
from convscope.worlds import LabelledDataset

BUDGET = 4e9
"""Multiply-accumulates of one measurement: about a second of one core."""
FEWEST, MOST = 32, 1000
"""Test samples of a measurement."""


@dataclass(frozen=True)
class _Plain:
    """The test of a saved network as it is."""

    net: "ref[Net]"
    data: LabelledDataset
    found: Evaluation


class Ablations:
    """Measure saved networks of trainings with and without a unit.

    Args:
        networks: loads them; a network that was saved anew is loaded anew.
        samples: opens the data that they are tested on.
    """

    def __init__(self, networks: Networks, samples: Samples) -> None:
        self.networks, self.samples = networks, samples
        self._plain: dict[str, _Plain] = {}

    def measure(self, run: str, unit: str) -> dict[str, Any]:
        """Test a network with one unit multiplied by 0, beside the network as it is.

        Args:
            run: name of the run.
            unit: address of a unit or a layer.

        Returns:
            JSON fields `unit`, `samples` (number of them), `accuracy` and `ablated` (the accuracy without the
            unit), `changed` (share of the answers that are others), and `hurt`: of the class that loses most
            `name`, `accuracy` and `ablated`; None where none loses.

        Raises:
            DataError: nothing is saved yet, or the training has no classes.
            PlaceError: there is no such unit or run.
        """
        if not (self.samples.folder.run(run) / "model.json").is_file():
            raise DataError("a network that was saved", received="none yet", hint="Wait for the first epoch.")
        net = self.networks.load(f"{RUN}{run}")
        plain = self._tested(run, net)
        with scaled_units(net, {unit: 0.0}):
            without = evaluate(net, plain.data)
        before = plain.found
        return {
            "unit": unit,
            "samples": len(plain.data),
            "accuracy": before.accuracy,
            "ablated": without.accuracy,
            "changed": float((before.predictions != without.predictions).double().mean()),
            "hurt": _hurt(before, without),
        }

    def _tested(self, run: str, net: Net) -> _Plain:
        """Return the test of the network as it is, computed once for each time that it is saved."""
        known = self._plain.get(run)
        if known is None or known.net() is not net:
            data = self.samples.setup(run).test
            if not isinstance(data, LabelledDataset) or not data.classes:
                raise DataError(
                    "a training of a classifier",
                    received=f"{run}, whose answers are neither right nor wrong",
                    hint="Watch its maps instead: open it in the page Watch.",
                )
            count = min(MOST, max(FEWEST, int(BUDGET / max(describe(net).macs, 1))), len(data))
            part = data.take([k * len(data) // count for k in range(count)])
            self._plain = {run: _Plain(ref(net), part, evaluate(net, part))}
        return self._plain[run]


def _hurt(before: Evaluation, without: Evaluation) -> dict[str, Any] | None:
    """Return the class whose recall falls most."""
    lost = (before.class_accuracy - without.class_accuracy).nan_to_num(-1.0)
    worst = int(lost.argmax())
    if lost[worst] <= 0:
        return None
    recalls = float(before.class_accuracy[worst]), float(without.class_accuracy[worst])
    return {"name": before.classes[worst], "accuracy": recalls[0], "ablated": recalls[1]}
