"""Router solicitations on all networks of a host, by one socket: the guards' rules hand them to the packet log.

No socket is open in a router's namespace, and no packet but a solicitation is looked at.
"""

import errno
import os

from onehop.errors import KernelError
from onehop.kernel.connection import NETFILTER, Connection
from onehop.net import naming
from onehop.net.advertisement import Solicitation, solicitation
from onehop.net.identifier import NetworkId
from onehop.objects import nflog

_CHUNK = 1 << 16


class Solicitations:
    """Listens in the namespace in which the calling thread is, which is the host's.

    Raises:
        KernelError: the kernel has no packet log, or another process has our group of it.
    """

    def __init__(self) -> None:
        self._connection = Connection(NETFILTER)
        try:
            for request in nflog.to_bind(naming.SOLICITATIONS):
                refusal = self._connection.carry([[request]])[0]
                if refusal is not None:
                    raise KernelError(_sentence(refusal.errno), refusal.errno)
        except BaseException:
            self.close()
            raise
        self._connection.socket.setblocking(False)

    def fileno(self) -> int:
        """To be waited for."""
        return self._connection.socket.fileno()

    def read(self) -> set[Solicitation]:
        """All that were heard since; what is not valid is left out, and what did not fit is lost."""
        found: set[Solicitation] = set()
        while True:
            try:
                datagram = self._connection.socket.recv(_CHUNK)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # too many at a time: who gets no answer asks again
                    raise
                continue
            for logged in nflog.decode(datagram):
                asked = solicitation(NetworkId(logged.prefix), logged.packet)
                if asked is not None:
                    found.add(asked)

    def close(self) -> None:
        """Give the socket back."""
        self._connection.close()


def _sentence(number: int) -> str:
    if number in (errno.EBUSY, errno.EPERM):
        return (
            f"another process reads group {naming.SOLICITATIONS} of the kernel's packet log (NFLOG), or CAP_NET_ADMIN "
            "is missing: give the other one another group, or run as root"
        )
    return (
        f"the kernel's packet log cannot be read ({os.strerror(number)}): load or build the module nfnetlink_log "
        "(CONFIG_NETFILTER_NETLINK_LOG)"
    )
