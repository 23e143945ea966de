"""Ops in an order that works, each planned for the state that the earlier ones leave.

1. Clear the way: what would stop something from being created or would hurt it later, and addresses that must be
   withdrawn before the rules behind them change.
2. Build, kind by kind. Links are born down; they come up when the settings and rulesets for them stand.
3. Withdraw what is gone, last built first, but for what goes by itself with its link or namespace.
4. Build again what the withdrawals took along.

The order within a kind is that of the keys, so that a plan depends on the two states only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from onehop.net.address import version
from onehop.objects import (
    Address,
    BridgeFdb,
    KernelObject,
    Key,
    Link,
    Namespace,
    Neighbour,
    Route,
    Rule,
    Ruleset,
    Sysctl,
    Vxlan,
    VxlanFdb,
    born_rules,
)
from onehop.objects.agreement import agrees
from onehop.reconciler.likeness import changes_in_place
from onehop.reconciler.needs import link_key, links_of, namespace_key, peer_key
from onehop.reconciler.plan import Create, Delete, Op, Replace
from onehop.reconciler.simulation import Simulation, ip_of, subnet_of


class Planner:
    """One plan in the making.

    Args:
        observed: what is there, of every namespace in which something is to be done.
        desired: what should be there.
        gone: what is there and should not be, by key.
        changed: keys of what should be there and is not, or not so.
    """

    def __init__(
        self,
        observed: Iterable[KernelObject],
        desired: Mapping[Key, KernelObject],
        gone: Mapping[Key, KernelObject],
        changed: Iterable[Key],
    ) -> None:
        self._desired = desired
        self._gone = dict(gone)
        self._todo: defaultdict[object, set[Key]] = defaultdict(set)
        self._ops: list[Op] = []
        self._now = Simulation(observed, self._miss)
        for key in changed:
            self._todo[key[0]].add(key)
        self._leaving = {
            found.key for found in gone.values() if isinstance(found, Link) and not self._belongs_to_a_desired(found)
        }

    def plan(self) -> tuple[Op, ...]:
        """The ops."""
        self._clear_the_way()
        self._build()
        self._refuse_born()
        if self._gone:
            self._withdraw()
            self._build()
        return tuple(self._ops)

    def _refuse_born(self) -> None:
        """What new namespaces were born with and nobody wants goes like everything else: after what comes."""
        made = [op.object.namespace for op in self._ops if type(op) is Create and type(op.object) is Namespace]
        born = (rule for namespace in made for rule in born_rules(namespace))
        self._gone.update((rule.key, rule) for rule in born if rule.key not in self._desired)

    def _miss(self, key: Key) -> None:
        if key in self._desired:
            self._todo[key[0]].add(key)

    def _do(self, op: Op, key: Key) -> None:
        self._ops.append(op)
        self._now.apply(op, key)

    def _delete(self, key: Key) -> None:
        found = self._now.objects.get(key) or self._now.doubtful.get(key)
        if found is not None:
            self._do(Delete(found), key)

    def _belongs_to_a_desired(self, link: Link) -> bool:
        """Whether `link` is the far end of a pair whose near end is desired: it comes and goes with that one."""
        peer = peer_key(link)
        near = None if peer is None else self._desired.get(peer)
        return isinstance(near, Link) and peer_key(near) == link.key

    # ---- 1. clear the way

    def _clear_the_way(self) -> None:
        if Address.kind in self._todo or Ruleset.kind in self._todo or self._gone:
            self._withdraw_addresses()
        self._withdraw_ports()
        for key in sorted(self._todo[Link.kind] | self._todo[Address.kind]):
            found = self._now.objects.get(key)
            if found is not None and not changes_in_place(found, self._desired[key]):
                self._delete(key)
        for key in sorted(self._todo[Link.kind]):
            wanted = self._desired[key]
            if isinstance(wanted, Link) and key not in self._now.objects:
                self._free_peer(wanted)
                self._free_vni(wanted)

    def _withdraw_addresses(self) -> None:
        """Addresses that go before new ones of their subnet come, or before the rulesets behind them change."""
        exposed = {key[1] for key in self._todo[Ruleset.kind]}
        exposed.update(key[1] for key in self._gone if key[0] == Ruleset.kind)
        coming: defaultdict[Key, list[str]] = defaultdict(list)
        for key in self._todo[Address.kind]:
            coming[key[:3]].append(str(key[3]))
        # Later addresses of a subnet first: the kernel lists them behind the first.
        for key, found in reversed(list(self._gone.items())):
            if not isinstance(found, Address):
                continue
            # A link goes only after the rulesets have changed, too late for an address that must be withdrawn.
            if self._goes_by_itself(found) and (
                found.namespace not in exposed or namespace_key(found.namespace) in self._gone
            ):
                continue
            if found.namespace in exposed or any(self._clashes(found, new) for new in coming[key[:3]]):
                self._delete(key)

    def _withdraw_ports(self) -> None:
        """Ports of bridges that go before the ruleset for bridges forgets them: it says what they let pass."""
        changing = {key[1] for key in self._todo[Ruleset.kind] if key[2] == "bridge"}
        changing |= {key[1] for key in self._gone if key[0] == Ruleset.kind and key[2] == "bridge"}
        if not changing:
            return
        for key, found in list(self._gone.items()):
            if isinstance(found, Link) and found.master is not None and key in self._leaving and key[1] in changing:
                self._delete(key)

    def _clashes(self, old: Address, new: str) -> bool:
        if version(old.address) == 6 or version(new) == 6:
            return ip_of(old.address) == ip_of(new)
        return subnet_of(old.address) == subnet_of(new) and not self._now.promotes(old)

    def _free_peer(self, wanted: Link) -> None:
        """Delete a link of ours that has the name of the far end of a pair to come."""
        peer = peer_key(wanted)
        if peer is None or not isinstance(self._now.objects.get(peer), Link):
            return
        if peer in self._gone or not changes_in_place(self._now.objects[peer], self._desired[peer]):
            self._delete(peer)

    def _free_vni(self, wanted: Link) -> None:
        """Delete a leaving VXLAN device that has the VNI and port of one to come: a host has one of each."""
        if not isinstance(wanted.spec, Vxlan):
            return
        for key, found in self._gone.items():
            if not isinstance(found, Link) or not isinstance(found.spec, Vxlan):
                continue
            if (found.spec.vni, found.spec.port) == (wanted.spec.vni, wanted.spec.port):
                self._delete(key)

    # ---- 2. build

    def _build(self) -> None:
        if not any(self._todo.values()):
            return
        self._put_all(Namespace)
        self._put_all(Sysctl, lambda wanted: not links_of(wanted))
        self._put_all(Ruleset, lambda wanted: not links_of(wanted))
        rising = self._shape_links()
        self._put_all(Sysctl)
        self._put_all(Ruleset)
        for key in rising:
            self._put(key)
        for kind in (Address, Neighbour, BridgeFdb, VxlanFdb):
            self._put_all(kind)
        # Through the link first: a gateway must be reachable.
        self._put_all(Route, lambda wanted: isinstance(wanted, Route) and not any(hop.gateway for hop in wanted.hops))
        self._put_all(Route)
        self._put_all(Rule)

    def _take(self, kind: type[KernelObject], which: Callable[[KernelObject], bool] | None = None) -> list[Key]:
        todo = self._todo[kind.kind]
        taken = sorted(key for key in todo if which is None or which(self._desired[key])) if todo else []
        todo.difference_update(taken)
        return taken

    def _put_all(self, kind: type[KernelObject], which: Callable[[KernelObject], bool] | None = None) -> None:
        for key in self._take(kind, which):
            self._put(key)

    def _put(self, key: Key) -> None:
        wanted, found = self._desired[key], self._now.objects.get(key)
        if found is None:
            # A route may have been left with fewer hops; the others are either there as they were or not at all.
            left = self._now.doubtful.get(key)
            self._do(Replace(left, wanted) if isinstance(left, Route) else Create(wanted), key)
        elif not agrees(found, wanted):
            self._do(Replace(found, wanted), key)

    def _shape_links(self) -> list[Key]:
        """Make links and change those that are up; returns the keys of those that have yet to come up."""
        rising: list[Key] = []
        # Masters before ports.
        for key in sorted(self._take(Link), key=lambda key: (_link(self._desired[key]).master is not None, key)):
            wanted, found = _link(self._desired[key]), self._now.objects.get(key)
            if found is None:
                self._do(Create(msgspec.structs.replace(wanted, up=False)), key)
                if wanted.up:
                    rising.append(key)
            elif wanted.up and not _link(found).up:
                rising.append(key)
            else:
                self._put(key)
        return rising

    # ---- 3. withdraw

    def _withdraw(self) -> None:
        by_kind: defaultdict[object, list[Key]] = defaultdict(list)
        for key, found in reversed(list(self._gone.items())):
            if not self._goes_by_itself(found):
                by_kind[key[0]].append(key)
        # Rulesets after the links that they guard.
        for kind in (Rule, Route, VxlanFdb, BridgeFdb, Neighbour, Address, Link, Ruleset, Namespace):
            for key in by_kind[kind.kind]:
                self._delete(key)

    def _goes_by_itself(self, found: KernelObject) -> bool:
        """Whether `found`, which is gone from the desired state, goes with a link or namespace that is deleted."""
        leaving_namespace = namespace_key(found.namespace) in self._gone
        if isinstance(found, Link):
            peer = peer_key(found)
            leaving_namespace = leaving_namespace or (peer is not None and namespace_key(str(peer[1])) in self._gone)
            return leaving_namespace or found.key not in self._leaving
        if leaving_namespace and not isinstance(found, Namespace):
            return True
        if isinstance(found, Ruleset):
            return False
        links = links_of(found)
        leaving = [link_key(found.namespace, name) in self._leaving for name in links]
        return all(leaving) if isinstance(found, Route) and links else any(leaving)


def _link(found: KernelObject) -> Link:
    assert isinstance(found, Link)  # noqa: S101 - keys of links hold links
    return found
