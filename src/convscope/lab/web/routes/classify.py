"""Use a network over HTTP: a file in, the most probable classes out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request

from convscope.lab.folder import from_path
from convscope.lab.web.reference.snippets import snippets
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.networks import Classified, Programs
from convscope.lab.web.state import Lab

router = APIRouter(tags=["networks"])


@router.post("/networks/{net}/classify")
@answers(Classified)
async def classify(
    net: str,
    request: Request,
    lab: Lab,
    top: Annotated[int, Query(ge=1, le=1000)] = 5,
    upload: Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$")] = None,
) -> dict[str, Any]:
    """Classify a file: the body is its bytes, a picture, a sound or a text, as the network takes them.

    Args:
        net: name of the network, with `~` for `/`.
        request: its body.
        lab: the server's state.
        top: number of classes.
        upload: id of a file that was uploaded before, in place of a body.

    Returns:
        `net`, `milliseconds` (of the network with its input), `top`, the most probable classes in
        descending order, each with `unit`, `label` and `probability`, and `said` and `said_zh`: how much of a
        cropped photograph the network sees.
    """
    body = b"" if upload else await request.body()
    options = {"net": from_path(net), "top": top, "upload": upload}
    return (await lab.workers["live"].ask("classify", body, **options)).result


@router.get("/networks/{net}/classify")
@answers(Programs)
def examples(net: str, request: Request, lab: Lab) -> dict[str, str]:
    """Return programs that classify a file with this network.

    Args:
        net: name of the network, with `~` for `/`.
        request: says by which address the server was reached.
        lab: the server's state.

    Returns:
        `curl`, `python` and `terminal`: the text of a program each; the first two read the token from the
        environment variable `CONVSCOPE_TOKEN`. The last is empty for a checkpoint of a training, which
        the terminal does not open.
    """
    return snippets(net, str(request.base_url), lab.folder)
