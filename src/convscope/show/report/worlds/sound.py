"""The tour of sound: a word as a waveform and a spectrogram, filters for it, feature maps, the answer."""

from importlib.resources import files
from pathlib import Path

import torch
from markupsafe import Markup
from torch import Tensor
from torch.nn import functional

from convscope import worlds
from convscope.nets import load
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.worlds import chapters
from convscope.show.report.worlds.subject import Subject, WorldTour
from convscope.show.svg import element
from convscope.system.files import replace_file
from convscope.use import classify
from convscope.worlds import LabelledTensors, Sample

NETWORK = "spoken-digits"
WORD = 7
"""Which of the bundled words is followed."""
FILE = "seven.wav"
HIGHER = 1.2
"""How many times higher the second voice is."""
PLACES = ("relu1", "relu2", "relu3")
UNITS = ("relu2:0", "relu2:1", "relu2:2")
SOURCE = "Hung-yi Lee, lecture “Convolutional Neural Network”, speech recognition"
WIDTH = 330
"""Width of one of two sounds side by side, in pixels."""


def prepare(recipe: TourRecipe, folder: Path) -> Subject:
    """Load the network and the bundled words, and copy the followed one beside the page.

    Args:
        recipe: all settings.
        folder: of the page.

    Returns:
        The subject.
    """
    net = load(NETWORK)
    recordings = files("convscope.worlds").joinpath("data", "spoken")
    count = len(net.classes)
    paths = [recordings.joinpath(f"{digit}.wav") for digit in range(count)]
    words = torch.stack([worlds.open_sample(str(path), net.input_spec).input for path in paths])
    data = LabelledTensors(words, torch.arange(count), net.classes, net.input_spec, "bundled words")
    with replace_file(folder / FILE) as part:
        part.write_bytes(paths[WORD].read_bytes())
    return Subject(net, worlds.open_sample(str(paths[WORD]), net.input_spec), data, recipe, folder / FILE)


def word(subject: Subject) -> Section:
    """Build the chapter on the input: the waveform and the spectrogram of a word.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    spec = subject.net.input_spec
    told = {"samples": f"{spec.shape[-1]:,}", "rate": f"{spec.sample_rate:,}"}
    return Section("sound.input", (chapters.input_figure("sound.word", subject, "", **told),), told)


def design(subject: Subject) -> Section:
    """Build the chapter on the design: the same word by a higher voice, and the layers of the network.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    first = subject.sample.input
    second = raised(first, HIGHER)
    cells, told = [], {"percent": f"{100 * (HIGHER - 1):.0f}"}
    for name, wave in (("original", first), ("higher", second)):
        found = classify(subject.net, Sample(wave, None), top=1)
        told[name] = found.label
        words = bilingual(
            f"sound.pitch.{name}",
            tag="p",
            class_="mini",
            answer=found.label,
            probability=f"{100 * found.probabilities[0]:.0f}%",
            **told,
        )
        cells.append(element("div", words, _drawn(subject, wave, name)))
    pitch = Figure("sound.pitch", element("div", *cells, class_="pair"), "", SOURCE, told, wide=True)
    table = chapters.layer_table("sound.layers", subject, f"convscope describe {NETWORK}", SOURCE)
    return Section("sound.design", (pitch, table))


def raised(wave: Tensor, times: float) -> Tensor:
    """Play a waveform faster, which makes all of its frequencies higher by the same factor.

    Args:
        wave: `[1 t]`.
        times: the factor, above 1.

    Returns:
        `[1 t]`: shorter, with silence after it.
    """
    length = round(wave.shape[-1] / times)
    faster = functional.interpolate(wave[None], length, mode="linear", align_corners=True)[0]
    return functional.pad(faster, (0, wave.shape[-1] - length))


def inside(subject: Subject) -> Section:
    """Build the chapter on the feature maps of the followed word, and the words that excite units.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    look = f"convscope look {FILE} --net {NETWORK}"
    fields = chapters.fields(subject, PLACES, (subject.net.input_spec.sample_rate or 1) / 1000)
    maps = chapters.maps_figure("sound.maps", subject, PLACES, look, fields=fields)
    command = f"convscope unit {NETWORK} {UNITS[0]} --data FOLDER"
    return Section(
        "sound.inside", (maps, chapters.examples_figure("sound.units", subject, UNITS, command, count=3))
    )


def answer(subject: Subject) -> Section:
    """Build the chapter on the answer, and where in the word it comes from.

    Args:
        subject: of the tour.

    Returns:
        The section.
    """
    command = f"convscope explain {FILE} --net {NETWORK} --method integrated"
    return Section("sound.answer", (chapters.answer_figure("sound.heard", subject, command, "integrated"),))


def _drawn(subject: Subject, wave: Tensor, name: str) -> Markup:
    """Draw a sound of the chapter on pitch."""
    return chapters.draw(subject, wave, WIDTH, spoken(f"sound.pitch.alt.{name}"))


TOUR = WorldTour("sound", prepare, (word, design, inside, answer))
