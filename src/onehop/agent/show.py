"""What `onehop status` and `onehop plan` show, as values."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from onehop.agent.board import Entry
from onehop.agent.engine import Engine
from onehop.agent.request import PlanAnswer, PlannedOp, Problem
from onehop.compiler.state import Claim
from onehop.model.topology import Ref
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
