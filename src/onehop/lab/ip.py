"""The lab's own links and addresses, made by iproute2: not by the code that the lab is there to try."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from onehop.errors import KernelError, MissingFeatureError

_WORD = re.compile(r"[A-Za-z0-9_.:/@-]+")


def batch(*commands: str | Iterable[str], go_on: bool = False) -> None:
    """Carry out `ip` commands in the calling thread's namespaces, in one process.

    Args:
        commands: each either fixed text, or words of which each is checked to be one.
        go_on: carry out the others where one is refused, and say nothing.

    Raises:
        KernelError: the first that was refused, with what `ip` said.
        MissingFeatureError: there is no `ip`.
    """
    lines = []
    for command in commands:
        if not isinstance(command, str):
            lines.append(_line(command))
        else:
            lines.append(command)
    try:
        done = subprocess.run(
            ["ip", *(["-force"] if go_on else []), "-batch", "-"],
            input="\n".join(lines) + "\n",
            text=True,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise MissingFeatureError("the command 'ip' is missing: install the package iproute2") from None
    if done.returncode and not go_on:
        raise KernelError(f"ip refused one of {lines}: {done.stderr.strip()}")


def _line(words: Iterable[str]) -> str:
    checked = list(words)
    for word in checked:
        if _WORD.fullmatch(word) is None:
            raise KernelError(f"refusing to hand {word[:64]!r} to ip")
    return " ".join(checked)


def sysctl(name: str, value: str, missing_ok: bool = False) -> None:
    """Write a sysctl in the calling thread's network namespace.

    Raises:
        KernelError: there is none of that name (unless `missing_ok`), or it refuses the value.
    """
    path = Path("/proc/sys") / name
    try:
        path.write_text(value, encoding="ascii")
    except FileNotFoundError as error:
        if not missing_ok:
            raise KernelError(f"this kernel has no sysctl {name}") from error
    except OSError as error:
        raise KernelError(f"sysctl {name} = {value}: {error.strerror}", error.errno or 0) from error
