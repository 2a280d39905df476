"""The world of texts: what is a sentence and what a file, placements, notes, pictures."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope.errors import DataError
from convscope.graph.spec import TextTransform
from convscope.worlds import open_sample, render, world_of
from convscope.worlds.text import BYTES, CHARACTERS, WORDS, draw_tokens, fit_spec
from convscope.worlds.text.drawing import can_draw

SPEC = fit_spec(WORDS, ["a fine film", "not a fine film at all , sadly"])


def test_a_sentence_becomes_indices_between_padding():
    sample = open_sample("a fine novel film", SPEC)
    assert sample.input.dtype == torch.int64
    names = [SPEC.vocabulary[i] for i in sample.input.tolist()]
    assert names[:4] == ["<padding>"] * 4
    assert names[4:8] == ["a", "fine", "<unknown>", "film"]
    assert set(names[8:]) == {"<padding>"}
    (note,) = world_of(SPEC).notes(sample)
    assert "1 of 4 words" in note
    assert "novel" in note


def test_the_vocabulary_begins_with_the_most_frequent_token():
    assert SPEC.vocabulary[:5] == ("<padding>", "<unknown>", "a", "film", "fine")
    assert SPEC.shape == (8 + 8,)


def test_files_and_sentences_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "review.txt").write_text("a fine film\n", encoding="utf-8")
    (tmp_path / "fine").write_text("not at all", encoding="utf-8")
    wanted = open_sample("a fine film", SPEC).input
    assert torch.equal(open_sample("review.txt", SPEC).input, wanted)
    assert torch.equal(open_sample(tmp_path / "review.txt", SPEC).input, wanted)
    assert open_sample("fine", SPEC).original.text == "not at all"
    assert open_sample("fine .", SPEC).original.text == "fine ."
    with pytest.raises(DataError, match=r"missing\.txt"):
        open_sample("missing.txt", SPEC)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("schöner film".encode("latin1"), "iconv"),
        ("电影很好看".encode("gb18030"), "iconv"),
        (b"\x00\x01\x02", "null character"),
        (b"\x1f\x8bbroken", "text in UTF-8"),
        (b"", "empty text"),
        (b"  \n", "empty text"),
    ],
)
def test_files_of_something_else_are_refused_with_the_next_step(tmp_path, content, says):
    path = tmp_path / "review.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        open_sample(path, SPEC)
    assert says in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_with_a_mark_are_read(tmp_path, encoding):
    path = tmp_path / "review.txt"
    path.write_text("a fine film", encoding=encoding)
    assert open_sample(path, SPEC).original.text == "a fine film"


@pytest.mark.parametrize("text", ["", "   ", "。。。", "中文"])
def test_a_text_of_which_nothing_is_left_is_refused(text):
    with pytest.raises(DataError, match="a text with words"):
        open_sample(text, SPEC)


def test_a_network_without_a_vocabulary_says_how_it_gets_one():
    with pytest.raises(DataError, match="convscope train"):
        open_sample("a fine film", WORDS)


def test_long_texts_are_cut_and_that_is_said():
    sample = open_sample("a fine film " * 20, SPEC)
    assert int((sample.input != 0).sum()) == SPEC.shape[0] - 4
    assert any("only the first 12 of 60 words" in note for note in world_of(SPEC).notes(sample))


def test_a_placement_maps_tokens_to_whole_characters():
    text = "a  fine,film"
    placement = open_sample(text, SPEC).placement
    assert placement is not None
    assert placement.to_file(((5.0, 6.0),)) == ((3.0, 7.0),)
    assert placement.to_file(((4.0, 8.0),)) == ((0.0, 12.0),)
    assert placement.to_file(((0.0, 4.0),)) == ((0.0, 0.0),)
    assert placement.to_input(((3.0, 8.0),)) == ((5.0, 7.0),)
    spec = replace(BYTES, text=TextTransform("bytes", "none", 2))
    chinese = open_sample("中文", spec).placement
    assert chinese is not None
    assert [chinese.to_file(((k, k + 1.0),)) for k in (2, 4, 5)] == [
        ((0.0, 1.0),),
        ((0.0, 1.0),),
        ((1.0, 2.0),),
    ]


@pytest.mark.parametrize("spec", [fit_spec(CHARACTERS, ["我喜欢北京", "ok"]), BYTES])
def test_pieces_are_whole_characters_with_their_positions(spec):
    sample = open_sample("我ok京", spec)
    pieces = world_of(spec).pieces(sample.input, spec)
    assert "".join(piece.text for piece in pieces) == "我ok京"
    assert pieces[0].first == spec.text.lead
    assert all(a.last == b.first for a, b in itertools.pairwise(pieces))
    wide = 3 if spec.text.tokens == "bytes" else 1
    assert [piece.last - piece.first for piece in pieces] == [wide, 1, 1, wide]


def test_a_text_is_drawn_in_ink_and_a_longer_one_is_higher():
    short, long = (
        render(open_sample(text, SPEC).input, SPEC) for text in ("a film", "not a fine film at all , sadly")
    )
    assert short.mode == "LA"
    assert np.asarray(short)[..., 1].max() > 200
    assert draw_tokens(["word"] * 100).height > draw_tokens(["word"] * 5).height
    assert long.width == short.width


def test_what_no_font_has_is_drawn_as_its_code_point():
    assert can_draw("plain")
    assert not can_draw("\U000fffff")
    assert draw_tokens(["\U000fffff"]).width == draw_tokens(["a"]).width


@pytest.mark.parametrize("name", ["eight.wav", "photo.png", "game.sgf"])
def test_the_name_of_a_missing_file_of_another_world_is_no_sentence(name: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_sample(name, SPEC)
    assert open_sample(f"{name} is a fine film", SPEC).input.any()
