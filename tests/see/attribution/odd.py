"""Networks as people have them: packed, compressed, cut off, shared; all around one plain network."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from convscope.graph.spec import TensorSpec

SIZE = (3, 8, 7)
CLASS = 1

GRADIENTS = ("saliency", "smoothgrad", "inputxgradient", "integrated")
RULED = ("guided", "deconvnet", "lrp")
CAMS = ("gradcam", "gradcam++", "layercam")
PLAIN = ("scorecam", "occlusion", "rise")
"""Those without gradients."""
NONE = "no gradient arrives"


def core(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 6 * 5, 5, bias=False),
    ).eval()


class Shaped(nn.Module):
    """The core, and something done to what goes in and comes out."""

    def __init__(self, before: Callable[[Tensor], Tensor] | None, after: Callable[[Tensor], object] | None):
        super().__init__()
        self.core, self.before, self.after = core(), before or nn.Identity(), after or nn.Identity()

    def forward(self, x):
        return self.after(self.core(self.before(x)))


class Parted(nn.Module):
    """The core, whose front half goes through some function, and so does what it makes."""

    def __init__(self, run: Callable[[nn.Module, Tensor], Tensor]):
        super().__init__()
        parts = core()
        self.front, self.back, self.run = parts[:4], parts[4:], run

    def forward(self, x):
        return self.run(self.back, self.run(self.front, x))


class Functional(nn.Module):
    """The core with functions for activations, or with one ReLU for both."""

    def __init__(self, relu: nn.Module | None, inplace: bool = False):
        super().__init__()
        parts = core()
        self.one, self.two, self.head, self.relu, self.inplace = parts[0], parts[2], parts[5], relu, inplace

    def forward(self, x):
        relu = self.relu or (lambda h: functional.relu(h, inplace=self.inplace))
        return self.head(relu(self.two(relu(self.one(x)))).flatten(1))


class NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1.0


class NoneBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1.0

    @staticmethod
    def backward(ctx, gradient):
        return None


class TrueBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1.0

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Indexed(nn.Module):
    """Looks rows of a table up: what is likeliest goes in, indices come of it."""

    def __init__(self):
        super().__init__()
        self.core = core()
        self.table = nn.Embedding(5, 5)

    def forward(self, x):
        return self.table(self.core(x).argmax(1))


class Partly(nn.Module):
    """Class 0 has a gradient, class 1 has none."""

    def __init__(self):
        super().__init__()
        self.core = core()

    def forward(self, x):
        y = self.core(x)
        return torch.cat([y[:, :1], y[:, 1:].detach()], 1)


class Switched(nn.Module):
    """Rows whose first value is small have a gradient, others have none."""

    def __init__(self):
        super().__init__()
        self.core = core()

    def forward(self, x):
        y = self.core(x)
        return torch.where(x[:, 0, :1, 0] < 0.5, y, y.detach())


class Normed(nn.Module):
    """The core behind a normalisation by the statistics of whatever batch comes."""

    def __init__(self):
        super().__init__()
        self.core = core()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, x):
        return self.core(self.norm(x))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(9, 4), nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.table(x).mean(1))


def flat() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(168, 9, bias=False), nn.ReLU(), nn.Linear(9, 5, bias=False))


def quantised(module: nn.Module) -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)


def no_grad(part: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return part(x)


def front_without(part: nn.Module, x: Tensor) -> Tensor:
    return no_grad(part, x) if x.dim() == 4 and x.shape[1] == 3 else part(x)


def reentrant(part: nn.Module, x: Tensor) -> Tensor:
    return checkpoint(part, x, use_reentrant=True)


def unreentrant(part: nn.Module, x: Tensor) -> Tensor:
    return checkpoint(part, x, use_reentrant=False)


def in_training() -> nn.Module:
    """With layers that do something in training only."""
    parts = core()
    made = nn.Sequential(*parts[:4], nn.Dropout2d(0.5), *parts[4:], nn.Dropout(0.5))
    return made.train()


def learnt_nothing() -> nn.Module:
    """Every ReLU is dead: the gradient is there, and 0."""
    parts = core()
    parts[0].weight.data = -parts[0].weight.data.abs()
    return parts


@dataclass(frozen=True)
class Odd:
    """One network, what is asked of it, and which methods are to refuse it, with what words."""

    make: Callable[[], nn.Module]
    target: object = CLASS
    probability: bool = True
    """Whether what is asked has a probability, which RISE weighs by."""
    refused: dict[str, str] = field(default_factory=dict)
    tolerance: float = 2e-5
    plain: Callable[[], nn.Sequential] = core
    """What it is equal to, wherever it answers the same."""
    own: bool = False
    """Whether methods without gradients are compared on the network itself: its values are others."""
    score: Callable[[object], Tensor] = lambda answer: answer[:, CLASS]
    inputs: Callable[[Tensor], Tensor] = lambda x: x
    spec: TensorSpec = field(default_factory=lambda: TensorSpec(SIZE))
    around: Callable[[], object] | None = None
    alone: bool = False
    """Whether the network has to look at one row at a time."""


def words(methods: tuple[str, ...], said: str) -> dict[str, str]:
    return dict.fromkeys(methods, said)


def whole(module: nn.Module) -> nn.Module:
    return module


CANNOT_SEE = words(RULED, "torch.jit")
HIDDEN = CANNOT_SEE | words((*CAMS, "scorecam"), "have maps")
CUT = words((*GRADIENTS, "lrp", *CAMS), NONE)
BEFORE = words(GRADIENTS, NONE)


def _all(said: str) -> dict[str, str]:
    return words((*GRADIENTS, *RULED, *CAMS, *PLAIN), said)


def traced() -> nn.Module:
    return torch.jit.trace(core(), torch.rand(2, *SIZE))


def scripted() -> nn.Module:
    return torch.jit.script(core())


def fixed() -> nn.Module:
    """Takes one row, and no more."""
    return Shaped(lambda x: x.view(1, *SIZE), None)


def frozen() -> nn.Module:
    return core().requires_grad_(False)


def _ninths(x: Tensor) -> Tensor:
    return (x * 9).round() / 9


def _numbers(_: Tensor) -> Tensor:
    return torch.arange(12).view(2, 6) % 9


def _positive(x: Tensor) -> Tensor:
    return torch.relu(x)


ODD: dict[str, Odd] = {
    "plain": Odd(core),
    "frozen weights": Odd(frozen),
    "in training": Odd(in_training, refused={}),
    "[b]": Odd(lambda: Shaped(None, lambda y: y[:, CLASS]), "output", False, score=lambda y: y),
    "[b], by number": Odd(lambda: Shaped(None, lambda y: y[:, CLASS]), 0, False, score=lambda y: y),
    "[b], nothing asked": Odd(lambda: Shaped(None, lambda y: y[:, CLASS]), None, False, score=lambda y: y),
    "[b 1]": Odd(lambda: Shaped(None, lambda y: y[:, 1:2]), "output", False, score=lambda y: y[:, 0]),
    "[b 1 1 1]": Odd(
        lambda: Shaped(None, lambda y: y[:, 1:2, None, None]), "output", False, score=lambda y: y[:, 0, 0, 0]
    ),
    "dict": Odd(
        lambda: Shaped(None, lambda y: {"other": -y, "logits": y}),
        "output[logits]:1",
        False,
        score=lambda y: y["logits"][:, CLASS],
    ),
    "dict of numbers": Odd(
        lambda: Shaped(None, lambda y: {"a": -y, "score": y[:, CLASS]}),
        "output[score]",
        False,
        score=lambda y: y["score"],
    ),
    "tuple": Odd(lambda: Shaped(None, lambda y: (y, -y)), score=lambda y: y[0][:, CLASS]),
    "checkpointed": Odd(lambda: Parted(unreentrant)),
    "checkpointed, reentrant": Odd(lambda: Parted(reentrant)),
    "traced": Odd(traced, refused=HIDDEN),
    "traced front": Odd(
        lambda: Shaped(torch.jit.trace(nn.Sequential(nn.ReLU()), torch.rand(1, *SIZE)), None),
        refused=CANNOT_SEE,
    ),
    "scripted function": Odd(
        lambda: Shaped(torch.jit.script(_positive), None), refused=words(RULED, "no call in Python shows")
    ),
    "quantised head": Odd(
        lambda: quantised(core()),
        own=True,
        alone=True,
        refused=CUT | {"lrp": "linear_dynamic"} | words(("guided", "deconvnet"), NONE),
    ),
    "custom function": Odd(
        lambda: Shaped(TrueBackward.apply, None),
        refused=words(RULED, "custom autograd function TrueBackward|TrueBackward"),
    ),
    "custom function without backward": Odd(
        lambda: Shaped(NoBackward.apply, None),
        refused=words(GRADIENTS, "with a gradient all the way") | words(RULED, "custom autograd function"),
    ),
    "custom function that returns none": Odd(
        lambda: Shaped(NoneBackward.apply, None), refused=BEFORE | words(RULED, "custom autograd function")
    ),
    "detached input": Odd(lambda: Shaped(Tensor.detach, None), refused=BEFORE | words(RULED, NONE)),
    "detached maps": Odd(
        lambda: Parted(lambda part, x: part(x).detach()),
        own=True,
        refused=CUT | words(("guided", "deconvnet"), NONE),
    ),
    "without gradients inside": Odd(lambda: Parted(no_grad), refused=CUT | words(RULED, NONE)),
    "front without gradients": Odd(lambda: Parted(front_without), refused=BEFORE | words(RULED, NONE)),
    "in inference mode inside": Odd(
        lambda: Shaped(None, torch.inference_mode()(Tensor.clone)),
        own=True,
        refused=CUT | words(("guided", "deconvnet"), NONE),
    ),
    "rounded input": Odd(
        lambda: Shaped(lambda x: (x * 9).round() / 9, None),
        inputs=_ninths,
        own=True,
        refused=BEFORE | words(("guided", "deconvnet"), NONE) | {"lrp": "round"},
    ),
    "signs": Odd(
        lambda: Shaped(None, lambda y: y.sign() + 0 * y),
        own=True,
        refused=CUT | words(("guided", "deconvnet"), NONE) | {"lrp": "sign"},
    ),
    "cast to integers": Odd(
        lambda: Shaped(lambda x: (x * 9 + 0.5).long() / 9.0, None),
        inputs=_ninths,
        own=True,
        refused=BEFORE | words(RULED, NONE),
    ),
    "looked up": Odd(Indexed, own=True, refused=CUT | words(("guided", "deconvnet"), NONE)),
    "one class detached": Odd(Partly, refused=CUT | words(("guided", "deconvnet"), NONE)),
    "some rows detached": Odd(Switched, refused=CUT | words(("guided", "deconvnet"), NONE)),
    "dead": Odd(learnt_nothing, plain=learnt_nothing),
    "double": Odd(lambda: core().double(), tolerance=1e-6),
    "double input": Odd(core, inputs=Tensor.double),
    "double network and input": Odd(lambda: core().double(), inputs=Tensor.double, tolerance=1e-9),
    "float16": Odd(lambda: core().half(), tolerance=0.05, own=True),
    "bfloat16": Odd(lambda: core().bfloat16(), tolerance=0.3, own=True),
    "functional ReLU": Odd(lambda: Functional(None)),
    "functional ReLU in place": Odd(lambda: Functional(None, inplace=True)),
    "shared ReLU": Odd(lambda: Functional(nn.ReLU())),
    "under no_grad": Odd(core, around=torch.no_grad),
    "under inference_mode": Odd(core, around=torch.inference_mode),
    "turned input": Odd(core, inputs=lambda x: x.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)),
    "one row only": Odd(fixed, alone=True),
    "batch statistics": Odd(Normed, own=True, alone=True, refused={"lrp": "statistics of the batch"}),
    "without maps": Odd(flat, plain=flat, refused=words((*CAMS, "scorecam"), "have maps")),
    "indices": Odd(
        Words,
        refused=_all("whose vectors have gradients"),
        inputs=_numbers,
        spec=TensorSpec((6,), dtype="int64", value_range=(0.0, 8.0)),
    ),
}


def twin(odd: Odd) -> nn.Sequential:
    """The plain network in double precision, in which nothing is odd."""
    return copy.deepcopy(odd.plain()).double().eval()
