"""Every error has a next step, or a reason for having none; commands in hints are some that there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from convscope import errors
from convscope.cli.core.command import flags
from convscope.jobs import JOBS
from convscope.jobs.registry import load

SOURCE = Path(__file__).resolve().parent.parent / "src" / "convscope"
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}

ARGUMENT = (
    "an argument in Python or a message of a program, of the wrong form: the text says which are accepted"
)
RANGE = "the message itself gives the range of valid values"
CAUGHT = "caught inside the package, which says the next step"
OURS = "the package's own code or files are at fault, not the user"

NO_HINT: dict[str, dict[str, tuple[str, ...]]] = {
    ARGUMENT: {
        "graph/chain.py": ("read_shape",),
        "graph/expression.py": ("_Reader._finite", "computation"),
        "graph/graph.py": ("Graph.__post_init__",),
        "graph/layers/foreign.py": ("Foreign.windows",),
        "graph/options.py": ("connections", "existing_maps", "wrong"),
        "graph/spec.py": (
            "ImageTransform.__post_init__",
            "OutputSpec.__post_init__",
            "TensorSpec.__post_init__",
            "TensorSpec._check_numbers",
            "TensorSpec._check_shape",
            "TensorSpec._check_texts",
        ),
        "lab/live/go.py": ("GoService.answer",),
        "lab/live/inputs.py": ("from_bytes",),
        "lab/live/pictures.py": ("to_wav",),
        "lab/web/websocket/route.py": ("Tab._take_bytes", "_given", "_read"),
        "nets/io/graph_module.py": ("GraphModule.forward",),
        "nets/style/bank.py": ("StyleBankConfig.__post_init__",),
        "nets/style/johnson.py": ("Size.__post_init__",),
        "see/activation_atlas/nmf.py": ("nmf",),
        "see/attribution/metrics/pointing_game.py": ("pointing_game",),
        "see/attribution/target.py": ("_inputs",),
        "see/deepdream/deepdream.py": ("_fit_mask",),
        "see/features/terms.py": ("unit_terms",),
        "see/features/sampling.py": ("iter_sample_activations",),
        "see/optimize/image_params/base.py": ("_given", "shape_of"),
        "see/optimize/image_params/cppn.py": ("cppn_image",),
        "see/optimize/image_params/maco.py": ("maco_image",),
        "see/optimize/objectives/activations.py": (
            "ChannelActivation.resolve",
            "DirectionDot.batched",
            "_number",
        ),
        "see/optimize/objectives/feature_matching.py": ("FeatureMatch.__call__",),
        "see/optimize/objectives/objective.py": ("Objective.__add__", "Objective.__call__", "per_image"),
        "see/style/objectives.py": ("GramLoss.__call__",),
        "see/units/index/build.py": ("_check",),
        "see/units/report.py": ("iter_unit_report",),
        "see/visualization/fooling.py": ("fooling_images",),
        "see/visualization/runner.py": ("VisualizationRun.__init__",),
        "show/images/contact_sheet.py": ("compose", "grid"),
        "show/images/heatmap.py": ("layer",),
        "worlds/arrays.py": ("open_array",),
        "worlds/dataset.py": ("LabelledTensors.__init__", "checked_labels"),
        "worlds/images/datasets/labelled.py": ("ImageTensorDataset.__init__",),
        "worlds/datasets/points.py": ("Points.__init__",),
        "worlds/images/photos.py": ("_resampling", "to_pil"),
        "worlds/registry.py": ("_batch", "open_inputs"),
        "worlds/world.py": ("World.open_batch",),
    },
    RANGE: {
        "graph/analysis/receptive_field.py": ("Field.box",),
        "lab/live/games.py": ("board_of",),
        "lab/live/go.py": ("GoService.net_of",),
        "lab/live/inputs.py": ("_open_text", "bundled_input", "open_input"),
        "learn/style/perceptual.py": ("Tap.of",),
        "learn/style/setup.py": ("_build_network",),
        "nets/activations/address.py": ("LayerAddress.parse",),
        "see/features/kernels.py": ("filters",),
        "see/optimize/loop.py": ("_checked",),
        "see/optimize/objectives/activations.py": ("reduced",),
        "see/optimize/transforms.py": ("Jitter.__call__",),
        "see/visualization/fooling.py": ("_until_sure",),
        "worlds/dataset.py": ("checked",),
    },
    CAUGHT: {
        "graph/document.py": ("_check", "_fields", "from_json"),
        "learn/runs/listing.py": ("_open_known",),
        "nets/io/input_size.py": ("_rebuilt",),
        "nets/io/replaced_head.py": ("build_replaced_head",),
    },
    OURS: {
        "learn/recipes/catalogue.py": ("_measured", "_settings", "_table", "_text", "read_recipe"),
        "nets/io/loading.py": ("_build_module",),
        "see/style/transfer.py": ("_Run.image", "_Run.result"),
        "show/report/figures/chart.py": ("chart",),
        "show/report/figures/training/confusion.py": ("table",),
        "show/report/i18n.py": ("plain",),
        "show/svg.py": ("_attribute", "element", "number"),
    },
}
"""Functions that raise an error without a hint, by reason and file; each has to stand here."""


def raised(node: ast.AST, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls that make an error of the package, with the function that they are in."""
    for child in ast.iter_child_nodes(node):
        inside = place
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = (*place, child.name)
        if isinstance(child, ast.Call):
            name = child.func.id if isinstance(child.func, ast.Name) else getattr(child.func, "attr", "")
            if name in KINDS:
                yield ".".join(inside), child
        yield from raised(child, inside)


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for place, call in raised(ast.parse(path.read_text(encoding="utf-8"))):
            yield str(path.relative_to(SOURCE)), place, call


def hint_of(call: ast.Call) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg in ("hint", None)), None)


def test_an_error_without_a_hint_has_a_reason() -> None:
    found = {(file, place) for file, place, call in calls() if hint_of(call) is None}
    listed = [
        (file, place) for files in NO_HINT.values() for file, places in files.items() for place in places
    ]
    assert len(listed) == len(set(listed))
    assert found - set(listed) == set(), "say the next step with hint=..., or list them with the reason"
    assert set(listed) - found == set(), "they have a hint, or are gone: take them off the list"


def test_most_errors_have_a_hint() -> None:
    hints = [hint_of(call) for _, _, call in calls()]
    assert len(hints) > 400
    assert sum(hint is None for hint in hints) < len(hints) / 4


def constants(node: ast.expr) -> str:
    """Return the fixed text of an expression; what is computed is a word that stands for it."""
    parts = [
        part.value if isinstance(part, ast.Constant) else "X"
        for part in (node.values if isinstance(node, ast.JoinedStr) else [node])
    ]
    return "".join(map(str, parts))


PROSE = {"can", "that"}
"""Words after the name of the program in sentences on it."""


OTHERS = {"--nproc-per-node", "--upgrade"}
"""Flags of torchrun and pip."""


def test_commands_and_flags_in_hints_exist() -> None:
    known = (
        {flag for verb in JOBS for flag in flags(verb, load(verb).schema)} | {"--help", "--version"} | OTHERS
    )
    first = {verb.split()[0] for verb in JOBS}
    seen = 0
    for file, place, call in calls():
        hint = hint_of(call)
        texts = [n for n in ast.walk(hint) if isinstance(n, ast.Constant | ast.JoinedStr)] if hint else []
        for text in map(constants, texts):
            for verb in re.findall(r"\bconvscope ([a-z][a-z-]*)", text):
                seen += 1
                assert verb in first or verb in PROSE, (file, place, text)
            for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
                seen += 1
                assert flag in known, (file, place, flag)
    assert seen > 60
