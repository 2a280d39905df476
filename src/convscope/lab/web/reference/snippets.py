"""Programs that use a network over HTTP, as text to be copied."""

import shlex
from urllib.parse import quote

from convscope.lab.folder import RUN, LabFolder, from_path
from convscope.lab.web.access.session import TOKEN_VARIABLE

CURL = """curl --data-binary @photo.jpg -H "Authorization: Bearer ${variable}" \\
  {address}"""
PYTHON = """import json
import os
from pathlib import Path
from urllib.request import Request, urlopen

request = Request(
    "{address}",
    data=Path("photo.jpg").read_bytes(),
    headers={{"Authorization": "Bearer " + os.environ["{variable}"]}},
)
with urlopen(request) as reply:
    for entry in json.load(reply)["top"]:
        print(f"{{entry['probability']:.3f}} {{entry['label']}}")
"""


def snippets(net: str, base: str, folder: LabFolder) -> dict[str, str]:
    """Return programs that classify a file with a network.

    Args:
        net: its name in an address, with `~` for `/`.
        base: address of the server.
        folder: where the trainings lie.

    Returns:
        Language -> text; that of the terminal is empty for a checkpoint of a training.
    """
    address = f"{base.rstrip('/')}/api/v1/networks/{quote(net, safe='~')}/classify"
    name = from_path(net)
    checkpoint = name.startswith(RUN) and folder.run_and_checkpoint(name)[1]
    command = f"convscope classify photo.jpg --net {shlex.quote(folder.reference(name))}"
    return {
        "curl": CURL.format(variable=TOKEN_VARIABLE, address=shlex.quote(address)),
        "python": PYTHON.format(variable=TOKEN_VARIABLE, address=address),
        "terminal": "" if checkpoint else command,
    }
