"""A run is resumed only with the data that it learned from; what has changed is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.learn.conftest import small_net

from convscope import nets, worlds
from convscope.errors import DataError, Interrupted
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import ClassificationRecipe, TrainProgress, iter_train_run, train
from convscope.learn.trainer.run_folder import data_record
from convscope.worlds import ImageTensorDataset

SPEC = TensorSpec((3, 16, 16))
RECIPE = {"epochs": 2, "batch": 4, "precision": "fp32", "memory_format": "contiguous", "device": "cpu"}


def net() -> nets.Net:
    return nets.wrap(nets.build(chain("3x16x16", "flatten, dense 2"), seed=0), SPEC, name="small")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(8):
            pixels = generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{k}.png")
    return tmp_path / "data"


def stopped(data: object, folder: Path) -> None:
    """A run that is stopped after its first epoch."""
    recipe = ClassificationRecipe.parse(RECIPE)
    events = iter_train_run(net(), data, None, recipe, out=folder)
    for event in events:
        if not isinstance(event, TrainProgress):
            with pytest.raises(Interrupted):
                events.throw(KeyboardInterrupt())  # pyright: ignore
            return


def repainted(folder: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(folder / "ant" / "3.png")


def swapped(folder: Path) -> None:
    (folder / "ant" / "0.png").rename(folder / "x.png")
    (folder / "bee" / "0.png").rename(folder / "ant" / "0.png")
    (folder / "x.png").rename(folder / "bee" / "0.png")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (lambda folder: (folder / "bee" / "5.png").unlink(), "1 gone (bee/5.png)"),
    "new": (lambda f: shutil.copy(f / "ant" / "1.png", f / "bee" / "99.png"), "1 new (bee/99.png)"),
    "changed": (repainted, "1 changed (ant/3.png)"),
    "moved": (lambda f: (f / "ant" / "7.png").rename(f / "bee" / "77.png"), "1 gone (ant/7.png); 1 new"),
    "swapped": (swapped, "2 changed (ant/0.png, bee/0.png)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_named(photos: Path, tmp_path: Path, change: str) -> None:
    stopped(worlds.open(photos, spec=SPEC), tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    alter, said = CHANGES[change]
    alter(photos)
    with pytest.raises(DataError) as caught:
        train(net(), worlds.open(photos, spec=SPEC), resume=tmp_path / "run")
    assert said in caught.value.received
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}


@pytest.mark.parametrize("place", [0, -1])
def test_a_byte_at_either_end_of_a_large_file_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "large.bin"
    content = bytearray(3 * data_record.ENDS)
    path.write_bytes(content)
    before = data_record._hash_of(path)
    content[place] ^= 1
    path.write_bytes(content)
    assert data_record._hash_of(path) != before


def test_the_same_data_at_another_time_and_place_goes_on(photos: Path, tmp_path: Path) -> None:
    stopped(worlds.open(photos, spec=SPEC), tmp_path / "run")
    shutil.copytree(photos, tmp_path / "elsewhere" / "data", copy_function=shutil.copyfile)
    shutil.rmtree(photos)
    run = train(net(), worlds.open(tmp_path / "elsewhere" / "data", spec=SPEC), resume=tmp_path / "run")
    assert run.finished


def test_images_in_memory_are_compared(train_images, tmp_path: Path) -> None:
    data = train_images.take(range(40))
    run = train(small_net(), data, out=tmp_path / "run", **{**RECIPE, "epochs": 1, "schedule": "constant"})
    for k, other in enumerate((0, 1)):
        images, labels = data.images.clone(), data.labels.clone()
        images[3, 0, 0, 0] += 1 - other
        labels[3] = (labels[3] + other) % 10
        changed = ImageTensorDataset(images, labels, data.classes, data.spec, data.name)
        with pytest.raises(DataError, match=("other images", "other labels")[k]):
            train(small_net(), changed, resume=run.folder, epochs=2)
    assert train(small_net(), data, resume=run.folder, epochs=2).finished


def test_a_loader_has_no_record(tmp_path: Path) -> None:
    loader = torch.utils.data.DataLoader([(torch.rand(1, 28, 28), k % 10) for k in range(20)], batch_size=10)
    named = small_net().with_classes(tuple("0123456789"))
    run = train(named, loader, out=tmp_path / "run", **{**RECIPE, "epochs": 1, "schedule": "constant"})
    assert not (run.folder / data_record.FILE).exists()
    assert train(named, loader, resume=run.folder, epochs=2).finished


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "convscope.data/9"}', '{"format": "convscope.data/1"}']
)
def test_a_damaged_record_is_refused(train_images, tmp_path: Path, text: str) -> None:
    data = train_images.take(range(40))
    run = train(small_net(), data, out=tmp_path / "run", **{**RECIPE, "epochs": 1, "schedule": "constant"})
    (run.folder / data_record.FILE).write_text(text)
    with pytest.raises(DataError):
        train(small_net(), data, resume=run.folder, epochs=2)
