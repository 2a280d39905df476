"""Scalar formulas as computation graphs, with every intermediate value and exact gradients (autodiff).

Reverse mode (backpropagation): each node adds its gradient, times its local derivative, to the gradients of
its inputs (the chain rule).
"""

import ast
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from convscope.errors import UsageError, nearest

LONGEST = 2000
"""Most characters of a formula."""


@dataclass(frozen=True)
class ComputationNode:
    """One node of a computation graph.

    Attributes:
        name: the variable's name, the number (`1`, then `1#2`), or the operation with a count: `mul1`.
        operation: `variable`, `constant`, or one of the keys of `OPERATIONS`.
        inputs: names of the nodes it reads, in order.
        value: the value it computes.
        derivatives: local derivative of the value with respect to each input; NaN where it is not defined.
        gradient: derivative of the final result with respect to this value.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    value: float
    derivatives: tuple[float, ...]
    gradient: float = 0.0


@dataclass(frozen=True)
class Computation:
    """The computation graph of a formula, evaluated and differentiated.

    Attributes:
        text: the formula.
        nodes: the nodes in topological order; the last one is the result.
    """

    text: str
    nodes: tuple[ComputationNode, ...]

    def __getitem__(self, name: str) -> ComputationNode:
        for node in self.nodes:
            if node.name == name:
                return node
        raise UsageError(
            "a node of this computation", received=name, hint=nearest(name, [n.name for n in self.nodes])
        )

    @property
    def value(self) -> float:
        """The result."""
        return self.nodes[-1].value

    @property
    def gradients(self) -> dict[str, float]:
        """Derivative of the result with respect to each variable, by name."""
        return {node.name: node.gradient for node in self.nodes if node.operation == "variable"}


@dataclass(frozen=True)
class Operation:
    """A differentiable operation on numbers.

    Attributes:
        symbol: how a formula writes it.
        inputs: number of inputs.
        value: function of the inputs that returns the value.
        derivatives: function of the inputs and the value that returns the derivative in each input.
    """

    symbol: str
    inputs: int
    value: Callable[..., float]
    derivatives: Callable[..., tuple[float, ...]]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _sign(x: float) -> float:
    return float(x > 0) - float(x < 0)


def _power_derivatives(base: float, exponent: float, value: float) -> tuple[float, float]:
    """Return the derivatives of `base ** exponent` in both; the second is NaN for a base up to 0."""
    slope = 0.0 if exponent == 0 else exponent * math.pow(base, exponent - 1)
    return slope, value * math.log(base) if base > 0 else math.nan


OPERATIONS: dict[str, Operation] = {
    "add": Operation("+", 2, lambda a, b: a + b, lambda a, b, y: (1.0, 1.0)),
    "sub": Operation("-", 2, lambda a, b: a - b, lambda a, b, y: (1.0, -1.0)),
    "mul": Operation("*", 2, lambda a, b: a * b, lambda a, b, y: (b, a)),
    "div": Operation("/", 2, lambda a, b: a / b, lambda a, b, y: (1 / b, -y / b)),
    "pow": Operation("**", 2, math.pow, _power_derivatives),
    "neg": Operation("-", 1, lambda x: -x, lambda x, y: (-1.0,)),
    "exp": Operation("exp", 1, math.exp, lambda x, y: (y,)),
    "log": Operation("log", 1, math.log, lambda x, y: (1 / x,)),
    "sqrt": Operation("sqrt", 1, math.sqrt, lambda x, y: (0.5 / y,)),
    "tanh": Operation("tanh", 1, math.tanh, lambda x, y: (1 - y * y,)),
    "sigmoid": Operation("sigmoid", 1, _sigmoid, lambda x, y: (y * _sigmoid(-x),)),
    "relu": Operation("relu", 1, lambda x: max(x, 0.0), lambda x, y: (float(x > 0),)),
    "abs": Operation("abs", 1, math.fabs, lambda x, y: (_sign(x),)),
    "max": Operation("max", 2, max, lambda a, b, y: ((1 + _sign(a - b)) / 2, (1 - _sign(a - b)) / 2)),
    "min": Operation("min", 2, min, lambda a, b, y: ((1 - _sign(a - b)) / 2, (1 + _sign(a - b)) / 2)),
}
"""Operations of a formula. As in torch `relu` and `abs` have slope 0 at 0; `max` and `min` share a tie."""

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_FUNCTIONS = ("exp", "log", "sqrt", "tanh", "sigmoid", "relu", "abs", "max", "min")


def computation(text: str, values: Mapping[str, float]) -> Computation:
    """Evaluate a formula and compute the gradient of its result with respect to every node.

    Args:
        text: numbers, names, `+ - * / **`, and exp log sqrt tanh sigmoid relu abs max min:
            `"1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))"`; at most `LONGEST` characters.
        values: one finite number for each name.

    Returns:
        The computation graph with values and gradients.

    Raises:
        UsageError: the formula contains anything else, a name has no value, a value no name, or a result or a
            derivative is not finite.
    """
    reader = _Reader(values)
    try:
        if len(text) > LONGEST:
            raise UsageError(
                f"a formula of at most {LONGEST} characters",
                received=f"{len(text)}",
                hint="Write it as several formulas.",
            )
        reader.read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError("a formula such as exp(-x) / (1 + y**2)", received=f"{text!r}: {error}") from None
    unread = [name for name in values if name not in reader.steps]
    if unread:
        raise UsageError(
            "values for the names in the formula",
            received=unread[0],
            hint=nearest(unread[0], [s.name for s in reader.steps.values() if s.operation == "variable"]),
        )
    return Computation(text, _backward(tuple(reader.steps.values())))


def _backward(steps: tuple[ComputationNode, ...]) -> tuple[ComputationNode, ...]:
    """Return the steps with their gradients, computed from the result backwards."""
    gradients = dict.fromkeys((step.name for step in steps), 0.0)
    gradients[steps[-1].name] = 1.0
    constants = {step.name for step in steps if step.operation == "constant"}
    for step in reversed(steps):
        for name, derivative in zip(step.inputs, step.derivatives, strict=True):
            if math.isfinite(derivative):
                gradients[name] += gradients[step.name] * derivative
            elif name not in constants:
                raise UsageError(
                    "a formula that has a slope where it is evaluated",
                    received=f"{step.operation} at the value of {name}",
                    hint="Choose another value there: a root has no slope at 0.",
                )
    return tuple(replace(step, gradient=gradients[step.name]) for step in steps)


class _Reader:
    """Traverses a syntax tree from the leaves up and records a step for every operation."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self._counts: dict[str, int] = {}
        self.steps: dict[str, ComputationNode] = {}

    def read(self, tree: ast.expr) -> str:
        """Record the steps of a tree; return the name of the last."""
        match tree:
            case ast.Name(id=name):
                return self._variable(name)
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._constant(value)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self._operation(_BINARY[type(op)], [left, right])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._operation("neg", [operand])
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return self._call(name, args)
        hint = "Functions: " + ", ".join(_FUNCTIONS) + "."
        raise UsageError("numbers, names, + - * / ** and functions", received=ast.unparse(tree), hint=hint)

    def _variable(self, name: str) -> str:
        if name not in self._values:
            hint = nearest(name, self._values)
            raise UsageError("a value for every name in the formula", received=f"none for {name}", hint=hint)
        if name not in self.steps:
            value = self._finite(self._values[name], f"{name}={self._values[name]!r}")
            self.steps[name] = ComputationNode(name, "variable", (), value, ())
        return name

    def _constant(self, written: float) -> str:
        value = self._finite(written, str(written)[:20])
        shown = f"{value:g}"
        count = sum(step.name.partition("#")[0] == shown for step in self.steps.values())
        return self._record(
            ComputationNode(f"{shown}#{count + 1}" if count else shown, "constant", (), value, ())
        )

    def _finite(self, value: float, shown: str) -> float:
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
            raise UsageError("finite numbers", received=shown)
        return float(value)

    def _call(self, name: str, args: list[ast.expr]) -> str:
        """Record a function call; `max` and `min` of more than two values are nested, two at a time."""
        operation = OPERATIONS[name]
        if len(args) != operation.inputs and (operation.inputs == 1 or len(args) < 2):
            raise UsageError(
                f"{name} of {operation.inputs} value(s)",
                received=f"{len(args)}",
                hint=f"Write its values in parentheses, with commas: {name}(x)",
            )
        if len(args) <= operation.inputs:
            return self._operation(name, args)
        first = self._call(name, args[:-1])
        return self._apply(name, [first, self.read(args[-1])])

    def _operation(self, operation: str, args: list[ast.expr]) -> str:
        return self._apply(operation, [self.read(arg) for arg in args])

    def _apply(self, operation: str, inputs: list[str]) -> str:
        rule, read = OPERATIONS[operation], [self.steps[name].value for name in inputs]
        shown = f"{operation}({', '.join(f'{x:g}' for x in read)})"
        try:
            value = float(rule.value(*read))
        except (ArithmeticError, ValueError):
            raise UsageError(
                "a formula that is defined where it is evaluated",
                received=shown,
                hint="Choose other values: no division by 0, no logarithm or root of a negative number.",
            ) from None
        if not math.isfinite(value):
            raise UsageError("a finite result", received=shown, hint="Choose values of smaller magnitude.")
        slopes = self._slopes(rule, read, value)
        return self._record(ComputationNode(self._fresh(operation), operation, tuple(inputs), value, slopes))

    def _slopes(self, rule: Operation, read: list[float], value: float) -> tuple[float, ...]:
        """Return the local derivatives, NaN where computing them fails."""
        try:
            return tuple(map(float, rule.derivatives(*read, value)))
        except (ArithmeticError, ValueError):
            return (math.nan,) * len(read)

    def _fresh(self, operation: str) -> str:
        """Return the operation with a number, a name that no variable has."""
        while True:
            self._counts[operation] = self._counts.get(operation, 0) + 1
            name = f"{operation}{self._counts[operation]}"
            if name not in self._values:
                return name

    def _record(self, step: ComputationNode) -> str:
        self.steps[step.name] = step
        return step.name
