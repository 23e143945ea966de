"""Links of the host's namespace that change hands: given away as they are, or taken over."""

import errno
from collections.abc import Callable

import msgspec

from onehop.agent.desire import Desire
from onehop.agent.sight import Sight
from onehop.errors import KernelError, NotFoundError
from onehop.net import naming
from onehop.objects import Key, Link
from onehop.reconciler.plan import Plan, Replace, Report


class Devices:
    """Gives links away and takes them over.

    Args:
        sight: knows what is there.
        execute: carries out a plan.
    """

    def __init__(self, sight: Sight, execute: Callable[[Plan], Report]) -> None:
        self._sight = sight
        self._execute = execute

    def release(self, name: str) -> None:
        """Take our mark off a link, and the link down and off its bridge: the rules that check it go with the mark.

        One that is gone is fine.

        Raises:
            KernelError: its mark could not be taken off.
        """
        link = self._sight.link(name)
        if link is not None:
            self._remark(link, msgspec.structs.replace(link, alias="", up=False, master=None, port=None))

    def adopt(self, name: str, desire: Desire) -> str | None:
        """Put our mark on a link that is wanted here by its name; returns the partition that it then belongs to.

        Raises:
            NotFoundError: it is not there, or not wanted.
            KernelError: it could not be marked.
        """
        key: Key = ("link", naming.HOST, name)
        claim = next((p.claims[key] for p in desire.partitions.values() if key in p.claims), None)
        if claim is None or not isinstance(claim.object, Link):
            raise NotFoundError(f"nothing here wants a device {name}; is the port bound to {desire.host}?")
        # The mark and nothing else: it comes down and without a bridge, and what else it needs the next pass gives.
        bare = msgspec.structs.replace(claim.object, master=None, port=None, up=False)
        if not self._remark(msgspec.structs.replace(bare, alias=""), bare):
            raise NotFoundError(f"there is no device {name} to adopt; plug without adopting to make one")
        return naming.partition_of_mark(claim.object.alias)

    def _remark(self, old: Link, new: Link) -> bool:
        """Change a link's mark; whether it is there."""
        report = self._execute(Plan((Replace(old, new),)))
        gone = [failure for failure in report.failed if failure.errno != errno.ENODEV]
        if gone:
            raise KernelError(f"the mark of {old.name} could not be changed: {gone[0].reason}", gone[0].errno)
        return not report.failed
