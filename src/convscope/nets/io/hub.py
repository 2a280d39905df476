"""Networks on the Hugging Face Hub: `load("hf://owner/name")` reads one, `push_to_hub` writes one.

What is sent and read are the two files of a saved network, `model.json` and `model.safetensors`: data, of
which nothing is unpickled or executed. Access and caching are those of the package `huggingface_hub`:
`HF_TOKEN`, `HF_HOME`, `HF_HUB_OFFLINE`, `HF_ENDPOINT`.

Source: https://huggingface.co/docs/huggingface_hub/package_reference/hf_api
"""

import importlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

from convscope.errors import MissingError, UsageError
from convscope.nets.io.folder import DESCRIPTION, WEIGHTS, open_folder, save
from convscope.nets.io.loading import HUB
from convscope.nets.network import Net
from convscope.system.files import read_json, write_text

FILES = (DESCRIPTION, WEIGHTS)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
ADDRESS = re.compile(rf"{HUB}({_NAME}/{_NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,254}}))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class HubAddress:
    """Hold where a network is on the Hub.

    Attributes:
        repo: `owner/name`.
        revision: branch, tag or commit; None for the newest of the main branch.
    """

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> "HubAddress":
        """Read `hf://owner/name`, with or without `@revision`; `hf://` may be missing.

        Args:
            text: the address.

        Returns:
            The address.

        Raises:
            UsageError: it is none.
        """
        found = ADDRESS.fullmatch(text if text.startswith(HUB) else HUB + text)
        if found is None:
            raise UsageError(
                "a network on the Hub: hf://owner/name, or hf://owner/name@revision",
                received=repr(text),
                hint="Copy the name from its page: https://huggingface.co/owner/name",
            )
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"{HUB}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def open_from_hub(text: str) -> Net:
    """Open a network of the Hub, from the cache of `huggingface_hub` where it is there.

    Args:
        text: `hf://owner/name`, or `hf://owner/name@revision`, which names a branch, a tag or a commit.

    Returns:
        The network. Its `source.weights` is the address with the commit that was read, which `load` takes
        too: the same files at any time.

    Raises:
        UsageError: this is no address.
        MissingError: the package, the network or the revision is not there, or cannot be reached.
        DataError: a file is damaged.
    """
    address = HubAddress.parse(text)
    hub = _package()
    folder = Path(
        _asked(
            address,
            lambda: hub.snapshot_download(
                address.repo, revision=address.revision, allow_patterns=list(FILES)
            ),
        )
    )
    net = open_folder(folder)
    read = replace(address, revision=folder.name if COMMIT.fullmatch(folder.name) else address.revision)
    net.source = replace(net.source, weights=str(read), url=f"https://huggingface.co/{address.repo}")
    return net


def push_to_hub(
    net: Net | str | os.PathLike[str],
    address: str,
    *,
    private: bool | None = None,
    message: str = "Upload a network of convscope",
) -> str:
    """Upload a network, or the one of a run's folder, to the Hub; other files of the run stay here.

    Of the recipe in its description, absolute paths are shortened to their last part.

    Args:
        net: a network, or the folder of a run or of a saved network.
        address: `owner/name`, which is made where it does not exist; `owner/name@branch` for another branch
            than `main`.
        private: whether a new repository is private; None for the owner's default.
        message: of the commit.

    Returns:
        The address with the commit, for `load`.

    Raises:
        UsageError: this is no address, or the network has code of its own, without which nobody can open it.
        MissingError: the package is not installed, or the Hub refuses or cannot be reached.
        DataError: the folder holds a damaged network.
    """
    target = HubAddress.parse(address)
    hub = _package()
    with tempfile.TemporaryDirectory() as made:
        recipe = None
        if not isinstance(net, Net):
            place = Path(net)
            net, recipe = open_folder(place), read_json(place / DESCRIPTION).get("recipe")
        folder = save(net, made, recipe=recipe)
        document = _without_paths(read_json(folder / DESCRIPTION))
        if document["graph"] is None and document["module"] is None:
            raise UsageError(
                "a network that load can build again: of a graph, or of a module in the registry",
                received=f"{net.name}, a {type(net.module).__name__}",
                hint="Code is not sent: save its weights, and open them with open_folder(folder, module).",
            )
        write_text(folder / DESCRIPTION, json.dumps(document, ensure_ascii=False, indent=1) + "\n")

        def upload() -> Any:
            api = hub.HfApi()
            api.create_repo(target.repo, private=private, exist_ok=True)
            if target.revision is not None:
                api.create_branch(target.repo, branch=target.revision, exist_ok=True)
            return api.upload_folder(
                repo_id=target.repo,
                folder_path=str(folder),
                revision=target.revision,
                allow_patterns=list(FILES),
                commit_message=message,
            )

        commit = _asked(target, upload)
    return str(replace(target, revision=commit.oid))


def _package() -> Any:
    """Return the package `huggingface_hub`."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise MissingError(
            "the package huggingface_hub, for networks of the Hub",
            received=str(error),
            hint="Install it: pip install huggingface_hub",
        ) from None


def _asked(address: HubAddress, ask: Callable[[], Answer]) -> Answer:
    """Ask the Hub, and explain its errors, which are of the package and of what it is made of."""
    try:
        return ask()
    except Exception as error:
        kind = type(error).__name__
        first = (str(error).strip().splitlines() or [""])[0][:200]
        hints = {
            "RepositoryNotFoundError": "Check the name; for a private network set HF_TOKEN.",
            "RevisionNotFoundError": "Leave it out for the newest, or name a branch, tag or commit.",
            "GatedRepoError": "Accept its conditions on huggingface.co, and set HF_TOKEN.",
        }
        raise MissingError(
            f"{address} on the Hub",
            received=f"{kind}: {first}",
            hint=hints.get(kind, "Connect and try again; an upload needs HF_TOKEN, a token that may write."),
        ) from None


def _without_paths(value: Any) -> Any:
    """Return a description whose absolute paths, which name folders of the user, are their last parts."""
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    if not isinstance(value, str):
        return value
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(value).is_absolute() and kind(value).name:
            return kind(value).name
    return value
