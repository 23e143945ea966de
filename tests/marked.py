"""Which files a choice of marks leaves nothing of, told from their text: before anything is imported.

It refuses to guess: only the mark that a file gives to all its tests counts, and only a choice that leaves marks out.
"""

import re
from pathlib import Path

_LEAVES_OUT = re.compile(r"not \w+(?: and not \w+)*")
_ALL_TESTS = re.compile(rb"^pytestmark = (.*)$", re.MULTILINE)
_MARK = re.compile(r"pytest\.mark\.(\w+)")


def nothing_left(path: Path, choice: str) -> bool:
    """Whether a choice of marks (pytest's ``-m``) surely leaves no test of a file.

    Args:
        path: of the file; of a folder nothing is known.
        choice: counts if it is ``not NAME``, or several of these joined by ``and``: whatever other marks a test has,
            one of these names leaves it out.
    """
    if path.suffix != ".py" or not _LEAVES_OUT.fullmatch(choice):
        return False
    found = _ALL_TESTS.search(path.read_bytes())
    marks = _MARK.findall(found[1].decode()) if found else []
    return not set(marks).isdisjoint(choice.split())
