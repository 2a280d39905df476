"""The web application: routes, workers while it runs, and what protects it."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from convscope.lab.web import failures, pages
from convscope.lab.web.reference import page as reference
from convscope.lab.web.routes import (
    classify,
    datasets,
    embeddings,
    go,
    graph,
    jobs,
    networks,
    status,
    uploads,
    verbs,
)
from convscope.lab.web.state import LabState
from convscope.lab.web.websocket import route as websocket

API = "/api/v1"
ROUTERS = (
    status.router,
    graph.router,
    networks.router,
    classify.router,
    websocket.router,
    uploads.router,
    datasets.router,
    verbs.router,
    datasets.named,
    jobs.router,
    embeddings.router,
    go.router,
)
"""Routers of the API, below `API`."""


def _silent() -> dict[str, Any]:
    """Return settings that keep FastAPI from measuring and reporting, in releases that can."""
    off = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    return {"telemetry": off} if "telemetry" in inspect.signature(FastAPI.__init__).parameters else {}


def typed_answers() -> dict[tuple[str, str], Any]:
    """Return the types of the answers in JSON, see `answers`.

    Returns:
        Types by path and method, in lower case.
    """
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return {
        (API + route.path, method.lower()): kind
        for route in routes
        for method in route.methods or ()
        if (kind := getattr(route.endpoint, "answer", None)) is not None
    }


def create(state: LabState) -> FastAPI:
    """Build the application.

    Args:
        state: what all routes share; its workers are started and ended with the application.

    Returns:
        The application; `app.state.lab` is the state, `app.state.answers` what `typed_answers` returns.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        for worker in state.workers.values():
            await worker.start()
        try:
            yield
        finally:
            await asyncio.gather(*(worker.stop() for worker in state.workers.values()))

    app = FastAPI(
        title="convscope",
        version=version("convscope"),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        **_silent(),
    )
    app.state.lab = state
    app.state.answers = typed_answers()
    failures.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=API)
    app.include_router(reference.router)
    app.include_router(networks.addresses)
    app.include_router(pages.router)
    if (pages.STATIC / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=pages.STATIC / "assets"))
    return app
