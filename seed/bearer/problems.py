"""What an upstream answers when it refuses: `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from seed.bearer.caller import Caller


class Problem(BaseModel):
    """Why a request was refused, and who asked, if that is known."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    called_by: Caller | None = None


class Refused(Exception):
    """Ends a request with a problem answer."""

    def __init__(
        self, status: int, detail: str, *, caller: Caller | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.caller = caller
        self.headers = headers


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an OpenAPI document says about refusals with these statuses."""
    return {status: {"model": Problem} for status in statuses}


def problem_response(
    status: int, detail: str, *, caller: Caller | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Render a problem answer."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, called_by=caller)
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def answer_with_problems(app: FastAPI) -> None:
    """Make every refusal of an application a problem answer."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> JSONResponse:
        return problem_response(error.status, error.detail, caller=error.caller, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return problem_response(422, "; ".join(wrong))

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        return problem_response(error.status_code, str(error.detail), headers=error.headers)
