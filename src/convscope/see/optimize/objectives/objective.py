"""Objectives: weighted sums of terms that are maximised over the input.

    channel("conv2:17") - 0.3 * channel("conv2:7") - 0.01 * l1()

The sum is flat: a weight multiplies its own term and nothing else. Equal terms are added up, so
`a + a == 2 * a`.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, resolve
from convscope.see.optimize.objectives.activation_batch import ActivationBatch, index

Kind = TypeVar("Kind", bound="ObjectiveTerm")
"""A class of terms. Not `Self`, which the shape checks of the tests cannot read in methods."""


class ObjectiveTerm(ABC):
    """Base of objective terms: one score for each image of a batch, the larger the better.

    A new term is a frozen dataclass with `__call__`, and with `layers` if it reads activations. Terms that
    compare equal are added up within an objective.
    """

    @property
    def layers(self) -> tuple[LayerAddress, ...]:
        """The places whose activations the term reads; empty if it reads the image alone."""
        return ()

    def resolve(self: Kind, net: Net) -> Kind:
        """Return the same term with its places checked against a network, and labels turned into numbers.

        Args:
            net: the network.

        Returns:
            A term of the same class; itself where it has no places.

        Raises:
            PlaceError: a place is not in this network.
        """
        return self

    @abstractmethod
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        """Score every image of a batch.

        Args:
            scene: the images and their activations.

        Returns:
            One number for each image, differentiable.
        """

    @property
    def additive(self) -> Literal["", "sums", "plainly"]:
        """Whether the score follows from sums over positions.

        Tiled evaluation need not keep whole maps then.

        `plainly`: the score is such a sum itself; `sums`: `from_sums` computes it from them; empty: it needs
        the whole maps.
        """
        return ""

    def sums(self, scene: ActivationBatch) -> Float[Tensor, "b *sums"]:
        """Return what is added up over the tiles of an image, for terms that are `additive`.

        Where the term divides by a number of positions, it is that of the whole map:
        `scene.positions(place)`, `scene.extent(place)`.

        Args:
            scene: one tile, or the whole images.

        Returns:
            Any number of sums for each image.
        """
        return self(scene)

    def from_sums(self, sums: Float[Tensor, "b *sums"]) -> Float[Tensor, " b"]:
        """Return the score of every image from its sums over all tiles.

        Args:
            sums: what `sums` returned, added up.

        Returns:
            One number for each image, differentiable with respect to the sums.
        """
        return sums

    @property
    def batch_key(self) -> Hashable:
        """Terms of one class with equal keys are scored together by `batched`."""
        return self

    @classmethod
    def batched(cls, measures: Sequence[Any], scene: ActivationBatch) -> Float[Tensor, " b"]:
        """Score image `i` with `measures[i]`, in one computation for all.

        Args:
            measures: one term for each image, all of this class and of one `batch_key`.
            scene: as many images, and their activations.

        Returns:
            One number for each image.
        """
        return measures[0](scene)


At = TypeVar("At", bound="LayerTerm")


@dataclass(frozen=True, eq=False)
class LayerTerm(ObjectiveTerm):
    """A term that reads the activation of one place.

    Equality is left to the subclass (see `Objective`): dataclasses with `eq=True` compare by their fields.
    """

    place: LayerAddress

    @property
    @override
    def layers(self) -> tuple[LayerAddress, ...]:
        return (self.place,)

    @override
    def resolve(self: At, net: Net) -> At:
        return replace(self, place=resolve(net, self.place))


@dataclass(frozen=True)
class WeightedTerm:
    """A term of an objective with its weight.

    Attributes:
        weight: factor of the term's score.
        term: the term.
        rows: indices of the images of the batch that it scores; None for all.
    """

    weight: float
    term: ObjectiveTerm
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms, one score for each image of a batch.

    Objectives can be added, subtracted, negated, and multiplied or divided by a number.
    """

    terms: tuple[WeightedTerm, ...] = ()
    images: int | None = None
    """Batch size, where each image has an objective of its own (`per_image`); None for any number of
    images."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _merge_equal_terms(self.terms))

    @classmethod
    def of(cls, measure: ObjectiveTerm) -> "Objective":
        """Return the objective that consists of one term, with weight 1.

        Args:
            measure: the term.

        Returns:
            The objective.
        """
        return cls((WeightedTerm(1.0, measure),))

    def __add__(self, other: object) -> "Objective":
        if other == 0:
            return self  # so that sum([...]) works
        if not isinstance(other, Objective):
            return NotImplemented
        if None not in (self.images, other.images) and self.images != other.images:
            raise UsageError(
                "objectives for batches of one size", received=f"{self.images} and {other.images} images"
            )
        return Objective(self.terms + other.terms, self.images if other.images is None else other.images)

    __radd__ = __add__

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -1.0 * other if isinstance(other, Objective) else NotImplemented

    def __neg__(self) -> "Objective":
        return -1.0 * self

    def __mul__(self, factor: float | int) -> "Objective":
        if not isinstance(factor, Real):
            return NotImplemented
        return Objective(
            tuple(WeightedTerm(t.weight * float(factor), t.term, t.rows) for t in self.terms), self.images
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: float | int) -> "Objective":
        return self * (1.0 / divisor) if isinstance(divisor, Real) else NotImplemented

    @cached_property
    def places(self) -> tuple[LayerAddress, ...]:
        """The layers it reads, each once, without units and positions: what has to be recorded."""
        return tuple(dict.fromkeys(place.layer_only for term in self.terms for place in term.term.layers))

    def resolve(self, net: Net) -> "Objective":
        """Return the same objective with every place checked against the network.

        Args:
            net: the network.

        Returns:
            An objective whose units are numbers.

        Raises:
            PlaceError: a place is not in this network; the nearest names are suggested.
        """
        return Objective(
            tuple(WeightedTerm(t.weight, t.term.resolve(net), t.rows) for t in self.terms), self.images
        )

    def __call__(
        self,
        activations: Mapping[LayerAddress, Tensor],
        image: Float[Tensor, "b *shape"],
        early: Mapping[int, Tensor] | None = None,
    ) -> Float[Tensor, " b"]:
        """Score every image of a batch.

        Args:
            activations: activation by layer for `places`, as `record` returns it.
            image: the batch of images itself, for regularizers.
            early: scores that are known already, by the index of their term; see `EagerScorer`.

        Returns:
            One number for each image, differentiable.

        Raises:
            UsageError: the objective is for another number of images.
        """
        early = early or {}
        scene, count = ActivationBatch(activations, image), len(image)
        if self.images not in (None, count):
            raise UsageError(
                f"a batch of {self.images}, one image for each objective", received=f"{count} images"
            )
        total = image.new_zeros(count)
        for number, term in enumerate(self._shared):
            total = total + term.weight * (early[number] if number in early else term.term(scene))
        for terms in self._single:
            total = total + _score_batched(terms, scene, count)
        return total

    @cached_property
    def _shared(self) -> tuple[WeightedTerm, ...]:
        return tuple(term for term in self.terms if term.rows is None)

    @cached_property
    def _single(self) -> tuple[tuple[WeightedTerm, ...], ...]:
        groups: dict[Hashable, list[WeightedTerm]] = {}
        for term in self.terms:
            if term.rows is not None:
                groups.setdefault((type(term.term), term.term.batch_key), []).append(term)
        return tuple(tuple(terms) for terms in groups.values())


class EagerScorer:
    """Score a batch during the forward pass: each term as soon as all activations it reads are there.

    This saves memory in the backward pass. A term that is scored with its layer is differentiated when
    backward reaches that layer. Terms that are scored after the forward pass are differentiated first, and
    their gradients, as large as the feature maps, are all held until backward reaches their layers.

    Args:
        objective: only terms that apply to all images are scored.
        image: the batch of images, for terms that read it too.
    """

    def __init__(self, objective: Objective, image: Float[Tensor, "b *shape"]) -> None:
        self.objective, self.image = objective, image
        self.activations: dict[LayerAddress, Tensor] = {}
        self.scores: dict[int, Tensor] = {}

    def note(self, place: LayerAddress, activation: Tensor) -> None:
        """Take one more activation, and score the terms that it completes.

        Called again for a place whose layer runs again, it scores with the newest activation.

        Args:
            place: a layer of the objective.
            activation: its activation for the batch; ignored if not floating-point.
        """
        if not activation.is_floating_point():
            return  # has no gradient, and no mean
        self.activations[place] = activation
        scene = ActivationBatch(self.activations, self.image)
        with torch.enable_grad(), torch.autocast(activation.device.type, enabled=False):
            for number, term in enumerate(self.objective._shared):
                reads = {read.layer_only for read in term.term.layers}
                if place in reads and reads <= self.activations.keys():
                    self.scores[number] = term.term(scene)


def per_image(objectives: Iterable[Objective]) -> Objective:
    """Combine objectives into one for a batch that scores image `i` with `objectives[i]`.

    Terms of one class and layer are scored together: many channels of one layer cost one gather.

    Args:
        objectives: one for each image.

    Returns:
        An objective for batches of as many images.

    Raises:
        UsageError: there is none, or one of them is already for a batch.
    """
    objectives = list(objectives)
    if not objectives or any(objective.images is not None for objective in objectives):
        raise UsageError("one or more objectives, each for a single image")
    terms = (
        WeightedTerm(t.weight, t.term, (row,))
        for row, objective in enumerate(objectives)
        for t in objective.terms
    )
    return Objective(tuple(terms), len(objectives))


def _merge_equal_terms(terms: tuple[WeightedTerm, ...]) -> tuple[WeightedTerm, ...]:
    """Merge equal terms on the same images into one, and drop those of weight 0."""
    weights: dict[tuple[ObjectiveTerm, tuple[int, ...] | None], float] = {}
    for term in terms:
        key = (term.term, term.rows)
        weights[key] = weights.get(key, 0.0) + term.weight
    return tuple(
        WeightedTerm(weight, measure, rows) for (measure, rows), weight in weights.items() if weight != 0.0
    )


def _score_batched(
    terms: tuple[WeightedTerm, ...], scene: ActivationBatch, count: int
) -> Float[Tensor, " b"]:
    """Score terms of one `batch_key`, each at the images it belongs to; 0 elsewhere."""
    measures = [term.term for term in terms for _ in term.rows or ()]
    weights = [term.weight for term in terms for _ in term.rows or ()]
    rows = tuple(row for term in terms for row in term.rows or ())
    scores = type(measures[0]).batched(measures, scene.rows(rows))
    if any(weight != 1.0 for weight in weights):
        scores = scores * torch.tensor(weights, dtype=scores.dtype, device=scores.device)
    if rows == tuple(range(count)):
        return scores
    return scores.new_zeros(count).index_add(0, index(rows, scores.device), scores)
