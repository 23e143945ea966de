"""A small program of ours that runs inside an instance or node of a lab, spoken to by its standard streams."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from onehop.lab.execute import target
from onehop.lab.namespace import inside
from onehop.lab.state import Directory


@contextmanager
def program(
    directory: Directory, name: str, script: str, *arguments: str, stderr: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a script there meanwhile; it is killed at the end.

    Args:
        directory: the lab.
        name: of the instance or node.
        script: its file; it imports nothing but the standard library.
        arguments: of the script.
        stderr: where its complaints go; by default to ours.
    """
    pins, netns = target(directory, directory.read(), name)
    command = [sys.executable, "-I", "-S", script, *arguments]
    process = inside(
        pins,
        lambda: subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr),
        netns,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
