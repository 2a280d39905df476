"""Data sets of texts with classes, in memory; divided into tokens when they are first needed."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Int64
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError
from convscope.graph.spec import SPECIAL, TensorSpec
from convscope.system.counting import counted
from convscope.worlds.dataset import Indices, LabelledDataset, checked, checked_labels
from convscope.worlds.images.listing import in_text, natural
from convscope.worlds.text.sentences import Labelled, classes_with_folder, read_labelled, without_text
from convscope.worlds.text.tokens import Token, tokenize
from convscope.worlds.text.vocabulary import LONGEST, encode, fit_spec, max_tokens, unknown_tokens

SCRIPT = 0.5
"""Share of the letters that a cleaning may drop before words are refused as tokens."""


class TextDataset(LabelledDataset):
    """Texts with classes, as indices of tokens `[t]`.

    With a spec without vocabulary, vocabulary and length are those of these texts; `with_spec` gives them
    those of others, which is what a test set needs.

    Args:
        texts: the texts.
        labels: class of each, an index into `classes`.
        classes: names of the classes.
        spec: how texts are divided, with a vocabulary or without.
        name: name of the data set.
        empty: number of texts that were left out because nothing was in them.

    Raises:
        DataError: there are no texts, or labels and classes do not fit.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Int64[Tensor, " n"],
        classes: Sequence[str],
        spec: TensorSpec,
        name: str = "texts",
        empty: int = 0,
    ) -> None:
        self.texts, self.classes, self.name, self.empty = tuple(texts), tuple(classes), name, empty
        self.labels = checked_labels(labels, len(self.texts), self.classes)
        self.given = spec

    @classmethod
    def of(
        cls, found: Labelled, spec: TensorSpec, name: str, classes: Sequence[str] | None = None
    ) -> "TextDataset":
        """Make a data set of what was read.

        Args:
            found: texts with the names of their classes.
            spec: how texts are divided.
            name: name of the data set.
            classes: names of the classes, if there are others than occur; in natural order if left out.

        Returns:
            The data set.

        Raises:
            DataError: a class is none of `classes`.
        """
        names = tuple(sorted(set(found.labels), key=natural)) if classes is None else tuple(classes)
        index = {label: k for k, label in enumerate(names)}
        strange = next((label for label in found.labels if label not in index), None)
        if strange is not None:
            raise DataError(
                f"classes {', '.join(names)} in {name}",
                received=strange,
                hint="Correct the labels in the file, or name all classes.",
            )
        labels = torch.tensor([index[label] for label in found.labels], dtype=torch.int64)
        return cls(found.texts, labels, names, spec, name, found.empty)

    @cached_property
    def spec(self) -> TensorSpec:  # pyright: ignore[reportIncompatibleVariableOverride]  # computed once
        """Vocabulary, length and text transform; fitted to these texts where none were given."""
        fitted = len(self.given.vocabulary) > len(SPECIAL)
        return self.given if fitted else fit_spec(self.given, self.texts)

    def with_spec(self, spec: TensorSpec) -> Self:
        """Return these texts with the vocabulary of another spec.

        Args:
            spec: of the training data, or of a trained network.

        Returns:
            A data set of the same texts.
        """
        return type(self)(self.texts, self.labels, self.classes, spec, self.name, self.empty)

    @cached_property
    def tokens(self) -> tuple[list[Token], ...]:
        """The tokens of each text."""
        found = tuple(tokenize(text, self.given.text) for text in self.texts)
        if not any(found):
            raise DataError(
                f"texts with {self.given.text.tokens} in {self.name}",
                received="none: nothing is left of them after cleaning",
                hint="For Chinese and other scripts take characters or bytes: char_cnn, byte_cnn.",
            )
        return found

    @cached_property
    def content(  # pyright: ignore[reportIncompatibleMethodOverride]  # computed once
        self,
    ) -> Int64[Tensor, "n t"]:
        """All texts as indices, `[n t]`."""
        return torch.stack([encode(tokens, self.spec) for tokens in self.tokens])

    @override
    def inputs(self, indices: Indices, spec: TensorSpec | None = None) -> Int64[Tensor, "b t"]:
        """Return some texts as indices of the vocabulary, or of that of a spec."""
        if spec is not None and (spec.vocabulary, spec.shape, spec.text) != (
            self.spec.vocabulary,
            self.spec.shape,
            self.spec.text,
        ):
            chosen = self.take(indices).with_spec(spec)
            return chosen.content
        return self.content[checked(indices, len(self))]

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        """How many texts were empty or cut, and how many tokens the vocabulary lacks."""
        rare = [token for tokens in self.tokens for token in unknown_tokens(tokens, self.spec)]
        total, places = sum(map(len, self.tokens)), max_tokens(self.spec)
        cut = sum(len(tokens) > places for tokens in self.tokens)
        blank = sum(not tokens for tokens in self.tokens)
        kind = self.spec.text.tokens
        found = []
        if self.empty:
            found.append(f"{without_text(self.empty)} left out")
        if blank:
            found.append(
                f"of {counted(blank, 'text')} nothing is left after cleaning; the input is only padding"
            )
        if cut:
            limit = f" (at most {LONGEST:,} {kind} are taken)" if self.spec.shape[0] == LONGEST else ""
            found.append(
                f"{cut:,} of {counted(len(self), 'text')} {'is' if cut == 1 else 'are'} cut to "
                f"{places:,} {kind}{limit}"
            )
        if rare:
            named = ", ".join(dict.fromkeys(rare[:3]))
            found.append(
                f"{len(rare):,} of {total:,} {kind} ({len(rare) / total:.1%}) are not in the vocabulary, "
                f"such as {named}; all of them are the unknown one"
            )
        return tuple(found)

    @override
    def take(self, indices: Indices) -> Self:
        """Return the subset of some texts."""
        chosen = checked(indices, len(self))
        texts = [self.texts[i] for i in chosen.tolist()]
        return type(self)(texts, self.labels[chosen], self.classes, self.given, self.name)


def open_texts(path: str | Path, split: str | None, spec: TensorSpec) -> TextDataset:
    """Open a file or folder of texts with classes.

    Args:
        path: as for `read_labelled`.
        split: the part; None for the one to learn from.
        spec: how texts are divided; its vocabulary, if it has one.

    Returns:
        The data set; classes are those of all parts, also where a folder of one holds no text.

    Raises:
        DataError: there is nothing of that form.
    """
    found, splits = read_labelled(path, split)
    parts = [read_labelled(path, part)[0].labels for part in splits]
    classes = {*classes_with_folder(path), *found.labels, *(label for labels in parts for label in labels)}
    name = "/".join(
        filter(None, (in_text(Path(path).resolve().name), split or (splits[0] if splits else "")))
    )
    return TextDataset.of(found, spec, name, tuple(sorted(classes, key=natural)))
