"""Carrying out a plan: netlink ops in batches, the rest one by one, refusals as data."""

import errno
import os
from collections.abc import Iterable
from random import randrange

from onehop.errors import IdentifierError, KernelError
from onehop.kernel import setting, tap
from onehop.kernel.batch import LONGEST, Batch
from onehop.kernel.connection import Refusal
from onehop.kernel.neighbourhood import Neighbourhood
from onehop.kernel.observe import Observer
from onehop.kernel.rulesets import Change, Rulesets
from onehop.kernel.space import Space, Spaces
from onehop.net.naming import HOST
from onehop.objects import KernelObject, Key, Link, Namespace, Ruleset, Sysctl, Tap, Veth, Vxlan, link_codec, netlink
from onehop.objects.agreement import agrees
from onehop.objects.base import Carried
from onehop.objects.description import describe
from onehop.reconciler.likeness import changes_in_place
from onehop.reconciler.needs import Fallout, link_key
from onehop.reconciler.plan import Create, Delete, Failure, Op, Plan, Replace, Report, Scope

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL})
"""What the kernel says to the deletion of something that is not there."""

_FIRST_INDEX = 10
_RULESETS = 16
"""Rulesets in one transaction at most."""

_FRESH = range(1 << 16, 1 << 24)


class Refused(Exception):  # noqa: N818  # not an error of ours: it becomes a Failure
    """An op cannot be carried out."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.errno = number


class Executor:
    """Carries out one plan; belongs to the thread of its `Spaces`."""

    def __init__(self, spaces: Spaces, rulesets: Rulesets, neighbourhood: Neighbourhood) -> None:
        self._spaces = spaces
        self._neighbourhood = neighbourhood
        self._rulesets = rulesets
        self._ops: tuple[Op, ...] = ()
        self._refused: dict[int, Refused] = {}
        self._skipped: set[int] = set()
        self._fallout = Fallout()
        self._batch: Batch | None = None
        self._loading: list[tuple[int, Change]] = []
        """Numbers of ops and the rulesets that are to be loaded with the next transaction, all of one namespace."""
        self._cursors: dict[str, int] = {}
        self._pairs: dict[int, Link] = {}
        """By number of the op, the near ends of pairs that it makes."""
        self._born: set[Key] = set()

    def execute(self, plan: Plan) -> Report:
        """What `onehop.kernel.base.Kernel.execute` says."""
        self._ops = plan.ops
        for number, op in enumerate(plan.ops):
            if self._loading and not self._joins(op):
                # At once: whether what comes next may be tried hangs on it.
                self._load()
            if self._fallout.hits(op):
                self._skip(number)
                continue
            try:
                self._carry_out(number, op)
            except (Refused, LookupError, OSError, KernelError, IdentifierError) as error:
                self._refuse(number, error)
        self._load()
        self._flush()
        done = tuple(
            op for number, op in enumerate(plan.ops) if number not in self._refused and number not in self._skipped
        )
        failed = tuple(
            Failure(plan.ops[number], refused.errno, str(refused)) for number, refused in sorted(self._refused.items())
        )
        return Report(done, failed, tuple(plan.ops[number] for number in sorted(self._skipped)))

    def _skip(self, number: int) -> None:
        self._skipped.add(number)
        self._fallout.add(self._ops[number])

    def _refuse(self, number: int, error: Exception) -> None:
        """Note that an op failed, or fell with one that failed."""
        op = self._ops[number]
        if self._fallout.hits(op):
            self._skip(number)
            return
        self._fallout.add(op)
        self._refused[number] = _as_refusal(op, error)

    def _carry_out(self, number: int, op: Op) -> None:
        item = op.new if isinstance(op, Replace) else op.object
        match item:
            case Carried():
                self._carried(number, op, item)
            case Link():
                self._link(number, op, item)
            case Sysctl():
                if isinstance(op, Delete):
                    raise Refused(
                        errno.EPERM, f"{describe(item)} cannot be deleted; it goes with its link or namespace"
                    )
                self._place(item).enter()
                setting.write(item)
            case Ruleset():
                self._ruleset(number, op, item)
            case Namespace():
                self._namespace(op, item)
            case _:
                raise Refused(errno.EOPNOTSUPP, f"nobody knows how to carry out {describe(item)}")

    def _carried(self, number: int, op: Op, item: Carried) -> None:
        if type(op) is Create:  # nearly all are
            batch = self._batch_in(item.namespace)
            requests: tuple[netlink.Request, ...] = (item.to_create(batch.index),)
        elif isinstance(op, Delete):
            if self._spaces.open(item.namespace) is None:
                return
            batch = self._batch_in(item.namespace)
            try:
                requests = (item.to_delete(batch.index),)
            except LookupError:
                return
        else:
            assert isinstance(op, Replace)  # noqa: S101  # there are three
            assert isinstance(op.old, Carried)  # noqa: S101  # same key, same kind
            batch = self._batch_in(item.namespace)
            requests = item.to_replace(op.old, batch.index)
        batch.add(number, requests)

    # Places and batches

    def _open(self, namespace: str) -> Space:
        space = self._spaces.open(namespace)
        if space is None:
            raise Refused(errno.ENOENT, f"there is no namespace {namespace}")
        return space

    def _place(self, item: KernelObject) -> Space:
        """The namespace of an op that is not netlink's; all that came before is done."""
        self._flush()
        return self._open(item.namespace)

    def _batch_in(self, namespace: str) -> Batch:
        batch = self._batch
        if batch is not None and (batch.space.name != namespace or len(batch) >= LONGEST):
            self._flush()
            batch = None
        if batch is None:
            cursor = self._cursors.get(namespace) or randrange(_FRESH.start, _FRESH.stop)  # noqa: S311  # any free one
            batch = self._batch = Batch(self._open(namespace), cursor)
        return batch

    def _flush(self) -> None:
        batch, self._batch = self._batch, None
        if batch is None:
            return
        self._cursors[batch.space.name] = batch.cursor
        made: list[Link] = []
        for number, refusal in batch.send():
            op = self._ops[number]
            if refusal is None or (isinstance(op, Delete) and refusal.errno in _GONE):
                if number in self._pairs:
                    made.append(self._pairs[number])
            elif not (refusal.errno == errno.EEXIST and self._is_there(op)):
                self._refuse(number, Refused(refusal.errno, _sentence(op, refusal)))
        self._mark_far_ends(made)
        self._neighbourhood.listen()

    def _mark_far_ends(self, pairs: Iterable[Link]) -> None:
        """Give the other ends of new pairs our mark at once, so that they are not taken for somebody else's."""
        places: dict[str, list[Link]] = {}
        for near in pairs:
            # A guest's end is the guest's: it makes its addresses itself.
            if near.far_end is not None and near.far_end.mac is None:
                places.setdefault(near.far_end.namespace, []).append(near.far_end)
        for namespace, ends in places.items():
            space = self._spaces.open(namespace)
            if space is not None:
                indexes = [(end, space.index(end.name)) for end in ends]
                space.route.carry([[link_codec.to_mark(end.alias, index)] for end, index in indexes if index])

    def _is_there(self, op: Op) -> bool:
        """Whether what could not be created is there already, just as wanted."""
        if not isinstance(op, Create):
            return False
        wanted = op.object
        links = frozenset({wanted.link}) if hasattr(wanted, "link") else None
        scope = Scope(namespace=wanted.namespace, links=links, tables=frozenset())
        found = Observer(self._spaces, self._rulesets, self._neighbourhood).observe(scope).objects.get(wanted.key)
        return found is not None and agrees(found, wanted)

    # Namespaces and rulesets

    def _namespace(self, op: Op, item: Namespace) -> None:
        self._flush()
        space = self._spaces.open(item.namespace)
        found = None if space is None else space.found()
        if space is not None and found is None:
            if isinstance(op, Delete):
                raise Refused(errno.EPERM, f"namespace {item.namespace} is not ours")
            raise Refused(errno.EEXIST, f"somebody else has a namespace {item.namespace}; rename or remove it")
        if isinstance(op, Delete):
            if space is not None:
                self._rulesets.forget(space)
                self._clear(space)
            self._spaces.delete(item.namespace)
        elif space is None:
            self._neighbourhood.begin(self._spaces.create(item.namespace, item.mark))
            self._cursors[item.namespace] = _FIRST_INDEX
        elif found is not None and found != item:
            if isinstance(op, Create) and found.mark != item.mark:
                raise Refused(errno.EEXIST, f"namespace {item.namespace} is there with the mark {found.mark!r}")
            space.route.carry([[link_codec.to_mark_namespace(item.mark)]])

    def _clear(self, space: Space) -> None:
        """Delete the links of a namespace that goes: left to the kernel, their other ends would stay for a while."""
        records = (link_codec.record(message) for message in space.route.dump(netlink.GETLINK, link_codec.dump_body()))
        ours = [record.ifindex for record in records if record.marked or record.kind == "veth"]
        space.route.carry([link_codec.to_delete_many([index for index in ours if index != link_codec.LOOPBACK])])

    def _ruleset(self, number: int, op: Op, item: Ruleset) -> None:
        self._flush()
        if not isinstance(op, Delete):
            self._open(item.namespace)
            old = op.old if isinstance(op, Replace) and isinstance(op.old, Ruleset) else None
            self._loading.append((number, (old, item)))
            return
        space = self._spaces.open(item.namespace)
        if space is not None:
            self._rulesets.delete(space, item)

    def _joins(self, op: Op) -> bool:
        """Whether an op goes with the rulesets that are to be loaded."""
        item = op.new if isinstance(op, Replace) else op.object
        return (
            isinstance(item, Ruleset)
            and not isinstance(op, Delete)
            and item.namespace == self._loading[0][1][1].namespace
            and len(self._loading) < _RULESETS
            and all(item.key != other.key for _, (_, other) in self._loading)
        )

    def _load(self) -> None:
        waiting, self._loading = self._loading, []
        if not waiting:
            return
        try:
            answers = self._rulesets.load(self._open(waiting[0][1][1].namespace), [item for _, item in waiting])
        except (Refused, OSError, KernelError) as error:
            for number, _ in waiting:
                self._refuse(number, error)
            return
        for (number, _), refused in zip(waiting, answers, strict=True):
            if refused is not None:
                self._refuse(number, refused)

    # Links

    def _link(self, number: int, op: Op, item: Link) -> None:
        match op:
            case Delete():
                self._delete_link(number, item)
            case Replace():
                assert isinstance(op.old, Link)  # noqa: S101  # same key, same kind
                self._set_link(number, op.old, item)
            case Create():
                self._create_link(number, item)

    def _delete_link(self, number: int, item: Link) -> None:
        if self._spaces.open(item.namespace) is None:
            return
        batch = self._batch_in(item.namespace)
        try:
            index = batch.index(item.name)
        except LookupError:
            return
        batch.add(number, (link_codec.to_delete(index),))
        batch.removes_links = True

    def _set_link(self, number: int, old: Link, new: Link) -> None:
        if not changes_in_place(old, new):
            raise Refused(errno.EOPNOTSUPP, f"{describe(new)} cannot change its kind in place; delete it first")
        if new.key in self._born:
            self._flush()  # its index is the kernel's choice
            self._born.discard(new.key)
        batch = self._batch_in(new.namespace)
        master = 0 if new.master is None else batch.index(new.master)
        batch.add(number, link_codec.to_set(new, batch.index(new.name), master, old))

    def _create_link(self, number: int, item: Link) -> None:
        if self._batch is not None and (self._batch.removes_links or item.key in self._born):
            self._flush()
        batch = self._batch_in(item.namespace)
        if batch.space.index(item.name):
            self._flush()
            self._adopt(number, item)
            return
        master = 0 if item.master is None else batch.index(item.master)
        if isinstance(item.spec, Tap):
            self._flush()
            self._create_tap(item, master)
            return
        self._make(number, item, master)

    def _make(self, number: int, item: Link, master: int) -> None:
        destination = None
        if isinstance(item.spec, Veth):
            destination = self._far_namespace(item.spec.peer_namespace)
        batch = self._batch_in(item.namespace)
        if destination is not None:
            batch.hold(destination)
        index = batch.choose(item.name)
        requests = link_codec.to_set(item, index, master)
        if isinstance(item.spec, Vxlan) and item.namespace != HOST:
            # Its packets go through the host's namespace, so it is made there, right into this one.
            self._flush()
            make = link_codec.to_make(item, index, batch.space.descriptor)
            refusal = self._spaces.host.route.carry([[make]])[0]
            if refusal is not None:
                raise Refused(refusal.errno, _sentence(Create(item), refusal))
            self._batch_in(item.namespace).add(number, requests)
            return
        batch.add(number, [link_codec.to_make(item, index, destination), *requests])
        if isinstance(item.spec, Veth):
            self._pairs[number] = item
            self._born.add(link_key(item.spec.peer_namespace, item.spec.peer_name))

    def _far_namespace(self, namespace: str) -> int:
        if namespace == HOST:
            return os.dup(self._spaces.host.descriptor)
        descriptor = self._spaces.descriptor(namespace)
        if descriptor is None:
            raise Refused(errno.ENOENT, f"there is no namespace {namespace} for the other end")
        self._spaces.meet(namespace)
        return descriptor

    def _adopt(self, number: int, item: Link) -> None:
        """Take over a link that is there: the other end of one just made, or ours from an earlier try."""
        scope = Scope(namespace=item.namespace, links=frozenset({item.name}), tables=frozenset())
        found = Observer(self._spaces, self._rulesets, self._neighbourhood).observe(scope).objects.get(item.key)
        if not isinstance(found, Link):
            raise Refused(errno.EEXIST, f"somebody else has a link {item.name}; rename or remove it")
        if not changes_in_place(found, item):
            raise Refused(errno.EEXIST, f"{describe(item)} is there as another kind of link; delete it first")
        self._set_link(number, found, item)

    def _create_tap(self, item: Link, master: int) -> None:
        space = self._open(item.namespace)
        space.enter()
        with tap.made(item.name) as persist:
            index = space.index(item.name)
            refusal = space.route.carry([link_codec.to_set(item, index, master)])[0]
            if refusal is not None:
                raise Refused(refusal.errno, _sentence(Create(item), refusal))
            persist()


def _sentence(op: Op, refusal: Refusal) -> str:
    item = op.new if isinstance(op, Replace) else op.object
    verb = {Create: "create", Replace: "change", Delete: "delete"}[type(op)]
    said = f" ({refusal.text})" if refusal.text else ""
    return f"could not {verb} {describe(item)}: {os.strerror(refusal.errno)}{said}"


def _as_refusal(op: Op, error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, LookupError):
        return Refused(errno.ENODEV, _sentence(op, Refusal(errno.ENODEV, f"there is no link {error.args[0]}")))
    number = getattr(error, "errno", 0) or 0
    item = op.new if isinstance(op, Replace) else op.object
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Refused(number, f"{describe(item)}: {text}")
