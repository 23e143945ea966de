"""Which MAC and addresses a port gets: what was asked for, one of each family by default, and those that follow from
its MAC.
"""

from collections.abc import Sequence

from onehop.controller import ipam
from onehop.controller.context import Context
from onehop.controller.faults import FaultError
from onehop.errors import PoolFullError, TakenError
from onehop.net import address
from onehop.store import Row


class Addressing:
    """The addresses of one port, while it is created or changed.

    Args:
        context: the request.
        port_id, mac: of the port.
        network_id: its network.
        held: the addresses that it has so far.
        automatic: whether it gets the addresses that follow from its MAC (a router's interface does not).
        outward: it is answered for on an external network, where a subnet's gateway is upstream's own.
    """

    def __init__(
        self,
        context: Context,
        port_id: str,
        mac: str,
        network_id: str,
        held: Sequence[Row] = (),
        automatic: bool = True,
        outward: bool = False,
    ) -> None:
        self._context = context
        self._port_id = port_id
        self._mac = mac
        self._network_id = network_id
        self._held = list(held)
        self._automatic = automatic
        self._outward = outward
        if network_id not in context.subnets:
            context.subnets[network_id] = context.tx.select(
                "subnet", {"network_id": [network_id]}, sort=[("created_at", "asc"), ("cidr", "asc")]
            )
        self._subnets = context.subnets[network_id]
        self._by_id = {subnet["id"]: subnet for subnet in self._subnets}

    def default(self) -> list[Row]:
        """One IPv4 and one IPv6 address from pools, and every automatic one.

        Raises:
            FaultError: 409 when all pools of a family are used up.
        """
        given = []
        for version in (4, 6):
            candidates = [s["id"] for s in self._subnets if s["ip_version"] == version and not ipam.is_automatic(s)]
            if candidates:
                given.append(self._allocate(candidates))
        return self._with_automatic(given)

    def one_ipv4(self) -> Row:
        """One IPv4 address from the pools.

        Raises:
            FaultError: 409 when they are used up.
        """
        return self._allocate([subnet["id"] for subnet in self._subnets if subnet["ip_version"] == 4])

    def wanted(self, requested: Sequence[Row]) -> list[Row]:
        """The addresses that a client asked for, in its order, and every automatic one.

        Raises:
            FaultError: 400 for what the network does not have, 409 for what another port has or a full pool.
        """
        given: list[Row | None] = [self._explicit(ip) for ip in requested]
        taken = {(ip["subnet_id"], ip["ip_address"]) for ip in given if ip is not None}
        if len(taken) != sum(ip is not None for ip in given):
            raise _invalid("fixed_ips names one address twice")
        spare = [ip for ip in self._held if (ip["subnet_id"], ip["ip_address"]) not in taken]
        for index, ip in enumerate(requested):
            if given[index] is None:
                given[index] = self._from_subnet(ip["subnet_id"], spare)
        return self._with_automatic([ip for ip in given if ip is not None])

    def _explicit(self, ip: Row) -> Row | None:
        """The address that was named; None where only a subnet was."""
        subnet_id, text = ip.get("subnet_id"), ip.get("ip_address")
        if subnet_id is None and text is None:
            raise _invalid("IP allocation requires subnet_id or ip_address")
        if subnet_id is not None and subnet_id not in self._by_id:
            raise _invalid(
                f"Failed to create port on network {self._network_id}, because fixed_ips included invalid subnet "
                f"{subnet_id}"
            )
        if text is None:
            return None
        subnet = self._by_id[subnet_id] if subnet_id is not None else self._containing(text)
        if not ipam.is_usable(subnet["cidr"], text):
            raise FaultError("InvalidIpForSubnet", f"IP address {text} is not a valid IP for the specified subnet.")
        if self._outward and text == subnet["gateway_ip"]:
            raise FaultError(
                "IpAddressAlreadyAllocated",
                f"IP address {text} is the gateway of subnet {subnet['id']}, so upstream has it; name another.",
            )
        self._refuse_chosen(subnet, text)
        try:
            return self._context.tx.claim_ip(self._port_id, subnet["id"], text)
        except TakenError:
            raise FaultError(
                "IpAddressAlreadyAllocated", f"IP address {text} already allocated in subnet {subnet['id']}"
            ) from None

    def _containing(self, text: str) -> Row:
        for subnet in self._subnets:
            if address.contains(subnet["cidr"], text):
                return subnet
        raise FaultError(
            "InvalidIpForNetwork",
            f"IP address {text} is not a valid IP for any of the subnets on the specified network.",
        )

    def _refuse_chosen(self, subnet: Row, text: str) -> None:
        if not self._automatic or not ipam.is_automatic(subnet) or text == self._follows(subnet):
            return
        if {"subnet_id": subnet["id"], "ip_address": text} in self._held:
            return
        raise _invalid(
            f"IPv6 address {text} can not be directly assigned to a port on subnet {subnet['id']} as the subnet is "
            "configured for automatic addresses"
        )

    def _from_subnet(self, subnet_id: str, spare: list[Row]) -> Row:
        subnet = self._by_id[subnet_id]
        if self._automatic and ipam.is_automatic(subnet):
            return {"subnet_id": subnet_id, "ip_address": self._follows(subnet)}
        for ip in spare:
            if ip["subnet_id"] == subnet_id:
                spare.remove(ip)
                return ip
        return self._allocate([subnet_id])

    def _allocate(self, subnet_ids: list[str]) -> Row:
        try:
            return self._context.tx.allocate_ip(self._port_id, subnet_ids)
        except PoolFullError:
            raise FaultError(
                "IpAddressGenerationFailure", f"No more IP addresses available on network {self._network_id}."
            ) from None

    def _follows(self, subnet: Row) -> str:
        return address.eui64(subnet["cidr"], self._mac)

    def _with_automatic(self, given: list[Row]) -> list[Row]:
        if not self._automatic:
            return given
        for subnet in self._subnets:
            if ipam.is_automatic(subnet):
                ip = {"subnet_id": subnet["id"], "ip_address": self._follows(subnet)}
                if ip not in given:
                    given.append(ip)
        return given


def allocate_mac(context: Context, network_id: str, lasting: str = "") -> str:
    """A MAC that no port of the network has; the same for one `lasting` whenever that is free.

    Raises:
        FaultError: 409.
    """
    try:
        return context.tx.allocate_mac(network_id, context.settings.mac_prefix, lasting)
    except PoolFullError:
        raise FaultError("MacAddressInUse", f"No MAC address is free on network {network_id}.") from None


def _invalid(message: str) -> FaultError:
    return FaultError("InvalidInput", f"Invalid input for operation: {message}.")
