"""What Linux does with an op: the rules by which MemoryKernel's state changes, cascades included.

Written from the kernel's behaviour and not from the planner's simulation: the tests hold the one against the other.
"""

import errno
from typing import NoReturn

import msgspec

from onehop.errors import KernelError
from onehop.kernel.memory_device import Device, Space, subnet
from onehop.kernel.memory_route import check_route, drop_link, drop_routes, set_down
from onehop.net.address import version
from onehop.objects import (
    Address,
    Bridge,
    BridgeFdb,
    BridgePort,
    KernelObject,
    Link,
    Namespace,
    Neighbour,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Veth,
    Vxlan,
    VxlanFdb,
    born_rules,
)
from onehop.reconciler.likeness import changes_in_place


class World:
    """All namespaces of one host; the host's own is always there.

    Args:
        hooks_outlive_devices: a netdev table keeps a chain whose device went, and hooks the next device of that name
            (Linux 6.16 and later); False for older kernels, which delete the chain.
    """

    def __init__(self, hooks_outlive_devices: bool = True) -> None:
        self.spaces: dict[str, Space] = {"": Space(mark="")}
        self._hooks_outlive_devices = hooks_outlive_devices

    def create(self, wanted: KernelObject) -> None:
        """Put an object there.

        Raises:
            KernelError: Linux would refuse it.
        """
        match wanted:
            case Namespace():
                if wanted.namespace in self.spaces:
                    _refuse(errno.EEXIST, f"namespace {wanted.namespace} exists")
                born = {rule.key: rule for rule in born_rules(wanted.namespace)}
                self.spaces[wanted.namespace] = Space(mark=wanted.mark, rules=born)
            case Link():
                self._create_link(wanted)
            case Rule():
                space = self._space(wanted)
                if wanted.key in space.rules:
                    _refuse(errno.EEXIST, "the rule exists")
                space.rules[wanted.key] = wanted
            case _:
                self._put(wanted)

    def replace(self, wanted: KernelObject) -> None:
        """Change an object in place.

        Raises:
            KernelError: it is not there, or Linux cannot change that.
        """
        match wanted:
            case Namespace():
                self._space(wanted).mark = wanted.mark
            case Link():
                self._change_link(wanted)
            case Rule():
                _refuse(errno.EOPNOTSUPP, "a rule cannot be changed")
            case Route():
                found = self._space(wanted).routes.get(wanted.key)
                if found is not None and not found.type == wanted.type == "unicast":
                    self.delete(found)  # it changes its type by going first
                self._put(wanted)
            case _:
                self._put(wanted)

    def delete(self, found: KernelObject) -> None:
        """Take an object away, with all that goes with it; nothing where it is not there."""
        space = self.spaces.get(found.namespace)
        if space is None:
            return
        match found:
            case Namespace():
                for device in list(space.devices.values()):
                    self._remove_device(space, device)
                del self.spaces[found.namespace]
            case Sysctl():
                pass  # it goes with its link or namespace
            case Link():
                if found.name in space.devices:
                    self._remove_device(space, space.devices[found.name])
            case Route():
                if found.key not in space.alien:
                    space.routes.pop(found.key, None)
            case Rule():
                if found.key not in space.alien:
                    space.rules.pop(found.key, None)
            case Ruleset():
                space.rulesets.pop(found.key, None)
            case _:
                self._delete_hanging(space, found)

    def _space(self, wanted: KernelObject) -> Space:
        space = self.spaces.get(wanted.namespace)
        if space is None:
            _refuse(errno.ENOENT, f"there is no namespace {wanted.namespace}")
        return space

    @staticmethod
    def _device(space: Space, name: str) -> Device:
        device = space.devices.get(name)
        if device is None:
            _refuse(errno.ENODEV, f"there is no link {name}")
        return device

    # ---- links

    def _create_link(self, wanted: Link) -> None:
        space = self._space(wanted)
        if not 0 < len(wanted.name) <= 15:
            _refuse(errno.EINVAL, f"{wanted.name} is no name for a link")
        if wanted.name in space.devices:
            _refuse(errno.EEXIST, f"link {wanted.name} exists")
        if wanted.master is not None:
            self._bridge(space, wanted.master)
        if isinstance(wanted.spec, Vxlan):
            # Its socket is the host's, whichever namespace the device is put into.
            for other in (device for there in self.spaces.values() for device in there.devices.values()):
                spec = other.link.spec
                if isinstance(spec, Vxlan) and (spec.vni, spec.port) == (wanted.spec.vni, wanted.spec.port):
                    _refuse(errno.EEXIST, f"{other.link.name} has VNI {spec.vni} already")
        if isinstance(wanted.spec, Veth):
            self._create_far_end(wanted)
            wanted = msgspec.structs.replace(wanted, spec=msgspec.structs.replace(wanted.spec, peer_mac=None))
        space.devices[wanted.name] = Device(self._with_port(wanted))

    def _create_far_end(self, near: Link) -> None:
        far_end = near.far_end
        assert far_end is not None  # noqa: S101 - the caller asked for the kind
        space = self.spaces.get(far_end.namespace)
        if space is None:
            _refuse(errno.ENOENT, f"there is no namespace {far_end.namespace}")
        if far_end.name in space.devices or (far_end.namespace, far_end.name) == (near.namespace, near.name):
            _refuse(errno.EEXIST, f"link {far_end.name} exists")
        space.devices[far_end.name] = Device(far_end)

    def _change_link(self, wanted: Link) -> None:
        space = self._space(wanted)
        device = self._device(space, wanted.name)
        found = device.link
        if not changes_in_place(found, wanted):
            _refuse(errno.EOPNOTSUPP, f"{wanted.name} cannot become {wanted.spec}")
        if wanted.master is not None:
            self._bridge(space, wanted.master)
        if found.master is not None and found.master != wanted.master:
            self._leave(space, device)
        if wanted.mac is not None and wanted.mac != found.mac:
            device.neighbours.clear()
        spec = found.spec if isinstance(found.spec, Veth) else wanted.spec
        mac = wanted.mac if wanted.mac is not None else found.mac
        device.link = self._with_port(msgspec.structs.replace(wanted, spec=spec, mac=mac))
        if found.up and not wanted.up:
            set_down(space, device)

    @staticmethod
    def _with_port(wanted: Link) -> Link:
        if wanted.master is None:
            return msgspec.structs.replace(wanted, port=None)
        return wanted if wanted.port is not None else msgspec.structs.replace(wanted, port=BridgePort(True, True))

    def _bridge(self, space: Space, name: str) -> Device:
        device = self._device(space, name)
        if not isinstance(device.link.spec, Bridge):
            _refuse(errno.EOPNOTSUPP, f"{name} is no bridge")
        return device

    @staticmethod
    def _leave(space: Space, port: Device) -> None:
        """A port leaves its bridge, whose entries for it go."""
        bridge = space.devices.get(port.link.master or "")
        if bridge is not None:
            for key, entry in list(bridge.bridge_fdb.items()):
                if entry.port == port.link.name:
                    del bridge.bridge_fdb[key]
        port.change(master=None, port=None)

    def _remove_device(self, space: Space, device: Device) -> None:
        name = device.link.name
        if space.devices.pop(name, None) is None:
            return
        self._leave(space, device)
        for other in space.devices.values():
            if other.link.master == name:
                other.change(master=None, port=None)
        drop_link(space, name)
        space.drop_sources()
        if not self._hooks_outlive_devices:
            for key, ruleset in list(space.rulesets.items()):
                if name in ruleset.devices:
                    rest = tuple(other for other in ruleset.devices if other != name)
                    space.rulesets[key] = msgspec.structs.replace(ruleset, body="", devices=rest)
        space.sysctls = {p: v for p, v in space.sysctls.items() if f"/{name}/" not in p}
        spec = device.link.spec
        if isinstance(spec, Veth) and spec.peer_namespace in self.spaces:
            there = self.spaces[spec.peer_namespace]
            if spec.peer_name in there.devices:
                self._remove_device(there, there.devices[spec.peer_name])

    # ---- what hangs on them

    def _put(self, wanted: KernelObject) -> None:
        space = self._space(wanted)
        match wanted:
            case Sysctl():
                if wanted.link is not None and wanted.link not in space.devices:
                    _refuse(errno.ENOENT, f"there is no link {wanted.link}")
                space.sysctls[wanted.path] = wanted.value
            case Ruleset():
                for name in wanted.devices:
                    if name not in space.devices:
                        _refuse(errno.ENOENT, f"there is no link {name} to hook")
                space.rulesets[wanted.key] = wanted
            case Address():
                self._put_address(self._device(space, wanted.link), wanted)
            case Neighbour():
                self._device(space, wanted.link).neighbours[wanted.key] = wanted
            case BridgeFdb():
                bridge = self._bridge(space, wanted.bridge)
                if self._device(space, wanted.port).link.master != wanted.bridge:
                    _refuse(errno.EINVAL, f"{wanted.port} is no port of {wanted.bridge}")
                bridge.bridge_fdb[wanted.key] = wanted
            case VxlanFdb():
                device = self._device(space, wanted.link)
                if not isinstance(device.link.spec, Vxlan):
                    _refuse(errno.EOPNOTSUPP, f"{wanted.link} is no VXLAN device")
                device.vxlan_fdb[wanted.key] = wanted
            case Route():
                if wanted.key in space.alien:
                    _refuse(errno.EEXIST, f"somebody else has a route to {wanted.destination}")
                check_route(space, wanted)
                space.routes[wanted.key] = wanted
            case _:
                _refuse(errno.EOPNOTSUPP, f"unknown kind {wanted.kind}")

    @staticmethod
    def _put_address(device: Device, wanted: Address) -> None:
        ip = wanted.address.partition("/")[0]
        for at, other in enumerate(device.addresses):
            if other.key == wanted.key:
                # Only lifetimes and flags of an address that is there change.
                device.addresses[at] = other
                return
            if version(ip) == 6 and other.address.partition("/")[0] == ip:
                _refuse(errno.EEXIST, f"{ip} is there with another prefix length")
        device.addresses.append(wanted)

    def _delete_hanging(self, space: Space, found: KernelObject) -> None:
        device = space.devices.get(found.bridge if isinstance(found, BridgeFdb) else getattr(found, "link", ""))
        if device is None:
            return
        device.neighbours.pop(found.key, None)
        device.vxlan_fdb.pop(found.key, None)
        device.bridge_fdb.pop(found.key, None)
        if isinstance(found, Address) and any(other.key == found.key for other in device.addresses):
            self._delete_address(space, device, found)

    @staticmethod
    def _delete_address(space: Space, device: Device, found: Address) -> None:
        """__inet_del_ifa in net/ipv4/devinet.c: with a primary go its secondaries, unless they are promoted."""
        same = [a for a in device.addresses if subnet(a.address) == subnet(found.address)]
        gone = {found.key}
        if version(found.address) == 4 and same[0].key == found.key:
            places = ("all", device.link.name)
            if not any(space.setting(f"net/ipv4/conf/{place}/promote_secondaries") for place in places):
                gone.update(other.key for other in same)
        device.addresses = [a for a in device.addresses if a.key not in gone]
        if version(found.address) == 4 and not device.has_ipv4():
            # fib_disable_ip in net/ipv4/fib_frontend.c
            drop_routes(space, device.link.name, 4)
            device.neighbours = {k: n for k, n in device.neighbours.items() if version(n.address) == 6}
        space.drop_sources()


def _refuse(number: int, reason: str) -> NoReturn:
    raise KernelError(reason, number)
