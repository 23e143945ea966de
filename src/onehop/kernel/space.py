"""Network namespaces as places to work in: entered, made, unmade and told apart.

One thread owns a `Spaces` and is moved between namespaces by it. An open socket keeps a namespace alive after its name
is gone, so sockets live hardly longer than one `observe` or `execute`; only the host's own stay open.
"""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from onehop.errors import KernelError
from onehop.kernel import names, syscall
from onehop.kernel.closing import Closer
from onehop.kernel.connection import NETFILTER, Connection
from onehop.kernel.numbers import Numbers
from onehop.net.naming import HOST, MARK
from onehop.objects import Namespace, link_codec, netlink
from onehop.objects.netlink import Request

_KEPT = 64
"""Namespaces that are open at a time, with up to three descriptors each: a plan goes through all of its namespaces once
for each kind of object, and to open one again costs more than what is done in it."""


class Space:
    """One namespace, open: its descriptor and its sockets."""

    def __init__(self, spaces: "Spaces", name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self._spaces = spaces
        self._route: Connection | None = None
        self._netfilter: Connection | None = None
        self._cookie = 0

    def enter(self) -> None:
        """Move the thread in here."""
        self._spaces.enter(self)

    @property
    def route(self) -> Connection:
        """Its rtnetlink socket."""
        if self._route is None:
            self.enter()
            self._route = Connection()
        return self._route

    @property
    def netfilter(self) -> Connection:
        """Its nfnetlink socket."""
        if self._netfilter is None:
            self.enter()
            self._netfilter = Connection(NETFILTER)
        return self._netfilter

    @property
    def cookie(self) -> int:
        """What tells it from every other namespace there ever was."""
        if not self._cookie:
            self._cookie = syscall.cookie(self.route.socket)
        return self._cookie

    def index(self, name: str) -> int:
        """Index of a link by name, 0 where there is none."""
        return syscall.link_index(self.route.socket, name)

    def link_name(self, index: int) -> str | None:
        """Name of a link by index."""
        return syscall.link_name(self.route.socket, index)

    def found(self) -> Namespace | None:
        """It as it is, or None where it is foreign."""
        answer = next(self.route.ask([Request(netlink.GETLINK, 0, link_codec.dump_body(link_codec.LOOPBACK))]))
        lo = None if answer is None else link_codec.record(answer)
        if lo is None or not lo.alias.startswith(MARK):
            return None
        return Namespace(namespace=self.name, mark=lo.alias, up=lo.up)

    def packet_socket(self, link: str) -> socket.socket:
        """A socket that sends whole frames on a link; to be given to `give_back`."""
        self.enter()
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        try:
            raw.bind((link, 0))
        except OSError:
            self.give_back(raw)
            raise
        return raw

    def give_back(self, used: socket.socket) -> None:
        """Have a socket closed without waiting for the kernel."""
        self._spaces.closer.close(used)

    def close(self) -> None:
        """Let go of it."""
        if self._route is not None:
            self._route.close()
        if self._netfilter is not None:
            self.give_back(self._netfilter.socket)
        self._route = self._netfilter = None
        os.close(self.descriptor)


class Spaces:
    """The namespaces under a directory, and the one of the host."""

    def __init__(self, host: str | None, directory: str) -> None:
        """Open the host's namespace.

        Args:
            host: path of what is the host's own namespace; None is the thread's.
            directory: where named namespaces are bound.

        Raises:
            KernelError: the host's namespace cannot be opened or entered.
        """
        self.directory = Path(directory)
        self.closer = Closer()
        self._path = str(directory)
        self._open: dict[str, Space] = {}
        self._here: Space | None = None
        self.numbers = Numbers(self)
        path = host or syscall.OWN_NAMESPACE
        try:
            self.host = Space(self, HOST, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            self._device = os.fstat(self.host.descriptor).st_dev
            self.enter(self.host)
        except OSError as error:
            raise KernelError(f"the namespace {path} cannot be entered: {error.strerror}", error.errno or 0) from error

    def enter(self, space: Space) -> None:
        """Move the thread into a namespace."""
        if self._here is not space:
            syscall.setns(space.descriptor)
            self._here = space

    def open(self, name: str) -> Space | None:
        """A namespace by name, None where there is none.

        Raises:
            KernelError: it is there and cannot be opened.
        """
        if name == HOST:
            return self.host
        space = self._open.get(name)
        if space is not None:
            return space
        descriptor = self.descriptor(name)
        if descriptor is None:
            return None
        if len(self._open) >= _KEPT:
            self.forget(next(iter(self._open)))
        space = self._open[name] = Space(self, name, descriptor)
        return space

    def descriptor(self, name: str) -> int | None:
        """A descriptor of a named namespace, None where there is none; the caller closes it."""
        if "/" in name or name in (".", ".."):
            raise KernelError(f"{name[:64]!r} cannot be the name of a namespace")
        try:
            descriptor = os.open(f"{self._path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KernelError(f"namespace {name} cannot be opened: {error.strerror}", error.errno or 0) from error
        if os.fstat(descriptor).st_dev != self._device:
            # An empty file whose namespace was never bound, or was unbound: nobody is in there.
            os.close(descriptor)
            return None
        return descriptor

    def kept(self, name: str) -> Space | None:
        """A namespace that is open already."""
        return self.host if name == HOST else self._open.get(name)

    def names(self) -> list[str]:
        """Names of all namespaces under the directory, whoever made them."""
        found = []
        for name in names.entries(self.directory):
            with suppress(FileNotFoundError):
                if os.stat(f"{self._path}/{name}").st_dev == self._device:  # noqa: PTH116  # as above
                    found.append(name)
        return found

    def forget(self, name: str) -> None:
        """Close a namespace, and leave it if the thread is in it."""
        space = self._open.pop(name, None)
        if space is not None:
            if self._here is space:
                self.enter(self.host)
            space.close()

    def rest(self) -> None:
        """Close everything but the host's own namespace, and go there."""
        self.enter(self.host)
        for name in list(self._open):
            self.forget(name)

    def close(self) -> None:
        """Close everything."""
        self.rest()
        self.host.close()
        self.closer.stop()

    def create(self, name: str, mark: str) -> Space:
        """Make a namespace with its mark and loopback, then give it its name. The name must be free.

        Raises:
            OSError: refused.
            KernelError: refused.
        """
        path = names.reserve(self.directory, name)
        try:
            syscall.unshare_network()
            self._here = None
            descriptor = os.open(syscall.OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
            space = Space(self, name, descriptor)
            self._here = space
            self._open[name] = space
            refused = space.route.carry([[link_codec.to_mark_namespace(mark)]])[0]
            if refused is not None:
                raise KernelError(f"its loopback takes no mark: {os.strerror(refused.errno)}", refused.errno)
            syscall.mount(syscall.OWN_NAMESPACE, str(path), syscall.MS_BIND)
        except (OSError, KernelError):
            self.forget(name)
            path.unlink()
            raise
        self.announce(name)
        return space

    def delete(self, name: str) -> None:
        """Take a namespace's name away, so that it goes with all that is in it.

        Raises:
            OSError: refused.
        """
        self.forget(name)
        path = self.directory / name
        try:
            syscall.unmount(str(path))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):  # nothing is mounted there
                raise
        path.unlink(missing_ok=True)

    def announce(self, name: str) -> None:
        """Give a namespace a number in the host's, so that the host's sockets hear of what happens in it."""
        space = self.open(name)
        if space is not None and name != HOST:
            self.numbers.of(space)
