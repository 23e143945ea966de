"""The question of a trace, asked by real packets in a lab: who answers, how soon, and whether the model agrees.

TCP asks with a SYN, and whoever answers (an acknowledgement, or a reset where nobody listens) was reached. UDP is
answered only by who listens, or by an ICMP error: silence says nothing of a packet that the model saw arrive.
"""

import errno
import re
import socket
import subprocess
import time
from typing import Literal

import msgspec

from onehop.errors import InputError, NotFoundError
from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.state import OUTSIDE, Directory
from onehop.verify.packet import PROTOCOLS
from onehop.verify.trace import Question, Trace

PATIENCE = 2.0
"""Seconds to wait for an answer."""

_ANSWER = re.compile(r"bytes from ([0-9a-f.:]+?):? icmp_seq=\d+ .*time=([0-9.]+) ms")
_NOT_SENT = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES})


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What real packets say.

    Attributes:
        outcome: ``answered``; ``refused``: reached, but nobody listens; ``silent``.
        answered_from: the address that answered, or empty.
        milliseconds: until the answer.
        agrees: with the model; None where silence proves nothing.
    """

    outcome: Literal["answered", "refused", "silent"]
    answered_from: str = ""
    milliseconds: float | None = None
    agrees: bool | None = None


def ask(directory: Directory, trace: Trace) -> Live:
    """Send what a trace asked from the instance, or from the lab's outside, and compare.

    Raises:
        NotFoundError: no instance of the lab is attached to the port.
        InputError: the protocol is none that the lab sends.
    """
    state, question = directory.read(), trace.question
    name = OUTSIDE
    if question.port is not None:
        name = next((one.name for one in state.instances.values() if one.port == question.port), "")
        if not name:
            raise NotFoundError(f"no instance of lab {directory.name!r} is attached to port {question.port}")
    pins, netns = target(directory, state, name)
    live = inside(pins, lambda: _asked(question), netns)
    return msgspec.structs.replace(live, agrees=_agrees(trace, live))


def _asked(question: Question) -> Live:
    if question.protocol in ("icmp", "icmpv6"):
        return _ping(question.destination)
    if question.protocol not in ("tcp", "udp"):
        raise InputError(f"--live sends icmp, tcp and udp, not protocol {question.protocol}")
    return _connect(question, socket.SOCK_STREAM if question.protocol == "tcp" else socket.SOCK_DGRAM)


def _ping(destination: str) -> Live:
    command = ["ping", "-n", "-c", "2", "-i", "0.3", "-W", str(PATIENCE), destination]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    found = _ANSWER.search(done.stdout)
    if found is None:
        return Live(outcome="silent")
    return Live(outcome="answered", answered_from=found[1], milliseconds=float(found[2]))


def _connect(question: Question, kind: socket.SocketKind) -> Live:
    family = socket.AF_INET6 if ":" in question.destination else socket.AF_INET
    begin = time.monotonic()
    with socket.socket(family, kind) as sock:
        sock.settimeout(PATIENCE)
        if question.source_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", question.source_port))
        try:
            sock.connect((question.destination, question.destination_port))
            if kind is socket.SOCK_DGRAM:
                sock.send(b"onehop trace")
                sock.recv(1)
        except ConnectionRefusedError:
            return Live(outcome="refused", answered_from=question.destination, milliseconds=_since(begin))
        except OSError as error:
            if isinstance(error, TimeoutError) or error.errno in _NOT_SENT:
                return Live(outcome="silent")
            raise
    return Live(outcome="answered", answered_from=question.destination, milliseconds=_since(begin))


def _since(begin: float) -> float:
    return round((time.monotonic() - begin) * 1000, 2)


def _agrees(trace: Trace, live: Live) -> bool | None:
    reached = trace.outcome in ("answered", "refused")
    if live.outcome == "silent":
        if reached and PROTOCOLS.get(trace.question.protocol) == PROTOCOLS["udp"]:
            return None
        return not reached
    return reached and live.answered_from == trace.question.destination
