"""The tour of text: a sentence as a row of vectors, filters along it, feature maps, the answer."""

from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from convscope import worlds
from convscope.nets import load
from convscope.see.visualization import best_ngrams
from convscope.show import tinted
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import bilingual
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.worlds import chapters
from convscope.show.report.worlds.subject import Subject, WorldTour
from convscope.show.svg import element
from convscope.system.files import write_text

NETWORK = "questions"
SENTENCE, OTHER = "do you have time tomorrow", "你明天有时间吗"
"""The sentences that are followed; the mark at the end is what the network has to guess."""
FILE = "sentence.txt"
PLACES = ("relu1", "relu2")
UNITS = tuple(range(6))
"""Units of the first convolution whose best n-grams are shown."""
NUMBERS = """\
from convscope import nets, worlds
spec = nets.load({net!r}).input_spec
print(worlds.open_sample({sentence!r}, spec).input)"""
SOURCE = "Kim 2014, Convolutional Neural Networks for Sentence Classification, arXiv:1408.5882"


def prepare(recipe: TourRecipe, folder: Path) -> Subject:
    """Load the network, and write the followed sentence beside the page.

    Args:
        recipe: all settings.
        folder: of the page.

    Returns:
        The subject.
    """
    net = load(NETWORK)
    write_text(folder / FILE, SENTENCE + "\n")
    return Subject(net, worlds.open_sample(SENTENCE, net.input_spec), None, recipe, folder / FILE)


def in_chinese(subject: Subject) -> Subject:
    """Return the subject with the Chinese sentence in place of the English one.

    Args:
        subject: of the tour.

    Returns:
        The other subject.
    """
    return replace(subject, sample=worlds.open_sample(OTHER, subject.net.input_spec))


def sentence(subject: Subject) -> Section:
    """Build the chapter on the input: characters, and the numbers that stand for them.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    spec = subject.net.input_spec
    found = [_numbers(one) for one in (subject, in_chinese(subject))]
    told = {"length": spec.shape[0], "vocabulary": f"{len(spec.vocabulary):,}"}
    command = NUMBERS.format(net=NETWORK, sentence=SENTENCE)
    return Section(
        "text.input", (Figure("text.numbers", element("div", *found), command, "", told, wide=True),), told
    )


def design(subject: Subject) -> Section:
    """Build the chapter on the design: filters along the sentence, and what each looks for.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    units = [f"conv1:{k}" for k in UNITS]
    found = best_ngrams(subject.net, units)
    lines = [
        element(
            "tr",
            element("th", unit, scope="row", translate="no"),
            *(
                element("td", " ".join(_shown(word) for word in position[:3]), translate="no")
                for position in words
            ),
        )
        for unit, words in zip(units, found.words, strict=True)
    ]
    head = element(
        "tr",
        element("th", bilingual("text.ngrams.unit")),
        *(element("th", str(k + 1)) for k in range(len(found.words[0]))),
    )
    table = element("table", element("thead", head), element("tbody", *lines), class_="exact")
    told = {"kernel": len(found.words[0])}
    ngrams = Figure(
        "text.ngrams",
        element("div", table, class_="scrolled"),
        f"convscope visualize {NETWORK} {' '.join(units)}",
        SOURCE,
        told,
        wide=True,
    )
    return Section(
        "text.design",
        (ngrams, chapters.layer_table("text.layers", subject, f"convscope describe {NETWORK}", SOURCE)),
    )


def inside(subject: Subject) -> Section:
    """Build the chapter on the feature maps along the sentence.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    command = f"convscope look {FILE} --net {NETWORK}"
    return Section("text.inside", (chapters.maps_figure("text.maps", subject, PLACES, command),))


def answer(subject: Subject) -> Section:
    """Build the chapter on the answers for both sentences, and the characters that they depend on.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    command = f"convscope explain {FILE} --net {NETWORK} --method integrated"
    other = f"convscope explain {OTHER} --net {NETWORK} --method integrated"
    return Section(
        "text.answer",
        (
            chapters.answer_figure("text.read", subject, command, "integrated"),
            chapters.answer_figure("text.chinese", in_chinese(subject), other, "integrated"),
        ),
    )


def _numbers(subject: Subject) -> Markup:
    """Build a row of characters with their indices in the vocabulary."""
    tokens, spec = subject.sample.input.tolist(), subject.net.input_spec
    pieces = tinted.pieces_of([subject.sample.input], [spec])
    cells = [
        element(
            "div",
            element("b", _shown(piece.text), translate="no"),
            element("div", str(tokens[piece.first]), class_="mini"),
            class_="tile",
        )
        for piece in pieces
    ]
    return element("div", *cells, class_="sheet", style="--tile:2.2rem")


def _shown(word: str) -> str:
    """Return a token with spaces made visible."""
    return word.replace(" ", "␣") or "·"


TOUR = WorldTour("text", prepare, (sentence, design, inside, answer))
