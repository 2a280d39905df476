"""Where round times and frequencies lie beside a spectrogram, and how places in it are named."""

import numpy as np
import torch
from PIL import Image

from convscope.graph import TensorSpec, chain
from convscope.graph.spec import SOUND
from convscope.nets import SpectrogramAxes, build, wrap
from convscope.see.attribution import explain
from convscope.show.pages.explanation.attribution import photo_of
from convscope.show.pages.explanation.axes import framed, framed_drawing, hertz, marks_of
from convscope.show.pages.explanation.text import sentences, where
from convscope.show.svg import drawing

FRAMES = tuple(0.02 * k for k in range(50))
LINEAR = SpectrogramAxes(FRAMES, tuple(np.linspace(0, 4000, 81)))
OCTAVES = SpectrogramAxes(FRAMES, tuple(125.0 * 2 ** (k / 8) for k in range(41)))


def test_marks_lie_in_the_middle_of_the_frames_and_rows_of_their_value():
    marks = marks_of(LINEAR, 81)
    assert [text for _, text in marks.along] == ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s"]
    for share, text in marks.along:
        assert abs(share * 50 - 0.5 - float(text.split()[0]) / 0.02) < 1e-9
    assert [text for _, text in marks.up] == ["0 Hz", "1 kHz", "2 kHz", "3 kHz", "4 kHz"]
    for share, k in zip((share for share, _ in marks.up), (0, 20, 40, 60, 80), strict=True):
        assert abs(share * 81 - 0.5 - k) < 1e-9


def test_where_rows_are_not_equally_spaced_octaves_are_marked():
    marks = marks_of(OCTAVES, 41)
    assert [text for _, text in marks.up] == ["125 Hz", "250 Hz", "500 Hz", "1 kHz", "2 kHz", "4 kHz"]
    np.testing.assert_allclose(np.diff([share for share, _ in marks.up]), 8 / 41)


def test_coefficients_are_numbered():
    marks = marks_of(SpectrogramAxes(FRAMES), 13)
    assert [text for _, text in marks.up] == ["c0", "c5", "c10"]
    assert int(marks.up[1][0] * 13) == 5


def test_a_frequency_has_three_digits():
    assert [hertz(v) for v in (62.5, 440.2, 999.9, 1234)] == ["62.5 Hz", "440 Hz", "1 kHz", "1.23 kHz"]


def test_hot_places_are_named_by_time_and_frequency_from_below():
    heat = np.zeros((81, 50))
    heat[18:23, 10:13] = heat[60:63, 40:44] = 1.0
    said = where(heat, LINEAR)
    assert "2 separate areas (990 Hz at 0.22 s, 3 kHz at 0.83 s)" in said["en"]
    assert "0.22 s 处 990 Hz" in said["zh"]
    assert (
        "0.22 s" in where(heat, SpectrogramAxes(FRAMES))["en"]
        and "Hz" not in where(heat, SpectrogramAxes(FRAMES))["en"]
    )


def test_a_picture_and_a_drawing_get_marks_and_keep_their_width():
    picture = framed(Image.new("RGB", (400, 240), (200, 0, 0)), marks_of(LINEAR, 81), 320)
    assert picture.width == 320 and 160 < picture.height < 220
    red = (np.asarray(picture) == (200, 0, 0)).all(-1)
    assert 40 <= int(np.argmax(red.any(0))) <= 60 and red[:, -1].any()
    page = str(framed_drawing(drawing(400, 240), marks_of(LINEAR, 81)))
    assert page.count("<span") == 10 and "bottom:49.38%" not in page.split("<svg")[1]


def test_each_coefficient_is_drawn_on_its_own_scale():
    """The first one, the loudness, is ten times as large as the others."""
    spec = TensorSpec((1, 4000), kind=SOUND, value_range=(-1.0, 1.0), sample_rate=8000)
    text = "mfcc 10 n_fft=256 sample_rate=8000, conv 2 3x3, relu, globalavgpool, dense 2"
    net = wrap(build(chain(spec.shape, text), seed=0).eval(), spec)
    noise = 0.1 * torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    found = explain(net, noise.clamp(-1, 1), "saliency", 1)
    grey = np.asarray(photo_of(found, 0).convert("L"))
    assert all(np.ptp(band) > 200 for band in np.split(grey, 10))
    assert any("cepstral coefficients that mfcc returns" in line["en"] for line in sentences(found))
