"""Data sets of texts: files, tables, folders, published sets; and what of them is refused."""

import gzip
from dataclasses import replace

import pytest
import torch
from benchmarks.data import DATA

from convscope import worlds
from convscope.errors import DataError, MissingError, UsageError
from convscope.worlds.text import SENTENCE_SETS, WORDS, TextDataset
from convscope.worlds.text.sentences import read_labelled

needs_text = pytest.mark.skipif(not (DATA / "text").is_dir(), reason="no sentence sets (CONVSCOPE_TEST_DATA)")
LINES = "good a fine film\nbad a dull film\ngood fine , fine\nbad dull\n"
WANTED = (("a fine film", "a dull film", "fine , fine", "dull"), ("good", "bad", "good", "bad"))


def read(path, split=None):
    found, parts = read_labelled(path, split)
    return (found.texts, found.labels), parts


@pytest.mark.parametrize("name", ["set.txt", "set.txt.gz", "set.csv", "set.tsv"])
def test_one_file_of_lines_or_a_table(tmp_path, name):
    text = LINES
    if ".csv" in name:
        text = 'label,text\ngood,a fine film\nbad,a dull film\ngood,"fine , fine"\nbad,dull\n'
    if ".tsv" in name:
        text = "a fine film\tgood\na dull film\tbad\nfine , fine\tgood\ndull\tbad\n"
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read(tmp_path / name) == (WANTED, ())


def test_folders_of_classes_with_parts_and_without(tmp_path):
    for split in ("", "train", "test"):
        for k, (text, label) in enumerate(zip(*WANTED, strict=True)):
            folder = tmp_path / (split or "plain") / label if split else tmp_path / "plain" / label
            if split:
                folder = tmp_path / "parts" / split / label
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{k}.txt").write_text(text + split, encoding="utf-8")
    (texts, labels), parts = read(tmp_path / "plain")
    assert sorted(zip(texts, labels, strict=True)) == sorted(zip(*WANTED, strict=True))
    assert parts == ()
    (texts, _), parts = read(tmp_path / "parts", "test")
    assert parts == ("train", "test")
    assert all(text.endswith("test") for text in texts)


def test_files_named_as_parts(tmp_path):
    (tmp_path / "train.txt").write_text(LINES, encoding="utf-8")
    (tmp_path / "test.txt").write_text("fair so so\ngood fine\n", encoding="utf-8")
    train = worlds.open(tmp_path, "train", spec=WORDS)
    assert isinstance(train, TextDataset)
    assert train.classes == ("bad", "fair", "good")
    assert worlds.parts(tmp_path, WORDS) == ("train", "test")
    with pytest.raises(DataError, match="train, test"):
        worlds.open(tmp_path, "val", spec=WORDS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("this is a letter\nand its second line\nthen a third\nin all four\nno five\n", "begin with a class"),
        ("", "sentences with classes"),
        ("good\nbad\n", "sentences with classes"),
    ],
)
def test_lines_of_something_else_are_refused(tmp_path, content, says):
    (tmp_path / "set.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=says):
        read(tmp_path / "set.txt")


def test_tables_of_three_columns_and_folders_without_texts_are_refused(tmp_path):
    (tmp_path / "set.csv").write_text("a,b,c\n", encoding="utf-8")
    with pytest.raises(DataError, match="two cells"):
        read(tmp_path / "set.csv")
    (tmp_path / "folder" / "good").mkdir(parents=True)
    with pytest.raises(DataError, match=r"\.txt"):
        read(tmp_path / "folder")
    with pytest.raises(DataError, match="there is nothing"):
        read(tmp_path / "missing")


def of(lines: list[tuple[str, str]]) -> TextDataset:
    classes = tuple(sorted({label for label, _ in lines}))
    labels = torch.tensor([classes.index(label) for label, _ in lines])
    return TextDataset([text for _, text in lines], labels, classes, WORDS)


def test_a_test_set_has_the_vocabulary_of_the_training_set_and_says_what_it_lacks():
    train = of([("bad", "a dull film"), ("good", "a fine film")])
    test = of([("bad", "a dull novel"), ("good", "a a a a a a a a")]).with_spec(train.spec)
    assert test.spec.vocabulary == train.spec.vocabulary
    assert train.inputs([1]).tolist() == [[0, 0, 0, 0, 2, 5, 3, 0, 0, 0, 0]]
    assert test.inputs([0]).tolist()[0][4:8] == [2, 4, 1, 0]
    assert any("novel" in note and "1 of 11 words" in note for note in test.notes)
    assert any("cut to 7 words" in note for note in test.notes)
    assert train.notes == ()


def test_a_subset_of_a_set_with_a_given_vocabulary_keeps_it():
    data = of([("bad", "a dull film"), ("good", "a fine film")])
    given = data.with_spec(data.spec).take([0])
    assert given.spec == data.spec
    assert data.take([0]).spec.vocabulary == ("<padding>", "<unknown>", "a", "dull", "film")
    assert torch.equal(given.inputs([0]), data.inputs([0]))


def test_chinese_read_as_words_is_refused_with_the_networks_that_read_it():
    data = of([("bad", "不好看"), ("good", "很好看")])
    with pytest.raises(DataError, match="char_cnn"):
        data.inputs([0])


def test_published_sets_are_read_from_a_folder_only(tmp_path):
    with pytest.raises(MissingError, match="--root"):
        worlds.open("mr")
    with pytest.raises(MissingError, match="which does not hold it"):
        worlds.open("trec", "test", root=tmp_path)
    (tmp_path / "rt-polarity.all.txt").write_text("0 dull film\n1 fine film\n1 fine\n", encoding="utf-8")
    found = worlds.open("mr", root=tmp_path)
    assert found.classes == ("negative", "positive")
    with pytest.raises(UsageError, match="not divided"):
        worlds.open("mr", "test", root=tmp_path)
    (tmp_path / "rt-polarity.all.txt").write_text("0 dull film\n7 fine film\n", encoding="utf-8")
    with pytest.raises(DataError, match="negative, positive"):
        worlds.open("mr", root=tmp_path)


@needs_text
def test_mr_has_the_words_and_the_length_that_its_paper_has():
    data = worlds.open("mr", root=DATA / "text")
    assert len(data) == 10_662
    assert data.labels.bincount().tolist() == [5331, 5331]
    assert len(data.spec.vocabulary) - 2 == 18_765
    assert data.spec.shape == (56 + 2 * 4,)


@needs_text
@pytest.mark.parametrize(
    ("name", "part", "size"),
    [
        ("trec", "train", 5452),
        ("trec", "test", 500),
        ("sst2", "train", 6920),
        ("sst2", "val", 872),
        ("sst2", "test", 1821),
    ],
)
def test_published_parts_have_their_sizes(name, part, size):
    assert len(worlds.open(name, part, root=DATA / "text")) == size
    assert part in SENTENCE_SETS[name].files


def test_another_spec_changes_the_indices():
    data = of([("bad", "a dull film"), ("good", "a fine film")])
    other = replace(data.spec, vocabulary=("<padding>", "<unknown>", "film"), value_range=(0.0, 2.0))
    assert data.inputs([0], other).tolist()[0][4:7] == [1, 1, 2]


def test_phrases_have_the_class_of_their_words():
    train, test = worlds.open("phrases"), worlds.open("phrases", "test")
    assert (len(train), len(test)) == (2000, 500)
    for text, label in zip(test.texts, test.labels.tolist(), strict=True):
        good = bool({*text.split()} & {"fine", "lovely", "clever", "fresh", "warm"})
        assert label == int(good != (" not " in f" {text} "))
    assert worlds.open("phrases").texts == train.texts
    with pytest.raises(UsageError, match="part of phrases"):
        worlds.open("phrases", "val")
