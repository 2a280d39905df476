"""Errors as responses: what was expected, what was received, and the next step, for every kind of error."""

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from convscope.errors import ConvscopeError, PlaceError
from convscope.lab.web.access.security import error_response
from convscope.lab.workers.supervisor import RemoteError, WorkerGone

STATUS_OF_EXIT_CODE = {
    2: HTTPStatus.UNPROCESSABLE_ENTITY,
    3: HTTPStatus.UNPROCESSABLE_ENTITY,
    4: HTTPStatus.NOT_IMPLEMENTED,
}
"""Exit code of the terminal -> HTTP's status; 500 for others."""


def install(app: FastAPI) -> None:
    """Have an application answer errors in one form.

    Args:
        app: the application.
    """
    app.add_exception_handler(ConvscopeError, handle_convscope_error)
    app.add_exception_handler(RequestValidationError, handle_validation_error)
    app.add_exception_handler(HTTPException, handle_http_exception)
    app.add_exception_handler(Exception, handle_unexpected_error)


def status_of(error: ConvscopeError) -> int:
    """Return HTTP's status for an error.

    Args:
        error: the error.

    Returns:
        404 for addresses that lead nowhere, 422 for requests and inputs that are wrong, 501 for what needs a
        package or file that is not installed, 503 while a worker is started again, else 500.
    """
    if isinstance(error, WorkerGone):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, PlaceError) or (isinstance(error, RemoteError) and error.kind == "PlaceError"):
        return HTTPStatus.NOT_FOUND
    return STATUS_OF_EXIT_CODE.get(error.exit_code, HTTPStatus.INTERNAL_SERVER_ERROR)


def handle_convscope_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error that this package raises on purpose.

    Args:
        _request: not used.
        error: the error.

    Returns:
        The response.
    """
    if not isinstance(error, ConvscopeError):
        raise error
    return error_response(status_of(error), error.expected, error.received, error.hint)


def handle_validation_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer a request whose fields are wrong.

    Args:
        _request: not used.
        error: FastAPI's error.

    Returns:
        The response, which names the fields.
    """
    if not isinstance(error, RequestValidationError):
        raise error
    found = [f"{'.'.join(map(str, entry['loc'][1:]))}: {entry['msg']}" for entry in error.errors()]
    return error_response(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(found)[:2000], "", "See: /docs")


def handle_http_exception(_request: Request, error: Exception) -> JSONResponse:
    """Answer what HTTP itself refuses, such as an address that does not exist.

    Args:
        _request: not used.
        error: the error.

    Returns:
        The response.
    """
    if not isinstance(error, HTTPException):
        raise error
    answer = error_response(error.status_code, str(error.detail), "", "See: /docs")
    answer.headers.update(error.headers or {})
    return answer


def handle_unexpected_error(_request: Request, error: Exception) -> JSONResponse:
    """Answer a fault of this program, without its details: those are in the terminal.

    Args:
        _request: not used.
        error: the fault.

    Returns:
        The response.
    """
    hint = "This is a fault of convscope; the terminal shows where."
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "an answer", type(error).__name__, hint)
