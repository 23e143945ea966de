"""Who asks, by the one of three ways that the settings name.

``none``
    Everyone is an administrator. Refused unless every listener is on loopback. A request that carries
    ``Authorization: Basic`` is that user of the users file instead (where there is one), so that one endpoint serves
    an administrator and ordinary projects. A request that a web page made (it carries ``Origin``, or a ``Host`` that is
    neither a loopback address, ``localhost`` nor the one of `api_public_url`) is refused: a browser on the same machine
    must not act as its administrator for whoever wrote the page.
``http_basic``
    ``Authorization: Basic``, checked against the users file (`users` says how it is written).
``trusted_headers``
    A proxy has authenticated the user and says so as keystonemiddleware does (``X-Identity-Status: Confirmed``,
    ``X-User-Id``, ``X-Project-Id``, ``X-Roles`` …). Believed only from the addresses in ``trusted_proxies``.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread
from anyio import CapacityLimiter
from msgspec.structs import replace

from onehop.controller import policy_file
from onehop.controller.caller import ANONYMOUS_ADMIN, Caller
from onehop.controller.faults import FaultError
from onehop.controller.policy_table import TABLE
from onehop.controller.users import Users
from onehop.errors import SettingsError
from onehop.net.endpoint import split_address
from onehop.settings import ControllerSettings

_MAXIMUM_CHECKS = 2
"""bcrypt checks at a time: guessing passwords must not take all the processors."""


def refuse_unless_loopback(settings: ControllerSettings, host: str) -> None:
    """Refuse to listen on `host` without authentication, unless it is loopback. Ask for every socket.

    Raises:
        SettingsError: says what to change.
    """
    if settings.auth != "none" or is_loopback(host):
        return
    raise SettingsError(
        f'auth = "none" makes everyone who reaches {host} an administrator: listen on 127.0.0.1 or ::1, or set auth'
    )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on, or a name, is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Authenticator:
    """Authenticates requests as the settings say.

    Raises:
        SettingsError: from the constructor: no authentication off loopback, or the users or policy file is wrong.
    """

    def __init__(self, settings: ControllerSettings) -> None:
        refuse_unless_loopback(settings, split_address(settings.api_listen)[0])
        self._mode = settings.auth
        self._trusted = frozenset(settings.trusted_proxies)
        self._users = Users(Path(settings.users_file)) if settings.users_file is not None else None
        if self._mode == "http_basic" and self._users is None:
            raise SettingsError('auth = "http_basic" needs users_file')
        self._policy = policy_file.load(Path(settings.policy_file)) if settings.policy_file is not None else TABLE
        self._public_host = urlsplit(settings.api_public_url).hostname
        self._limiter = CapacityLimiter(_MAXIMUM_CHECKS)

    @property
    def takes_basic(self) -> bool:
        """Whether a client may try again with ``Authorization: Basic``."""
        return self._users is not None and self._mode != "trusted_headers"

    async def caller(self, headers: Mapping[str, str], client: str | None) -> Caller:
        """Who makes a request with these headers (names in lower case) from this address.

        Raises:
            FaultError: 401.
        """
        caller = await self._recognised(headers, client)
        return caller if self._policy is TABLE else replace(caller, policy=self._policy)

    async def _recognised(self, headers: Mapping[str, str], client: str | None) -> Caller:
        if self._mode == "trusted_headers":
            return self._from_headers(headers, client)
        authorization = headers.get("authorization")
        if authorization is not None and self._users is not None:
            return await self._basic(self._users, authorization)
        if self._mode == "none" and authorization is None:
            if "origin" in headers or not self._is_ours(headers.get("host", "localhost")):
                raise _unauthorized("Without logging in this API is used as localhost, and not by a web page.")
            return ANONYMOUS_ADMIN
        raise _unauthorized("The request you have made requires authentication.")

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name == self._public_host

    async def _basic(self, users: Users, authorization: str) -> Caller:
        scheme, _, encoded = authorization.partition(" ")
        try:
            if scheme.lower() != "basic":
                raise ValueError(scheme)
            name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (ValueError, binascii.Error, UnicodeDecodeError):
            raise _unauthorized("Authorization must be 'Basic' with a user's name and password.") from None
        caller = users.remembered(name, password)
        if caller is None and colon:
            caller = await anyio.to_thread.run_sync(users.check, name, password, limiter=self._limiter)
        if caller is None:
            raise _unauthorized("The request you have made requires authentication.")
        return caller

    def _from_headers(self, headers: Mapping[str, str], client: str | None) -> Caller:
        if client not in self._trusted:
            raise _unauthorized("Only a trusted proxy may name the user.")
        if headers.get("x-identity-status", "") != "Confirmed":
            raise _unauthorized("The request you have made requires authentication.")
        roles = frozenset(role.strip().lower() for role in headers.get("x-roles", "").split(",") if role.strip())
        project = headers.get("x-project-id", headers.get("x-tenant-id", ""))
        if len(project) > 255 or (not project and "admin" not in roles):
            raise _unauthorized("The request names no project.")
        return Caller(user=headers.get("x-user-id", ""), project_id=project, roles=roles)


def _unauthorized(message: str) -> FaultError:
    return FaultError("Unauthorized", message)
