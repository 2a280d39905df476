"""Name traced calls after the module they ran in and what they did there."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.graph.graph import Graph, Node
from convscope.graph.layer import Layer
from convscope.graph.names import short
from convscope.graph.spec import Shape


@dataclass(frozen=True)
class Scope:
    """One call of one module.

    Attributes:
        name: dotted name of the module.
        run: number of the call, counted from 1.
    """

    name: str
    run: int


@dataclass(frozen=True)
class Call:
    """One traced operation.

    Attributes:
        layer: the layer that it is.
        word: the bare name of the function.
        sources: indices of the calls whose results it read; negative numbers are inputs, -1 the first.
        scopes: the modules it ran in, outermost first.
        weights: full names of the parameters that it read.
    """

    layer: Layer
    word: str
    sources: tuple[int, ...]
    scopes: tuple[Scope, ...]
    weights: tuple[str, ...]


def graph_of(
    calls: Sequence[Call], inputs: Mapping[str, Shape], ends: Mapping[str, int]
) -> tuple[Graph, dict[str, Call], dict[str, str]]:
    """Build a graph of traced calls, and give every call a unique name.

    Calls are kept if the result depends on them, or if they read parameters or multiply.

    Args:
        calls: in the order in which they ran.
        inputs: name and shape of each input, without batch axis, in order.
        ends: for each entry of the result by key, the index of the call it came from.

    Returns:
        The graph, the kept calls by name, and for each entry of the result the name of the call it came
        from.
    """
    kept = _kept(calls, ends.values())
    names = _names(calls, kept, inputs)
    for number, name in enumerate(inputs, start=1):
        names[-number] = name
    nodes = tuple(Node(names[i], calls[i].layer, tuple(names[s] for s in calls[i].sources)) for i in kept)
    result = {key: names[end] for key, end in ends.items()}
    graph = Graph(inputs, nodes, tuple(dict.fromkeys(result.values())))
    return graph, {names[i]: calls[i] for i in kept}, result


def _kept(calls: Sequence[Call], ends: object) -> list[int]:
    """Return the indices of calls that lead to the result, read parameters, or multiply."""
    needed = set(ends)  # pyright: ignore[reportArgumentType]
    for i in range(len(calls) - 1, -1, -1):
        if calls[i].weights or _counts(calls[i].layer):
            needed.add(i)
        if i in needed:
            needed.update(calls[i].sources)
    return sorted(i for i in needed if i >= 0)


def _counts(layer: Layer) -> bool:
    """Return whether a foreign layer multiplies, or may."""
    return bool(getattr(layer, "products", 0) or getattr(layer, "uncounted", ()))


def _names(calls: Sequence[Call], kept: Sequence[int], inputs: Mapping[str, Shape]) -> dict[int, str]:
    runs: dict[str, int] = defaultdict(int)
    inside: Counter[Scope] = Counter()
    for i in kept:
        for scope in calls[i].scopes:
            runs[scope.name] = max(runs[scope.name], scope.run)
            inside[scope] += 1
    words: Counter[tuple[str, str]] = Counter()
    plans = []
    for i in kept:
        scopes, word = calls[i].scopes, _word(calls[i])
        if scopes and inside[scopes[-1]] == 1:
            plans.append((i, scopes[-1].name, "", _run(scopes, runs)))
            continue
        where = scopes[-1].name if scopes else ""
        run = _run(scopes, runs)
        words[(where + run, word)] += 1
        plans.append((i, where, word, run))
    return _numbered(plans, words, set(inputs))


def _numbered(
    plans: Sequence[tuple[int, str, str, str]], words: Counter[tuple[str, str]], taken: set[str]
) -> dict[int, str]:
    names: dict[int, str] = {}
    used: Counter[tuple[str, str]] = Counter()
    modules = {where + run for _, where, word, run in plans if not word}
    for i, where, word, run in plans:
        name = where + run
        if word:
            key = (where + run, word)
            used[key] += 1
            number = str(used[key]) if words[key] > 1 else ""
            name = f"{where}.{word}{number}{run}" if where else f"{word}{number}"
            while name in taken or name in modules:
                used[key] += 1
                name = f"{where}.{word}{used[key]}{run}" if where else f"{word}{used[key]}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[i] = name
    return names


def _run(scopes: Sequence[Scope], runs: Mapping[str, int]) -> str:
    """Return `#2` for the second call of a module that is called several times; empty otherwise."""
    scope = scopes[-1] if scopes else None
    return f"#{scope.run}" if scope and runs[scope.name] > 1 else ""


def _word(call: Call) -> str:
    layer = call.layer
    return call.word if layer.kind == "foreign" else layer.family or short(layer.kind)
