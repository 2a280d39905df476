"""How far an explanation can be believed: every check that applies, for every row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from convscope.errors import UsageError, nearest
from convscope.nets import frozen
from convscope.see.explaining.checks.completeness import Completeness, completed
from convscope.see.explaining.checks.curves import Curved, curved
from convscope.see.explaining.checks.drop import Drop, dropped
from convscope.see.explaining.checks.pointing import Boxes, Pointing, pointed
from convscope.see.explaining.checks.randomisation import Randomisation, randomised_checks
from convscope.see.explaining.fields import per_position
from convscope.see.explaining.method import Method
from convscope.see.explaining.question import Question

ALL = ("deletion", "drop", "completeness", "randomisation")
"""The checks that can be asked for; the pointing game needs boxes and is played where they are given."""


@dataclass(frozen=True)
class Reliability:
    """What the checks say of one row; None for those that were not made or do not apply."""

    curved: Curved | None = None
    drop: Drop | None = None
    completeness: Completeness | None = None
    randomisation: Randomisation | None = None
    pointing: Pointing | None = None

    def numbers(self) -> dict[str, Any]:
        """All as plain numbers, JSON-ready."""
        found: dict[str, Any] = {}
        if self.curved:
            c = self.curved
            found |= {
                "deletion": c.curves.deletion_area, "insertion": c.curves.insertion_area,
                "deletion_chance": c.chance_deletion, "insertion_chance": c.chance_insertion,
                "deletion_curve": list(c.curves.deletion), "insertion_curve": list(c.curves.insertion),
                "deleted_shows": c.curves.cover,
            }  # fmt: skip
        if self.drop:
            found |= {"drop": self.drop.drop, "increase": self.drop.increase}
        if self.completeness:
            c = self.completeness
            found |= {"sum": c.total, "difference": c.difference, "completeness_gap": c.gap}
        if self.randomisation:
            r = self.randomisation
            found |= {
                "randomised_layers": list(r.layers),
                "rank_correlations": list(r.correlations),
                "fades": r.fades,
            }
        if self.pointing:
            p = self.pointing
            found |= {"pointing_hit": p.hit, "heat_inside": p.inside, "area_inside": p.area}
        return found


def checking(
    question: Question,
    method: Method,
    attributions: Sequence[Tensor],
    checks: Sequence[str] = ALL,
    boxes: Boxes = (),
) -> Iterator[tuple[str, float, tuple[Reliability, ...]]]:
    """Make the checks, and yield what is known after each part.

    Raises:
        UsageError: there is no such check, or the boxes do not fit.
    """
    for check in checks:
        if check not in ALL:
            raise UsageError("checks that exist", received=check, hint=nearest(check, ALL))
    found = [Reliability() for _ in range(len(question))]
    heats = tuple(per_position(a, strongest=method.strongest) for a in attributions)
    if boxes:
        found = _with(found, "pointing", pointed(heats[0], boxes))
    changes = bool(question.explained)  # indices cannot be hidden
    with frozen(question.net.module):
        if "drop" in checks and changes:
            found = _with(found, "drop", dropped(question, heats))
        if "completeness" in checks and changes:
            found = _with(found, "completeness", completed(question, method, attributions))
    yield "checking", 0.0, tuple(found)
    if "deletion" in checks and changes:
        with frozen(question.net.module):
            made = list(curved(question, heats))
        found = _with(found, "curved", made[-1][1])
        yield "deleting and inserting", 1.0, tuple(found)
    if "randomisation" in checks:
        for share, rows in randomised_checks(question, method, heats):
            found = _with(found, "randomisation", rows)
            yield "forgetting", share, tuple(found)


def _with(found: list[Reliability], name: str, values: Sequence[Any]) -> list[Reliability]:
    return [replace(one, **{name: value}) for one, value in zip(found, values, strict=True)]
