"""The words with which commands begin, and quoting for a shell."""

from shlex import quote

from onehop.net.naming import HOST


def ip(namespace: str, family: int | None = None) -> str:
    """``ip`` in a namespace, for one family of addresses where it matters."""
    words = "ip" if family is None else f"ip -{family}"
    return words if namespace == HOST else f"{words} -n {quote(namespace)}"


def bridge(namespace: str) -> str:
    """``bridge`` in a namespace."""
    return "bridge" if namespace == HOST else f"bridge -n {quote(namespace)}"


def inside(namespace: str) -> str:
    """What to put in front of any other command, with a blank at its end."""
    return "" if namespace == HOST else f"ip netns exec {quote(namespace)} "


__all__ = ["bridge", "inside", "ip", "quote"]
