"""The world of texts: sentences as indices of words, characters or bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError
from convscope.graph.spec import PADDING, SPECIAL, TEXT, TensorSpec
from convscope.recipe import shortened
from convscope.worlds.dataset import Dataset
from convscope.worlds.text.dataset import open_texts
from convscope.worlds.text.drawing import draw_tokens, ink, token_names
from convscope.worlds.text.sentences import ENDINGS, decoded, is_text, parts_of, read_text_file
from convscope.worlds.text.tokens import Token, byte_value, tokenize
from convscope.worlds.text.vocabulary import encode, max_tokens, unknown_tokens
from convscope.worlds.world import Piece, Placement, Sample, Span, World

if TYPE_CHECKING:
    from convscope.worlds.images.checking.check import DatasetReport

WHICH = (
    "A text is a file where one of that name exists or it ends in .txt, .csv, .tsv or .gz; anything else is "
    "the sentence itself, in quotes."
)
"""How a text is told from the name of a file."""
EXAMPLES = ("你明天有空吗", "Do you like this film", "a fine film", "what is it", "好", "a")
"""Texts to show a network with where none is given."""


@dataclass(frozen=True)
class TokenPlacement(Placement):
    """Map positions of tokens to characters of a text, and back.

    Attributes:
        spans: first character of each token, and the one after its last.
        lead: position of the first token.
    """

    spans: tuple[tuple[int, int], ...] = ()
    lead: int = 0

    @override
    def to_file(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Map positions of the input to characters: whole ones, from the first to the last token touched."""
        ((low, high),) = spans
        first, last = max(int(low) - self.lead, 0), min(-int(-high // 1) - self.lead, len(self.spans))
        if last <= first:
            return ((0.0, 0.0),)
        held = self.spans[first:last]
        return ((float(min(start for start, _ in held)), float(max(end for _, end in held))),)

    @override
    def to_input(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Map characters to the positions of the tokens that have one of them."""
        ((low, high),) = spans
        held = [at for at, (start, end) in enumerate(self.spans) if start < high and end > low]
        if not held:
            return ((0.0, 0.0),)
        return ((float(held[0] + self.lead), float(held[-1] + 1 + self.lead)),)


@dataclass(frozen=True)
class Text:
    """A text that was opened.

    Attributes:
        text: as it was given or read, without space around it.
        tokens: what it was divided into.
        notes: what of it the input does not show, as sentences.
        path: the file it is from; empty for a sentence.
    """

    text: str
    tokens: tuple[Token, ...]
    notes: tuple[str, ...] = ()
    path: str = ""

    def __str__(self) -> str:
        return self.text


class TextWorld(World):
    """Read sentences, and files of text, as indices of tokens."""

    kind = TEXT
    thing = "a text"
    things = "texts"
    suffixes = (".txt",)
    collected = (*ENDINGS, ".gz")
    is_ink = True

    @override
    def open(self, source: Any, spec: TensorSpec) -> Sample:
        """Read a sentence, or a file of text.

        Args:
            source: a sentence or the name of a file, as `WHICH` tells them apart; a `Path` or bytes are a
                file.
            spec: vocabulary, length and text transform.

        Returns:
            Indices `[t]`; the original is a `Text`, and its placement maps tokens to characters.

        Raises:
            DataError: the file is missing or no text, the text is empty, or the network has no vocabulary.
        """
        if isinstance(source, str) and not _is_file(source):
            _refuse_file_names(source)
        text, path = _text(source)
        tokens = tokenize(text, spec.text)
        if not tokens:
            kind = spec.text.tokens
            raise DataError(
                f"a text with {kind}, such as 'a fine film'",
                received=f"{shortened(text)!s}, of which nothing is left" if text else "an empty text",
                hint="For Chinese and other scripts take a network of characters or bytes. " + WHICH,
            )
        return Sample(
            encode(tokens, spec),
            Text(text, tuple(tokens), _notes(tokens, spec), path),
            placed(text, tokens, spec),
        )

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw the tokens as words in black ink; bytes as the text that they encode."""
        return ink(draw(tensor, spec))

    @override
    def example(self, spec: TensorSpec, index: int = 0) -> Sample | None:
        """Return one of `EXAMPLES` whose tokens the vocabulary has; None without one."""
        if len(spec.vocabulary) <= len(SPECIAL):
            return None
        samples = (self.open(text, spec) for text in EXAMPLES if tokenize(text, spec.text))
        known = [sample for sample in samples if not sample.original.notes]
        return known[index % len(known)] if known else None

    @override
    def bundled_data(self, spec: TensorSpec) -> str | None:
        """Return the phrases that are made by rule, for inputs of words of a known vocabulary."""
        known = spec.text.tokens == "words" and len(spec.vocabulary) > len(SPECIAL)
        return "phrases" if known else None

    @override
    def notes(self, sample: Sample) -> tuple[str, ...]:
        """Return how many tokens the vocabulary lacks, and whether the text was cut."""
        return sample.original.notes if isinstance(sample.original, Text) else ()

    @override
    def pieces(self, tensor: Tensor, spec: TensorSpec) -> tuple[Piece, ...]:
        """Return the tokens from the first to the last; of bytes the whole characters that they encode."""
        return pieces_of(tensor.long().flatten().tolist(), spec)

    @override
    def parts(self, root: str | Path) -> tuple[str, ...]:
        return parts_of(root)

    @override
    def check(self, root: str | Path, *, duplicates: bool = True) -> "DatasetReport":
        from convscope.worlds.text.checking import check_texts

        return check_texts(root, duplicates=duplicates)

    @override
    def open_folder(self, root: str | Path, split: str | None, spec: TensorSpec) -> Dataset:
        """Open a folder or a file of texts with classes."""
        return open_texts(root, split, spec)


def pieces_of(indices: Sequence[int], spec: TensorSpec) -> tuple[Piece, ...]:
    """Return words or whole characters, and the positions of the tokens that they are made of.

    Args:
        indices: tokens of an input.
        spec: their vocabulary.

    Returns:
        From the first token that is no padding to the last one.
    """
    start = next((at for at, index in enumerate(indices) if index != PADDING), 0)
    names = token_names(indices, spec)
    if spec.text.tokens != "bytes":
        gap = " " if spec.text.tokens == "words" else ""
        return tuple(Piece(name, start + k, start + k + 1, gap) for k, name in enumerate(names))
    found: list[Piece] = []
    for character in bytes_as_characters(names):
        first = found[-1].last if found else start
        found.append(Piece(character[0], first, first + character[1], ""))
    return tuple(found)


def bytes_as_characters(names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the characters that bytes encode, each with its number of bytes.

    Args:
        names: as `tokens.byte_name` has them; others are one character of their own.

    Returns:
        The characters; U+FFFD for bytes that are no UTF-8.
    """
    found, position = [], 0
    while position < len(names):
        size = 1
        for length in (1, 2, 3, 4):
            held = names[position : position + length]
            try:
                text = bytes(map(byte_value, held)).decode()
            except ValueError:
                continue
            found.append((text, len(held)))
            size = len(held)
            break
        else:
            found.append(("\ufffd", 1))
        position += size
    return found


def draw(tensor: Tensor, spec: TensorSpec) -> Image.Image:
    """Draw an input of tokens in black on white.

    Args:
        tensor: indices `[t]`.
        spec: their vocabulary.

    Returns:
        An image of mode RGB.
    """
    pieces = pieces_of(tensor.long().flatten().tolist(), spec)
    return draw_tokens([piece.text for piece in pieces], between=pieces[0].gap if pieces else " ")


def placed(text: str, tokens: Sequence[Token], spec: TensorSpec) -> TokenPlacement:
    """Return where the characters of a text lie in its input.

    Args:
        text: the text.
        tokens: its tokens.
        spec: of the input.

    Returns:
        The placement; only tokens that the input holds have one.
    """
    spans = tuple((token.start, token.end) for token in tokens[: max_tokens(spec)])
    return TokenPlacement((1.0,), (float(spec.text.lead),), (float(len(text)),), spans, spec.text.lead)


def _text(source: Any) -> tuple[str, str]:
    """Return a text, and the path of its file if it has one."""
    if isinstance(source, bytes):
        try:
            return decoded(source).strip(), ""
        except ValueError as error:
            raise DataError("a text in UTF-8", received=str(error), hint="Decode it first.") from None
    if isinstance(source, PathLike) or (isinstance(source, str) and _is_file(source)):
        path = str(source)
        return read_text_file(path).strip(), path
    if isinstance(source, Text):
        return source.text, source.path
    if isinstance(source, str):
        return source.strip(), ""
    raise DataError("a text: a sentence, or a path", received=type(source).__name__, hint=WHICH)


def _refuse_file_names(source: str) -> None:
    """Refuse what has the name of a file of another world, which is not there: it is no sentence."""
    from convscope.worlds.registry import WORLDS

    words = source.split()
    suffix = Path(words[0]).suffix.lower() if len(words) == 1 else ""
    for world in WORLDS.values() if suffix else ():
        if suffix in world.suffixes and world.kind != TextWorld.kind:
            raise DataError(
                "a sentence, or a file of text",
                received=f"{words[0]}, which is the name of {world.thing} and does not exist",
                hint=WHICH,
            )


def _is_file(source: str) -> bool:
    """Return whether a text of the terminal is the name of a file, as `WHICH` says."""
    if is_text(source) or source.endswith(".gz"):
        return len(source.split()) == 1 or Path(source).exists()
    try:
        return bool(source.strip()) and Path(source).is_file()
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def _notes(tokens: Sequence[Token], spec: TensorSpec) -> tuple[str, ...]:
    """Return what of a text the input does not show."""
    found, places, rare = [], max_tokens(spec), unknown_tokens(tokens, spec)
    kind = spec.text.tokens
    if rare:
        every = "all" if len(rare) == len(tokens) else f"{len(rare)} of {len(tokens)}"
        named = ", ".join(dict.fromkeys(rare[:5]))
        found.append(f"{every} {kind} were never seen in training, such as {named}; they count as unknown")
    if len(tokens) > places:
        found.append(f"only the first {places} of {len(tokens)} {kind} are read")
    return tuple(found)
