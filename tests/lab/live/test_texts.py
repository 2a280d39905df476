import pytest
import torch
from tests.lab.frame_decoder import decode_frame

from convscope import nets
from convscope.errors import UsageError
from convscope.lab.live import inputs
from convscope.lab.live.maps import MapRecorder
from convscope.lab.live.texts import word_attributions


def test_attributions_of_words_to_an_answer() -> None:
    net = nets.load("questions")
    given = inputs.open_input({"text": "what is it"}, b"", net, None)  # type: ignore[arg-type]
    found = word_attributions(net, given.input)
    assert "".join(piece["text"] for piece in found["pieces"]) == "what is it"
    assert found["target"] == "question"
    of_vectors, vectors, tokens = nets.from_vectors(net, given.input[None])
    with torch.no_grad():
        difference = float((of_vectors(vectors, tokens) - of_vectors(0 * vectors, tokens))[0, 1])
    assert sum(piece["value"] for piece in found["pieces"]) == pytest.approx(difference, rel=0.05)
    against = word_attributions(net, given.input, 0)
    assert against["target"] == "statement"
    assert against["probability"] + found["probability"] == pytest.approx(1, abs=1e-4)
    with pytest.raises(UsageError):
        word_attributions(nets.load("digits"), torch.zeros(1, 28, 28))


def test_frames_of_texts_have_their_words_and_rows() -> None:
    net = nets.load("questions")
    given = inputs.open_input({"text": "你明天有空吗"}, b"", net, None)  # type: ignore[arg-type]
    recorder = MapRecorder(net)
    header, found = decode_frame(recorder.frame(given, 0))
    recorder.close()
    assert "".join(piece["text"] for piece in header["pieces"]) == "你明天有空吗"
    assert found["input"][2].shape == (1, 1, net.input_spec.shape[0])
    assert header["probabilities"][1] > 0.9


def test_sounds_pass_from_the_waveform_to_the_spectrogram() -> None:
    net = nets.load("spoken-digits")
    recorder = MapRecorder(net)
    header, found = decode_frame(recorder.frame(inputs.example(net.input_spec, 0), 0))
    recorder.close()
    assert found["input"][2].shape == (1, 1, 8000)
    assert any(
        values.shape[0] == 1 and values.shape[1] > 20 < values.shape[2] for _, _, values in found.values()
    )
    assert max(range(10), key=header["probabilities"].__getitem__) == 7
