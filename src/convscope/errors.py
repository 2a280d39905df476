"""The exceptions of this package.

    ConvscopeError            1   something failed
    ├── UsageError            2   the request makes no sense: an unknown place, a bad option
    │   ├── GraphError            a network that cannot exist: shapes that do not fit, a cycle
    │   └── PlaceError            an address or id of nothing: a layer, a unit, an upload
    ├── DataError             3   the input is bad: corrupt, empty, truncated, too large, not found
    ├── MissingError          4   something is not here: weights, an optional package, a device
    ├── TrainingError         1   training diverged: NaN, Inf
    └── Interrupted         130   stopped by the user, after saving

The number is the exit code of the terminal command. A message states what was expected, what was received,
and the next step: `expected a layer of digits; received conv9. Did you mean conv1?`
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence


def _unstopped(text: str) -> str:
    """Return a text without a full stop at its end; an ellipsis, which says that there is more, stays."""
    return text if text.endswith("...") else text.removesuffix(".")


class ConvscopeError(Exception):
    """Base class of every error that this package raises on purpose.

    Its text is what was expected, what was received, and the next step: `expected ...; received .... Hint.`

    Args:
        expected: what would have been right, as a noun with what belongs to it: `a layer of digits`.
        received: what came instead; left out of the message when empty.
        hint: the next step the user can take; left out of the message when empty.
    """

    exit_code = 1

    def __init__(self, expected: str, *, received: str = "", hint: str = "") -> None:
        self.expected, self.hint = expected, hint
        self.received = re.sub(r"^\[Errno -?\d+\] ", "", received)
        stop = "" if self.said.endswith("...") else "."
        super().__init__(f"{self.said}{stop} {hint}".rstrip())

    @property
    def said(self) -> str:
        """What is wrong, in words: `expected a layer of digits; received conv9`."""
        expected = f"expected {_unstopped(self.expected)}"
        return f"{expected}; received {_unstopped(self.received)}" if self.received else expected

    @property
    def brief(self) -> str:
        """What is wrong in one short sentence, for a row of a table: what came, and what should have."""
        expected = _unstopped(self.expected)
        return f"{_unstopped(self.received)} (expected: {expected})" if self.received else expected

    def to_json(self) -> dict[str, str]:
        """Return the parts of the message.

        Returns:
            `expected`, `received` and `hint`, each a text, possibly empty.
        """
        return {"expected": self.expected, "received": self.received, "hint": self.hint}


class UsageError(ConvscopeError):
    """A request that cannot be carried out as it is: an unknown name, an option that is out of range."""

    exit_code = 2


class GraphError(UsageError):
    """A network that cannot exist: options or shapes that do not fit, a cycle."""


class PlaceError(UsageError):
    """An address or id of nothing: a layer or unit that the network lacks, an upload, a job."""


class DataError(ConvscopeError):
    """Unusable input: a file that is missing, corrupt, empty, truncated or too large."""

    exit_code = 3


class MissingError(ConvscopeError):
    """Something that is needed is not installed or present: weights, an optional package, a device."""

    exit_code = 4


class TrainingError(ConvscopeError):
    """Training that diverged: NaN or infinite values."""


class Interrupted(ConvscopeError):
    """Stopped by the user, after saving.

    Its `expected` is a sentence: what was stopped, and what is kept.
    """

    exit_code = 130

    @property
    def said(self) -> str:
        """What was stopped, and what is kept."""
        return _unstopped(self.expected)


MISSPELLED = 1 / 3
"""Share of the letters that may differ in a misspelled name."""
MOST_EDITS = 4
"""Largest difference of two lengths at which spellings are compared."""


def nearest(
    name: str, names: Iterable[str], *, most: int = 3, aliases: Mapping[str, str] | None = None
) -> str:
    """Return a hint with the names most similar to a wrong one: `Did you mean conv2?`.

    Case, hyphens, underscores and spaces do not count, so that `Grad-CAM` is `gradcam`. What is written alike
    comes first, then the name of which the wrong one is the last part (`resnet18` of `torchvision/resnet18`),
    then other words for the same, then names with a number more (`conv2` for `conv`), then names in which it
    is a whole word (`owl` of `great grey owl`), then similar spellings.

    Args:
        name: the wrong name.
        names: the valid names.
        most: number of similar names to list at most.
        aliases: other words for valid names, such as those in papers: word -> name.

    Returns:
        A sentence with similar names; without any, one that lists the first 12 valid names; empty if there
        are none.
    """
    names = list(names)
    close = similar(name, names, aliases=aliases)[:most]
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"There {'is' if len(names) == 1 else 'are'}: {shown}." if names else ""


def similar(
    name: str, names: Sequence[str], *, aliases: Mapping[str, str] | None = None, cutoff: float = 0.5
) -> list[str]:
    """Return the names that a wrong one may stand for, as `nearest` finds them.

    Args:
        name: the wrong name.
        names: the valid names.
        aliases: other words for valid names.
        cutoff: least similarity of two spellings, 0 to 1 (`difflib.SequenceMatcher.ratio`).

    Returns:
        The best first, as `nearest` orders them; only those that are written alike, if any is.
    """
    wrong, wanted = name, _plain(name)
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(_plain(name), []).append(name)
    also = _other_words(names, aliases)
    ends = [name for name in names if wanted and _plain(name.rpartition("/")[2]) == wanted]
    same = plain.get(wanted) or ends or ([also[wanted]] if wanted in also else [])
    if same:
        return same
    close = difflib.get_close_matches(wanted, [*plain, *also], n=6, cutoff=cutoff)
    found = [name for word in close for name in plain.get(word, [also.get(word, "")])]
    return list(dict.fromkeys([*_numbered(wanted, names), *_containing(wrong, names), *found]))


def misspelled(name: str, names: Iterable[str], *, aliases: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of settings that a wrong one can only be a misspelling of.

    Unlike `similar`, which looks for names, it offers nothing that has another meaning: a setting is followed
    by a value, and `--seed 3` is not `--size 3`.

    Args:
        name: the wrong name.
        names: the valid names.
        aliases: other words for valid names.

    Returns:
        The closest first: those that are written alike, those of other words for the same, and those that
        differ in `MISSPELLED` of their letters or less (left out, added, replaced, or swapped with the next).
    """
    names, wanted = list(names), _plain(name)
    words = {_plain(valid): valid for valid in names}
    words = _other_words(names, aliases) | words
    if wanted in words:
        return [words[wanted]]
    shares = [(_edits(wanted, word) / max(len(wanted), len(word), 1), words[word]) for word in words]
    return list(dict.fromkeys(valid for share, valid in sorted(shares) if share <= MISSPELLED))


def settings_hint(name: str, names: Iterable[str], *, aliases: Mapping[str, str] | None = None) -> str:
    """Return a hint for a wrong name of a setting.

    Args:
        name: the wrong name.
        names: the valid names.
        aliases: other words for valid names.

    Returns:
        A sentence with those that it can be a misspelling of, three at most; without any, one with all names.
    """
    names = list(names)
    close = misspelled(name, names, aliases=aliases)[:3]
    return f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(names)}."


def _other_words(names: Sequence[str], aliases: Mapping[str, str] | None) -> dict[str, str]:
    """Return the plain form of the other words for those names that there are."""
    return {_plain(word): name for word, name in (aliases or {}).items() if name in names}


def _edits(one: str, other: str) -> int:
    """Return the optimal string alignment distance: letters left out, added, replaced, or two swapped."""
    if abs(len(one) - len(other)) > MOST_EDITS or min(len(one), len(other)) > 100:
        return max(len(one), len(other))
    before, last = [], list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _numbered(wanted: str, names: Sequence[str]) -> list[str]:
    """Return the names whose last part is a wrong one and a number, which it lacks: the smallest first."""
    found = []
    for name in names:
        match = re.fullmatch(rf"{re.escape(wanted)}(\d{{1,9}})", _plain(name.rpartition("/")[2]))
        if match and wanted[-1:].isalpha():
            found.append((int(match[1]), name))
    return [name for _, name in sorted(found, key=lambda entry: entry[0])]


def _containing(wrong: str, names: Sequence[str]) -> list[str]:
    """Return the names that contain the words of a wrong one as whole words: first those that end in them."""
    wanted = _words(wrong)
    count = len(wanted)
    found = []
    for name in names:
        words = _words(name)
        places = [k for k in range(len(words) - count + 1) if words[k : k + count] == wanted]
        if wanted and places:
            found.append((places[-1] + count < len(words), len(words), name))
    return [name for *_, name in sorted(found, key=lambda entry: entry[:2])]


def _words(name: str) -> list[str]:
    """Return the words of a name: what is between spaces, hyphens, underscores and other punctuation."""
    return re.findall(r"[^\W_]+", name.casefold())


def _plain(name: str) -> str:
    """Return a name without what people write differently: case, hyphens, underscores and spaces."""
    return re.sub(r"[\s_-]+", "", name.casefold())
