"""Portraits: what is cut out of an image is what the unit saw, and nothing else."""

from pathlib import Path

import pytest
import torch

from convscope.errors import PlaceError, UsageError
from convscope.nets import LayerAddress, record
from convscope.see import open_index, unit_report, visualize
from convscope.see.units.index import storage
from convscope.see.units.index.build import index_units, iter_index_units
from convscope.worlds import ImageTensorDataset


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(8)
    images = torch.randint(0, 256, (40, 1, 28, 28), generator=generator, dtype=torch.uint8)
    return ImageTensorDataset(images, torch.arange(40) % 2, ["even", "odd"])


@pytest.mark.parametrize("place", ["conv1:2", "conv2:3", "relu2:1", "pool2:0", "dense1:4"])
def test_pixels_outside_the_box_make_no_difference(digit_net, data, place):
    portrait = unit_report(digit_net, place, data, top_k=3, steps=1)
    for patch in (*portrait.top, *portrait.bottom):
        (y0, y1), (x0, x1) = patch.box
        other = torch.rand(1, 1, 28, 28)
        other[0, :, y0:y1, x0:x1] = patch.crop
        where = LayerAddress.parse(f"{place}@{','.join(map(str, patch.example.position))}".rstrip("@"))
        value = float(record(digit_net, other, [where])[where])
        assert value == pytest.approx(patch.example.value, rel=1e-4, abs=1e-6)
        assert torch.equal(patch.picture, data.images[patch.example.image].float() / 255)


@pytest.mark.slow
def test_the_numbers_of_the_synthetic_pictures(digit_net, data):
    portrait = unit_report(digit_net, "conv2:3", data, top_k=3, steps=40)
    act = record(digit_net, portrait.maximizing.picture[None], ["conv2:3"])
    assert portrait.maximizing.value == pytest.approx(float(next(iter(act.values())).max()), rel=1e-5)
    act = record(digit_net, portrait.minimizing.picture[None], ["conv2:3"])
    assert portrait.minimizing.value == pytest.approx(float(next(iter(act.values())).min()), rel=1e-5)
    assert portrait.minimizing.value < portrait.entry.mean < portrait.maximizing.value
    everything = index_units(digit_net, data, ["conv2"], k=40).entry("conv2:3").top
    below = sum(e.value < portrait.maximizing.value for e in everything) / 40
    assert portrait.percentile == pytest.approx(100 * below, abs=6)
    again = unit_report(digit_net, "conv2:3", data, top_k=3, steps=40)
    assert torch.equal(portrait.maximizing.picture, again.maximizing.picture)
    assert portrait.field is not None and portrait.field.size == (8, 8)
    assert portrait.effective is not None and portrait.effective.size <= 8.01


@pytest.mark.parametrize("unit", [3, 5])
def test_both_synthetic_pictures_are_made_for_an_end_of_the_range(digit_net, data, unit):
    """Descending the mean of the map stays above the smallest value that is reached by descending that."""
    place, settings = f"conv2:{unit}", {"steps": 60, "negative": True}
    portrait = unit_report(digit_net, place, data, top_k=3, steps=60)
    reached = {}
    for reduce in ("mean", "min"):
        made = visualize(digit_net, place, reduce=reduce, **settings)
        reached[reduce] = float(next(iter(record(digit_net, made.images, ["conv2"]).values()))[:, unit].min())
    assert portrait.minimizing.value == pytest.approx(reached["min"], rel=1e-4)
    assert reached["min"] < reached["mean"]


def test_units_of_the_result_go_by_their_labels(digit_net, data):
    portrait = unit_report(digit_net, "output:digit 7", data, top_k=2, steps=1)
    assert portrait.place == "output:7" and portrait.label == "digit 7"
    assert portrait.top[0].box == ((0, 26), (0, 26))  # 28 pixels less what the last pooling drops


def test_an_index_is_used_where_there_is_one(digit_net, data, tmp_path, monkeypatch):
    folder = storage.cache_dir(digit_net, data) / "all"
    *_, last = iter_index_units(digit_net, data, k=4, folder=folder)
    assert last.fraction == 1
    given = open_index(folder, digit_net, data)

    def never(*_args, **_options):
        raise AssertionError("an index was there")

    monkeypatch.setattr("convscope.see.units.report.iter_index_units", never)
    assert unit_report(digit_net, "conv2:3", data, top_k=4, steps=1).entry.top == given.entry("conv2:3").top
    unit_report(digit_net, "conv2:3", data, index=given, steps=1)
    with pytest.raises(AssertionError, match="was there"):
        unit_report(digit_net, "conv2:3", data, top_k=5, steps=1)
    other = ImageTensorDataset(data.images[:20], data.labels[:20], data.classes)
    with pytest.raises(UsageError, match="another data"):
        open_index(folder, digit_net, other)


def test_a_portrait_is_of_one_unit(digit_net, data):
    for place in ("conv2", "conv2:3@1,1"):
        with pytest.raises(PlaceError, match="one unit"):
            unit_report(digit_net, place, data, steps=1)
    with pytest.raises(PlaceError, match="units 0 to 6"):
        unit_report(digit_net, "conv2:7", data, steps=1)


def test_an_index_without_the_unit_is_refused(digit_net, data):
    given = index_units(digit_net, data, ["conv1"], k=4)
    with pytest.raises(UsageError, match=r"an index that holds conv2:3.*one of conv1"):
        unit_report(digit_net, "conv2:3", data, index=given, steps=1)
