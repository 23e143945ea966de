"""The command line: `onehop`. One file per group of commands, imported only when one of its commands runs."""

import sys


def main() -> None:
    """Run the command line and end the process: status 0, 1 (failed, one sentence on stderr), 2 (usage)."""
    from onehop.cli.root import run

    sys.exit(run(sys.argv[1:]))
