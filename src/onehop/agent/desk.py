"""The desk: what is done for those who ask over the agent's socket: plug, unplug, release, cloud-init, show a port."""

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path

from onehop.agent.board import Entry
from onehop.agent.cloudinit import network_config, text
from onehop.agent.engine import Engine
from onehop.agent.hub import Hub
from onehop.agent.plugs import Plugs
from onehop.agent.request import (
    Answer,
    CloudInitRequest,
    PlugRequest,
    PortAnswer,
    ReleaseRequest,
    ShowPortRequest,
    TextAnswer,
    UnplugRequest,
)
from onehop.agent.show import shown
from onehop.compiler.state import Local, Plug
from onehop.errors import ConflictError, InputError, NotFoundError, StateError
from onehop.log import logger
from onehop.model.port import Port
from onehop.model.topology import Topology
from onehop.net import naming
from onehop.net.identifier import HostName, PortId, parse_uuid
from onehop.objects import Key

LOG = logger("agent")
GRACE_SECONDS = 3.0
"""How long a port may take to become known here: what was just asked of the API is still under way."""

ARRIVAL_SECONDS = 0.002
"""How often is looked whether a device that is to be adopted has come."""

_NETNS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,99}")
_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")


class Desk:
    """Attaches and detaches instances.

    Args:
        host: this host.
        hub: how the passes went.
        plugs: the records.
        local: what else the host knows of itself.
        netns_dir: where namespaces are bound by name.
    """

    def __init__(self, host: HostName, hub: Hub, plugs: Plugs, local: Local, netns_dir: Path) -> None:
        self._host = host
        self._hub = hub
        self._plugs = plugs
        self._local = local
        self._netns_dir = netns_dir
        self._expected: frozenset[PortId] = frozenset()

    def local(self) -> Local:
        """What this host knows of itself now."""
        plugs = {port: plug for port, plug in self._plugs.all.items() if port not in self._expected}
        return Local(plugs, self._local.physical_networks, self._local.vxlan_port)

    def reaches(self, physical_networks: Mapping[str, str]) -> None:
        """The host has other ways outside now."""
        self._local = Local({}, physical_networks, self._local.vxlan_port)

    def equip(self, engine: Engine) -> int:
        """Let an engine know what this host knows of itself now; returns how often it was let know."""
        engine.equip(self.local())
        return engine.equipped

    async def plug(self, request: PlugRequest) -> Answer:
        """Attach an instance.

        Raises:
            InputError, NotFoundError, ConflictError, StateError: what is wrong, and what to do.
        """
        plug = Plug(_port_id(request.port_id), request.netns, request.device if request.netns is not None else "eth0")
        self._check_namespace(plug)
        there = self._plugs.get(plug.port_id)
        if there is None or there != plug:
            await self._bound_here(plug.port_id, min(GRACE_SECONDS, request.timeout))
        name = naming.tap(plug.port_id)
        if request.adopt:
            new = await self._expect(plug, request.timeout)
        else:
            new = await self._hub.ask(lambda _: self._plugs.add(plug))

        def attach(engine: Engine) -> int:
            # In one call, so that no pass sees the device wanted but still somebody else's.
            count = self.equip(engine)
            if request.adopt:
                engine.adopt(name)
            elif not new:
                # Its namespace may be there only now (the host was rebooted): look again, whenever the retry is due.
                engine.urge(name)
            return count

        count = await self._hub.ask(attach)
        if not request.wait:
            return self._answer(plug.port_id, new)
        await self._hub.until(lambda: self._judged(plug.port_id, count), request.timeout)
        answer = self._answer(plug.port_id, new)
        if answer.state != "ACTIVE":
            raise StateError(
                f"port {plug.port_id} is plugged but {answer.state}: {answer.reason or 'nothing was heard of it yet'}; "
                f"the agent keeps trying"
            )
        return answer

    async def _expect(self, plug: Plug, seconds: float) -> bool:
        """Keep the plug of a device that is on its way here, and wait for it; whether the plug is new.

        What takes time is done before it comes. Until it is here nothing is wanted for it: one would be made.

        Raises:
            NotFoundError: it did not come; nothing is kept.
        """
        port, name = plug.port_id, naming.tap(plug.port_id)
        self._expected |= {port}
        try:
            new = await self._hub.ask(lambda _: self._plugs.add(plug))
            deadline = time.monotonic() + seconds
            while not await self._hub.ask(lambda engine: engine.has_device(name)):
                if time.monotonic() > deadline:
                    if new:
                        await self._hub.ask(lambda _: self._plugs.remove(port))
                    raise NotFoundError(f"there is no device {name} to adopt; plug without adopting to make one")
                await asyncio.sleep(ARRIVAL_SECONDS)
        finally:
            self._expected -= {port}
        return new

    async def unplug(self, request: UnplugRequest) -> Answer:
        """Detach an instance.

        Raises:
            InputError: not a port's id.
            StateError: its device could not be removed.
        """
        port = _port_id(request.port_id)
        gone = await self._hub.ask(lambda _: self._plugs.remove(port))
        count = await self._hub.ask(self.equip)
        if await self._hub.ask(lambda engine: engine.complete):
            await self._hub.until(lambda: self._passed(count), request.timeout)
            reason = await self._hub.ask(lambda engine: _left(engine, naming.tap(port)))
            if reason is not None:
                raise StateError(f"{naming.tap(port)} could not be removed: {reason}; the agent keeps trying")
        return PortAnswer(port_id=port, device=naming.tap(port), state="GONE", changed=gone)

    async def release(self, request: ReleaseRequest) -> Answer:
        """Forget a plug, leave its device.

        Raises:
            InputError: not a port's id.
            KernelError: its mark could not be taken off; it stays plugged.
        """
        port = _port_id(request.port_id)
        name = naming.tap(port)
        there = self._plugs.get(port) is not None

        def give_away(engine: Engine) -> int:
            # In this order: a device that is marked and not wanted would be deleted at the next start.
            engine.release(name)
            self._plugs.remove(port)
            return self.equip(engine)

        if there:
            count = await self._hub.ask(give_away)
            await self._hub.until(lambda: self._passed(count), request.timeout)
        return PortAnswer(port_id=port, device=name, state="GONE", changed=there)

    async def tidy(self) -> None:
        """Forget the plugs of instances that are gone: the port is not bound here, and the namespace is not there.

        To be asked while the view is that of now. Nothing is wanted for such a plug, so nothing changes. Whether a
        virtual machine that had a tap is gone cannot be seen: that plug stays until it is unplugged.
        """

        def forget(engine: Engine) -> list[PortId]:
            ports = engine.desire.view.ports
            bound = {id for id in self._plugs.all if id in ports and _is_bound(ports[id], self._host)}
            gone = [
                plug.port_id
                for plug in self._plugs.all.values()
                if plug.port_id not in bound and plug.netns and not (self._netns_dir / plug.netns).exists()
            ]
            for port in gone:
                self._plugs.remove(port)
            return gone

        for port in await self._hub.ask(forget):
            LOG.info("forgot the plug of an instance that is gone", port=port)

    async def cloud_init(self, request: CloudInitRequest) -> Answer:
        """The network-config of a port's guest.

        Raises:
            NotFoundError: the port is not known here.
        """
        port_id = _port_id(request.port_id)
        port = await self._known(port_id, GRACE_SECONDS)
        view = await self._view()
        return TextAnswer(text=text(network_config(view, port)))

    async def show_port(self, request: ShowPortRequest) -> Answer:
        """A port, and what protection refused of it.

        Raises:
            NotFoundError: the port is not known here.
            KernelError: what was refused could not be read.
        """
        port_id = _port_id(request.port_id)
        port = await self._known(port_id, GRACE_SECONDS)
        counts = (await self._hub.ask(lambda engine: engine.drops(port_id))).get(port_id, {})
        device = naming.tap(port_id) if self._plugs.get(port_id) is not None else ""
        return shown(port, device, self._hub.entries.get(("port", port_id), Entry("DOWN")), counts)

    async def _view(self) -> Topology:
        return await self._hub.ask(lambda engine: engine.desire.view)

    def _check_namespace(self, plug: Plug) -> None:
        if plug.netns is None:
            return
        if _NETNS.fullmatch(plug.netns) is None:
            raise InputError(f"{plug.netns[:64]!r} cannot be the name of a namespace")
        if _DEVICE.fullmatch(plug.device) is None:
            raise InputError(f"{plug.device[:64]!r} cannot be the name of a device: 1 to 15 letters, digits, '.-_@'")
        if not (self._netns_dir / plug.netns).exists():
            raise NotFoundError(
                f"there is no namespace {plug.netns} in {self._netns_dir}; make it first: `ip netns add {plug.netns}`"
            )

    async def _known(self, port_id: PortId, seconds: float) -> Port:
        view = await self._view()
        if port_id not in view.ports:
            await self._hub.until(lambda: ("port", port_id) in self._hub.entries, seconds)
            view = await self._view()
        port = view.ports.get(port_id)
        if port is None:
            raise NotFoundError(
                f"port {port_id} is not known on host {self._host}; does it exist, and is it bound here? "
                f"`openstack port set --host {self._host} {port_id}` binds it"
            )
        return port

    async def _bound_here(self, port_id: PortId, seconds: float) -> None:
        port = await self._known(port_id, seconds)
        if not _is_bound(port, self._host):
            # A port of this host's share that is (still) bound to another host: the news may be under way.
            await self._hub.until(lambda: ("port", port_id) in self._hub.entries, seconds)
            port = await self._known(port_id, 0)
        if _is_bound(port, self._host):
            return
        bind = f"`openstack port set --host {self._host} {port_id}` binds it here"
        if port.bindings:
            raise ConflictError(f"port {port_id} is bound to host {port.bindings[0].host}, not to {self._host}; {bind}")
        raise ConflictError(f"port {port_id} is bound to no host; {bind}")

    def _passed(self, count: int) -> bool:
        last = self._hub.last
        return last is not None and last.equipped >= count and last.settled

    def _judged(self, port_id: PortId, count: int) -> bool:
        entry = self._hub.entries.get(("port", port_id))
        return self._passed(count) and entry is not None and entry.state in ("ACTIVE", "ERROR")

    def _answer(self, port_id: PortId, new: bool) -> PortAnswer:
        entry = self._hub.entries.get(("port", port_id), Entry("DOWN"))
        return PortAnswer(
            port_id=port_id, device=naming.tap(port_id), state=entry.state, reason=entry.reason, changed=new
        )


def _port_id(text_: str) -> PortId:
    return PortId(parse_uuid(text_, "a port's id"))


def _is_bound(port: Port, host: HostName) -> bool:
    return any(binding.host == host for binding in port.bindings)


def _left(engine: Engine, link: str) -> str | None:
    """Why a device that is not wanted is still there, or None."""
    key: Key = ("link", naming.HOST, link)
    return next((keys[key] for keys in engine.failing.values() if key in keys), None)
