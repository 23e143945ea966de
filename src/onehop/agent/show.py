"""What `onehop status`, `onehop plan` and `onehop port show` show, as values."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from onehop.agent.board import Entry
from onehop.agent.engine import Engine
from onehop.agent.request import PlanAnswer, PlannedOp, Problem, Refused, ShowPortAnswer
from onehop.compiler.state import Claim
from onehop.model.port import Port
from onehop.model.protection import REASONS
from onehop.model.topology import Ref
from onehop.objects.counter import Count
from onehop.reconciler.plan import Op
from onehop.reconciler.text import op_lines

MOST = 100


def counts(entries: Mapping[Ref, Entry]) -> dict[str, dict[str, int]]:
    """Kind → state → number."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (kind, _), entry in entries.items():
        found[kind][entry.state] += 1
    return {kind: dict(sorted(states.items())) for kind, states in sorted(found.items())}


def problems(engine: Engine, entries: Mapping[Ref, Entry]) -> list[Problem]:
    """What fails: resources first, then kernel objects."""
    bad = [(ref, e) for ref, e in sorted(entries.items()) if e.state == "ERROR" or (e.state == "ACTIVE" and e.reason)]
    found = [Problem(what=" ".join(ref), reason=e.reason) for ref, e in bad]
    for name, keys in sorted(engine.failing.items()):
        for key, reason in keys.items():
            found.append(Problem(what=f"{' '.join(map(str, key))} ({name or 'stray'})", reason=reason))
    return found[:MOST]


def shown(port: Port, device: str, entry: Entry, counts: Mapping[str, Count]) -> ShowPortAnswer:
    """A port as this host knows it.

    Args:
        port: the port.
        device: name of its device here, or "".
        entry: how it is here.
        counts: what was refused of it, by reason.
    """
    return ShowPortAnswer(
        port_id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        addresses=[ip.ip_address for ip in port.fixed_ips],
        pairs=[
            p.ip_address if p.mac_address == port.mac_address else f"{p.ip_address} ({p.mac_address})"
            for p in port.allowed_address_pairs
        ],
        host=port.host or "",
        device=device,
        state=entry.state,
        reason=entry.reason,
        protected=port.port_security_enabled,
        refused=[
            Refused(reason=name, meaning=REASONS.get(name, ""), packets=count.packets, octets=count.octets)
            for name, count in sorted(counts.items())
        ],
    )


def planned(engine: Engine) -> PlanAnswer:
    """What the engine would do now."""
    plan, claims = engine.plan()
    ops = [_op(op, claims.get(op.key)) for op in plan.ops]
    for key, reason in plan.blocked.items():
        claim = claims.get(key)
        text = f"{' '.join(map(str, key))}: {reason}"
        ops.append(_planned("blocked", [text], str(key[1]), claim))
    return PlanAnswer(complete=engine.complete, ops=ops)


def _op(op: Op, claim: Claim | None) -> PlannedOp:
    return _planned(type(op).__name__.lower(), op_lines(op), str(op.key[1]), claim)


def _planned(op: str, lines: Iterable[str], namespace: str, claim: Claim | None) -> PlannedOp:
    return PlannedOp(
        op=op,
        text="\n".join(lines),
        namespace=namespace,
        resource=" ".join(claim.resource) if claim is not None else "",
        feature=claim.feature if claim is not None else "",
    )
