"""Chains that hook nothing change in place, with the sets they ask and the maps that lead to them."""

import msgspec
import pytest

from onehop.kernel.base import Kernel
from onehop.objects import NamedSet, Ruleset
from onehop.objects.agreement import agrees
from onehop.reconciler.diff import diff
from onehop.reconciler.plan import Replace
from tests.contract import things
from tests.contract.hosts import LinuxHost
from tests.contract.things import ROUTER, assert_there, carry_out, put, seen

change = msgspec.structs.replace

_BASE = "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tiifname vmap @ways\n\t}\n"


def _chain(name: str, *rules: str) -> str:
    return f"\tchain {name} {{\n" + "".join(f"\t\t{rule}\n" for rule in rules) + "\t}\n"


def _table(*chains: str, sets: tuple[NamedSet, ...], ways: tuple[str, ...]) -> Ruleset:
    leads = NamedSet("ways", ("ifname",), ("verdict",), elements=ways)
    return Ruleset(
        namespace=ROUTER, family="bridge", table="onehop-chains", sets=(leads, *sets), body="\n".join([*chains, _BASE])
    )


HERE = NamedSet("here", ("ipv4_addr",), elements=("10.0.0.1",))
THERE = NamedSet("there", ("ipv6_addr",), elements=("fd00::1",))
STAYS = _chain("stays", "counter drop")
OLD = _table(
    STAYS,
    _chain("web", "ip saddr @here accept", "goto stays"),
    sets=(HERE,),
    ways=('"tap1" : goto web', '"tap2" : goto stays'),
)
NEW = _table(
    STAYS,
    _chain("web", "meta protocol ip tcp dport 80 accept", "jump mail"),
    _chain("mail", "ip6 saddr @there accept"),
    sets=(change(HERE, elements=("10.0.0.2",)), THERE),
    ways=('"tap1" : goto mail', '"tap3" : goto web'),
)
GONE = _table(STAYS, sets=(), ways=('"tap2" : goto stays',))


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), (NEW, OLD), (NEW, GONE), (GONE, OLD)])
def test_chains_and_sets_come_change_and_go(kernel: Kernel, old: Ruleset, new: Ruleset) -> None:
    put(kernel, things.namespace, old)
    assert not carry_out(kernel, Replace(old, new)).failed
    assert_there(kernel, new)


@pytest.mark.root
def test_what_is_listed_after_a_change_in_place_is_what_was_wanted(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    handle = linux.run(ROUTER, "nft", "-a", "list", "chain", "bridge", "onehop-chains", "stays")
    assert not carry_out(linux.kernel, Replace(OLD, NEW)).failed
    linux.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    assert agrees(seen(linux.kernel)[NEW.key], NEW)
    assert linux.run(ROUTER, "nft", "-a", "list", "chain", "bridge", "onehop-chains", "stays") == handle


@pytest.mark.root
def test_the_order_in_which_chains_were_made_is_no_reason_to_do_anything(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, OLD)
    assert not carry_out(linux.kernel, Replace(OLD, NEW)).failed
    linux.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    found = seen(linux.kernel)
    assert found[NEW.key] != NEW
    assert not diff(found, {**found, NEW.key: NEW}).ops
    # And from what was found on, not from what was wanted, another step in place.
    old = found[NEW.key]
    assert isinstance(old, Ruleset)
    assert not carry_out(linux.kernel, Replace(old, OLD)).failed
    linux.run(ROUTER, "nft", "delete", "table", "inet", "somebody")
    assert agrees(seen(linux.kernel)[OLD.key], OLD)


@pytest.mark.root
def test_where_another_table_is_there_than_was_believed_the_wanted_one_is_there_afterwards(linux: LinuxHost) -> None:
    put(linux.kernel, things.namespace, GONE)
    assert not carry_out(linux.kernel, Replace(OLD, NEW)).failed
    linux.run(ROUTER, "nft", "add", "table", "inet", "somebody")
    assert agrees(seen(linux.kernel)[NEW.key], NEW)
