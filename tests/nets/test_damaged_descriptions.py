"""model.json, every field x every kind of damage: refused by name, or a network that runs.

`python -m tests.nets.test_damaged_descriptions` counts.
"""

import copy
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from convscope import nets
from convscope.errors import DataError, MissingError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.nets import describe

GONE = object()
DAMAGE: dict[str, Any] = {
    "missing": GONE,
    "null": None,
    "true": True,
    "0": 0,
    "-1": -1,
    "1.5": 1.5,
    "1e308": 1e308,
    "2^40": 2**40,
    "2^63": 2**63,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "text": "text",
    "empty": "",
    "list": [],
    "table": {},
    "nested": [[[]]],
    "numbers": [3, 2, 1, 0],
    "texts": ["a", "a"],
    "digits": "３",
    "tables": [{}],
    "markup": "[/nope]",
}


def graph_network() -> nets.Net:
    text = "conv 2 3x3 stride=1 padding=1, batchnorm, leakyrelu, maxpool 2, dropout, flatten, dense 2"
    spec = TensorSpec((1, 8, 8), mean=(0.5,), std=(0.25,), kind="digit", transform=ImageTransform(crop=0.875))
    return nets.wrap(nets.build(chain("1x8x8", text), seed=0), spec, ("a", "b"), name="small")


def painting_network() -> nets.Net:
    from convscope.nets.style.johnson import Johnson, Size

    return nets.wrap(Johnson(Size("wave", 4, 1)), TensorSpec((3, 32, 32)), name="painter")


def bank() -> nets.Net:
    from convscope.nets.style.bank import StyleBank, StyleBankConfig

    return nets.wrap(
        StyleBank(StyleBankConfig(("wave", "night"), 4, 0, 1, 1)), TensorSpec((3, 64, 64)), name="bank"
    )


MADE = {"graph": graph_network, "painting": painting_network, "bank": bank}


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, the whole included."""
    yield above
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from paths(entry, (*above, key))


def damaged(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return None if value is GONE else value
    made = copy.deepcopy(document)
    place = made
    for key in path[:-1]:
        place = place[key]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return made


def outcome(folder: Path) -> str:
    """`refused`, `runs`, or what went wrong."""
    try:
        net = nets.load(folder)
    except (DataError, MissingError):
        return "refused"
    except UsageError as error:  # a description without graph and module is one of weights alone
        return "refused" if "module that" in error.expected else f"UsageError: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    try:
        with torch.no_grad():
            answer = net(net.example())
        assert answer.isfinite().all()
        describe(net)
        str(describe(net)), repr(net)
        with tempfile.TemporaryDirectory() as again:
            nets.save(net, again)
    except BaseException as error:
        return f"accepted, then {type(error).__name__}: {error}"[:200]
    return "runs"


def verify(kind: str, root: Path) -> tuple[int, list[str]]:
    """Try everything on one network; how many were tried, and what did not hold."""
    folder = nets.save(MADE[kind](), root / kind)
    description = folder / "model.json"
    whole = json.loads(description.read_text())
    whole["recipe"] = {"verb": "train", "epochs": 1}
    tried, failed = 0, []
    for path in paths(whole):
        for name, value in DAMAGE.items():
            description.write_text(json.dumps(damaged(whole, path, value)))
            found = outcome(folder)
            tried += 1
            if found not in ("refused", "runs"):
                failed.append(f"{kind} {'.'.join(map(str, path))} = {name}: {found}")
    return tried, failed


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", MADE)
def test_every_field_times_every_damage(kind: str, tmp_path: Path) -> None:
    tried, failed = verify(kind, tmp_path)
    assert tried > 200 and failed == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("inputs", 0, "mean"), [float("nan")]),
        (("inputs", 0, "mean"), [float("inf")]),
        (("inputs", 0, "mean"), ["0"]),
        (("inputs", 0, "mean"), "0"),
        (("inputs", 0, "mean"), []),
        (("inputs", 0, "std"), [0]),
        (("inputs", 0, "std"), [-1]),
        (("inputs", 0, "std"), [float("nan")]),
        (("inputs", 0, "std"), [True]),
        (("inputs", 0, "value_range"), [1, 0]),
        (("inputs", 0, "value_range"), [0, 0]),
        (("inputs", 0, "value_range"), [0, 1, 2]),
        (("inputs", 0, "value_range"), [0, float("inf")]),
        (("inputs", 0, "shape", 0), -1),
        (("inputs", 0, "shape", 0), 1.0),
        (("inputs", 0, "shape", 1), 0),
        (("inputs", 0, "shape", 2), True),
        (("inputs", 0, "transform", "crop"), 0),
        (("inputs", 0, "transform", "crop"), float("nan")),
        (("inputs",), {}),
        (("graph", "outputs"), []),
        (("graph", "outputs"), ["dense1", "dense1"]),
        (("outputs",), []),
        (("outputs", 0, "classes"), "ab"),
        (("outputs", 0, "kind"), 1),
        (("outputs", 0, "classes"), [1, 2]),
        (("name",), 3),
        (("graph", "inputs", "input"), [1, 10**6, 10**6]),
    ],
)
def test_what_is_wrong_is_refused(path: tuple[Any, ...], value: Any, tmp_path: Path) -> None:
    folder = nets.save(graph_network(), tmp_path / "net")
    description = folder / "model.json"
    document = damaged(json.loads(description.read_text()), path, value)
    description.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"model\.json"):
        nets.load(folder)


@pytest.mark.parametrize("values", [(float("nan"),), ("0",), (None,), (1e31,), (1 + 1j,), 0.5, ()])
def test_a_spec_holds_finite_numbers(values: Any) -> None:
    from convscope.errors import GraphError

    for name in ("mean", "std", "value_range"):
        with pytest.raises(GraphError):
            TensorSpec((1, 8, 8), **{name: values})


def main() -> None:
    tried, failed = 0, []
    with tempfile.TemporaryDirectory() as root:
        for kind in MADE:
            count, wrong = verify(kind, Path(root))
            tried, failed = tried + count, failed + wrong
    held = f"tried {tried}, held {tried - len(failed)}"
    print("\n".join([*failed, f"{len(MADE)} networks, {len(DAMAGE)} kinds of damage: {held}"]))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
