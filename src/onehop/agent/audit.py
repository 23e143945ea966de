"""The audit of a host: what the agent sees in the kernel, and what the host is around it. Reads, changes nothing."""

import datetime as dt
from collections.abc import Callable, Iterator

import msgspec

from onehop import __version__
from onehop.agent import audit_files
from onehop.agent.engine import Engine
from onehop.agent.request import AuditAnswer, StatusAnswer
from onehop.audit import Result, judged, noted
from onehop.kernel import capability, surroundings
from onehop.net import naming
from onehop.objects import Key, Link, Namespace, Ruleset
from onehop.reconciler.plan import Delete
from onehop.reconciler.text import op_lines
from onehop.settings import AgentSettings

_CALLS = "bridge-nf-call"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks judge.

    Attributes:
        settings: the agent's.
        status, seen: what the agent answered.
        capabilities: of the agent's process.
        setting: reads a path below ``/proc/sys``; None where it does not exist.
        chains: of nftables, of the host's namespace.
        legacy: rules of iptables-legacy are loaded.
        now: the time.
    """

    settings: AgentSettings
    status: StatusAnswer
    seen: AuditAnswer
    capabilities: frozenset[int]
    setting: Callable[[str], str | None]
    chains: tuple[surroundings.Chain, ...]
    legacy: bool
    now: dt.datetime


def seen(engine: Engine) -> AuditAnswer:
    """What an engine finds in its kernel that is not as it should be, everything read anew."""
    plan, claims = engine.plan()
    leaks = [" ".join(op_lines(op)) for op in plan.ops if isinstance(op, Delete) and op.key not in claims]
    drift = [_name(op.key) for op in plan.ops if op.key in claims]
    blocked = [f"{_name(key)}: {reason}" for key, reason in plan.blocked.items()]
    holding = engine.holding
    objects = [found for held in holding.partitions.values() for found in held.values()]
    spaces = {found.namespace for found in objects if isinstance(found, Namespace)}
    inside = sorted(_name(key) for key in holding.foreign if key[0] == Link.kind and key[1] in spaces)
    others = [str(key[1]) for key in holding.foreign if key[0] == Namespace.kind]
    named = sorted(name for name in others if name.startswith(naming.ROUTER_PREFIX))
    tables = [found.table for found in objects if isinstance(found, Ruleset) and found.family == "netdev"]
    bare = []
    for port in engine.desire.view.ports.values():
        tap = naming.tap(port.id)
        plugged = (Link.kind, naming.HOST, tap) in claims
        if plugged and port.port_security_enabled and not any(table.endswith(f"-{tap}") for table in tables):
            bare.append(tap)
    return AuditAnswer(
        software=__version__,
        complete=engine.complete,
        drift=drift,
        leaks=leaks,
        blocked=blocked,
        foreign=inside,
        namespaces=named,
        unprotected=bare,
    )


def gather(settings: AgentSettings, status: StatusAnswer, answer: AuditAnswer) -> Facts:
    """The facts of the host that this process runs on."""
    return Facts(
        settings=settings,
        status=status,
        seen=answer,
        capabilities=capability.of_process(status.pid),
        setting=surroundings.read_setting,
        chains=tuple(surroundings.read_chains()),
        legacy=surroundings.has_legacy_rules(),
        now=dt.datetime.now(dt.UTC),
    )


def results(facts: Facts) -> list[Result]:
    """Every check of a host."""
    return [
        *audit_files.access(facts.settings, facts.now),
        *_interaction(facts),
        *_lifetime(facts),
        judged(
            "CWE-682",
            "neighbour table",
            surroundings.of_neighbours(facts.setting),
            "large enough",
            "install packaging/sysctl.d/60-onehop.conf",
        ),
        judged(
            "CWE-682",
            "connection table",
            surroundings.of_connections(facts.setting),
            "has room",
            "docs/operating.md says how to find whose connections they are",
        ),
        *_flow(facts),
        *_protection(facts),
        judged(
            "CWE-697",
            "host's name",
            audit_files.names(facts.settings),
            "that of the certificate",
            "give `host` in agent.toml the name with which the host joined, or let it join again",
        ),
        *_exceptions(facts),
        judged(
            "CWE-707",
            "local copy and plug records",
            facts.status.warnings,
            "whole",
            "read the sentence; a damaged file was moved aside, and the controller sends everything again",
        ),
        judged(
            "CWE-710",
            "version",
            [f"the agent runs {facts.seen.software}, installed is {__version__}"]
            if facts.seen.software != __version__
            else [],
            __version__,
            "restart the agent: what it made stays",
        ),
    ]


def _interaction(facts: Facts) -> Iterator[Result]:
    calls = any(facts.setting(path) == "1" for path in surroundings.CALLS)
    calls = calls or any(chain.table == naming.SECURITY_TABLE for chain in facts.chains)
    drops = list(surroundings.foreign_forward_drops(facts.chains)) if calls else []
    yield judged(
        "CWE-435",
        "foreign forward chains",
        [f"{chain} drops by default" for chain in drops],
        "none drops bridged packets",
        f"accept there what crosses brq… bridges, or set {_CALLS}-iptables to 0",
    )
    said = surroundings.of_bridges(facts.setting, (), facts.legacy)
    yield noted("CWE-435", _CALLS, said, "off; nothing that is bridged walks the host's chains")
    yield judged(
        "CWE-435",
        "names that others hold",
        facts.seen.blocked,
        "none is in the way",
        "remove or rename what has the name",
    )
    yield judged(
        "CWE-435",
        "foreign objects in our namespaces",
        facts.seen.foreign,
        "none",
        "find out who put them there; onehop leaves them alone",
    )


def _lifetime(facts: Facts) -> Iterator[Result]:
    yield judged(
        "CWE-664",
        "leaks",
        facts.seen.leaks,
        "nothing of ours that nobody wants",
        "they are removed within a minute; if not, `onehop status` says why",
    )
    yield judged(
        "CWE-664",
        "namespaces that are not declared",
        [f"{name} is not ours" for name in facts.seen.namespaces],
        "none with the name of a router",
        "if another agent is gone for good, `ip netns del` them",
    )


def _flow(facts: Facts) -> Iterator[Result]:
    status = facts.status
    late = f"{status.applied} is applied of {status.wanted}"
    yield judged(
        "CWE-691",
        "revision",
        [late] if status.connected and not status.in_sync else [],
        late,
        "wait a moment and look again; `onehop status` says what fails",
    )
    yield judged(
        "CWE-691",
        "drift",
        facts.seen.drift,
        "the kernel is as it should be",
        "it is repaired within a minute; somebody else changes it: find out who",
    )


def _protection(facts: Facts) -> Iterator[Result]:
    yield judged(
        "CWE-693",
        "port protection",
        [f"{tap} has no table" for tap in facts.seen.unprotected],
        "every plugged port with port security has its table",
        "`onehop plan` says what is missing; unplug the port until it is there",
    )
    more = sorted(facts.capabilities - capability.NEEDED)
    yield judged(
        "CWE-693",
        "capabilities of the agent",
        [capability.name(number) for number in more],
        "only what it needs",
        "start it by its systemd unit",
    )


def _exceptions(facts: Facts) -> Iterator[Result]:
    status = facts.status
    yield judged(
        "CWE-703",
        "controller",
        [] if status.connected else [f"{status.controller} is not connected: {status.controller_error}"],
        f"connected to {status.controller}",
        "the host goes on by itself; look at controller and network",
    )
    yield judged(
        "CWE-703",
        "what fails",
        [f"{problem.what}: {problem.reason}" for problem in status.problems],
        "nothing",
        "it is tried again until it holds; the sentences say what hinders it",
    )
    whole = status.complete and facts.seen.complete
    yield judged(
        "CWE-703",
        "view",
        [] if whole else ["there was no complete view yet"],
        "complete",
        "nothing is removed before there is one; let the host reach its controller",
    )


def _name(key: Key) -> str:
    return " ".join(str(part) for part in key if part != "")
