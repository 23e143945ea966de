"""One request of rtnetlink, for the moment in which starting a process would cost packets: a link changes namespace."""

import os
import socket
import struct

from onehop.errors import KernelError

_RTM_NEWLINK = 16
_NLM_F_REQUEST, _NLM_F_ACK = 1, 4
_IFLA_IFALIAS, _IFLA_NET_NS_FD = 20, 28
_NLMSG_ERROR = 2


def push_link(name: str, namespace: int) -> None:
    """Move a link of the calling thread's network namespace into another one: the same name, but no alias.

    Without the mark it is nobody's when it arrives, so that no agent there takes it for something left over.

    Args:
        name: the link's.
        namespace: file descriptor of the other namespace.

    Raises:
        KernelError: there is no such link, or the other namespace has one of that name.
    """
    try:
        index = socket.if_nametoindex(name)
    except OSError as error:
        raise KernelError(f"there is no link {name} to move", error.errno or 0) from error
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)
    body += struct.pack("=HHi", 8, _IFLA_NET_NS_FD, namespace) + struct.pack("=HH", 4, _IFLA_IFALIAS)
    header = struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, _NLM_F_REQUEST | _NLM_F_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.bind((0, 0))
        sock.send(header + body)
        answer = sock.recv(65536)
    kind = struct.unpack_from("=H", answer, 4)[0]
    code = struct.unpack_from("=i", answer, 16)[0]
    if kind != _NLMSG_ERROR or code:
        raise KernelError(f"the kernel refused to move the link {name}: {os.strerror(-code)}", -code)
