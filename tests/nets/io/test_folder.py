import json
import pickle
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import load_file, save_file

from convscope.errors import ConvscopeError, DataError, MissingError, UsageError
from convscope.graph import ImageTransform, TensorSpec, chain
from convscope.nets import Source, build, open_folder, save, wrap
from convscope.nets.io.weights import read_weights


@pytest.fixture
def net():
    spec = TensorSpec(
        (1, 9, 7), value_range=(0, 255), mean=(1.0,), std=(2.0,), transform=ImageTransform(crop=0.875)
    )
    module = build(
        chain("1x9x7", "c = conv 3 3x3 padding=same stride=2, batchnorm, flatten, dense 2"), seed=0
    )
    module(torch.rand(4, 1, 9, 7))
    return wrap(
        module, spec, ["猫", "dog"], name="small", source=Source("small", "a paper", note="made here")
    )


@pytest.fixture
def folder(net, tmp_path):
    return save(net, tmp_path / "runs" / "small", recipe={"epochs": 3})


def test_everything_comes_back(net, folder):
    again = open_folder(folder)
    net.module.eval()
    x = torch.rand(3, 1, 9, 7) * 255
    assert torch.equal(again(x), net(x))
    assert (again.input_specs, again.classes, again.source, again.graph, again.name) == (
        net.input_specs,
        net.classes,
        net.source,
        net.graph,
        net.name,
    )
    assert not any(part.training for part in again.module.modules())
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert document["recipe"] == {"epochs": 3}
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]


def test_somebody_else_s_module_takes_its_weights_back(tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    net = wrap(module, TensorSpec((1, 2, 2)))
    folder = save(net, tmp_path)
    twin = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    x = torch.rand(2, 1, 2, 2)
    assert torch.equal(open_folder(folder, twin)(x), net(x))
    with pytest.raises(UsageError, match="open_folder"):
        open_folder(folder)


def test_shared_tensors_are_saved(tmp_path):
    layer = torch.nn.Linear(2, 2)
    module = torch.nn.Sequential(OrderedDict(a=layer, b=layer))
    save(wrap(module, TensorSpec((2,))), tmp_path)
    assert set(load_file(tmp_path / "model.safetensors")) == {"a.weight", "a.bias", "b.weight", "b.bias"}


def test_what_stood_there_survives_a_failure(net, folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(
        "safetensors.torch.save_file", lambda *_a, **_k: (_ for _ in ()).throw(OSError("full"))
    )
    with torch.no_grad():
        net.module.c.weight.zero_()
    with pytest.raises(UsageError, match="full"):
        save(net, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_in_the_way(net, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="can be written"):
        save(net, tmp_path / "taken")


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(MissingError, match=name):
        open_folder(folder)


def rewrite(folder, change):
    path = folder / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


CHANGES = {
    "version": lambda d: d.update(format="convscope.model/9"),
    "no format": lambda d: d.pop("format"),
    "no inputs": lambda d: d.pop("inputs"),
    "empty inputs": lambda d: d.update(inputs=[]),
    "another input": lambda d: d["inputs"][0].update(shape=[1, 3, 7]),
    "bad input": lambda d: d["inputs"][0].update(std=[0.0]),
    "text for a number": lambda d: d["inputs"][0].update(shape=[1, "9", 7]),
    "unknown field": lambda d: d["inputs"][0].update(colour=1),
    "inputs a text": lambda d: d.update(inputs="x"),
    "outputs a number": lambda d: d.update(outputs=3),
    "source a list": lambda d: d.update(source=[1]),
    "unknown kind": lambda d: d["graph"]["layers"][0].update(kind="conv9d"),
    "no layers": lambda d: d["graph"].pop("layers"),
    "negative": lambda d: d["graph"]["layers"][0]["options"].update(out_channels=-1),
    "cycle": lambda d: d["graph"]["layers"][0].update(inputs=["dense1"]),
    "bad name": lambda d: d["graph"]["layers"][0].update(name="train"),
    "graph a number": lambda d: d.update(graph=7),
    "graph too large": lambda d: d["graph"]["layers"][0]["options"].update(out_channels=10**15),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_description_that_is_wrong(folder, change):
    rewrite(folder, change)
    with pytest.raises(DataError, match="received"):
        open_folder(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": NaN}']
)
def test_a_description_that_is_no_json(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(DataError):
        open_folder(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("c.weight"), "missing c.weight"),
        (
            lambda t: t.update({"c.weight": torch.zeros(3, 1, 5, 5)}),
            r"c.weight \(3, 1, 5, 5\) for \(3, 1, 3, 3\)",
        ),
        (lambda t: t.update(extra=torch.zeros(1)), "unknown extra"),
    ],
)
def test_weights_that_do_not_fit(folder, change, message):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(DataError, match=message):
        open_folder(folder)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was opened')",))


@pytest.mark.parametrize("content", [b"", b"\x00" * 20, b"\xff" * 9, pickle.dumps(Bomb()), "cut"], ids=repr)
def test_weights_that_are_no_safetensors(folder, content):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9] if content == "cut" else content)
    with pytest.raises(ConvscopeError):
        open_folder(folder)


def test_weights_that_are_not_there_are_not_taken_for_a_pickle(tmp_path):
    with pytest.raises(DataError, match="There is no such file"):
        read_weights(tmp_path / "nothere.pt")
    (tmp_path / "there.pt").write_bytes(b"\x80\x02")
    with pytest.raises(DataError, match="A pickle can run code"):
        read_weights(tmp_path / "there.pt")
