"""What may happen to the files of a run: every value and tensor, and the files as a whole.

A damage is a label and a function that changes the copy of a run in a folder.
"""

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from convscope.learn.trainer.state import checksum

RAW = "@raw@"
NESTED, DIGITS = "[" * 100_000, "9" * 5000
Damage = tuple[str, Callable[[Path], None]]


def kinds(value: Any) -> Iterator[tuple[str, Any]]:
    """What may be wrong with one value of JSON; `RAW` stands for text that is put in as it is."""
    yield from (("null", None), ("a string", "zwei"), ("an empty list", [[]]), ("a table", {"x": 1}))
    yield from (("true", True), ("below zero", -1), ("a fraction", 1.5), ("huge", 10**30), ("1e308", 1e308))
    yield from ((raw[:8], (RAW, raw)) for raw in (NESTED, DIGITS, "NaN", "-Infinity", "1e999", '"\\ud800"'))
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield "changed by 0.5", value + 0.5
    if isinstance(value, list) and value:
        yield from (("shorter", value[:-1]), ("longer", [*value, value[-1]]), ("turned", [*value[::-1], 0]))
    if isinstance(value, str):
        yield from (("another string", value + "x"), ("no string", 3), ("a path", f"../{value}"))


def places(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document of JSON, of tables and of first elements of lists."""
    inside = document.items() if isinstance(document, dict) else enumerate(document[:1])
    for key, value in inside:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> tuple[Any, str]:
    """The document with another value at a place, and what stands there raw."""
    changed = copy.deepcopy(document)
    target = changed
    for key in place[:-1]:
        target = target[key]
    raw = value[1] if isinstance(value, tuple) else ""
    target[place[-1]] = RAW if raw else value
    return changed, raw


def at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def without(document: Any, place: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    del at(changed, place[:-1])[place[-1]]
    return changed


def json_damages(document: dict[str, Any], path: str, *, sums: bool) -> Iterator[Damage]:
    """Each value missing, and with each kind of damage; with `sums`, the checksum is made to fit again."""

    def write(changed: Any, raw: str = "") -> Callable[[Path], None]:
        def damage(folder: Path) -> None:
            if sums and not raw and isinstance(changed, dict):
                changed["checksum"] = checksum(changed)
            text = json.dumps(changed).replace(f'"{RAW}"', raw or f'"{RAW}"')
            (folder / path).write_text(text)

        return damage

    for place in places(document):
        label = ".".join(map(str, place))
        value = at(document, place)
        if not (sums and place[0] in ("checksum", "recipe")):  # a setting that is missing has its default
            yield f"{label} missing", write(without(document, place))
        for kind, changed in kinds(value):
            if type(changed) is type(value) and changed == value:
                continue
            if sums and (place == ("checksum",) or harmless(place, value, changed)):
                continue
            yield f"{label} {kind}", write(*replaced(document, place, changed))


def harmless(place: tuple[Any, ...], value: Any, changed: Any) -> bool:
    """Whether a value is as good as the one before, for all that can be known without a checksum."""
    free = place[0] in ("sums", "seconds", "checksum") or place[:1] == ("recipe",)
    if place[:1] == ("history",):
        free = len(place) > 2 and place[2] in (
            "metrics",
            "test_metrics",
            "lr",
            "seconds",
            "samples_per_second",
            "worst",
            "problems",
        )
    number = isinstance(changed, int | float) and not isinstance(changed, bool)
    return free and (number or changed == value or changed is None or isinstance(changed, str | dict))


Tensors = dict[str, torch.Tensor]


def tensor_kinds(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor | None]]:
    yield from (("missing", None), ("3 zeros", torch.zeros(3)), ("a row", torch.ones(1, 1)))
    if tensor.ndim:
        yield "a scalar", torch.tensor(1.0)
    yield from (("empty", torch.zeros(0, dtype=tensor.dtype)), ("one axis more", tensor[None].clone()))
    yield "of 10 million", torch.zeros(10_000_000, dtype=torch.uint8)
    dtypes = {torch.float16, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool} - {
        tensor.dtype
    }
    yield from ((str(dtype), tensor.to(dtype)) for dtype in sorted(dtypes, key=str))
    if tensor.is_floating_point():
        for value in (float("nan"), float("inf")):
            spoilt = tensor.clone()
            spoilt.view(-1)[-1] = value
            yield str(value), spoilt
    if name.endswith(("exp_avg_sq", "running_var", "num_batches_tracked", "step")):
        yield "below zero", torch.full_like(tensor, -1)
    if name.endswith("step"):
        yield from (("half a step", tensor + 0.5), ("huge", torch.full_like(tensor, 1e30)), ("0", tensor * 0))
    if name.startswith("random"):
        yield from (("zeros", tensor * 0), ("255", tensor * 0 + 255), ("turned", tensor.flip(0)))
        yield from (
            ("shorter", tensor[:-1].clone()),
            ("place beyond its end", placed(tensor, 8, 600, 16, 600)),
        )
        yield from (("place 700", placed(tensor, 8, 1, 16, 700)), ("left 0", placed(tensor, 8, 0, 16, 0)))
        yield "a bool of 7", placed(tensor, 5052, 7)


def placed(tensor: torch.Tensor, *pairs: int) -> torch.Tensor:
    """With 16-bit numbers at some offsets."""
    found = tensor.clone()
    for offset, value in zip(pairs[::2], pairs[1::2], strict=True):
        found[offset], found[offset + 1] = value % 256, value // 256 or found[offset + 1] * 0
    return found


def restored(folder: Path, change: Callable[[Tensors], None], *, sums: bool) -> None:
    """Change the tensors of a state; with `sums`, make the checksums fit."""
    path = folder / "state/state.json"
    document = json.loads(path.read_text())
    file = folder / "state" / document["tensors"]
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    if sums:
        content = file.read_bytes()
        document |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        path.write_text(json.dumps(document | {"checksum": checksum(document)}))


def tensor_damages(run: Path, *, sums: bool) -> Iterator[Damage]:
    document = json.loads((run / "state/state.json").read_text())
    tensors = load_file(run / "state" / document["tensors"])

    def put(name: str, value: torch.Tensor | None) -> Callable[[Path], None]:
        def change(there: Tensors) -> None:
            if value is None:
                del there[name]
            else:
                there[name] = value

        return lambda folder: restored(folder, change, sums=sums)

    for name, tensor in tensors.items():
        for kind, value in tensor_kinds(name, tensor):
            yield f"{name} {kind}", put(name, value)
        if not sums and tensor.is_floating_point():
            yield f"{name} changed by 0.5", put(name, tensor + 0.5)
    for name in (
        "model/new",
        "optimizer/main",
        "optimizer/main/99/step",
        "optimizer/other/0/step",
        "optimizer/99/step",
        "optimizer/-1/step",
        "optimizer/x",
        "random/cuda",
        "new",
        "/",
    ):
        yield f"{name} added", put(name, torch.ones(()))


def file_damages(path: str, *, binary: bool = False) -> Iterator[Damage]:
    """What may be wrong with a file as a whole."""

    def whole(content: bytes) -> Callable[[Path], None]:
        return lambda folder: named(folder).write_bytes(content) and None

    def named(folder: Path) -> Path:
        (found,) = folder.glob(path)
        return found

    def instead(make: Callable[[Path], Any]) -> Callable[[Path], None]:
        def damage(folder: Path) -> None:
            place = named(folder)
            place.unlink()
            make(place)

        return damage

    def cut(share: float) -> Callable[[Path], None]:
        return lambda folder: os.truncate(named(folder), int(share * named(folder).stat().st_size))

    def flipped(share: float) -> Callable[[Path], None]:
        def damage(folder: Path) -> None:
            content = bytearray(named(folder).read_bytes())
            content[int(share * (len(content) - 1))] ^= 1
            named(folder).write_bytes(content)

        return damage

    yield f"{path} a named pipe", instead(os.mkfifo)
    yield f"{path} a link to /dev/zero", instead(lambda place: place.symlink_to("/dev/zero"))
    yield f"{path} a link to nothing", instead(lambda place: place.symlink_to("nowhere"))
    yield f"{path} a folder", instead(lambda place: place.mkdir())
    for share in (0.3, 0.5, 0.97):
        yield f"{path} cut at {share}", cut(share)
    yield f"{path} no text", whole(b"\xff\xfe\x00")
    for text in (
        NESTED,
        f'{{"x": {NESTED}',
        f"x = {NESTED}",
        DIGITS,
        f"x = {DIGITS}",
        "[]",
        "3",
        "[1, {}]",
        "{",
    ):
        yield f"{path} {text[:8]}", whole(text.encode())
    yield f"{path} sparse, 5 GB", lambda folder: os.truncate(named(folder), 5 << 30)
    if binary:
        for share in (0.0, 0.001, 0.01, 0.2, 0.5, 0.8, 1.0):
            yield f"{path} bit flipped at {share}", flipped(share)
