"""Paths and methods: derived from RESOURCES, every one handled by the same few functions.

A handler reads the request, runs one `Operations` method in a worker thread inside one transaction, and encodes the
answer. Reads see one snapshot and run beside each other; writes are queued here, since the store takes one at a time.
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qsl

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onehop.controller import body as bodies
from onehop.controller import discovery
from onehop.controller.api import Operations
from onehop.controller.border import answer, read_body
from onehop.controller.context import Context
from onehop.controller.faults import bad_request
from onehop.controller.floating_ips import pools
from onehop.controller.status import host_statuses
from onehop.controller.trace import answer_trace
from onehop.model.kind import Json
from onehop.model.resource import Resource
from onehop.model.resources import BY_NAME, RESOURCES
from onehop.settings import ControllerSettings
from onehop.store import Store, Transaction

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]

_READERS = 8
_REVISION = re.compile(r"\s*revision_number\s*=\s*(\d{1,18})\s*")


class Service:
    """The handlers of one API.

    Args:
        store: with everything.
        settings: of this controller.
        clock: seconds since the epoch.
    """

    def __init__(self, store: Store, settings: ControllerSettings, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._readers = CapacityLimiter(_READERS)
        self._writers = CapacityLimiter(1)

    def routes(self) -> list[Route]:
        """Every path of the API."""
        found = [
            Route("/", discovery.versions(self._settings), name="version.list"),
            Route("/v2.0", discovery.resources(self._settings), name="version.show"),
            Route("/v2.0/extensions", discovery.extensions, name="extension.list"),
            Route("/v2.0/extensions/{alias}", discovery.extension, name="extension.show"),
            Route("/openapi.json", discovery.openapi, name="openapi.show"),
            Route("/onehop/v1/status", self._answer(host_statuses), name="status.show"),
            Route("/onehop/v1/trace", self._asked(answer_trace), name="trace.show"),
            Route("/v2.0/floatingip-pools", self._answer(_pools), name="floatingip_pool.list"),
        ]
        for resource in RESOURCES:
            found += self._routes_of(resource)
        return found

    def _routes_of(self, resource: Resource) -> list[Route]:
        path = collection_path(resource)
        one = f"{path}/{{id}}"
        found = []
        for operation, at, method, handler in (
            ("list", path, "GET", self._list(resource)),
            ("create", path, "POST", self._create(resource)),
            ("show", one, "GET", self._show(resource)),
            ("update", one, "PUT", self._update(resource)),
            ("delete", one, "DELETE", self._delete(resource)),
        ):
            if operation in resource.operations:
                found.append(Route(at, handler, methods=[method], name=f"{resource.name}.{operation}"))
        found += [
            Route(f"{one}/{action}", self._act(resource, action), methods=["PUT"], name=f"{resource.name}.{action}")
            for action in resource.actions
        ]
        if resource.tags:
            found += self._tag_routes(resource, f"{one}/tags")
        return found

    def _tag_routes(self, resource: Resource, path: str) -> list[Route]:
        one = f"{path}/{{tag}}"
        return [
            Route(at, handler(resource), methods=[method], name=f"{resource.name}.{operation}")
            for operation, at, method, handler in (
                ("list_tags", path, "GET", self._tags),
                ("put_tags", path, "PUT", self._put_tags),
                ("add_tags", path, "POST", self._add_tags),
                ("clear_tags", path, "DELETE", self._clear_tags),
                ("has_tag", one, "GET", self._has_tag),
                ("put_tag", one, "PUT", self._put_tag),
                ("delete_tag", one, "DELETE", self._delete_tag),
            )
        ]

    # transactions ---------------------------------------------------------------------------------------------------

    async def _read(self, request: Request, resource: Resource, work: Callable[[Operations], T]) -> T:
        def run() -> T:
            with self._store.read() as tx:
                return work(self._operations(request, resource, tx))

        return await anyio.to_thread.run_sync(run, limiter=self._readers)

    async def _write(self, request: Request, resource: Resource, work: Callable[[Operations], T]) -> T:
        def run() -> T:
            return self._store.run(lambda tx: work(self._operations(request, resource, tx)))

        return await anyio.to_thread.run_sync(run, limiter=self._writers)

    def _operations(self, request: Request, resource: Resource, tx: Transaction) -> Operations:
        context = Context(tx, request.state.caller, self._settings, self._clock)
        return Operations(context, resource, request.path_params.get("parent_id"))

    # handlers -------------------------------------------------------------------------------------------------------

    def _list(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            pairs = parse_query(request)
            if await self._read(request, resource, lambda o: o.lacks()):
                await self._write(request, resource, lambda o: o.prepare())
            url = discovery.base_url(self._settings, request) + request.url.path
            return answer(await self._read(request, resource, lambda o: o.list_all(pairs, url)))

        return handle

    def _show(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            id, pairs = request.path_params["id"], parse_query(request)
            return answer(await self._read(request, resource, lambda o: o.show(id, pairs)))

        return handle

    def _create(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            body = bodies.decode(await read_body(request))
            return answer(await self._write(request, resource, lambda o: o.create(body)), 201)

        return handle

    def _update(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            body = bodies.decode(await read_body(request))
            id, revision = request.path_params["id"], if_match(request)
            return answer(await self._write(request, resource, lambda o: o.update(id, body, revision)))

        return handle

    def _delete(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            id, revision = request.path_params["id"], if_match(request)
            await self._write(request, resource, lambda o: o.delete(id, revision))
            return Response(status_code=204)

        return handle

    def _act(self, resource: Resource, action: str) -> Handler:
        async def handle(request: Request) -> Response:
            octets = await read_body(request)
            body = bodies.decode(octets) if octets else {}
            id, revision = request.path_params["id"], if_match(request)
            return answer(await self._write(request, resource, lambda o: o.act(id, action, body, revision)))

        return handle

    def _tags(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            id = request.path_params["id"]
            return answer(await self._read(request, resource, lambda o: o.tags(id)))

        return handle

    def _put_tags(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            tags = _tags_of(bodies.decode(await read_body(request)))
            return answer(
                await self._change_tags(request, resource, lambda o, id, r: o.change_tags(id, put=tags, revision=r))
            )

        return handle

    def _add_tags(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            tags = _tags_of(bodies.decode(await read_body(request)))
            return answer(
                await self._change_tags(request, resource, lambda o, id, r: o.change_tags(id, add=tags, revision=r)),
                201,
            )

        return handle

    def _clear_tags(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            await self._change_tags(request, resource, lambda o, id, r: o.change_tags(id, put=(), revision=r))
            return Response(status_code=204)

        return handle

    def _has_tag(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            id, tag = request.path_params["id"], request.path_params["tag"]
            await self._read(request, resource, lambda o: o.has_tag(id, tag))
            return Response(status_code=204)

        return handle

    def _put_tag(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            tag = bodies.tag(request.path_params["tag"])
            await self._change_tags(request, resource, lambda o, id, r: o.change_tags(id, add=[tag], revision=r))
            return Response(status_code=201)

        return handle

    def _delete_tag(self, resource: Resource) -> Handler:
        async def handle(request: Request) -> Response:
            tag = request.path_params["tag"]
            await self._change_tags(request, resource, lambda o, id, r: o.change_tags(id, remove=tag, revision=r))
            return Response(status_code=204)

        return handle

    async def _change_tags(
        self, request: Request, resource: Resource, work: Callable[[Operations, str, int | None], Json]
    ) -> Json:
        id, revision = request.path_params["id"], if_match(request)
        return await self._write(request, resource, lambda o: work(o, id, revision))

    def _answer(self, ask: Callable[[Context], Json]) -> Handler:
        """What is read and belongs to no resource."""
        return self._asked(lambda context, _: ask(context))

    def _asked(self, ask: Callable[[Context, list[tuple[str, str]]], Json]) -> Handler:
        """The same, of something that the query string says."""

        async def handle(request: Request) -> Response:
            def run() -> Json:
                with self._store.read() as tx:
                    context = Context(tx, request.state.caller, self._settings, self._clock)
                    return ask(context, parse_query(request))

            return answer(await anyio.to_thread.run_sync(run, limiter=self._readers))

        return handle


def collection_path(resource: Resource) -> str:
    """The path of a resource's list, with ``{parent_id}`` where it has a parent."""
    if resource.parent is None:
        return f"/v2.0/{resource.segment}"
    return f"/v2.0/{BY_NAME[resource.parent.resource].collection}/{{parent_id}}/{resource.collection}"


def parse_query(request: Request) -> list[tuple[str, str]]:
    """A request's query string as pairs, in order."""
    return parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)


def if_match(request: Request) -> int | None:
    """The revision that a request's If-Match names, or None.

    Raises:
        FaultError: 400 when it names none.
    """
    header = request.headers.get("if-match")
    if header is None:
        return None
    found = _REVISION.fullmatch(header)
    if found is None:
        raise bad_request("If-Match must be 'revision_number=' and a number.")
    return int(found[1])


def _pools(context: Context) -> Json:
    return {"floatingip_pools": pools(context)}


def _tags_of(body: dict[str, Json]) -> list[str]:
    if set(body) != {"tags"}:
        raise bad_request('The body must be {"tags": [...]}.')
    return bodies.tags(body["tags"])
