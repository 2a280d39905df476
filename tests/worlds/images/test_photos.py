import io
import os
import socket
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from convscope.errors import DataError, UsageError
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.worlds.images import photos


def scene(width=64, height=48, seed=0) -> Image.Image:
    """Something with smooth parts and edges."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def same(picture: Image.Image, expected, within=0):
    assert picture.mode == "RGB"
    difference = np.abs(np.asarray(picture, int) - np.asarray(expected, int))
    assert difference.shape == np.asarray(expected).shape and difference.max() <= within


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(scene(), kind, exif=exif)
    same(photos.open_photo(content), ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


def test_orientation_six_turns_clockwise():
    exif = Image.Exif()
    exif[0x0112] = 6
    same(photos.open_photo(saved(scene(), "PNG", exif=exif)), np.rot90(np.asarray(scene()), -1))


def test_damaged_exif_does_not_lose_the_picture():
    content = saved(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f\x12")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert photos.open_photo(content).size == (64, 48)


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(int)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_lies_on_white(kind):
    alpha = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1)))
    image = scene()
    image.putalpha(alpha)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    same(photos.open_photo(saved(image, kind, **options)), on_white(np.asarray(image, float)), within=1)


def test_grey_with_alpha():
    grey = scene().convert("LA")
    grey.putalpha(64)
    same(photos.open_photo(saved(grey, "PNG")), on_white(np.asarray(grey.convert("RGBA"), float)), within=1)


def test_palette_and_its_transparency():
    image = scene().quantize(16)
    same(photos.open_photo(saved(image, "PNG")), image.convert("RGB"))
    clear = bytes([0, 128] + [255] * 14)
    expected = np.asarray(image.convert("RGB"), float)
    index = np.asarray(image)
    alpha = np.frombuffer(clear, np.uint8)[index]
    expected = on_white(np.dstack([expected, alpha]))
    same(photos.open_photo(saved(image, "PNG", transparency=clear)), expected, within=1)
    gif = saved(image, "GIF", transparency=3)
    expected = np.asarray(image.convert("RGB"), int).copy()
    expected[index == 3] = 255
    same(photos.open_photo(gif), expected)


def test_one_colour_transparent():
    image = scene()
    key = image.getpixel((5, 5))
    expected = np.asarray(image, int).copy()
    expected[(expected == key).all(-1)] = 255
    same(photos.open_photo(saved(image, "PNG", transparency=key)), expected)


def test_cmyk():
    ink = scene().convert("CMYK")
    expected = 255 - np.minimum(np.asarray(ink, int)[..., :3] + np.asarray(ink, int)[..., 3:], 255)
    same(photos.open_photo(saved(ink, "TIFF")), expected)


def without_adobe(content: bytes) -> bytes:
    at = content.index(b"\xff\xee")
    return content[:at] + content[at + 2 + int.from_bytes(content[at + 2 : at + 4], "big") :]


def test_cmyk_jpeg_is_inverted_only_with_adobes_marker():
    rng = np.random.default_rng(1)
    levels = rng.integers(0, 256, (1, 1, 4), dtype=np.uint8).repeat(48, 0).repeat(64, 1)
    ink = Image.frombytes("CMYK", (64, 48), levels)
    adobe = saved(ink, "JPEG", quality=100)
    assert b"Adobe" in adobe
    same(photos.open_photo(adobe), ink.convert("RGB"), within=3)
    plain = without_adobe(adobe)
    turned = Image.frombytes("CMYK", (64, 48), 255 - levels)
    same(photos.open_photo(plain), turned.convert("RGB"), within=3)


def test_sixteen_bits_of_grey():
    levels = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    expected = np.rint(levels / 257).astype(int)[..., None].repeat(3, -1)
    for kind in ("PNG", "TIFF"):
        same(photos.open_photo(saved(Image.fromarray(levels), kind)), expected)
    header = b"P5 64 48 65535\n"
    same(photos.open_photo(header + levels.astype(">u2").tobytes()), expected)


def png16(levels: np.ndarray) -> bytes:
    """A PNG of 16 bits per channel, built by hand: Pillow can't write one."""
    import struct
    import zlib

    height, width, channels = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_sixteen_bits_of_colour():
    levels = np.random.default_rng(0).integers(0, 65536, (48, 64, 3), dtype=np.uint16)
    same(photos.open_photo(png16(levels)), np.rint(levels / 257), within=1)
    alpha = np.full((48, 64, 1), 65535, np.uint16)
    same(photos.open_photo(png16(np.dstack([levels, alpha]))), np.rint(levels / 257), within=1)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_floating_point(scale):
    levels = np.linspace(0, scale, 64 * 48, dtype=np.float32).reshape(48, 64)
    expected = np.rint(levels * (255 / scale)).astype(int)[..., None].repeat(3, -1)
    same(photos.open_photo(saved(Image.fromarray(levels), "TIFF")), expected, within=1)


def test_grey_and_black_and_white():
    same(photos.open_photo(saved(scene().convert("L"), "PNG")), scene().convert("L").convert("RGB"))
    bits = np.indices((48, 64)).sum(0) % 2 == 0
    same(photos.open_photo(saved(Image.fromarray(bits), "PNG")), (bits * 255)[..., None].repeat(3, -1))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_the_first_of_several_frames(kind):
    first, second = scene(seed=1), scene(seed=2)
    if kind == "GIF":
        first, second = first.quantize(32), second.quantize(32)
    options = {"lossless": True} if kind == "WEBP" else {"quality": 98} if kind == "MPO" else {}
    content = saved(first, kind, save_all=True, append_images=[second], **options)
    assert Image.open(io.BytesIO(content)).n_frames == 2
    same(photos.open_photo(content), first.convert("RGB"), within=24 if kind == "MPO" else 0)


# -- bad files --


def kind_of(source) -> str:
    with pytest.raises(DataError) as caught:
        photos.open_photo(source)
    assert isinstance(caught.value, photos.PhotoError)
    assert caught.value.received and caught.value.hint
    return caught.value.kind


def test_things_that_are_no_files(tmp_path, monkeypatch):
    assert kind_of(tmp_path) == "not a file"
    assert kind_of(tmp_path / "nothing.png") == "missing"
    assert kind_of(b"") == "empty"
    (tmp_path / "empty.png").touch()
    assert kind_of(tmp_path / "empty.png") == "empty"
    os.mkfifo(tmp_path / "pipe.png")
    assert kind_of(tmp_path / "pipe.png") == "not a file"
    assert kind_of("/dev/zero") == "not a file"
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)
        listener.bind("s.png")
        assert kind_of(tmp_path / "s.png") == "not a file"
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert kind_of(tmp_path / "loop.png") == "unreadable"
    assert kind_of("a\0b.png") == "unreadable"
    assert kind_of("x" * 5000) == "unreadable"


def test_a_file_that_may_not_be_read():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "private.png"
        path.write_bytes(saved(scene(), "PNG"))
        path.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # root may read everything
        try:
            assert kind_of(path) == "unreadable"
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"hello, this is text\n" * 20, "not an image"),
        (b"%PDF-1.7 something", "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/bin/true) run\n", "unsupported"),
        (b"8BPS\0\1" + bytes(40), "unsupported"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "unsupported"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\xff\xd8\xff", "truncated"),
        (bytes(1000), "not an image"),
    ],
)
def test_no_pictures(content, kind):
    assert kind_of(content) == kind


def test_a_wrong_extension_does_not_matter(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(scene(), "JPEG"))
    assert photos.open_photo(tmp_path / "a.png").size == (64, 48)


def gigantic(kind: str) -> bytes:
    import struct
    import zlib

    if kind == "PNG":
        head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        body = b"IDAT" + zlib.compress(bytes(1000))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
            for c in (head, body, b"IEND")
        )
    if kind == "GIF":
        return (
            b"GIF89a"
            + struct.pack("<HH", 65535, 65535)
            + bytes(3)
            + b","
            + struct.pack("<HHHH", 0, 0, 65535, 65535)
            + b"\0\x02\x02\x4c\x01\0;"
        )
    if kind == "BMP":
        return (
            b"BM"
            + struct.pack("<IHHI", 54, 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0)
        )
    return b"P6 40000 40000 255\n"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "PPM"])
def test_bombs_are_refused_by_their_header(kind, monkeypatch):
    def never(*_):
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    assert kind_of(gigantic(kind)) == "too large"


def test_between_pillows_warning_and_our_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    assert photos.open_photo(saved(scene(), "PNG")).size == (64, 48)
    with pytest.raises(DataError, match="the limit is 3,000"):
        photos.open_photo(saved(scene(), "PNG"), most_pixels=3000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert kind_of(saved(scene(), "PNG")) == "too large"


CONTENTS = {
    "JPEG": saved(scene(), "JPEG"),
    "progressive": saved(scene(), "JPEG", progressive=True),
    "PNG": saved(scene(), "PNG"),
    "interlaced": saved(scene().quantize(8), "PNG"),
    "GIF": saved(scene().quantize(16), "GIF"),
    "WEBP": saved(scene(), "WEBP"),
    "lossless": saved(scene(), "WEBP", lossless=True),
    "TIFF": saved(scene(), "TIFF"),
    "lzw": saved(scene(), "TIFF", compression="tiff_lzw"),
    "BMP": saved(scene(), "BMP"),
    "PPM": saved(scene(), "PPM"),
    "MPO": saved(scene(), "MPO", save_all=True, append_images=[scene(seed=3)]),
    "JPEG2000": saved(scene(), "JPEG2000"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_cut_anywhere(kind):
    """Either an error, or every pixel: never a picture with a part missing."""
    content = CONTENTS[kind]
    whole = np.asarray(photos.open_photo(content))
    steps = sorted(
        {
            *range(1, 64),
            *range(64, len(content), max(1, len(content) // 60)),
            *range(len(content) - 20, len(content)),
        }
    )
    for length in steps:
        if not 0 < length < len(content):
            continue
        try:
            picture = photos.open_photo(content[:length])
        except photos.PhotoError:
            continue
        np.testing.assert_array_equal(
            np.asarray(picture), whole, err_msg=f"cut after {length} of {len(content)}"
        )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_cut_in_the_middle_is_called_truncated(kind):
    content = CONTENTS[kind]
    assert kind_of(content[: len(content) * 2 // 3]) == "truncated"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(CONTENTS)), st.data())
def test_changed_bytes_give_a_picture_or_a_data_error(kind, data):
    content = bytearray(CONTENTS[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert photos.open_photo(bytes(content), most_pixels=1_000_000).mode == "RGB"
    except DataError as error:
        assert error.received and error.hint


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            b"\xff\xd8\xff\xe0",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"RIFF\xff\0\0\0WEBPVP8 ",
            b"BM",
            b"II*\0",
            b"P6 ",
        ]
    ),
    st.binary(max_size=300),
)
def test_random_bytes_behind_a_signature(start, rest):
    try:
        photos.open_photo(start + rest, most_pixels=1_000_000)
    except DataError as error:
        assert error.received and error.hint


# -- to a tensor and back --


def torchvisions(spec: TensorSpec, short: int) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.Resize(short, InterpolationMode(spec.transform.interpolation), antialias=True),
            transforms.CenterCrop(spec.size),
            transforms.ToTensor(),
        ]
    )


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([1, 7, 28, 33]),
    st.sampled_from([1.0, 0.875, 0.95, 0.8]),
    st.sampled_from(["bilinear", "bicubic", "nearest", "lanczos"]),
)
def test_equal_to_torchvision(width, height, size, crop, interpolation):
    spec = TensorSpec((3, size, size), transform=ImageTransform(crop=crop, interpolation=interpolation))
    photo = scene(width, height)
    torch.testing.assert_close(
        photos.to_tensor(photo, spec),
        torchvisions(spec, round(size / crop))(photo),
        rtol=0,
        atol=0,
    )


def test_equal_to_torchvision_on_photographs(shared_data):
    spec = TensorSpec((3, 224, 224), transform=ImageTransform(crop=0.875, interpolation="bicubic"))
    paths = sorted((shared_data / "open_photos").glob("*.jp*g"))[:6]
    assert paths
    for path in paths:
        expected = torchvisions(spec, 256)(Image.open(path).convert("RGB"))
        torch.testing.assert_close(photos.to_tensor(photos.open_photo(path), spec), expected, rtol=0, atol=0)


def test_luminance():
    spec = TensorSpec((1, 28, 28))
    photo = scene()
    chain = transforms.Compose([transforms.Grayscale(), torchvisions(spec, 28)])
    torch.testing.assert_close(photos.to_tensor(photo, spec), chain(photo), rtol=0, atol=0)


def test_not_square_covers_the_spec():
    spec = TensorSpec((3, 20, 60))
    tensor = photos.to_tensor(scene(64, 48), spec)
    expected = np.asarray(scene(64, 48).resize((60, 45), Image.Resampling.BILINEAR))[12:32]
    np.testing.assert_array_equal((tensor * 255).round().permute(1, 2, 0).numpy(), expected)


def test_the_range_of_the_spec():
    unit = photos.to_tensor(scene(), TensorSpec((3, 16, 16)))
    signed = photos.to_tensor(scene(), TensorSpec((3, 16, 16), value_range=(-1, 1)))
    levels = photos.to_tensor(scene(), TensorSpec((3, 16, 16), value_range=(0, 255)))
    torch.testing.assert_close(signed, 2 * unit - 1)
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert levels.max() > 100


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (2, 90_000)])
def test_a_thread_of_pixels_needs_no_memory(size):
    assert photos.to_tensor(Image.new("RGB", size, (10, 20, 30))).shape == (3, 224, 224)


def test_the_thread_and_the_common_way_agree(monkeypatch):
    photo, spec = scene(30, 90), TensorSpec((3, 24, 24), transform=ImageTransform(crop=0.8))
    expected = photos.to_bytes(photo, spec).int()
    monkeypatch.setattr(photos, "MOST_PIXELS", 10)
    assert (photos.to_bytes(photo, spec).int() - expected).abs().max() <= 2


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TensorSpec((4, 8, 8)), "4 channels"),
        (TensorSpec((2, 8)), "one-dimensional"),
        (TensorSpec((10,)), "one-dimensional"),
        (TensorSpec((3, 8, 8), transform=ImageTransform(interpolation="cubist")), "cubist"),
    ],
)
def test_specs_that_no_photograph_fits(spec, words):
    with pytest.raises(UsageError, match=words):
        photos.to_tensor(scene(), spec)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([1, 3]),
    st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-0.3, 2.1)]),
    st.integers(0, 99),
)
def test_to_a_tensor_and_back(channels, value_range, seed):
    spec = TensorSpec((channels, 48, 64), value_range=value_range)
    photo = scene(seed=seed).convert("L" if channels == 1 else "RGB")
    back = photos.to_pil(photos.to_tensor(photo, spec), spec)
    assert back.mode == photo.mode
    np.testing.assert_array_equal(np.asarray(back), np.asarray(photo))


def test_pictures_are_clipped():
    tensor = torch.tensor([[[-5.0, float("nan"), float("-inf"), 7.0, float("inf"), 0.5]]])
    assert np.asarray(photos.to_pil(tensor)).tolist() == [[0, 0, 0, 255, 255, 128]]
    with pytest.raises(UsageError):
        photos.to_pil(torch.zeros(2, 4, 4))


@pytest.mark.parametrize("width, height", [(97, 41), (3, 90), (1, 1)])
def test_a_whole_picture_keeps_its_size_and_its_pixels(width, height):
    picture = scene(width, height)
    for spec in (
        TensorSpec((3, 224, 224), transform=ImageTransform(crop=0.5)),
        TensorSpec((3, 32, 32), value_range=(-1.0, 1.0)),
    ):
        made = photos.to_tensor_uncropped(picture, spec)
        low, high = spec.value_range
        assert made.shape == (3, height, width) and low <= made.min() and made.max() <= high
        same(photos.to_pil(made, spec), picture)
    grey = photos.to_tensor_uncropped(picture, TensorSpec((1, 28, 28)))
    np.testing.assert_array_equal((grey[0] * 255).round().numpy(), np.asarray(picture.convert("L")))


def test_a_whole_picture_at_another_size():
    picture = scene(96, 48)
    made = photos.to_tensor_uncropped(
        picture, TensorSpec((3, 32, 32), transform=ImageTransform(interpolation="bicubic")), longest=48
    )
    expected = picture.resize((48, 24), Image.Resampling.BICUBIC)
    same(photos.to_pil(made), expected)
    assert photos.to_tensor_uncropped(picture, longest=192).shape == (3, 96, 192)
    assert photos.to_tensor_uncropped(scene(400, 2), longest=40).shape == (3, 1, 40)
    with pytest.raises(UsageError, match="pictures"):
        photos.to_tensor_uncropped(picture, TensorSpec((3, 30)))
