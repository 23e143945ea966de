"""Carrying out a plan: netlink ops in batches, the rest one by one, refusals as data."""

import errno

from onehop.errors import IdentifierError, KernelError
from onehop.kernel import setting
from onehop.kernel.connection import Refusal
from onehop.kernel.link_ops import LinkOps
from onehop.kernel.neighbourhood import Neighbourhood
from onehop.kernel.observe import Observer
from onehop.kernel.refusal import Refused, as_refused, sentence
from onehop.kernel.rulesets import Change, Rulesets
from onehop.kernel.sender import Sender
from onehop.kernel.space import Space, Spaces
from onehop.objects import KernelObject, Link, Namespace, Ruleset, Sysctl, link_codec, netlink
from onehop.objects.agreement import agrees
from onehop.objects.base import Carried
from onehop.objects.description import describe
from onehop.reconciler.needs import Fallout
from onehop.reconciler.plan import Create, Delete, Failure, Op, Plan, Replace, Report, Scope

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL})
"""What the kernel says to the deletion of something that is not there."""

_MAYBE_THERE = _GONE | {errno.EEXIST}
"""What the kernel may have said although what was wanted is there now."""

_RULESETS = 16
"""Rulesets in one transaction at most."""


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
        self._sender = Sender(spaces, self._settle, self._sent)
        self._links = LinkOps(spaces, self._sender)
        self._loading: list[tuple[int, Change]] = []
        """Numbers of ops and the rulesets that are to be loaded with the next transaction, all of one namespace."""

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
        self._sender.flush()
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
        self._refused[number] = as_refused(op, error)

    def _carry_out(self, number: int, op: Op) -> None:
        item = op.new if isinstance(op, Replace) else op.object
        match item:
            case Carried():
                self._carried(number, op, item)
            case Link():
                self._links.carry_out(number, op, item)
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
            batch = self._sender.batch_in(item.namespace)
            requests: tuple[netlink.Request, ...] = (item.to_create(batch.index),)
        elif isinstance(op, Delete):
            if self._spaces.open(item.namespace) is None:
                return
            batch = self._sender.batch_in(item.namespace)
            try:
                requests = (item.to_delete(batch.index),)
            except LookupError:
                return
        else:
            assert isinstance(op, Replace)  # noqa: S101  # there are three
            assert isinstance(op.old, Carried)  # noqa: S101  # same key, same kind
            batch = self._sender.batch_in(item.namespace)
            requests = item.to_replace(op.old, batch.index)
        batch.add(number, requests)

    def _settle(self, number: int, refusal: Refusal | None) -> None:
        """Take what the kernel said of an op that was sent."""
        op = self._ops[number]
        if refusal is None or (isinstance(op, Delete) and refusal.errno in _GONE):
            self._links.done(number)
        elif not (refusal.errno in _MAYBE_THERE and self._is_there(op)):
            self._refuse(number, Refused(refusal.errno, sentence(op, refusal)))

    def _sent(self) -> None:
        self._links.sent()
        self._neighbourhood.listen()

    def _place(self, item: KernelObject) -> Space:
        """The namespace of an op that is not netlink's; all that came before is done."""
        self._sender.flush()
        return self._sender.open(item.namespace)

    def _is_there(self, op: Op) -> bool:
        """Whether what could not be put there is there all the same, just as wanted.

        Somebody made it first; or the old one of a replaced pair had gone before it could be deleted, as routes do when
        their link goes down, and the new one was made.
        """
        if isinstance(op, Delete):
            return False
        wanted = op.new if isinstance(op, Replace) else op.object
        links = frozenset({wanted.link}) if hasattr(wanted, "link") else None
        scope = Scope(namespace=wanted.namespace, links=links, tables=frozenset())
        found = Observer(self._spaces, self._rulesets, self._neighbourhood).observe(scope).objects.get(wanted.key)
        return found is not None and agrees(found, wanted)

    # Namespaces and rulesets

    def _namespace(self, op: Op, item: Namespace) -> None:
        self._sender.flush()
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
            self._sender.begin(item.namespace)
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
        self._sender.flush()
        if not isinstance(op, Delete):
            self._sender.open(item.namespace)
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
            answers = self._rulesets.load(self._sender.open(waiting[0][1][1].namespace), [item for _, item in waiting])
        except (Refused, OSError, KernelError) as error:
            for number, _ in waiting:
                self._refuse(number, error)
            return
        for (number, _), refused in zip(waiting, answers, strict=True):
            if refused is not None:
                self._refuse(number, refused)
