"""Bits beyond eight: scaled where white is known, refused where it is not, the same for every reader."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.worlds import ImageFolder, check_images
from convscope.worlds.datasets import digits
from convscope.worlds.images import photos
from convscope.worlds.images.bit_depth import PictureWarning


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(values: np.ndarray, significant: int | None = None) -> bytes:
    """A PNG of 16 bits for each sample, as the specification writes it."""
    height, width, samples = values.shape if values.ndim == 3 else (*values.shape, 1)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[samples]
    rows = values.reshape(height, -1).astype(">u2")
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    bits = b"" if significant is None else chunk(b"sBIT", bytes([significant] * samples))
    return b"\x89PNG\r\n\x1a\n" + head + bits + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, bits: int, sample_format: int = 1) -> bytes:
    """An uncompressed little-endian TIFF of one strip; 12 bits are packed, two values in three bytes."""
    height, width, samples = values.shape if values.ndim == 3 else (*values.shape, 1)
    if bits == 12:
        pairs = values.reshape(-1, 2).astype(np.uint32)
        packed = (pairs[:, 0] << 12) | pairs[:, 1]
        data = b"".join(int(pair).to_bytes(3, "big") for pair in packed)
    else:
        kinds = {1: "u", 2: "i", 3: "f"}
        data = values.astype(f"<{kinds[sample_format]}{bits // 8}").tobytes()
    each = [bits] * samples
    tags = [(256, 4, width), (257, 4, height), (259, 3, 1), (262, 3, 2 if samples == 3 else 1)]
    tags += [(277, 3, samples), (278, 4, height), (279, 4, len(data)), (339, 3, sample_format)]
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags += [(258, 3, bits if samples == 1 else start), (273, 4, start + 2 * samples)]
    out = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    for tag, kind, value in sorted(tags):
        count = samples if tag == 258 else 1
        short = kind == 3 and count == 1
        out += struct.pack("<HHI", tag, kind, count)
        out += struct.pack("<HH", value, 0) if short else struct.pack("<I", value)
    return out + struct.pack("<I", 0) + struct.pack(f"<{samples}H", *each) + data


def ramp(high: int, samples: int = 1) -> np.ndarray:
    """Every value up to `high`, in no order that a filter or a factor could explain."""
    values = np.random.default_rng(0).integers(0, high + 1, (48, 64, samples))
    values[0, 0] = high
    return values[:, :, 0] if samples == 1 else values


def levels(content: bytes) -> np.ndarray:
    return np.asarray(photos.open_photo(content)).astype(int)


def verify(content: bytes, expected: np.ndarray) -> None:
    """The picture is these shares of white, to the rounding of 8 bits."""
    wide = expected[..., None].repeat(3, -1) if expected.ndim == 2 else expected
    assert np.abs(levels(content) - wide * 255).max() <= 1


def unclear(content: bytes) -> bool:
    with pytest.raises(photos.PhotoError) as caught:
        photos.open_photo(content)
    return caught.value.kind == "unclear range" and "times 16" in caught.value.hint


@pytest.mark.parametrize("bits", [9, 10, 11, 12])
def test_fewer_bits_in_sixteen_are_refused_where_nothing_says_so(bits: int) -> None:
    high = 2**bits - 1
    assert unclear(png(ramp(high)))
    assert unclear(png(ramp(high, 3))) and unclear(png(ramp(high, 4)))
    assert unclear(tiff(ramp(high), 16)) and unclear(tiff(ramp(high, 3), 16))
    assert unclear(tiff(ramp(high), 32))


@pytest.mark.parametrize("bits", [8, 5])
def test_eight_bits_in_sixteen_are_refused_too(bits: int) -> None:
    high = 2**bits - 1
    assert unclear(png(ramp(high))) and unclear(tiff(ramp(high), 16))
    for samples in (3, 4):  # of which a reader of upper bytes sees nothing at all
        assert unclear(png(ramp(high, samples)))
    assert unclear(tiff(ramp(high, 3), 16))


@pytest.mark.parametrize("bits", [13, 14])
def test_what_may_be_dark_or_shifted_is_taken_as_it_is_and_said(bits: int) -> None:
    high = 2**bits - 1
    for content, values in (
        (png(ramp(high)), ramp(high)),
        (png(ramp(high, 3)), ramp(high, 3)),
        (tiff(ramp(high), 16), ramp(high)),
    ):
        with pytest.warns(PictureWarning, match=f"the lower {bits}"):
            verify(content, values / 65535)


@pytest.mark.parametrize("high", [65535, 40000, 2**14])
def test_sixteen_bits_are_taken_without_a_word(high: int) -> None:
    verify(png(ramp(high)), ramp(high) / 65535)
    verify(png(ramp(high, 3)), ramp(high, 3) / 65535)
    verify(tiff(ramp(high), 16), ramp(high) / 65535)


def test_a_dark_picture_that_was_scaled_stays_dark() -> None:
    """8 bits repeated, 12 bits shifted: their factor shows that all 16 bits are meant."""
    verify(png(ramp(15) * 257), ramp(15) / 255)
    verify(png(ramp(200) * 16), ramp(200) * 16 / 65535)
    verify(png(ramp(15, 3) * 257), ramp(15, 3) / 255)


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_black_is_black(samples: int) -> None:
    black = np.zeros((48, 64, samples), int)
    black[..., 3:] = 65535
    assert levels(png(black if samples > 1 else black[..., 0])).max() == 0


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_significant_bits_decide(bits: int) -> None:
    """sBIT beside values in the low bits says what white is; beside scaled values nothing is to be done."""
    high = 2**bits - 1
    verify(png(ramp(high), bits), ramp(high) / high)
    shifted = ramp(high) << (16 - bits)
    verify(png(shifted, bits), shifted / 65535)
    dark = ramp(high // 32) << (16 - bits)
    verify(png(dark, bits), dark / 65535)


def test_twelve_bits_packed_in_a_tiff_are_scaled() -> None:
    verify(tiff(ramp(4095), 12), ramp(4095) / 4095)
    verify(tiff(ramp(300), 12), ramp(300) / 4095)


@pytest.mark.parametrize(
    "values", [ramp(70_000), ramp(2**31 - 1), ramp(5000) - 1000, np.full((48, 64), -1)], ids=str
)
def test_whole_numbers_outside_of_sixteen_bits_are_refused(values: np.ndarray) -> None:
    assert unclear(tiff(values, 32, 2))


@pytest.mark.parametrize(
    "values",
    [
        ramp(65535) * 1.0,
        ramp(1000) / 200,
        ramp(1000) / 1000 - 0.5,
        np.full((48, 64), np.nan),
        np.full((48, 64), np.inf),
        ramp(255) - 128.0,
    ],
    ids=["sixteen bits", "to 5", "around 0", "NaN", "infinity", "signed"],
)
def test_floating_point_of_no_known_range_is_refused(values: np.ndarray) -> None:
    assert unclear(tiff(values, 32, 3))


def test_floating_point_of_known_ranges() -> None:
    verify(tiff(ramp(1000) / 1000, 32, 3), ramp(1000) / 1000)
    verify(tiff(ramp(255) * 1.0, 32, 3), ramp(255) / 255)
    verify(tiff(np.zeros((48, 64)), 32, 3), np.zeros((48, 64)))


def test_every_reader_agrees(tmp_path: Path) -> None:
    for name, content in (("a", png(ramp(4095))), ("b", png(ramp(4095), 12))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(content)
    report = check_images(tmp_path)
    assert [(bad.path, bad.kind) for bad in report.problems] == [("a/x.png", "unclear range")]
    folder = ImageFolder(tmp_path, workers=1)
    folder.pixels([0, 1])
    assert [problem.kind for problem in folder.problems] == ["unclear range"]
    with pytest.raises(photos.PhotoError):
        digits.open(tmp_path / "a/x.png")
    with pytest.raises(photos.PhotoError):
        photos.to_tensor(Image.open(tmp_path / "a/x.png"))


def test_pillow_and_the_files_written_here_agree() -> None:
    """The writers above are right: Pillow reads the values that went in."""
    values = ramp(65535)
    for content in (png(values), tiff(values, 16)):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), values)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(tiff(ramp(4095), 12)))), ramp(4095))
