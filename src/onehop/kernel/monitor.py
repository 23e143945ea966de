"""Hearing of changes in every namespace, on the host's own sockets.

A socket with NETLINK_LISTEN_ALL_NSID hears of all namespaces that its own has a number for, and keeps none of them
alive. It needs CAP_NET_BROADCAST. Ours get their number when they are made, and when a watch begins.
"""

import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from struct import unpack

from onehop.kernel import nsid, syscall
from onehop.kernel.connection import NETFILTER, ROUTE, Connection, split
from onehop.kernel.inotify import Inotify
from onehop.kernel.listener import LISTEN_ALL_NSID, listener
from onehop.kernel.notice import RouteNotices, RulesetNotices
from onehop.net.naming import HOST
from onehop.objects import netlink

Changed = Callable[[str, str | None], None]

_ROUTE_GROUPS = (1, 3, 5, 7, 8, 9, 11, 19, 24, 25, 28)
"""RTNLGRP_LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE, IPV4_NETCONF,
IPV6_NETCONF, NSID."""
_NFTABLES_GROUPS = (7,)
_CHUNK = 1 << 16
_AT_ONCE = 512


class Ears:
    """The sockets of a watch; made in the host's namespace."""

    def __init__(self, directory: Path, own_thread: str) -> None:
        """Open them.

        Args:
            directory: where namespaces are bound.
            own_thread: name of the thread whose nftables transactions are our own.
        """
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.directory = directory
        self.own_thread = own_thread
        self.questions = Connection()
        self.route = listener(ROUTE, _ROUTE_GROUPS)
        self.netfilter = listener(NETFILTER, _NFTABLES_GROUPS)
        self.names = Inotify(str(directory))
        self.wake, self.waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self) -> None:
        """Give them back."""
        self.questions.close()
        self.route.close()
        self.netfilter.close()
        self.names.close()
        os.close(self.wake)
        os.close(self.waker)


class Watch:
    """A thread that calls back when something changed."""

    def __init__(self, ears: Ears, changed: Changed) -> None:
        self._ears = ears
        self._changed = changed
        self._names: dict[int, str] = {}
        self._fresh: set[str] = set()
        """Names that came, whose numbers are not known."""
        self._nameless: set[int] = set()
        """Numbers of namespaces that have no name."""
        self._dirty: dict[tuple[str, str | None], None] = {}
        self._route = RouteNotices(self._link_name)
        self._rulesets = RulesetNotices(ears.own_thread)
        self._thread = threading.Thread(target=self._run, name="kernel-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; once this returns, nobody is called any more, unless it was called from the callback itself."""
        if self._thread.is_alive():
            os.write(self._ears.waker, b"x")
            if threading.current_thread() is not self._thread:
                self._thread.join()

    def _run(self) -> None:
        ears = self._ears
        poll = select.poll()
        for descriptor in (ears.wake, ears.route.fileno(), ears.netfilter.fileno(), ears.names.descriptor):
            poll.register(descriptor, select.POLLIN)
        try:
            self._learn(self._all_names())
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if ears.wake in ready:
                    return
                if ears.route.fileno() in ready:
                    self._hear(ears.route, self._hear_route)
                if ears.netfilter.fileno() in ready:
                    self._hear(ears.netfilter, self._hear_rulesets)
                if ears.names.descriptor in ready:
                    self._hear_names()
                self._tell()
        finally:
            ears.close()

    def _tell(self) -> None:
        dirty, self._dirty = self._dirty, {}
        whole = {namespace for namespace, link in dirty if link is None}
        for namespace, link in dirty:
            if link is None or namespace not in whole:
                self._changed(namespace, link)

    def _hear(self, ear: socket.socket, take: Callable[[bytes, int | None], None]) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, _, _ = ear.recvmsg(_CHUNK, 64)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # Something was lost, and nobody knows from where.
                self._dirty.update(dict.fromkeys((name, None) for name in (HOST, *self._all_names())))
                continue
            number = next((unpack("=i", value)[0] for _, kind, value in ancillary if kind == LISTEN_ALL_NSID), None)
            take(data, number)

    def _hear_route(self, data: bytes, number: int | None) -> None:
        for kind, _, _, found in split(data):
            if self._route.is_namespace(kind):
                if number is None:
                    self._hear_number(kind, nsid.number_of(found.data[found.start : found.end]))
                continue
            namespace = self._name(number)
            if namespace is None:
                continue
            heard, link = self._route.link(kind, found, namespace)
            if heard:
                self._dirty[(namespace, link)] = None

    def _hear_number(self, kind: int, number: int | None) -> None:
        """A namespace got its number, or it is gone and so is its number."""
        if number is None:
            return
        self._nameless.discard(number)
        name = self._names.pop(number, None)
        if kind == netlink.NEWNSID:
            self._name(number)
        elif name is not None:
            self._dirty[(name, None)] = None

    def _hear_rulesets(self, data: bytes, number: int | None) -> None:
        for kind, _, _, found in split(data):
            if self._rulesets.matters(kind, found, number):
                namespace = self._name(number)
                if namespace is not None:
                    self._dirty[(namespace, None)] = None

    def _hear_names(self) -> None:
        for name in self._ears.names.read():
            names = self._all_names() if name is None else [name]
            self._fresh.update(names)
            self._nameless.clear()
            self._dirty.update(dict.fromkeys((each, None) for each in names))

    def _name(self, number: int | None) -> str | None:
        """Name of the namespace with a number, None where it has no name."""
        if number is None:
            return HOST
        if number not in self._names and number not in self._nameless:
            self._hear_names()
            self._learn(self._fresh)
            if number not in self._names:
                self._learn(self._all_names())
            if number not in self._names:
                self._nameless.add(number)
        return self._names.get(number)

    def _learn(self, names: Iterable[str]) -> None:
        """Ask for the numbers of namespaces by name."""
        opened = []
        try:
            for name in names:
                try:
                    opened.append((name, os.open(self._ears.directory / name, os.O_RDONLY | os.O_CLOEXEC)))
                except OSError:
                    continue  # gone meanwhile
            self._names.update(nsid.numbers(self._ears.questions, opened))
            self._fresh.difference_update(self._names.values())
        finally:
            for _, descriptor in opened:
                os.close(descriptor)

    def _all_names(self) -> list[str]:
        return sorted(entry.name for entry in self._ears.directory.iterdir())

    def _link_name(self, namespace: str, index: int) -> str | None:
        """Name of a link; only the host's are told apart, a router's namespace is one whole."""
        return syscall.link_name(self._ears.questions.socket, index) if namespace == HOST else None
