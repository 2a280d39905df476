"""Write a network for programs other than PyTorch's Python: as ONNX, or as a program of `torch.export`.

What is written takes inputs in the value range of the network's spec: its normalisation is inside. Before
anything is written, it is executed on random inputs of several batch sizes, and compared with the network.
"""

import copy
import importlib
import importlib.util
import io
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError, MissingError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets.activations.freezing import frozen
from convscope.nets.activations.tree import tree_leaves
from convscope.nets.network import Net, is_out_of_memory, takes_network
from convscope.recipe import versions
from convscope.recipe.result import Result
from convscope.system.files import create_file

EXPORT_SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2"}
"""Format -> ending of its files."""
NEEDED = ("onnx", "onnxscript", "onnxruntime")
"""Packages of the extra `export`; ONNX needs all of them, `torch.export` none."""
EXPORT_TOLERANCE = 1e-4
"""Largest difference that is accepted, as a share of the largest absolute output of the batch."""
BATCHES = (1, 2, 5)
"""Batch sizes that are compared."""
METADATA = "convscope.json"
"""Name of the metadata: a file inside a `.pt2`, an entry of the `metadata_props` of ONNX."""
LARGEST_ONNX = 2_000_000_000
"""Most bytes of weights in one ONNX file, a message of protobuf."""
Runner = Callable[..., Sequence[Tensor]]


@dataclass(frozen=True)
class Exported(Result):
    """What an export wrote, and how far it agrees with the network.

    Attributes:
        path: the file.
        format: a key of `EXPORT_SUFFIXES`.
        size: bytes of the file.
        difference: largest difference from the network's outputs, as a share of the largest absolute one.
        tolerance: the largest share that was accepted.
        metadata: what the file states: input ranges and shapes, classes, origin, recipe.
    """

    path: Path
    format: str
    size: int
    difference: float
    tolerance: float
    metadata: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return all fields, JSON-ready."""
        return {**asdict(self), "path": str(self.path)}


class _Normalising(nn.Module):
    """A network as a module of its own: normalises its inputs, and returns its tensors in a tuple."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.module = copy.deepcopy(net.module).to("cpu").eval().requires_grad_(False)
        dtype = net.dtype
        self.steps = [_statistics(spec) for spec in net.input_specs]
        for k, step in enumerate(self.steps):
            if step is not None:
                self.register_buffer(f"mean{k}", step[0].to(dtype))
                self.register_buffer(f"scale{k}", (1 / step[1]).to(dtype))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the network on inputs in the range of their specs."""
        ready = [
            x if step is None else (x - getattr(self, f"mean{k}")) * getattr(self, f"scale{k}")
            for k, (x, step) in enumerate(zip(inputs, self.steps, strict=True))
        ]
        return tuple(tensor for _, tensor in tree_leaves(self.module(*ready)))


def _statistics(spec: TensorSpec) -> tuple[Tensor, Tensor] | None:
    """Return mean and standard deviation of an input, to be broadcast; None where they change nothing."""
    if spec.is_integer or (set(spec.mean) == {0.0} and set(spec.std) == {1.0}):
        return None
    shape = (-1, *(1 for _ in spec.size))
    return torch.tensor(spec.mean).view(shape), torch.tensor(spec.std).view(shape)


@takes_network
def export(
    net: Net,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    tolerance: float = EXPORT_TOLERANCE,
    recipe: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Exported:
    """Write a network as ONNX or as a program of `torch.export`, after comparing it with the network.

    The batch axis is dynamic. Inputs are those of the spec, without normalisation: it is inside. ONNX is
    executed by onnxruntime for the comparison, a program by torch; where they differ by more than the
    tolerance, nothing is written. The file is never read again here: `torch.export.load` may unpickle.

    Args:
        net: a network, its name or its folder. It is left as it is.
        path: the file, which must not exist; missing folders are made.
        format: `onnx` or `torch-export`; by default what the file's ending says.
        tolerance: largest difference accepted, as a share of the largest absolute output of a batch.
        recipe: how the network was trained, JSON-ready; stated in the metadata.
        seed: of the random inputs.

    Returns:
        What was written.

    Raises:
        UsageError: the file exists, its ending is of no format, or the network cannot be traced with a
            dynamic batch.
        MissingError: a package of the extra `export` is not installed.
        ConvscopeError: what was exported computes something else, or cannot be executed.

    Source: https://docs.pytorch.org/docs/stable/export.html, and onnx_export.html beside it.
    """
    place = Path(path)
    format = format or _format_of(place)
    _check(place, format)
    metadata = _metadata(net, recipe)
    draw = torch.Generator().manual_seed(seed)
    batches = [[_random(spec, size, draw) for spec in net.input_specs] for size in BATCHES]
    module = _Normalising(net)
    program = _traced(net, module, batches[1])
    content, runner = (_as_onnx if format == "onnx" else _as_program)(program, net, metadata)
    difference = _largest_difference(net, runner, batches)
    if not difference <= tolerance:  # NaN is refused too
        raise ConvscopeError(
            f"an exported network whose outputs differ by at most {tolerance:g} of the largest one",
            received=f"{difference:.3g} for {net.name} as {format}; nothing was written",
            hint="Try the other format, or accept more with --tolerance.",
        )
    _write(place, content)
    return Exported(place, format, len(content), difference, tolerance, metadata)


def _format_of(path: Path) -> str:
    """Return the format of a file's ending."""
    for format, ending in EXPORT_SUFFIXES.items():
        if path.suffix.lower() == ending:
            return format
    raise UsageError(
        f"a file that ends in {' or '.join(EXPORT_SUFFIXES.values())}",
        received=str(path),
        hint="Or name the format.",
    )


def _check(path: Path, format: str) -> None:
    """Refuse a format that does not exist, an existing file, and missing packages."""
    if format not in EXPORT_SUFFIXES:
        raise UsageError(
            f"one of {', '.join(EXPORT_SUFFIXES)}",
            received=format,
            hint="Leave the format out: the ending of the file says it.",
        )
    if os.path.lexists(path):
        raise UsageError(
            "the name of a file that does not exist yet",
            received=str(path),
            hint="Choose another name, or move that file away.",
        )
    missing = [name for name in NEEDED if format == "onnx" and importlib.util.find_spec(name) is None]
    if missing:
        raise MissingError(
            "the packages that write and execute ONNX",
            received=f"no {', '.join(missing)}",
            hint=f"Install them: pip install {' '.join(missing)}. Without them: --format torch-export.",
        )


def _random(spec: TensorSpec, size: int, draw: torch.Generator) -> Tensor:
    """Draw inputs `[size ...]` evenly from a spec's range."""
    low, high = spec.value_range
    if spec.is_integer:
        return torch.randint(int(low), int(high) + 1, (size, *spec.shape), generator=draw)
    return torch.rand((size, *spec.shape), generator=draw) * (high - low) + low


def _traced(net: Net, module: nn.Module, inputs: Sequence[Tensor]) -> Any:
    """Return the program of a network, with a dynamic batch axis."""
    batch = torch.export.Dim("batch", min=1, max=2**20)
    shapes = (tuple({0: batch} for _ in inputs),)
    inputs = [x.to(net.dtype) if x.is_floating_point() else x for x in inputs]
    try:
        with torch.no_grad(), warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter(
                "ignore"
            )  # torch's own, of its parts that change; on failure it prints code
            return torch.export.export(module, tuple(inputs), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # torch raises errors of many kinds for code that it cannot trace
        if is_out_of_memory(error):
            raise
        raise UsageError(
            f"a network that torch.export can trace, for any number of samples at once: {net.name}",
            received=_in_short(error),
            hint="Its code must not depend on values, nor on the batch size.",
        ) from None


def _as_program(program: Any, _net: Net, metadata: Mapping[str, Any]) -> tuple[bytes, Runner]:
    """Return a program as the bytes of its file, and what executes it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, buffer, extra_files={METADATA: json.dumps(metadata, ensure_ascii=False)})
    return buffer.getvalue(), program.module()


def _as_onnx(program: Any, net: Net, metadata: Mapping[str, Any]) -> tuple[bytes, Runner]:
    """Return a program as the bytes of an ONNX file, and what executes them: onnxruntime."""
    onnxruntime = importlib.import_module("onnxruntime")  # an extra package
    weights = sum(p.numel() * p.element_size() for p in net.module.parameters())
    if weights > LARGEST_ONNX:
        raise UsageError(
            f"at most {LARGEST_ONNX:,} bytes of weights in one ONNX file",
            received=f"{weights:,}",
            hint="Write it with --format torch-export.",
        )
    names = _names([spec.name for spec in net.input_specs], "input")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=names)
        proto = made.model_proto  # pyright: ignore[reportOptionalMemberAccess]  # None without dynamo alone
        _name_batch(proto)
        for name, value in _texts(metadata).items():
            entry = proto.metadata_props.add()
            entry.key, entry.value = name, value
        content = proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # torch, onnx and onnxruntime raise errors of many kinds
        raise ConvscopeError(
            f"{net.name} as ONNX",
            received=_in_short(error),
            hint="Write it with --format torch-export.",
        ) from None
    taken = [one.name for one in session.get_inputs()]

    def run(*inputs: Tensor) -> list[Tensor]:
        feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True) if name in taken}
        return [torch.from_numpy(array) for array in session.run(None, feed)]

    return content, run


def _in_short(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first[:300]}"


def _name_batch(proto: Any) -> None:
    """Give the dynamic axis of the inputs its name wherever it occurs."""
    values = [*proto.graph.input, *proto.graph.output, *proto.graph.value_info]
    first = proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param if proto.graph.input else ""
    for value in values:
        for dim in value.type.tensor_type.shape.dim:
            if first and dim.dim_param == first:
                dim.dim_param = "batch"


def _names(given: Sequence[str], word: str) -> list[str]:
    """Return a name for each input, each another one."""
    names = [name or word for name in given]
    return names if len(set(names)) == len(names) else [f"{word}{k}" for k in range(len(names))]


def _largest_difference(net: Net, runner: Runner, batches: Sequence[Sequence[Tensor]]) -> float:
    """Return the largest difference of two networks' outputs, as a share of the largest output of a batch."""
    largest = 0.0
    for inputs in batches:
        ready = [x.to(net.dtype) if x.is_floating_point() else x for x in inputs]
        with torch.no_grad(), frozen(net.module):
            wanted = [tensor.cpu() for _, tensor in tree_leaves(net(*ready))]
            found = list(runner(*ready))
        if [x.shape for x in wanted] != [x.shape for x in found]:
            return float("nan")
        for a, b in zip(wanted, found, strict=True):
            scale = float(a.double().abs().max()) if a.numel() else 0.0
            apart = float((a.double() - b.double()).abs().max()) if a.numel() else 0.0
            share = apart / scale if scale > 0 else apart
            if share != share:
                return share
            largest = max(largest, share)
    return largest


def _metadata(net: Net, recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a file states of its network, JSON-ready."""
    inputs = [
        {
            "name": name,
            "kind": spec.kind,
            "axes": f"b {spec.axes}",
            "shape": ["batch", *spec.shape],
            "dtype": spec.dtype,
            "range": list(spec.value_range),
        }
        for name, spec in zip(
            _names([spec.name for spec in net.input_specs], "input"), net.input_specs, strict=True
        )
    ]
    first = net.input_specs[0]
    return {
        "name": net.name,
        "inputs": inputs,
        "normalisation": "included",
        "crop": first.transform.crop,
        "interpolation": first.transform.interpolation,
        "outputs": [
            {"kind": spec.kind, "classes": list(spec.classes), "temperature": spec.temperature}
            for spec in net.output_specs
        ],
        "source": asdict(net.source),
        "recipe": None if recipe is None else dict(recipe),
        "versions": versions(),
    }


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata as ONNX holds it: texts by name; the whole, and what a reader looks for first."""
    first = metadata["inputs"][0]
    low, high = first["range"]
    return {
        METADATA: json.dumps(metadata, ensure_ascii=False),
        "input_range": f"{low:g} to {high:g}",
        "input_size": "x".join(map(str, first["shape"][1:])),
        "normalisation": metadata["normalisation"],
        "classes": json.dumps(metadata["outputs"][0]["classes"], ensure_ascii=False),
        "temperature": f"{metadata['outputs'][0]['temperature']:g}",
    }


def _write(path: Path, content: bytes) -> None:
    """Write a new file, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with create_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"a file that can be written at {path}",
            received=str(error),
            hint="Choose another place, or free some space.",
        ) from None
