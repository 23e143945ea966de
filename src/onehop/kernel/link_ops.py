"""Ops on links: made under an index of our choice, set, taken over, deleted.

The far end of a pair is born with the near one. It is then as its maker says, so a plan that goes on to declare it
need not look at it first.
"""

import errno
import os

from onehop.kernel import tap
from onehop.kernel.links import Links
from onehop.kernel.refusal import Refused, sentence
from onehop.kernel.sender import Sender
from onehop.kernel.space import Spaces
from onehop.net.naming import HOST
from onehop.objects import Key, Link, Tap, Veth, Vxlan, link_codec
from onehop.objects.description import describe
from onehop.reconciler.likeness import changes_in_place
from onehop.reconciler.needs import link_key
from onehop.reconciler.plan import Create, Delete, Op, Replace


class LinkOps:
    """Carries out the link ops of one plan; belongs to the thread of its `Spaces`."""

    def __init__(self, spaces: Spaces, sender: Sender) -> None:
        self._spaces = spaces
        self._sender = sender
        self._pairs: dict[int, Link] = {}
        """By number of the op, the near ends of pairs that it makes."""
        self._made: list[Link] = []
        """Near ends that the kernel took, whose far ends are not marked yet."""
        self._unborn: set[Key] = set()
        """Far ends of pairs that are not sent yet."""
        self._bare: dict[Key, Link] = {}
        """Far ends that are there as they were born."""

    def carry_out(self, number: int, op: Op, item: Link) -> None:
        """Do op `number` of the plan, or gather it.

        Raises:
            Refused, LookupError, OSError, KernelError: it cannot be done.
        """
        match op:
            case Delete():
                self._delete(number, item)
            case Replace():
                assert isinstance(op.old, Link)  # noqa: S101  # same key, same kind
                self._set(number, op.old, item)
            case Create():
                self._create(number, item)

    def done(self, number: int) -> None:
        """Note that the kernel took op `number`."""
        near = self._pairs.get(number)
        if near is not None:
            self._made.append(near)

    def sent(self) -> None:
        """Give the far ends of new pairs our mark at once, so that they are not taken for somebody else's."""
        self._unborn.clear()
        if not self._made:
            return
        made, self._made = self._made, []
        places: dict[str, list[Link]] = {}
        for near in made:
            # A guest's end is the guest's: it makes its addresses itself.
            if near.far_end is not None and near.far_end.mac is None:
                places.setdefault(near.far_end.namespace, []).append(near.far_end)
                self._bare[near.far_end.key] = near.far_end
        for namespace, ends in places.items():
            space = self._spaces.open(namespace)
            if space is not None:
                indexes = [(end, space.index(end.name)) for end in ends]
                space.route.carry([[link_codec.to_mark(end.alias, index)] for end, index in indexes if index])

    def _delete(self, number: int, item: Link) -> None:
        if self._spaces.open(item.namespace) is None:
            return
        batch = self._sender.batch_in(item.namespace)
        try:
            index = batch.index(item.name)
        except LookupError:
            return
        batch.add(number, (link_codec.to_delete(index),))
        batch.removes_links = True
        self._bare.clear()

    def _set(self, number: int, old: Link, new: Link) -> None:
        if not changes_in_place(old, new):
            raise Refused(errno.EOPNOTSUPP, f"{describe(new)} cannot change its kind in place; delete it first")
        if new.key in self._unborn:
            self._sender.flush()  # its index is the kernel's choice
        batch = self._sender.batch_in(new.namespace)
        master = 0 if new.master is None else batch.index(new.master)
        batch.add(number, link_codec.to_set(new, batch.index(new.name), master, old))

    def _create(self, number: int, item: Link) -> None:
        if item.key in self._unborn or (self._sender.batch is not None and self._sender.batch.removes_links):
            self._sender.flush()
        bare = self._bare.pop(item.key, None)
        if bare is not None and changes_in_place(bare, item):
            self._set(number, bare, item)
            return
        batch = self._sender.batch_in(item.namespace)
        if batch.space.index(item.name):
            self._sender.flush()
            self._adopt(number, item)
            return
        master = 0 if item.master is None else batch.index(item.master)
        if isinstance(item.spec, Tap):
            self._sender.flush()
            self._create_tap(item, master)
            return
        self._make(number, item, master)

    def _make(self, number: int, item: Link, master: int) -> None:
        destination = None
        if isinstance(item.spec, Veth):
            destination = self._far_namespace(item.spec.peer_namespace)
        batch = self._sender.batch_in(item.namespace)
        if destination is not None:
            batch.hold(destination)
        index = batch.choose(item.name)
        requests = link_codec.to_set(item, index, master)
        if isinstance(item.spec, Vxlan) and item.namespace != HOST:
            # Its packets go through the host's namespace, so it is made there, right into this one.
            self._sender.flush()
            make = link_codec.to_make(item, index, batch.space.descriptor)
            refusal = self._spaces.host.route.carry([[make]])[0]
            if refusal is not None:
                raise Refused(refusal.errno, sentence(Create(item), refusal))
            self._sender.batch_in(item.namespace).add(number, requests)
            return
        batch.add(number, [link_codec.to_make(item, index, destination), *requests])
        if isinstance(item.spec, Veth):
            self._pairs[number] = item
            self._unborn.add(link_key(item.spec.peer_namespace, item.spec.peer_name))

    def _far_namespace(self, namespace: str) -> int:
        if namespace == HOST:
            return os.dup(self._spaces.host.descriptor)
        descriptor = self._spaces.descriptor(namespace)
        if descriptor is None:
            raise Refused(errno.ENOENT, f"there is no namespace {namespace} for the other end")
        self._spaces.numbers.meet(namespace)
        return descriptor

    def _adopt(self, number: int, item: Link) -> None:
        """Take over a link that is there: ours from an earlier try."""
        links, space, names = Links(self._spaces), self._sender.open(item.namespace), dict[int, str]()
        judged = links.judged(space, links.records(space, frozenset({item.name})), names)
        found = next((link for _, link in judged), None)
        if found is None:
            raise Refused(errno.EEXIST, f"somebody else has a link {item.name}; rename or remove it")
        if not changes_in_place(found, item):
            raise Refused(errno.EEXIST, f"{describe(item)} is there as another kind of link; delete it first")
        self._set(number, found, item)

    def _create_tap(self, item: Link, master: int) -> None:
        space = self._sender.open(item.namespace)
        space.enter()
        with tap.made(item.name) as persist:
            index = space.index(item.name)
            refusal = space.route.carry([link_codec.to_set(item, index, master)])[0]
            if refusal is not None:
                raise Refused(refusal.errno, sentence(Create(item), refusal))
            persist()
