"""A world for the model alone: compiled for every host, every bound port plugged."""

from collections.abc import Callable

import msgspec

from onehop.compiler import Local, Plug, compile_host
from onehop.model.port import Port
from onehop.objects import KernelObject, Ruleset
from onehop.verify.trace import Question, Trace, trace
from onehop.verify.world import World
from tests.northern import PHYSICAL, Northern

BRIDGE = "br-ex"
Change = Callable[[KernelObject], KernelObject | None]


def model(world: Northern, change: Change | None = None) -> World:
    """The model of a world; `change` may make another object of each that a host holds, or take it away."""
    view = world.topology()
    states: dict[str, list[KernelObject]] = {}
    physical = {}
    for host in view.hosts.values():
        physical[host.name] = {PHYSICAL: BRIDGE} if PHYSICAL in host.physical_networks else {}
        plugs = {p.id: Plug(p.id) for p in view.bound_on(host.name)}
        state = compile_host(view, host.name, Local(plugs=plugs, physical_networks=physical[host.name]))
        held = [claim.object for partition in state.values() for claim in partition.claims.values()]
        states[host.name] = [new for one in held if (new := change(one) if change else one) is not None]
    return World(view, states, physical)


def ask(world: World, port: Port | None, destination: str, protocol: str = "icmp", number: int = 80) -> Trace:
    """Trace one question; None asks from outside."""
    asked = Question(
        port=None if port is None else port.id,
        destination=destination,
        protocol=protocol,
        destination_port=number,
    )
    return trace(world, asked)


def without_rule(table: str, words: str) -> Change:
    """Take away the rules with these words from a table."""
    return _edited(table, lambda line: words not in line)


def _edited(table: str, keep: Callable[[str], bool]) -> Change:
    def change(one: KernelObject) -> KernelObject:
        if not isinstance(one, Ruleset) or f"{one.family} {one.table}" != table:
            return one
        body = "\n".join(line for line in one.body.split("\n") if keep(line))
        return msgspec.structs.replace(one, body=body)

    return change
