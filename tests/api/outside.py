"""A project's way outside in every part, and requests that change one field of it."""

from typing import Any

from onehop.store import Store
from tests.api.client import Answer, Api, Row
from tests.api.test_floating_ips import Inside, floating
from tests.store.rows import add_gateway_host

HOP = "10.0.0.10"
"""An instance's address, and the next hop of routes."""


class Outside:
    """A project's router, ports, floating IPs and a forwarding; a stranger's network; a second external network."""

    def __init__(self, api: Api, member: Api, stranger: Api, store: Store, external: Row) -> None:
        add_gateway_host(store, 1)
        self.api, self.member, self.stranger, self.external = api, member, stranger, external
        self.four = api.get(f"subnets?network_id={external['id']}")["subnets"][0]
        self.six = api.subnet(external, "2001:db8:9::/64")
        self.other = api.external("lan")
        self.other_subnet = api.subnet(self.other, "172.30.0.0/24")
        self.inside = Inside(member, external)
        self.led, self.port = self.inside.port(HOP), self.inside.port("10.0.0.11")
        self.floating = floating(member, external, port_id=self.led["id"])
        self.free = floating(member, external)
        self.forwarding = floating(member, external)
        rule = {"protocol": "tcp", "internal_port_id": self.port["id"], "internal_port": 7, "external_port": 7}
        self.path = f"floatingips/{self.forwarding['id']}/port_forwardings"
        self.rule = member.send("POST", self.path, {"port_forwarding": rule}).body["port_forwarding"]
        self.leg = api.get(f"ports?device_id={self.router['id']}&network_id={self.inside.network['id']}")["ports"][0]
        theirs = stranger.network()
        self.their_subnet = stranger.subnet(theirs, "10.66.0.0/24")
        self.their_port = stranger.port(theirs)
        api.update("router", self.router["id"], routes=[{"destination": "192.168.1.0/24", "nexthop": HOP}])

    @property
    def router(self) -> Row:
        return self.inside.router

    def everything(self) -> dict[str, Any]:
        """Whatever a request could change."""
        paths = ("networks", "subnets", "ports", "routers", "floatingips", self.path)
        return {path: self.api.get(path) for path in paths}

    # What is asked for, by the field that a value is for.

    def gateway(self, value: Any) -> Answer:
        return self._router(external_gateway_info=value)

    def addresses(self, value: Any) -> Answer:
        return self._router(external_gateway_info={"network_id": self.external["id"], "external_fixed_ips": value})

    def new_router(self, value: Any) -> Answer:
        return self.api.send("POST", "routers", {"router": {"name": "new", "external_gateway_info": value}})

    def snat(self, value: Any) -> Answer:
        return self._router(snat=value, name="renamed")

    def block(self, value: Any) -> Answer:
        return self._router(port_block_size=value, name="renamed")

    def switched(self, value: Any) -> Answer:
        return self._router(external_gateway_info={"network_id": self.external["id"], "enable_snat": value})

    def routes(self, value: Any) -> Answer:
        return self._router(routes=value, name="renamed")

    def more_routes(self, value: Any) -> Answer:
        path = f"routers/{self.router['id']}/add_extraroutes"
        return self.api.send("PUT", path, {"router": {"routes": value}})

    def fewer_routes(self, value: Any) -> Answer:
        path = f"routers/{self.router['id']}/remove_extraroutes"
        return self.api.send("PUT", path, {"router": {"routes": value}})

    def new_floating(self, value: Any) -> Answer:
        body = {"floating_network_id": self.external["id"], **value}
        return self.api.send("POST", "floatingips", {"floatingip": body})

    def lead(self, value: Any) -> Answer:
        path = f"floatingips/{self.free['id']}"
        return self.member.send("PUT", path, {"floatingip": {"description": "changed", **value}})

    def forward(self, value: Any) -> Answer:
        body = {"protocol": "tcp", "internal_port_id": self.port["id"], "internal_port": 80, "external_port": 80}
        return self.member.send("POST", self.path, {"port_forwarding": {**body, **value}})

    def forward_range(self, value: Any) -> Answer:
        ranges = {"internal_port_range": value[0], "external_port_range": value[1]}
        body = {"protocol": "tcp", "internal_port_id": self.port["id"], **ranges}
        return self.member.send("POST", self.path, {"port_forwarding": body})

    def reforward(self, value: Any) -> Answer:
        path = f"{self.path}/{self.rule['id']}"
        return self.member.send("PUT", path, {"port_forwarding": {"description": "changed", **value}})

    def pairs(self, value: Any) -> Answer:
        changes = {"name": "renamed", "allowed_address_pairs": value}
        return self.member.send("PUT", f"ports/{self.port['id']}", {"port": changes})

    def _router(self, **values: Any) -> Answer:
        return self.api.send("PUT", f"routers/{self.router['id']}", {"router": values})
