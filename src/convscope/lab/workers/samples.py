"""Pictures of the samples that a training is tested on, by their numbers."""

import io
from typing import TYPE_CHECKING

from convscope.errors import DataError, PlaceError
from convscope.lab.folder import LabFolder
from convscope.lab.recent import LRUCache
from convscope.learn import Run, setup_training
from convscope.worlds import world_of

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.graph import TensorSpec
    from convscope.learn import TrainingSetup

MAX_SETS = 3
"""Data sets that are kept open; the one used longest ago is closed."""


class Samples:
    """Open the data of trainings, and draw samples of them.

    Args:
        folder: where the runs lie.
    """

    def __init__(self, folder: LabFolder) -> None:
        self.folder = folder
        self._open: LRUCache[str, TrainingSetup] = LRUCache(MAX_SETS)

    def picture(self, run: str, index: int, size: int) -> bytes:
        """Draw one test sample.

        Args:
            run: name of the run.
            index: number of the sample, as in the answers of the training.
            size: longest side in pixels; small pictures are enlarged by a whole factor.

        Returns:
            PNG.

        Raises:
            PlaceError: there is no such run or sample.
            ConvscopeError: the run or its data cannot be opened.
        """
        from convscope.show.images import input_image

        sample, spec = self._sample(run, index)
        picture = input_image.opaque(sample, spec)
        if max(picture.size) > size:
            picture.thumbnail((size, size))
        elif size // max(picture.size) > 1:
            factor = size // max(picture.size)
            picture = picture.resize((picture.width * factor, picture.height * factor), 0)
        made = io.BytesIO()
        picture.save(made, "PNG", compress_level=1)
        return made.getvalue()

    def sound(self, run: str, index: int) -> bytes:
        """Return the sound of one test sample.

        Args:
            run: name of the run.
            index: number of the sample.

        Returns:
            WAV.

        Raises:
            PlaceError: there is no such run or sample.
            DataError: its world has no sounds.
        """
        sample, spec = self._sample(run, index)
        found = world_of(spec).to_file(sample, spec)
        if found is None or found[0] != ".wav":
            received = f"one on {world_of(spec).things}"
            raise DataError("a training on sounds", received=received, hint="Ask for its picture: kind=png")
        return found[1]

    def _sample(self, run: str, index: int) -> "tuple[Tensor, TensorSpec]":
        data = self.setup(run).test
        if not 0 <= index < len(data):
            hint = f"There are {len(data)}, counted from 0."
            raise PlaceError("the number of a test sample", received=str(index), hint=hint)
        return data.inputs([index])[0], data.specs[0]

    def setup(self, run: str) -> "TrainingSetup":
        """Return data and task of a training, opened once.

        Args:
            run: name of the run.

        Returns:
            What its recipe names, with a network of fresh weights.

        Raises:
            PlaceError: there is no such run.
            ConvscopeError: the run or its data cannot be opened.
        """
        return self._open.get(run, lambda: setup_training(Run.open(self.folder.run(run)).recipe))
