import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convscope.errors import DataError
from convscope.show.images import png

RECIPE = {"verb": "visualize", "places": ["conv2:17"], "note": "逐层 – ok", "seed": 2**62}


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _file(tmp_path, *chunks: bytes):
    path = tmp_path / "hostile.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def test_the_recipe_travels_and_pillow_sees_the_same_text(tmp_path):
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    path = png.save(image, tmp_path / "new" / "a.png", RECIPE)
    assert png.recipe_in(path) == RECIPE
    with Image.open(path) as read:
        assert np.array_equal(np.asarray(read), np.asarray(image))
        assert json.loads(read.text[png.KEY]) == RECIPE
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_failed_save_leaves_the_old_picture(tmp_path):
    path = png.save(Image.new("L", (2, 2)), tmp_path / "a.png", RECIPE)
    before = path.read_bytes()
    with pytest.raises(DataError):
        png.save(Image.new("F", (2, 2)), path)  # PNG cannot hold floats
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + b"\xff" * 50],
)
def test_what_is_no_png_with_a_recipe_is_refused(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(DataError):
        png.recipe_in(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError):
        png.recipe_in(tmp_path / "none.png")


def test_a_text_bomb_is_not_unpacked(tmp_path):
    bomb = png.KEY.encode() + b"\0\x01\0\0\0" + zlib.compress(b" " * 200_000_000, 9)
    path = _file(tmp_path, _chunk(b"iTXt", bomb), _chunk(b"IEND", b""))
    with pytest.raises(DataError, match="more than"):
        png.recipe_in(path)


def test_a_packed_recipe_is_read(tmp_path):
    body = png.KEY.encode() + b"\0\x01\0en\0\0" + zlib.compress(json.dumps(RECIPE).encode())
    assert png.recipe_in(_file(tmp_path, _chunk(b"iTXt", body))) == RECIPE


@pytest.mark.parametrize(
    "body",
    [b"convscope.recipe\0not json", b"convscope.recipe\0[1]", b"convscope.recipe\0" + b"[" * 100_000],
)
def test_recipes_that_are_no_table_are_refused(tmp_path, body):
    with pytest.raises(DataError):
        png.recipe_in(_file(tmp_path, _chunk(b"tEXt", body)))


def test_damage_is_noticed(tmp_path):
    path = png.save(Image.new("L", (2, 2)), tmp_path / "a.png", RECIPE)
    content = bytearray(path.read_bytes())
    content[content.index(b"conv2") + 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        png.recipe_in(path)


@given(junk=st.binary(max_size=200))
def test_junk_never_breaks_the_reader(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + junk)
    with pytest.raises(DataError):
        png.recipe_in(path)
