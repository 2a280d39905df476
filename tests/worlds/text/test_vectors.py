"""Word vectors in the formats of GloVe, word2vec and NumPy."""

import gzip

import numpy as np
import pytest
from benchmarks.data import DATA

from convscope.errors import DataError
from convscope.worlds.text.vectors import read_vectors

GLOVE = "film 0.5 -1\n. . . 1 2\nfilm 9 9\n"
GLOVE_NPZ = DATA / "glove" / "glove.6B.50d.mr-trec-sst.npz"


@pytest.mark.parametrize("head", ["", "3 2\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_formats(tmp_path, head, packed):
    content = (head + GLOVE).encode()
    path = tmp_path / ("v.txt.gz" if packed else "v.txt")
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read_vectors(path)
    assert found.words == ("film", ". . .")
    assert found.vectors.tolist() == [[0.5, -1.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    "words", [np.array(["a", "b"]), np.frombuffer(b"a\nb\n", np.uint8), np.frombuffer(b"a\nb", np.uint8)]
)
def test_arrays(tmp_path, words):
    np.savez(tmp_path / "v.npz", vectors=np.ones((2, 3), np.float16), words=words)
    found = read_vectors(tmp_path / "v.npz")
    assert (found.words, found.vectors.shape, found.vectors.dtype) == (("a", "b"), (2, 3), np.float32)


@pytest.mark.parametrize(
    "content", ["film 1 2\nfine 1\n", "film 1 x\n", "film\n", "", "film 1 nan\n", "film 1 inf\n"]
)
def test_damaged_texts_are_refused(tmp_path, content):
    (tmp_path / "v.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError):
        read_vectors(tmp_path / "v.txt")


def test_damaged_arrays_are_refused_and_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "v.npz", vectors=np.ones((2, 3)), words=np.array(["a"]))
    with pytest.raises(DataError, match="1 words"):
        read_vectors(tmp_path / "v.npz")
    np.savez(tmp_path / "o.npz", vectors=np.ones((1, 3)), words=np.array([{}], dtype=object))
    with pytest.raises(DataError, match=r"pickle|Object"):
        read_vectors(tmp_path / "o.npz")
    with pytest.raises(DataError):
        read_vectors(tmp_path / "missing.npz")


@pytest.mark.skipif(not GLOVE_NPZ.exists(), reason="no GloVe vectors (CONVSCOPE_TEST_DATA)")
def test_gloves_vectors_say_which_words_are_alike():
    found = read_vectors(GLOVE_NPZ)
    rows = {word: found.vectors[k] / np.linalg.norm(found.vectors[k]) for k, word in enumerate(found.words)}
    assert len(found.words) == 22_268
    assert rows["good"] @ rows["great"] > rows["good"] @ rows["river"] + 0.2
