"""What to ascend: a flat sum of weighted measures, exactly linear.

    channel("conv2:17") - 0.3 * channel("conv2:7") - 0.01 * l1()

A weight multiplies its own measure and nothing else. Equal measures are added up, so `a + a == 2 * a`.
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
from convscope.see.optimize.activation_batch import ActivationBatch, index

Kind = TypeVar("Kind", bound="ObjectiveTerm")
"""A kind of measure. Not `Self`, which the shape checks of the tests cannot read in methods."""


class ObjectiveTerm(ABC):
    """One number for each image of a scene; larger is more.

    A new measure is a frozen dataclass with `__call__`; `reads` names the places it looks at.
    """

    @property
    def layers(self) -> tuple[LayerAddress, ...]:
        """The places it looks at; none when it looks at the image alone."""
        return ()

    def resolve(self: Kind, net: Net) -> Kind:
        """The same measure with its places checked against a network and labels turned into numbers."""
        return self

    @abstractmethod
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        """Score every image of the scene."""

    @property
    def additive(self) -> Literal["", "sums", "plainly"]:
        """Whether the score follows from sums over positions, so that tiles need not keep whole maps.

        `plainly`: it is such a sum itself; `sums`: `of_sums` makes it of them; empty: it needs whole maps.
        """
        return ""

    def sums(self, scene: ActivationBatch) -> Float[Tensor, "b *sums"]:
        """What adds up over the tiles of an image; `scene` may be one of them, or the whole image.

        Counts of positions are those of the whole map: `scene.positions(place)`, `scene.extent(place)`.
        """
        return self(scene)

    def from_sums(self, sums: Float[Tensor, "b *sums"]) -> Float[Tensor, " b"]:
        """The score of every image, from the sums over all its tiles."""
        return sums

    @property
    def batch_key(self) -> Hashable:
        """Measures with equal families are scored in one pass by `together`."""
        return self

    @classmethod
    def batched(cls, measures: Sequence[Any], scene: ActivationBatch) -> Float[Tensor, " b"]:
        """Score image `i` by `measures[i]`, all of one family."""
        return measures[0](scene)


At = TypeVar("At", bound="LayerTerm")


@dataclass(frozen=True, eq=False)
class LayerTerm(ObjectiveTerm):
    """A measure of what one place says. Which ones are equal is for each kind to say: see `Objective`."""

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
    """A measure, what it counts, and the images of the batch that it scores (None is all)."""

    weight: float
    term: ObjectiveTerm
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Objective:
    """A weighted sum of measures. Adds, subtracts, scales; calling it scores a batch."""

    terms: tuple[WeightedTerm, ...] = ()
    images: int | None = None
    """How many images it scores where each has an objective of its own; None for any number."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _gathered(self.terms))

    @classmethod
    def of(cls, measure: ObjectiveTerm) -> "Objective":
        """The objective that is this measure alone."""
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
        """The layers it reads, each once, without units and positions."""
        return tuple(dict.fromkeys(place.layer_only for term in self.terms for place in term.term.layers))

    def resolve(self, net: Net) -> "Objective":
        """The same objective with every place checked against the network.

        Raises:
            PlaceError: a place is not in this network; what is nearest is named.
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
        """Score every image.

        Args:
            activations: what `record` gave for `places`.
            image: the batch of images itself, for penalties.
            early: scores of some terms, by their number, that are known already; see `EagerScorer`.
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
            total = total + _scattered(terms, scene, count)
        return total

    @cached_property
    def _shared(self) -> tuple[WeightedTerm, ...]:
        return tuple(term for term in self.terms if term.rows is None)

    @cached_property
    def _single(self) -> tuple[tuple[WeightedTerm, ...], ...]:
        families: dict[Hashable, list[WeightedTerm]] = {}
        for term in self.terms:
            if term.rows is not None:
                families.setdefault((type(term.term), term.term.batch_key), []).append(term)
        return tuple(tuple(terms) for terms in families.values())


class EagerScorer:
    """Scores a batch while the network still looks at it: each measure as soon as all it reads is there.

    What is made of a layer then gets its gradient in the layer's turn. Measures of whole maps that are scored
    after the network get theirs first, and all these maps of slopes wait for the layers behind them.
    """

    def __init__(self, objective: Objective, image: Float[Tensor, "b *shape"]) -> None:
        self.objective, self.image = objective, image
        self.activations: dict[LayerAddress, Tensor] = {}
        self.scores: dict[int, Tensor] = {}

    def note(self, place: LayerAddress, activation: Tensor) -> None:
        """One more place; or the same again, when a layer runs again."""
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
    """One objective for each image of the batch, read together: channels of one layer cost one gather.

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


def _gathered(terms: tuple[WeightedTerm, ...]) -> tuple[WeightedTerm, ...]:
    """Equal measures on the same images become one term."""
    weights: dict[tuple[ObjectiveTerm, tuple[int, ...] | None], float] = {}
    for term in terms:
        key = (term.term, term.rows)
        weights[key] = weights.get(key, 0.0) + term.weight
    return tuple(
        WeightedTerm(weight, measure, rows) for (measure, rows), weight in weights.items() if weight != 0.0
    )


def _scattered(terms: tuple[WeightedTerm, ...], scene: ActivationBatch, count: int) -> Float[Tensor, " b"]:
    """The scores of one family, each at the image it belongs to."""
    measures = [term.term for term in terms for _ in term.rows or ()]
    weights = [term.weight for term in terms for _ in term.rows or ()]
    rows = tuple(row for term in terms for row in term.rows or ())
    scores = type(measures[0]).batched(measures, scene.rows(rows))
    if any(weight != 1.0 for weight in weights):
        scores = scores * torch.tensor(weights, dtype=scores.dtype, device=scores.device)
    if rows == tuple(range(count)):
        return scores
    return scores.new_zeros(count).index_add(0, index(rows, scores.device), scores)
