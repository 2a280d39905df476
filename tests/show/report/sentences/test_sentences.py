"""Every sentence that numbers choose: with other numbers it is false, and then it goes.

Each entry of `SENTENCES` has numbers with which its sentence is true and numbers with which it is false.
`test_choices.py` finds the sentences that have no entry here.
"""

import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import torch
from tests.show.pages.test_training_page import evaluation
from tests.show.report.sentences import explanations, making, pages, trainings
from tests.show.report.sentences.sentence import Sentence

from convscope import worlds
from convscope.nets import load, record
from convscope.show.report import i18n
from convscope.show.report.figures.network import parameters
from convscope.show.report.figures.training import calibration
from convscope.show.report.worlds import chapters, go, sound

SENTENCES = [*explanations.SENTENCES, *pages.SENTENCES, *trainings.SENTENCES]


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s.key)
def test_a_sentence_is_said_while_it_is_true(sentence: Sentence) -> None:
    made = sentence.make(**sentence.true)
    assert sentence.en in made, made
    assert sentence.zh in made, made
    for numbers in sentence.false:
        made = sentence.make(**numbers)
        assert sentence.en not in made, numbers
        assert sentence.zh not in made, numbers


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s.key)
def test_the_words_are_those_of_the_key(sentence: Sentence, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names the key that is chosen: with another text of that key, other words are said."""
    key = sentence.key.replace(".title", ".lead") if sentence.key.startswith("explain.read") else sentence.key
    other = {**i18n.texts(), key: {"en": "[1]", "zh": "[2]"}}
    monkeypatch.setattr(i18n, "texts", lambda: other)
    made = sentence.make(**sentence.true)
    assert "[1]" in made and "[2]" in made
    assert sentence.en not in made and sentence.zh not in made


def centre(wave: torch.Tensor) -> float:
    """The mean frequency of the power spectrum, in cycles for the whole length."""
    power = np.abs(np.fft.rfft(wave[0].numpy())) ** 2
    return float((np.arange(len(power)) * power).sum() / power.sum())


def test_the_pattern_of_a_higher_voice_moves_up() -> None:
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(8000) / 8000)[None]
    assert centre(sound.raised(tone, 1.2)) == pytest.approx(600, rel=0.01)
    spec = load(sound.NETWORK).input_spec
    word = files("convscope.worlds").joinpath("data", "spoken", f"{sound.WORD}.wav")
    wave = worlds.open_sample(str(word), spec).input
    assert centre(sound.raised(wave, sound.HIGHER)) > 1.1 * centre(wave)


def reach(name: str, place: str, step: int) -> tuple[int, ...]:
    """On how much of the input a value in the middle of a layer depends, by changing the input bit by bit."""
    net = load(name)
    size = net.input_spec.size
    count = [extent // step for extent in size]
    x = torch.rand(1, *net.input_spec.shape, generator=torch.Generator().manual_seed(0))
    changed = x.repeat(int(np.prod(count)), *[1] * (x.dim() - 1))
    for k, at in enumerate(np.ndindex(*count)):
        changed[k][(..., *(slice(step * i, step * (i + 1)) for i in at))] += 0.5
    (before,), (after,) = record(net, x, [place]).values(), record(net, changed, [place]).values()
    middle = tuple(extent // 2 for extent in before.shape[2:])
    moved = ((after - before)[(..., *middle)].abs() > 1e-6).any(1).view(count)
    found = [moved.nonzero()[:, axis] for axis in range(len(count))]
    return tuple(int(at.max() - at.min() + 1) * step for at in found)


def test_captions_of_maps_say_on_how_much_a_value_depends() -> None:
    """By changing inputs: the board ends at 9 points, the silence around a window of Hann's counts little."""
    of_go = chapters.fields(making.subject(worlds.Sample(torch.zeros(1), None), load(go.NETWORK)), go.PLACES)
    assert of_go == {"en": "3×3, 11×11, 19×19", "zh": "3×3、11×11、19×19"}
    assert [reach(go.NETWORK, place, 1) for place in ("conv1", go.PLACES[1])] == [(3, 3), (9, 9)]
    net = load(sound.NETWORK)
    rate = (net.input_spec.sample_rate or 0) / 1000
    subject = making.subject(worlds.Sample(torch.zeros(1), None), net)
    said = chapters.fields(subject, sound.PLACES, rate)["en"].split(", ")
    for place, milliseconds in zip(sound.PLACES, said, strict=True):
        (measured,) = reach(sound.NETWORK, place.replace("relu", "conv"), 40)
        assert measured / rate == pytest.approx(float(milliseconds), abs=30), place


@pytest.mark.parametrize("count", [40, 400])
def test_the_error_by_chance_is_that_of_a_simulation(count: int) -> None:
    confidence = np.linspace(0.55, 0.99, count)
    rows = torch.tensor(np.stack([confidence, 1 - confidence], 1), dtype=torch.float32)
    found = replace(evaluation([(0, 0)] * count, "ab"), probabilities=rows)
    body = making.visible(calibration.of_run(found, "").body)
    (en,) = re.findall(rf"show an error of about ([\d.]+) on {count} samples by chance", body)
    (zh,) = re.findall(rf"在 {count} 个样本上也会仅因偶然而显示约 ([\d.]+) 的误差", body)
    bins = np.ceil(confidence.astype(np.float32) * 15).astype(int)
    right = np.random.default_rng(1).random((2000, count)) < confidence
    gaps = np.stack([np.abs((right - confidence)[:, bins == b].sum(1)) for b in range(16)]).sum(0) / count
    assert float(en) == float(zh) == pytest.approx(100 * gaps.mean(), rel=0.1)


def test_every_line_of_the_scale_of_weights_is_ten_times_the_one_before() -> None:
    rows = [parameters.Costs("first", 1_000_000, 1_000, 100)]
    figure = parameters.figure(rows, 5)
    said = making.titled(figure, "caption")
    assert "every line is ten times the one before, and every second one has its number" in said
    assert "每条线是前一条的十倍，隔一条标出数值" in said
    drawn = str(parameters._draw(800, rows))
    lines = [float(x) for x in re.findall(r'd="M([\d.]+) [\d.]+V[\d.]+" class="hair"', drawn)]
    numbers = [float(x) for x in re.findall(r'x="([\d.]+)"[^>]*class="middle tiny muted"', drawn)]
    ((left, right),) = re.findall(r'd="M([\d.]+) \d+H([\d.]+)" class="edge"', drawn)
    left, right = float(left), float(right)
    assert lines[2] == pytest.approx(left, abs=0.1) and lines[6] == pytest.approx(right, abs=0.1)
    assert np.diff(lines) == pytest.approx(np.full(8, (right - left) / 4), abs=0.2)
    assert numbers == pytest.approx(lines[::2], abs=0.1)
