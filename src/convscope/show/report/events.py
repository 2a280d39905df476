"""What a tour tells while it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.show.report.i18n import plain

if TYPE_CHECKING:
    from convscope.learn.trainer.events import Epoch, TrainProgress

CHAPTERS = ("why", "convolution", "neuron", "network", "training", "seen")


@dataclass(frozen=True)
class Opened:
    """A chapter begins."""

    key: str
    done: float
    """Share of the whole tour, 0 to 1."""

    @property
    def note(self) -> str:
        """The news in some words."""
        return plain(f"{self.key}.title")


@dataclass(frozen=True)
class Learned:
    """News from a training."""

    network: str
    event: "Epoch | TrainProgress"
    done: float

    @property
    def note(self) -> str:
        """The news in some words."""
        accuracy = getattr(self.event, "test_accuracy", None)
        if accuracy is not None:
            return f"{self.network}: {accuracy:.1%} of test digits right"
        return f"{self.network}: learning"


@dataclass(frozen=True)
class Looked:
    """A step of looking inside; `done` is the share of its chapter, then, passed on, of the tour."""

    what: str
    done: float

    @property
    def note(self) -> str:
        """The news in some words."""
        return f"Looking inside: {self.what}"


@dataclass(frozen=True)
class Written:
    """The report stands, whole."""

    report: Path
    models: tuple[Path, ...]
    seconds: float
    accuracy: dict[str, float]
    """Share of test digits that each network gets right, 0 to 1."""
    done: float = 1.0

    @property
    def note(self) -> str:
        """The news in some words."""
        return str(self.report)


Event = Opened | Learned | Looked | Written
