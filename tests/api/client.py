"""A client of the API in the same process, with the few shortcuts that tests of the API want."""

from typing import Any

import httpx
import msgspec
from anyio.from_thread import BlockingPortal
from starlette.applications import Starlette

from onehop.model.resources import BY_NAME

Row = dict[str, Any]

PROJECT_A = "a" * 32
PROJECT_B = "b" * 32
ADMIN_PROJECT = "0" * 32


def identity(project: str, *roles: str) -> dict[str, str]:
    """The headers with which a trusted proxy names a user."""
    return {
        "X-Identity-Status": "Confirmed",
        "X-User-Id": f"user of {project}",
        "X-Project-Id": project,
        "X-Roles": ",".join(roles),
    }


def segment(kind: str) -> str:
    """A resource's collection as it is written in a URL."""
    return BY_NAME[kind].segment


class Answer(msgspec.Struct, frozen=True):
    """What the API said."""

    status: int
    body: Any
    headers: httpx.Headers

    @property
    def error(self) -> tuple[int, str]:
        """Status and type of an error; fails on an answer that is none."""
        assert set(self.body) == {"NeutronError"}, self.body
        assert set(self.body["NeutronError"]) == {"type", "message", "detail"}
        assert self.body["NeutronError"]["message"]
        return self.status, self.body["NeutronError"]["type"]

    @property
    def message(self) -> str:
        """The sentence of an error."""
        return str(self.body["NeutronError"]["message"])


class Api:
    """One user's view of the API."""

    def __init__(self, app: Starlette, portal: BlockingPortal, headers: dict[str, str]) -> None:
        self.app = app
        self._portal = portal
        self._headers = headers
        # Not raise_app_exceptions=False: an exception that leaves the application is a failed test.
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)

    def as_(self, project: str, *roles: str) -> "Api":
        """The same API, used by another."""
        return Api(self.app, self._portal, identity(project, *roles))

    def anonymous(self) -> "Api":
        """The same API, without an identity."""
        return Api(self.app, self._portal, {})

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; a path without ``/`` in front is below ``/v2.0/``."""
        url = path if path.startswith(("/", "http")) else f"/v2.0/{path}"
        octets = msgspec.json.encode(body) if body is not None else content
        response = self._portal.call(self._request, method, url, octets, headers or {})
        answered = msgspec.json.decode(response.content) if response.content else None
        assert response.headers["x-openstack-request-id"].startswith("req-")
        assert response.status_code != 500, answered
        return Answer(response.status_code, answered, response.headers)

    async def _request(self, method: str, url: str, octets: bytes | None, headers: dict[str, str]) -> httpx.Response:
        return await self._client.request(method, url, content=octets, headers=headers)

    def get(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = self.send("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    def put(self, path: str, body: Any) -> Any:
        """The body of a PUT that must succeed."""
        answer = self.send("PUT", path, body)
        assert answer.status == 200, answer.body
        return answer.body

    def delete(self, path: str) -> None:
        """A DELETE that must succeed."""
        answer = self.send("DELETE", path)
        assert answer.status == 204, answer.body

    def create(self, kind: str, **values: Any) -> Row:
        """A new resource, which must succeed."""
        answer = self.send("POST", segment(kind), {kind: values})
        assert answer.status == 201, answer.body
        row: Row = answer.body[kind]
        return row

    def refused(self, kind: str, **values: Any) -> tuple[int, str]:
        """Status and type of a create that must fail."""
        return self.send("POST", segment(kind), {kind: values}).error

    def update(self, kind: str, id: str, /, **values: Any) -> Row:
        """A changed resource, which must succeed."""
        row: Row = self.put(f"{segment(kind)}/{id}", {kind: values})[kind]
        return row

    def not_updated(self, kind: str, id: str, /, **values: Any) -> tuple[int, str]:
        """Status and type of an update that must fail."""
        return self.send("PUT", f"{segment(kind)}/{id}", {kind: values}).error

    def ids(self, path: str) -> list[str]:
        """Ids in a list's answer, in its order."""
        body = self.get(path)
        return [row["id"] for row in body[path.partition("?")[0].replace("-", "_")]]

    def network(self, **values: Any) -> Row:
        """A network."""
        return self.create("network", **values)

    def subnet(self, network: Row, cidr: str = "10.0.0.0/24", **values: Any) -> Row:
        """A subnet of a network."""
        return self.create("subnet", network_id=network["id"], ip_version=6 if ":" in cidr else 4, cidr=cidr, **values)

    def slaac(self, network: Row, cidr: str = "fd00::/64") -> Row:
        """A subnet with automatic addresses."""
        return self.subnet(network, cidr, ipv6_ra_mode="slaac", ipv6_address_mode="slaac")

    def port(self, network: Row, **values: Any) -> Row:
        """A port on a network."""
        return self.create("port", network_id=network["id"], **values)

    def router(self, *subnets: Row, **values: Any) -> Row:
        """A router with interfaces on subnets."""
        router = self.create("router", **values)
        for subnet in subnets:
            self.put(f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
        return router

    def external(self, physical: str = "external", **values: Any) -> Row:
        """An external network on a physical network."""
        provider = {"provider:network_type": "flat", "provider:physical_network": physical}
        return self.network(**{"router:external": True, **provider, **values})

    def gateway(self, router: Row, network: Row, **info: Any) -> Row:
        """The router with a gateway on an external network."""
        return self.update("router", router["id"], external_gateway_info={"network_id": network["id"], **info})

    def interface(self, router: Row, **body: str) -> Answer:
        """What adding an interface says."""
        return self.send("PUT", f"routers/{router['id']}/add_router_interface", body)
