"""Vocabularies: the names of the indices that a network of texts reads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from jaxtyping import Int64
from torch import Tensor

from convscope.errors import DataError
from convscope.graph.spec import SPECIAL, TEXT, UNKNOWN, TensorSpec, TextTransform
from convscope.worlds.text.tokens import Token, byte_name, tokenize

LONGEST = 1024
"""Most tokens of an input: what is longer is cut."""
MOST = 200_000
"""Largest size of a vocabulary; the most frequent tokens are kept."""


def fit_spec(spec: TensorSpec, texts: Sequence[str], extra: Sequence[str] = ()) -> TensorSpec:
    """Fit a spec to the texts that are learned from: their vocabulary, and the length of the longest.

    Args:
        spec: its text transform is kept.
        texts: what is learned from, and nothing else: words of a test set would be a leak.
        extra: words that the vocabulary holds too, such as those of word vectors.

    Returns:
        A spec with the tokens of the texts from the most to the least frequent, then those of `extra`; equal
        ones in the order of the alphabet. Bytes always have the same vocabulary of 258.
    """
    divided = [tokenize(text, spec.text) for text in texts]
    longest = max(map(len, divided), default=1)
    if spec.text.tokens == "bytes":
        names = tuple(byte_name(value) for value in range(256))
    else:
        counts = Counter(token.text for tokens in divided for token in tokens)
        ordered = sorted(counts, key=lambda name: (-counts[name], name))
        names = tuple(dict.fromkeys([*ordered, *extra]))[: MOST - len(SPECIAL)]
    return with_vocabulary(spec, names, longest + 2 * spec.text.lead)


def with_vocabulary(spec: TensorSpec, names: Sequence[str], length: int) -> TensorSpec:
    """Return a spec with a vocabulary and a length.

    Args:
        spec: its text transform is kept.
        names: the tokens, without the two special ones.
        length: number of tokens of an input, padding included; at most `LONGEST`.

    Returns:
        The spec.
    """
    vocabulary = (*SPECIAL, *(name for name in names if name not in SPECIAL))
    return replace(
        spec,
        shape=(min(length, LONGEST),),
        kind=TEXT,
        axes="t",
        dtype="int64",
        vocabulary=vocabulary,
        value_range=(0.0, float(len(vocabulary) - 1)),
    )


@lru_cache(maxsize=16)
def _indices_of(vocabulary: tuple[str, ...]) -> Mapping[str, int]:
    return {name: index for index, name in enumerate(vocabulary)}


def indices_of(spec: TensorSpec) -> Mapping[str, int]:
    """Return the index of each token of a vocabulary.

    Args:
        spec: of a text.

    Returns:
        Indices by name.

    Raises:
        DataError: the spec has no vocabulary yet.
    """
    if len(spec.vocabulary) <= len(SPECIAL):
        raise DataError(
            "a network of texts with a vocabulary, which it gets from what it learns",
            received=f"the vocabulary of {spec.name} is empty",
            hint="Train it first: convscope train kim_cnn FILE, and then --net RUN.",
        )
    return _indices_of(spec.vocabulary)


def encode(tokens: Sequence[Token], spec: TensorSpec) -> Int64[Tensor, " t"]:
    """Look tokens up in a vocabulary, and pad or cut them to the length of the spec.

    Args:
        tokens: as `tokenize` returns them.
        spec: vocabulary, length and lead.

    Returns:
        Indices `[t]`: `lead` times padding, the tokens, and padding to the end.
    """
    known, (length,) = indices_of(spec), spec.shape
    lead = spec.text.lead
    found = [known.get(token.text, UNKNOWN) for token in tokens[: max_tokens(spec)]]
    row = torch.zeros(length, dtype=torch.int64)
    row[lead : lead + len(found)] = torch.tensor(found, dtype=torch.int64)
    return row


def max_tokens(spec: TensorSpec) -> int:
    """Return how many tokens of a text an input holds.

    Args:
        spec: of a text.

    Returns:
        Its length without the padding at the beginning.
    """
    return max(spec.shape[0] - spec.text.lead, 1)


def unknown_tokens(tokens: Iterable[Token], spec: TensorSpec) -> list[str]:
    """Return the tokens that a vocabulary lacks.

    Args:
        tokens: as `tokenize` returns them.
        spec: of a text.

    Returns:
        Their names in their order, as often as they occur.
    """
    known = indices_of(spec)
    return [token.text for token in tokens if token.text not in known]


WORDS = TensorSpec((64,), TEXT, "t", "int64", text=TextTransform(lead=4))
"""Words as in Kim's code: four positions of padding before and behind a sentence."""
CHARACTERS = TensorSpec((128,), TEXT, "t", "int64", text=TextTransform("characters", "none", 2))
BYTES = with_vocabulary(
    TensorSpec((256,), TEXT, "t", "int64", text=TextTransform("bytes", "none", 2)),
    tuple(byte_name(value) for value in range(256)),
    256,
)
