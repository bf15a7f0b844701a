"""The admin API by FastAPI: routes hand over to the desk, the ledger or the view; who may come in is the door's."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.app.admin.errors import envelope, status_for
from modelwright.app.admin.oauth.grant import FORM, answer
from modelwright.app.admin.oauth.tokens import AdminTokens
from modelwright.app.admin.view import View
from modelwright.app.issuers.watch import IssuerWatch
from modelwright.app.keys.desk import KeyDesk, Tell
from modelwright.app.keys.types import KeyChanged, KeyFacts, KeyMade, KeyRotated, KeyWish, RotationWish, Spread
from modelwright.core.contracts.ledger import OUTCOMES
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.tree import ModelwrightError

TEXT = "text/plain; version=0.0.4; charset=utf-8"

_CODES = {404: "unknown_path", 405: "method_not_allowed"}

log = logging.getLogger("modelwright.admin")


class RowFilter(BaseModel):
    """Which rows of the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=100, ge=1, le=1000)
    call: str | None = None
    tenant: str | None = None
    outcome: str | None = None


def create_api(desk: KeyDesk, ledger: SqlLedger, view: View, *, issuers: IssuerWatch, tell: Tell) -> FastAPI:
    """The application. Its interactive pages are off, since they load scripts from elsewhere; `/openapi.json` is on."""
    api = FastAPI(title="Modelwright admin", docs_url=None, redoc_url=None)
    _add_keys(api, desk)
    _add_ledger(api, ledger)
    _add_view(api, view)
    _add_publishing(api, tell)
    _add_issuers(api, issuers)
    _add_errors(api)
    return api


def _add_keys(api: FastAPI, desk: KeyDesk) -> None:
    @api.get("/keys")
    async def list_keys() -> list[KeyFacts]:
        """The newest keys, at most 10,000, the newest first."""
        return await desk.list()

    @api.post("/keys", status_code=201)
    async def create_key(wish: KeyWish) -> KeyMade:
        """Make a key; the answer is the only place where it is shown."""
        return await desk.create(wish)

    @api.post("/keys/{which}/rotate", status_code=201)
    async def rotate_key(which: str, wish: RotationWish) -> KeyRotated:
        """Give a key a successor with the same rights; the answer is the only place where that is shown."""
        return await desk.rotate(which, wish)

    @api.delete("/keys/{which}")
    async def revoke_key(which: str) -> KeyChanged:
        """Revoke a key by its id or name."""
        return await desk.revoke(which)


def _add_ledger(api: FastAPI, ledger: SqlLedger) -> None:
    @api.get("/ledger")
    async def rows(wanted: Annotated[RowFilter, Query()]) -> Response:
        """Rows, the newest call first."""
        if wanted.outcome is not None and wanted.outcome not in OUTCOMES:
            raise Unprocessable(f"there is no outcome {wanted.outcome!r}", hint=f"one of {', '.join(OUTCOMES)}")
        found = await ledger.newest(limit=wanted.limit, call=wanted.call, tenant=wanted.tenant, outcome=wanted.outcome)
        return _json([msgspec.structs.asdict(row) for row in found])

    @api.get("/ledger/summary")
    async def summary(tag: str = "", since: float = 0.0) -> Response:
        """Calls and tokens by endpoint, variant and outcome: all, or those tagged `name=value`, since Unix seconds."""
        name, _, value = tag.partition("=")
        return _json(await ledger.totals(tag=(name, value) if tag else None, begins=since))


def _add_view(api: FastAPI, view: View) -> None:
    @api.get("/status")
    async def status() -> Response:
        """What runs, since when and how busy it is."""
        return _json(await view.status())

    @api.get("/metrics")
    async def metrics() -> Response:
        """The sum over all workers."""
        return Response(await view.metrics(), headers={"content-type": TEXT})


def _add_publishing(api: FastAPI, tell: Tell) -> None:
    @api.post("/publish")
    async def publish() -> Spread | None:
        """Write the gateways' snapshot from the configuration as it is now, and have them take it."""
        return await tell()


def _add_issuers(api: FastAPI, issuers: IssuerWatch) -> None:
    @api.get("/issuers")
    async def list_issuers() -> Response:
        """Issuers of tokens, with their public keys' ids."""
        return _json(issuers.listed())

    @api.post("/issuers/{name}/read")
    async def read_issuer(name: str) -> Response:
        """Read an issuer's keys now, at most every two seconds; the gateways have them when this returns."""
        if not await issuers.read(name):
            raise HTTPException(404, f"the manifest names no issuer {name!r}")
        return _json(issuers.listed())


def add_tokens(api: FastAPI, tokens: AdminTokens) -> None:
    """`POST /oauth/token`."""

    @api.post("/oauth/token", openapi_extra={"requestBody": {"content": {FORM: {"schema": {"type": "object"}}}}})
    async def grant_token(request: Request) -> Response:
        """A short-lived token for the admin door, by the client credentials grant of OAuth2 (RFC 6749, 4.4)."""
        granted = answer(tokens, request.headers, await request.body())
        return Response(granted.body, status_code=granted.status, headers=granted.headers)


def _add_errors(api: FastAPI) -> None:
    async def refused(_: Request, error: Any) -> Response:
        status = status_for(error)
        wait = {"retry-after": "1"} if status == 503 else {}
        return _no(status, error.code, error.message, hint=error.hint, headers=wait)

    async def mistyped(_: Request, error: Any) -> Response:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        hint = "send what /openapi.json asks for, with content-type: application/json"
        return _no(422, "unprocessable", f"{place}: {first['msg']}", hint=hint)

    async def elsewhere(request: Request, error: Any) -> Response:
        code = _CODES.get(error.status_code, "malformed")
        message = f"{request.method} {request.url.path}: {error.detail}"
        return _no(error.status_code, code, message, hint="see /openapi.json", headers=dict(error.headers or {}))

    async def database(_: Request, error: Any) -> Response:
        log.warning("the database did not answer: %s", error)
        hint = "ask again in a moment; if it stays, see that the disk has space"
        return _no(
            503,
            "unavailable",
            f"the database: {getattr(error, 'orig', None) or error}",
            hint=hint,
            headers={"retry-after": "1"},
        )

    async def broken(request: Request, error: Any) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _no(500, "internal", "control failed on this request", hint="its log tells more")

    api.add_exception_handler(ModelwrightError, refused)
    api.add_exception_handler(RequestValidationError, mistyped)
    api.add_exception_handler(HTTPException, elsewhere)
    api.add_exception_handler(SQLAlchemyError, database)
    api.add_exception_handler(Exception, broken)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _no(status: int, code: str, message: str, *, hint: str, headers: dict[str, str] | None = None) -> Response:
    body = envelope(code, message, hint=hint)
    return Response(body, status_code=status, media_type="application/json", headers=headers)
