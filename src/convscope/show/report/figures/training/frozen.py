"""The figure of what was frozen during a training, with the digests that prove that it did not move."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from convscope.learn import FreezeRecord
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join

SHOWN = 10
"""Hexadecimal digits of a SHA-256 that are shown; the whole one is the cell's title, and in the JSON."""
MOST = 60
"""Most parts that have a row; the last ones where there are more."""
COLUMNS = ("part", "values", "period", "digests", "identical", "since")


def of_run(records: Sequence[FreezeRecord], command: str) -> Figure:
    """Build the table of all parts that were frozen, for how long, and whether they are bit-identical.

    Args:
        records: what was frozen, at least one part.
        command: computes the digests of the saved network's frozen parts again, from its stored state.

    Returns:
        The figure; its title says so where a part has changed.
    """
    heads = [element("th", bilingual(f"trained.frozen.{name}"), scope="col") for name in COLUMNS]
    shown = records[-MOST:]
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *(_row(record) for record in shown)),
        class_="exact frozen",
    )
    values = {
        "parts": len(records),
        "shown": len(shown),
        "thawed": sum(record.ended is not None for record in records),
        "moved": sum(record.moved for record in records),
        "changed": sum(not record.identical for record in records),
    }
    finding = "title" if not values["changed"] else "broken"
    left = None
    if len(shown) < len(records):
        left = bilingual("trained.frozen.left", tag="p", shown=len(shown), parts=len(records))
    body = join([element("div", table, class_="scrolled"), left])
    return Figure("trained.frozen", body, command, "", values, finding=finding)


def _row(record: FreezeRecord) -> Markup:
    name = element("code", record.address, translate="no")
    without = bilingual("trained.frozen.without", tag="div", parts=", ".join(record.excluded))
    begun = bilingual(f"trained.frozen.{record.by}", tag="div", when=_moment(record.begun))
    ended = "trained.frozen.open" if record.ended is None else "trained.frozen.to"
    since = "frozen" if record.ended is None else "moved" if record.moved else "still"
    same = bilingual("trained.frozen.same" if record.identical else "trained.frozen.differs")
    return element(
        "tr",
        element("th", name, without if record.excluded else None, scope="row"),
        element("td", f"{record.values:,}"),
        element("td", begun, bilingual(ended, tag="div", when=_moment(record.ended or record.begun))),
        element("td", _digest(record.sha256), _digest(record.sha256_end)),
        element("td", same, class_=None if record.identical else "off"),
        element("td", bilingual(f"trained.frozen.{since}")),
    )


def _moment(moment: tuple[int, int]) -> Mapping[str, str]:
    """Write when something was frozen or thawed, in every language."""
    epoch, step = moment
    at = "beginning" if moment == (1, 0) else "within" if step else "epoch"
    return spoken(f"trained.frozen.{at}", epoch=epoch, step=step)


def _digest(sha256: str) -> Markup:
    return element("div", element("code", sha256[:SHOWN], title=sha256), translate="no")
