"""Exported networks compute the same, by torch and by onnxruntime, and state their input range."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convscope import nets
from convscope.errors import ConvscopeError, MissingError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import OutputSpec, TensorSpec
from convscope.nets.io import export as exporting

SPEC = TensorSpec((3, 12, 12), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


@pytest.fixture(scope="module")
def net() -> nets.Net:
    module = nets.build(
        chain("3x12x12", "conv 4 3x3, relu, dropout 0.5, maxpool 2, flatten, dense 3"), seed=0
    )
    return nets.wrap(module, SPEC, ("ant", "bee", "猫"), name="small")


def by_hand(net: nets.Net, x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (SPEC.mean, SPEC.std))
    with torch.no_grad():
        return net.module.eval()((x - mean) / std)


def test_torch_reads_the_program_back_and_computes_the_same(net: nets.Net, tmp_path: Path) -> None:
    made = nets.export(net, tmp_path / "deep" / "net.pt2", recipe={"verb": "train", "epochs": 3})
    assert made.difference <= made.tolerance and made.size == made.path.stat().st_size
    kept = {exporting.METADATA: ""}
    program = torch.export.load(made.path, extra_files=kept).module()
    for size in (1, 3, 7):
        x = torch.rand(size, 3, 12, 12)
        (found,) = program(x)
        torch.testing.assert_close(found, by_hand(net, x))
    stated = json.loads(kept[exporting.METADATA])
    assert stated == json.loads(json.dumps(made.metadata))
    (first,) = stated["inputs"]
    assert first["shape"] == ["batch", 3, 12, 12] and first["range"] == [0.0, 1.0]
    assert stated["outputs"][0]["classes"] == ["ant", "bee", "猫"]
    assert stated["normalisation"] == "included" and stated["recipe"]["epochs"] == 3


def test_the_network_stays_as_it_is(net: nets.Net, tmp_path: Path) -> None:
    net.module.train()
    before = {name: value.clone() for name, value in net.module.state_dict().items()}
    nets.export(net, tmp_path / "net.pt2")
    assert net.module.training and all(p.requires_grad for p in net.module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.module.state_dict().items())
    net.module.eval()


class Other(nn.Module):
    """Computes something else while it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * (1.01 if torch.compiler.is_compiling() else 1.0)


def test_what_computes_something_else_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    net = nets.wrap(Other(), TensorSpec((4,)), name="other")
    with pytest.raises(ConvscopeError, match="nothing was written") as refused:
        nets.export(net, tmp_path / "net.pt2")
    assert refused.value.exit_code == 1 and list(tmp_path.iterdir()) == []
    assert nets.export(net, tmp_path / "net.pt2", tolerance=0.05).difference == pytest.approx(0.01, rel=0.01)


class FixedBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(2, -1)


def test_a_fixed_batch_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="any number of samples at once"):
        nets.export(nets.wrap(FixedBatch(), TensorSpec((4,)), name="fixed"), tmp_path / "net.pt2")


class Two(nn.Module):
    def forward(self, image: torch.Tensor, token: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": image.sum((1, 2, 3)), "token": token + 1}


def test_several_inputs_and_outputs_and_indices(tmp_path: Path) -> None:
    token = TensorSpec(
        (5,), kind="tokens", axes="t", dtype="int64", value_range=(0, 9), vocabulary=tuple("0123456789")
    )
    net = nets.wrap(Two(), (SPEC, token), output=(OutputSpec(), OutputSpec()), name="two")
    nets.export(net, tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2").module()
    image, words = torch.rand(3, 3, 12, 12), torch.randint(0, 10, (3, 5))
    total, after = program(image, words)
    assert torch.equal(after, words + 1)
    torch.testing.assert_close(total, net(image, words)["sum"])


def test_files_that_exist_and_endings_of_no_format_are_refused(net: nets.Net, tmp_path: Path) -> None:
    place = tmp_path / "net.pt2"
    place.write_text("mine")
    for path, words in ((place, "does not exist yet"), (tmp_path / "net.bin", "ends in .onnx or .pt2")):
        with pytest.raises(UsageError, match=words):
            nets.export(net, path)
    with pytest.raises(UsageError, match="one of onnx, torch-export"):
        nets.export(net, tmp_path / "x.onnx", format="keras")
    assert place.read_text() == "mine"


def test_missing_packages_are_named_with_the_command(net: nets.Net, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(exporting, "NEEDED", ("onnx_of_nobody",))
    with pytest.raises(MissingError, match="pip install onnx_of_nobody"):
        nets.export(net, tmp_path / "net.onnx")


@pytest.mark.filterwarnings("ignore")  # of torch.onnx and onnxscript themselves
@pytest.mark.parametrize(
    "name", ["small", "digits", pytest.param("efficientnet_lite0", marks=pytest.mark.slow)]
)
def test_onnxruntime_computes_the_same(net: nets.Net, tmp_path: Path, name: str) -> None:
    for package in exporting.NEEDED:
        pytest.importorskip(package, reason=f"needs {package}, of the extra export")
    import onnx
    import onnxruntime

    chosen = net if name == "small" else nets.load(name)
    made = nets.export(chosen, tmp_path / "net.onnx")
    onnx.checker.check_model(onnx.load(made.path))
    session = onnxruntime.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert taken.shape == ["batch", *chosen.input_spec.shape]
    for size in (1, 4):
        x = torch.rand(size, *chosen.input_spec.shape)
        (found,) = session.run(None, {taken.name: x.numpy()})
        wanted = by_hand(net, x) if name == "small" else chosen(x).detach()
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
    stated = session.get_modelmeta().custom_metadata_map
    assert stated["input_range"] == "0 to 1" and stated["normalisation"] == "included"
    assert json.loads(stated["classes"]) == list(chosen.classes)
    assert json.loads(stated[exporting.METADATA]) == json.loads(json.dumps(made.metadata))
