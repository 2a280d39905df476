"""Progress events of a tour."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.show.report.i18n import plain

if TYPE_CHECKING:
    from convscope.learn import Epoch, TrainProgress

CHAPTERS = ("why", "convolution", "neuron", "network", "training", "seen")


@dataclass(frozen=True)
class Opened:
    """A chapter begins.

    Attributes:
        key: of the chapter, one of `CHAPTERS`.
        done: share of the whole tour, 0 to 1.
    """

    key: str
    done: float

    @property
    def note(self) -> str:
        """The title of the chapter, in English."""
        return plain(f"{self.key}.title")


@dataclass(frozen=True)
class Learned:
    """Progress of training one network.

    Attributes:
        network: name of the network.
        event: what the training loop yielded.
        done: share of the whole tour, 0 to 1.
    """

    network: str
    event: "Epoch | TrainProgress"
    done: float

    @property
    def note(self) -> str:
        """The progress in some words, with the test accuracy after an epoch."""
        accuracy = getattr(self.event, "test_metrics", {}).get("accuracy")
        if accuracy is not None:
            return f"{self.network}: {accuracy:.1%} of test digits right"
        return f"{self.network}: learning"


@dataclass(frozen=True)
class Looked:
    """Progress of visualising the trained network.

    Attributes:
        what: what is computed next.
        done: as yielded by the chapter, its share of the chapter; as yielded by the tour, of the tour; 0 to
            1.
    """

    what: str
    done: float

    @property
    def note(self) -> str:
        """The progress in some words."""
        return f"Looking inside: {self.what}"


@dataclass(frozen=True)
class Written:
    """The complete report has been written.

    Attributes:
        report: the HTML file.
        models: folders of the trained networks.
        seconds: duration of the tour.
        accuracy: test accuracy of each network by name, 0 to 1.
        done: share of the whole tour.
    """

    report: Path
    models: tuple[Path, ...]
    seconds: float
    accuracy: dict[str, float]
    done: float = 1.0

    @property
    def note(self) -> str:
        """The path of the report."""
        return str(self.report)


Event = Opened | Learned | Looked | Written
