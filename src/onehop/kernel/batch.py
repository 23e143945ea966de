"""Netlink ops of one namespace, gathered to go in one send."""

import os
from collections.abc import Sequence

from onehop.errors import KernelError
from onehop.kernel.connection import Refusal
from onehop.kernel.space import Space
from onehop.objects.netlink import Request

LONGEST = 256
"""Ops in one batch at most, so that their refusals fit into the receive buffer."""


class Batch:
    """What is to be sent in one namespace, in order.

    Links made in it are spoken of by an index chosen here, so that addresses, neighbours and routes need not wait for
    the kernel's answer.
    """

    def __init__(self, space: Space, cursor: int) -> None:
        """Begin a batch.

        Args:
            space: where it goes.
            cursor: from where on to choose indexes of new links.
        """
        self.space = space
        self.cursor = cursor
        self.numbers: list[int] = []
        self.removes_links = False
        self._groups: list[Sequence[Request]] = []
        self._made: set[int] = set()
        self._indexes: dict[str, int] = {}
        self._descriptors: list[int] = []

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, number: int, requests: Sequence[Request]) -> None:
        """Add the messages of op `number` of the plan."""
        self.numbers.append(number)
        self._groups.append(requests)

    def hold(self, descriptor: int) -> None:
        """Close a descriptor once the batch is sent."""
        self._descriptors.append(descriptor)

    def index(self, name: str) -> int:
        """The index of a link by name.

        Raises:
            LookupError: there is none.
        """
        found = self._indexes.get(name)
        if found:
            return found
        found = self.space.index(name)
        if not found:
            raise LookupError(name)
        self._indexes[name] = found
        return found

    def choose(self, name: str) -> int:
        """A free index for a new link."""
        while self.space.link_name(self.cursor) is not None or self.cursor in self._made:
            self.cursor += 1
        self._made.add(self.cursor)
        self._indexes[name] = self.cursor
        self.cursor += 1
        return self._indexes[name]

    def send(self) -> list[tuple[int, Refusal | None]]:
        """Send it all; say of each op's number what the kernel refused."""
        try:
            results = self.space.route.carry(self._groups)
        except KernelError as error:
            results = [Refusal(error.errno, str(error))] * len(self._groups)
        finally:
            for descriptor in self._descriptors:
                os.close(descriptor)
        return list(zip(self.numbers, results, strict=True))
