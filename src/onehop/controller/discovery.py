"""What the API says of itself: versions, resources, extensions, OpenAPI."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from onehop.controller import extensions as announced
from onehop.controller import openapi as document
from onehop.controller.border import answer
from onehop.controller.faults import FaultError
from onehop.model.resources import RESOURCES
from onehop.settings import ControllerSettings

Handler = Callable[[Request], Awaitable[Response]]


def base_url(settings: ControllerSettings, request: Request) -> str:
    """How the client reaches the API: as configured, or as it did."""
    if settings.api_public_url:
        return settings.api_public_url.rstrip("/")
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"


def versions(settings: ControllerSettings) -> Handler:
    """``GET /``."""

    async def handle(request: Request) -> Response:
        href = f"{base_url(settings, request)}/v2.0/"
        version = {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]}
        return answer({"versions": [version]})

    return handle


def resources(settings: ControllerSettings) -> Handler:
    """``GET /v2.0/``."""

    async def handle(request: Request) -> Response:
        base = base_url(settings, request)
        found = [
            {
                "name": resource.name,
                "collection": resource.collection,
                "links": [{"rel": "self", "href": f"{base}/v2.0/{resource.collection}"}],
            }
            for resource in RESOURCES
            if resource.parent is None
        ]
        return answer({"resources": found})

    return handle


async def extensions(request: Request) -> Response:
    """``GET /v2.0/extensions``."""
    del request
    return answer({"extensions": [announced.shown(e) for _, e in sorted(announced.announced().items())]})


async def extension(request: Request) -> Response:
    """``GET /v2.0/extensions/{alias}``."""
    alias = request.path_params["alias"]
    found = announced.announced().get(alias)
    if found is None:
        raise FaultError("ExtensionNotFound", f"Extension with alias {alias[:64]} does not exist")
    return answer({"extension": announced.shown(found)})


async def openapi(request: Request) -> Response:
    """``GET /openapi.json``."""
    del request
    return answer(document.document())
