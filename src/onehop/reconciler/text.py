"""Ops as the commands of iproute2, nftables and sysctl that do the same: for `onehop plan` and for golden tests.

An operator can paste them into a root shell on the host. They are for reading: onehop itself never runs them.
"""

from collections.abc import Iterable

from onehop.net.naming import PROTOCOL
from onehop.objects import (
    ALL_ZERO,
    Address,
    BridgeFdb,
    KernelObject,
    Link,
    Namespace,
    Neighbour,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    VxlanFdb,
    nftables,
)
from onehop.reconciler.plan import Create, Delete, Op, Plan, Replace
from onehop.reconciler.text_link import changed_link, new_link
from onehop.reconciler.text_word import bridge, inside, ip, quote


def plan_text(plan: Plan) -> str:
    """All ops of a plan in order, a command a line; what is blocked follows as comments."""
    lines = [line for op in plan.ops for line in op_lines(op)]
    lines.extend(f"# blocked: {' '.join(map(str, key))}: {reason}" for key, reason in sorted(plan.blocked.items()))
    return "".join(line + "\n" for line in lines)


def state_text(objects: Iterable[KernelObject]) -> str:
    """Objects in the order given, as the commands that would create each."""
    return "".join(line + "\n" for found in objects for line in op_lines(Create(found)))


def op_lines(op: Op) -> tuple[str, ...]:
    """The commands for one op."""
    match op:
        case Create(wanted):
            return _put(wanted)
        case Replace(Link() as old, Link() as new):
            return changed_link(old, new)
        case Replace(Namespace(), Namespace() as new):
            return (f"{ip(new.namespace)} link set lo alias {quote(new.mark)} up",)
        case Replace(Ruleset() as old, Ruleset() as new) if old.has_structure_of(new):
            return _elements(old, new)
        case Replace(_, new):
            return _put(new)
        case Delete(found):
            return _delete(found)


def _put(wanted: KernelObject) -> tuple[str, ...]:
    namespace = wanted.namespace
    match wanted:
        case Namespace():
            name = quote(namespace)
            return (f"ip netns add {name}", f"ip -n {name} link set lo alias {quote(wanted.mark)} up")
        case Sysctl():
            return (f"{inside(namespace)}sysctl -qw {quote(f'{wanted.path}={wanted.value}')}",)
        case Link():
            return new_link(wanted)
        case Ruleset():
            return _ruleset(wanted)
        case Address():
            # Duplicate address detection is IPv6's.
            nodad = " nodad" if ":" in wanted.address else ""
            words = f"address replace {wanted.address} dev {quote(wanted.link)} scope {wanted.scope}{nodad}"
            return (f"{ip(namespace)} {words}",)
        case Neighbour():
            words = f"neigh replace {wanted.address} lladdr {wanted.mac} dev {quote(wanted.link)} nud permanent"
            return (f"{ip(namespace)} {words}",)
        case BridgeFdb():
            sticky = " sticky" if wanted.sticky else ""
            return (f"{bridge(namespace)} fdb replace {wanted.mac} dev {quote(wanted.port)} master static{sticky}",)
        case VxlanFdb():
            verb = "append" if wanted.mac == ALL_ZERO else "replace"
            words = f"fdb {verb} {wanted.mac} dev {quote(wanted.link)} dst {wanted.vtep} self permanent"
            return (f"{bridge(namespace)} {words}",)
        case Route():
            return (f"{ip(namespace)} route replace {_route(wanted)}",)
        case Rule():
            return (f"{ip(namespace, wanted.family)} rule add {_rule(wanted)}",)
        case _:
            return (f"# {wanted!r}",)


def _delete(found: KernelObject) -> tuple[str, ...]:
    namespace = found.namespace
    match found:
        case Namespace():
            return (f"ip netns delete {quote(namespace)}",)
        case Link():
            return (f"{ip(namespace)} link delete {quote(found.name)}",)
        case Ruleset():
            return (f"{inside(namespace)}nft delete table {found.family} {quote(found.table)}",)
        case Address():
            return (f"{ip(namespace)} address delete {found.address} dev {quote(found.link)}",)
        case Neighbour():
            return (f"{ip(namespace)} neigh delete {found.address} dev {quote(found.link)}",)
        case BridgeFdb():
            return (f"{bridge(namespace)} fdb delete {found.mac} dev {quote(found.port)} master",)
        case VxlanFdb():
            return (f"{bridge(namespace)} fdb delete {found.mac} dev {quote(found.link)} dst {found.vtep} self",)
        case Route():
            words = f"{found.destination} table {found.table} metric {found.metric} proto {PROTOCOL}"
            return (f"{ip(namespace)} route delete {words}",)
        case Rule():
            return (f"{ip(namespace, found.family)} rule delete {_rule(found)}",)
        case _:
            return (f"# delete {found!r}",)


def _ruleset(wanted: Ruleset) -> tuple[str, ...]:
    name = f"{wanted.family} {wanted.table}"
    return (
        f"{inside(wanted.namespace)}nft -f - <<'END'",
        f"table {name}",
        f"delete table {name}",
        f"table {name} {{",
        *nftables.text_of(wanted).rstrip("\n").split("\n"),
        "}",
        "END",
    )


def _elements(old: Ruleset, new: Ruleset) -> tuple[str, ...]:
    lines: list[str] = []
    for before, after in old.differing(new):
        there, wanted = set(before.elements), set(after.elements)
        for verb, elements in (("delete", sorted(there - wanted)), ("add", sorted(wanted - there))):
            if elements:
                lines.append(f"{verb} element {new.family} {new.table} {after.name} {{ {', '.join(elements)} }}")
    # Deletions first: a key may come again with another value.
    ordered = sorted(lines, key=lambda line: line.startswith("add"))
    return (f"{inside(new.namespace)}nft -f - <<'END'", *ordered, "END")


def _route(route: Route) -> str:
    words = [] if route.type == "unicast" else [route.type]
    words += [route.destination, f"table {route.table}", f"metric {route.metric}", f"proto {PROTOCOL}"]
    if route.source is not None:
        words.append(f"src {route.source}")
    several = len(route.hops) > 1
    for hop in route.hops:
        words += ["nexthop"] if several else []
        words += [f"via {hop.gateway}"] if hop.gateway is not None else []
        words += [f"dev {quote(hop.link)}"] if hop.link is not None else []
        words += [f"weight {hop.weight}"] if several else []
        words += ["onlink"] if hop.onlink else []
    return " ".join(words)


def _rule(rule: Rule) -> str:
    words = [f"priority {rule.priority}", f"from {rule.source or 'all'}"]
    words += [f"to {rule.destination}"] if rule.destination is not None else []
    words += [f"fwmark {rule.mark:#x}/{rule.mask:#x}"] if rule.mask else []
    words += [f"iif {quote(rule.incoming)}"] if rule.incoming is not None else []
    words += [f"lookup {rule.table}"]
    words += [] if rule.is_born else [f"protocol {PROTOCOL}"]
    return " ".join(words)
