"""nftables as text."""

import msgspec
import pytest

from onehop.errors import IdentifierError
from onehop.objects import NamedSet, Ruleset, nftables, nftables_change

BODY = '\tchain a {\n\t\ttype filter hook ingress device "tap1" priority filter; policy accept;\n\t}\n'


def ruleset(table: str = "onehop", body: str = BODY, family: str = "netdev") -> Ruleset:
    return Ruleset(namespace="", family=family, table=table, body=body)


def test_a_table_is_replaced_in_one_transaction() -> None:
    lines = nftables.to_load([ruleset()]).splitlines()
    assert lines[:3] == ["table netdev onehop", "delete table netdev onehop", "table netdev onehop {"]
    # The cheapest listing: see `_least_read`.
    assert lines[-2:] == ["}", "list chain netdev onehop a"]


def test_a_table_that_is_not_there_is_not_deleted_first() -> None:
    assert nftables.to_load([ruleset()], anew=False).startswith("table netdev onehop {\n")


def test_the_body_of_a_listing_is_the_body_that_was_loaded() -> None:
    assert nftables.body_of(f"table netdev onehop {{\n{BODY}}}\n") == BODY


def test_elements_that_nft_breaks_over_lines_are_put_on_one() -> None:
    listing = "table ip onehop {\n\tset s {\n\t\telements = { 10.0.0.1, 10.0.0.2,\n\t\t\t     10.0.0.3 }\n\t}\n}\n"
    assert nftables.body_of(listing) == "\tset s {\n\t\telements = { 10.0.0.1, 10.0.0.2, 10.0.0.3 }\n\t}\n"


def test_the_devices_of_a_body_are_those_its_chains_hook() -> None:
    several = BODY + '\tchain b {\n\t\ttype filter hook egress devices = { "tap2", tap1 } priority 0;\n\t}\n'
    assert nftables.devices_of(several) == ("tap1", "tap2")


@pytest.mark.parametrize("table", ["filter", "onehop; flush ruleset", "onehop {", 'onehop"', "", "onehop\n", "x" * 99])
def test_a_name_that_is_not_one_of_ours_is_refused(table: str) -> None:
    with pytest.raises(IdentifierError):
        nftables.to_load([ruleset(table)])
    with pytest.raises(IdentifierError):
        nftables.to_list("netdev", table)


def test_a_family_that_nftables_does_not_have_is_refused() -> None:
    with pytest.raises(IdentifierError, match="no family"):
        nftables.to_load([ruleset(family="inet6")])


@pytest.mark.parametrize("body", ["\t}\n", "\t}\n}\ntable ip other {\n", "\tchain a {\n", '\tcomment "}\n'])
def test_a_body_that_ends_the_table_early_is_refused(body: str) -> None:
    with pytest.raises(IdentifierError, match="brace or quote"):
        nftables.to_load([ruleset(body=body)])


def test_braces_in_quotes_do_not_count() -> None:
    assert nftables.to_load([ruleset(body='\tcomment "}"\n')])


def _filter(*chains: str, sets: tuple[NamedSet, ...] = ()) -> Ruleset:
    base = "\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tjump a\n\t}\n"
    return Ruleset(namespace="", family="bridge", table="onehop-x", sets=sets, body="\n".join([base, *chains]))


def _chain(name: str, *rules: str) -> str:
    return f"\tchain {name} {{\n" + "".join(f"\t\t{rule}\n" for rule in rules) + "\t}\n"


def test_a_chain_that_changes_is_filled_anew_and_the_others_are_left_alone() -> None:
    a, b = _chain("a", "jump b", "drop"), _chain("b", "accept")
    assert nftables_change.to_change(_filter(a, b), _filter(a, _chain("b", "drop"))) == (
        "flush chain bridge onehop-x b\ntable bridge onehop-x {\n\tchain b {\n\t\tdrop\n\t}\n}\n"
        "list chain bridge onehop-x b\n"
    )


def test_chains_and_sets_come_before_what_names_them_and_go_after() -> None:
    old = _filter(_chain("a", "jump b"), _chain("b", "ip saddr @s accept"), sets=(NamedSet("s", ("ipv4_addr",)),))
    new = _filter(_chain("a", "jump c"), _chain("c", "ip saddr @t accept"), sets=(NamedSet("t", ("ipv4_addr",)),))
    text = nftables_change.to_change(old, new)
    assert text is not None
    lines = text.splitlines()
    order = ["add chain bridge onehop-x c", "flush chain bridge onehop-x b", "delete chain bridge onehop-x b"]
    places = [lines.index(line) for line in [*order, "delete set bridge onehop-x s"]]
    assert places == sorted(places)
    assert lines.index("\tset t {") < places[0]


def test_a_hook_or_a_set_of_another_kind_changes_with_the_whole_table() -> None:
    old = _filter(_chain("a", "accept"), sets=(NamedSet("s", ("ipv4_addr",)),))
    assert nftables_change.to_change(old, _filter(_chain("a", "accept"), sets=(NamedSet("s", ("ipv6_addr",)),))) is None
    other = msgspec.structs.replace(old, body=old.body.replace("policy accept", "policy drop"))
    assert nftables_change.to_change(old, other) is None


def test_a_rule_cannot_end_its_chain_early() -> None:
    old = _filter(_chain("a", "accept"))
    with pytest.raises(IdentifierError, match="brace"):
        nftables_change.to_change(old, _filter(_chain("a", "accept } chain x {}")))
