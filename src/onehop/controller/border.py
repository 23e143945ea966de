"""The API's outermost layer: request ids, ``.json``, authentication, limits on bodies, and errors as bodies.

Everything that leaves passes here, so every answer has a request id and every error is a JSON body, whatever fails.
"""

import asyncio
import math
import re
import time
from collections.abc import Callable
from uuid import uuid4

import msgspec
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onehop.controller.allowance import Allowance
from onehop.controller.auth import Authenticator
from onehop.controller.caller import Caller
from onehop.controller.faults import FaultError
from onehop.controller.refusals import fault
from onehop.errors import OnehopError
from onehop.log import requested
from onehop.model.kind import Json
from onehop.settings import ControllerSettings

BODY_SECONDS = 60.0
"""How long a client may take to send a body."""

_PUBLIC = frozenset(("/",))
"""Paths that need no authentication: version discovery."""

_TAG = re.compile(r"/v2\.0/[^/]+/[^/]+/tags/[^/]+")

log = structlog.get_logger(__name__)


class TooManyError(FaultError):
    """Somebody asks too often.

    Attributes:
        seconds: after which to try again.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self.seconds = math.ceil(seconds)
        super().__init__("HTTPTooManyRequests", f"{what}; try again in {self.seconds} s.")


def answer(value: Json, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def refusal(error: FaultError, basic: bool = False) -> Response:
    """An error as clients expect it: Keystone's form for 401, Networking's for all others."""
    if error.status != 401:
        refused = answer(error.body, error.status)
        if isinstance(error, TooManyError):
            refused.headers["Retry-After"] = str(error.seconds)
        return refused
    body = {"error": {"code": 401, "title": "Unauthorized", "message": error.message}}
    response = answer(body, 401)
    if basic:
        response.headers["WWW-Authenticate"] = 'Basic realm="onehop", charset="UTF-8"'
    return response


async def read_body(request: Request) -> bytes:
    """A request's body.

    Raises:
        FaultError: 413 when it is longer than the settings allow, 408 when it does not come to an end.
    """
    most = request.state.most_octets
    too_long = FaultError("HTTPRequestEntityTooLarge", f"The body is longer than {most} octets.")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise too_long
    parts, length = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > most:
                    raise too_long
                parts.append(part)
    except TimeoutError:
        message = f"The body was not whole after {BODY_SECONDS:g} seconds."
        raise FaultError("HTTPRequestTimeout", message) from None
    return b"".join(parts)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, as the API's."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return refusal(
            FaultError("HTTPMethodNotAllowed", f"{request.method} is not possible on {request.url.path[:200]}.")
        )
    return refusal(FaultError("HTTPNotFound", f"The resource {request.url.path[:200]} could not be found."))


class Border:
    """An ASGI application around another.

    Args:
        app: the other.
        authenticator: says who asks.
        settings: its limits.
        monotonic: seconds that only grow.
        answered: told of every answer: the route's endpoint (None: there is none), status, seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        settings: ControllerSettings,
        monotonic: Callable[[], float] = time.monotonic,
        answered: Callable[[object, int, float], None] = lambda *_: None,
    ) -> None:
        self._app = app
        self._answered = answered
        self._authenticator = authenticator
        self._most_octets = settings.api_body_octets
        self._requests = Allowance(settings.api_requests_per_second, monotonic)
        failures = settings.api_failed_logins_per_minute
        self._failures = Allowance(failures / 60, monotonic, burst=failures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req-{uuid4()}"
        requested(request_id)
        begun = time.monotonic()
        started = False

        async def send_marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _log_request(scope, request_id, message["status"], begun)
                self._answered(scope.get("endpoint"), message["status"], time.monotonic() - begun)
                MutableHeaders(scope=message)["X-Openstack-Request-Id"] = request_id
            await send(message)

        try:
            await self._admit(scope)
            await self._app(scope, receive, send_marked)
            return
        except ClientDisconnect:
            # It left before its body was whole: nothing was begun, and nobody hears an answer.
            log.info("client left", request_id=request_id, method=scope["method"], path=scope["path"])
            return
        except OnehopError as error:
            response = self._refuse(error, request_id)
        except Exception as error:  # the last resort: no request may end without an answer
            log.exception("request failed", request_id=request_id, path=scope["path"], error=repr(error))
            response = refusal(fault(OnehopError()))
        if not started:
            await response(scope, receive, send_marked)

    async def _admit(self, scope: Scope) -> None:
        scope["path"] = _plain(scope["path"])
        headers = Headers(scope=scope)
        if scope["path"] in _PUBLIC:
            return
        client = scope.get("client")
        address = client[0] if client else None
        caller = await self._recognise(headers, address)
        wait = self._requests.wait(f"{address} {caller.project_id} {caller.user}")
        if wait:
            raise TooManyError("There are too many requests of yours", wait)
        scope.setdefault("state", {}).update(caller=caller, most_octets=self._most_octets)

    async def _recognise(self, headers: Headers, address: str | None) -> Caller:
        """Who asks; whoever fails too often is not even asked."""
        source = address or ""
        wait = self._failures.wait(source, take=False)
        if wait and "authorization" in headers:
            raise TooManyError("There were too many logins that failed", wait)
        try:
            return await self._authenticator.caller(headers, address)
        except FaultError:
            self._failures.wait(source)
            raise

    def _refuse(self, error: OnehopError, request_id: str) -> Response:
        refused = fault(error)
        if refused.status >= 500:
            log.error("request failed", request_id=request_id, error=str(error))
        return refusal(refused, basic=self._authenticator.takes_basic)


def _plain(path: str) -> str:
    """A path without what is only form: the slash at its end, and ``.json``, unless that is the end of a tag."""
    path = path.rstrip("/") or "/"
    is_tag = _TAG.fullmatch(path) is not None
    return path.removesuffix(".json") if path.startswith("/v2.0") and not is_tag else path


def _log_request(scope: Scope, request_id: str, status: int, begun: float) -> None:
    """One line for a request: reads are for debugging, changes are kept."""
    write = log.debug if scope["method"] in ("GET", "HEAD") else log.info
    caller = scope.get("state", {}).get("caller")
    write(
        "request",
        request_id=request_id,
        method=scope["method"],
        path=scope["path"],
        status=status,
        user=caller.user if caller is not None else None,
        project=caller.project_id if caller is not None else None,
        seconds=round(time.monotonic() - begun, 4),
    )
