"""The API as an ASGI application."""

import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from onehop.controller.auth import Authenticator
from onehop.controller.border import Border, on_http_exception
from onehop.controller.requests import Requests
from onehop.controller.routes import Service
from onehop.settings import ControllerSettings
from onehop.store import Store


def create_app(
    store: Store,
    settings: ControllerSettings,
    *,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    requests: Requests | None = None,
) -> Starlette:
    """The API over a store.

    Several processes may serve one store. Nothing is listened on here: for every socket that serves this application
    also ask `onehop.controller.auth.refuse_unless_loopback`.

    Args:
        store: open; the caller closes it.
        settings: `auth`, `users_file`, `api_listen` and the limits of networks are used.
        clock: seconds since the epoch.
        monotonic: seconds that only grow, for the limits.
        requests: counts them.

    Raises:
        SettingsError: the settings would let strangers in, or the users file is wrong.
    """
    authenticator = Authenticator(settings)
    routes = Service(store, settings, clock).routes()
    counted = requests or Requests()
    counted.know(routes)
    border = Middleware(
        Border, authenticator=authenticator, settings=settings, monotonic=monotonic, answered=counted.done
    )
    app = Starlette(
        routes=routes,
        middleware=[border],
        exception_handlers={HTTPException: on_http_exception},
    )
    app.router.redirect_slashes = False
    return app
