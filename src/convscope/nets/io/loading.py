"""Load a network by name: `load("lecture")`, `load("torchvision/resnet50")`, `load("runs/quiet-iris")`.

`load("hf://owner/name")` reads one from the Hugging Face Hub.
"""

from importlib.resources import as_file, files
from os import PathLike, fspath
from pathlib import Path

from torch import nn

from convscope.errors import UsageError, nearest, similar
from convscope.graph.spec import OutputSpec
from convscope.nets.io.graph_module import build
from convscope.nets.io.weights import load_weights, read_weights
from convscope.nets.network import Net, Source, no_network
from convscope.nets.zoo import ZOO
from convscope.nets.zoo.entry import ZooEntry

PACKAGED = "packaged"
LITE = "efficientnet_lite0"
LIBRARIES = ("torchvision", "timm")
HUB = "hf://"
DESCRIPTION = "model.json"


def load(
    ref: str | PathLike[str], *, weights: str | PathLike[str] | None = PACKAGED, seed: int | None = None
) -> Net:
    """Load a network by name or folder, in evaluation mode.

    Args:
        ref: a network of this package (`digits`, `lecture`, ...), `efficientnet_lite0`,
            `torchvision/<name>`, `timm/<name>`, the folder of a run or of a saved model, or
            `hf://owner/name`, with `@revision` or without, for one on the Hugging Face Hub.
        weights: `packaged`: those that ship with convscope or lie in the folder, else fresh ones. None:
            fresh ones; a folder and the Hub still give their own. `default` or the library's name for them:
            the published ones of torchvision and timm, downloaded when they are not in the library's cache.
            A path: a safetensors file with the names of the module's `state_dict`.
        seed: makes fresh weights reproducible; None draws them from torch's global generator.

    Returns:
        The network, in evaluation mode.

    Raises:
        UsageError: nothing has that name, or there are no such weights; the hint names the nearest.
        MissingError: a download failed, or a package is not installed; the hint says what to do.
        DataError: the folder or file is damaged, or its weights do not fit.
    """
    if not isinstance(ref, str | PathLike):
        raise no_network(ref)
    name = fspath(ref)
    file = _file(weights)
    wanted = None if file or weights is None else str(weights)
    net = _open(name, wanted, seed)
    if file:
        load_weights(net.module, read_weights(file), str(file))
        net.source = _with_weights(net.source, str(file))
    net.module.eval()
    return net


def is_network(ref: str) -> bool:
    """Whether `load` would find a network under a reference; no network is built, no library imported.

    A file or folder of that name comes first: it is a network only if it is a folder with a saved model.

    Args:
        ref: a word that may be a name, a library's name after `torchvision/` or `timm/`, or a path.

    Returns:
        True for a network's name and for the folder of a saved model. Names after `torchvision/`, `timm/`
        and `hf://` are not looked up.
    """
    if ref.startswith(HUB):
        return True
    if ref and _exists(Path(ref)):
        return _exists(Path(ref, DESCRIPTION))
    library, slash, model = ref.partition("/")
    return ref in ZOO or ref == LITE or bool(slash and model and library in LIBRARIES)


def list_networks() -> tuple[str, ...]:
    """Return every name that `load` takes, except folders."""
    from convscope.nets.adapters import timm_models, torchvision_models

    return (
        *ZOO,
        LITE,
        *(f"torchvision/{name}" for name in torchvision_models.names()),
        *(f"timm/{name}" for name in timm_models.names()),
    )


def _open(name: str, weights: str | None, seed: int | None) -> Net:
    if name.startswith(HUB):
        from convscope.nets.io.hub import open_from_hub

        _only_packaged(name, weights, ships=True)
        return open_from_hub(name)
    library, slash, model = name.partition("/")
    if slash and library in LIBRARIES:
        from convscope.nets.adapters import timm_models, torchvision_models

        adapter = {"torchvision": torchvision_models, "timm": timm_models}[library]
        return adapter.open_model(model, None if weights == PACKAGED else weights, seed=seed)
    if name == LITE:
        from convscope.nets.adapters.efficientnet_lite0 import open_model

        _only_packaged(name, weights, ships=True)
        return open_model(weights, seed=seed)
    if name in ZOO:
        return _from_zoo(ZOO[name], weights, seed)
    if _exists(Path(name, DESCRIPTION)):
        return _from_folder(Path(name), weights)
    raise _unknown(name)


def _from_zoo(entry: ZooEntry, weights: str | None, seed: int | None) -> Net:
    _only_packaged(entry.name, weights, ships=bool(entry.weights))
    if entry.weights and weights:
        from convscope.nets.io.folder import open_folder

        with as_file(files("convscope.nets") / "data" / entry.weights) as folder:
            return open_folder(folder)
    graph = entry.graph() if entry.graph else None
    module = build(graph, seed=seed) if graph else _build_module(entry, seed)
    if entry.prepare:
        entry.prepare(module)
    source = Source(name=entry.name, paper=entry.paper, licence="Apache-2.0", note=entry.note)
    return Net(module, (entry.input_spec,), (_output(entry),), source, graph, entry.name)


def _build_module(entry: ZooEntry, seed: int | None) -> nn.Module:
    from convscope.nets.adapters.fetching import repeatable

    if entry.module is None:
        raise UsageError(f"a way to make {entry.name}", received="neither graph nor module")
    with repeatable(seed):
        return entry.module()


def _output(entry: ZooEntry) -> OutputSpec:
    if entry.classes is None:
        from convscope.nets.adapters.imagenet import CATEGORIES

        return OutputSpec("logits", CATEGORIES)
    return OutputSpec(entry.output or ("logits" if entry.classes else ""), entry.classes)


def _from_folder(folder: Path, weights: str | None) -> Net:
    from convscope.nets.io.folder import open_folder

    _only_packaged(str(folder), weights, ships=True)
    return open_folder(folder)


def _only_packaged(name: str, weights: str | None, *, ships: bool) -> None:
    """Refuse names of weights that exist for torchvision and timm only."""
    if weights in (PACKAGED, None):
        return
    has = "'packaged', None" if ships else "None"
    raise UsageError(
        f"{has} or a path to safetensors as the weights of {name}",
        received=repr(weights),
        hint="Published weights by name exist for torchvision/... and timm/... only.",
    )


def _file(weights: str | PathLike[str] | None) -> Path | None:
    """Return `weights` as a path if it is one; None if it is a name."""
    if weights is None:
        return None
    path = Path(weights)
    looks = not isinstance(weights, str) or path.suffix in {".safetensors", ".pth", ".pt", ".bin", ".ckpt"}
    return path if looks or _exists(path) else None


def _exists(path: Path) -> bool:
    """Return whether a path exists, False also for names that no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _with_weights(source: Source, weights: str) -> Source:
    from dataclasses import replace

    return replace(source, weights=weights)


def _unknown(name: str) -> UsageError:
    close = nearest(name, list_networks())
    if name and _exists(Path(name)) and Path(name).is_file():
        hint = "That is a file: the network comes first, then the picture."
    elif name and _exists(Path(name)):
        hint = f"That folder holds no {DESCRIPTION}: it is no saved network."
    elif name.startswith(("/", "./", "../", "~")) or ("/" in name and _exists(Path(name).parent)):
        hint = _near(Path(name))
    elif close.startswith("Did"):
        hint = close
    else:
        hint = (
            f"There are: {', '.join((*ZOO, LITE))}, torchvision/<name>, timm/<name>, {HUB}..., or a folder."
        )
    return UsageError("the name of a network, or the folder of a saved one", received=repr(name), hint=hint)


def _near(place: Path) -> str:
    """Return the next step for a folder that is missing: one beside it of a similar name."""
    beside = [path.name for path in place.parent.iterdir() if path.is_dir()] if place.parent.is_dir() else []
    close = similar(place.name, beside)
    if close:
        return f"There is no such folder. Did you mean {place.parent / close[0]}?"
    return "There is no such folder. convscope runs lists trainings, convscope nets networks by name."
