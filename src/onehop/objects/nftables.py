"""nftables as text: one transaction for some tables, and what a listing of it says.

Text goes to libnftables, so nothing from outside may end a quote, a brace or a line: family and name are checked
against a closed grammar, and a body whose braces do not match is refused.
"""

import re
from collections.abc import Sequence

from onehop.errors import IdentifierError
from onehop.net.naming import TABLE
from onehop.objects.ruleset import NamedSet, Ruleset

FAMILIES = {"inet": 1, "ip": 2, "arp": 3, "netdev": 5, "bridge": 7, "ip6": 10}
"""Number of each family in the kernel (NFPROTO_*)."""

FAMILY_NAMES = {value: name for name, value in FAMILIES.items()}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,62}")
_BRACE = re.compile(r"[{}]")
_BROKEN_LINE = re.compile(r",\n\s+")
_SET = re.compile(
    r"\t(?P<what>set|map) (?P<name>\S+) \{\n"
    r"\t\t(?P<word>type|typeof) (?P<key>[^:\n]+?)(?: : (?P<value>[^:\n]+))?\n"
    r"(?P<flags>\t\tflags interval\n)?"
    r"(?:\t\telements = \{ (?P<elements>.*) \}\n)?"
    r"\t\}\n\n?"
)
_CHAIN = re.compile(r"\tchain (?P<name>\S+) \{\n(?P<rules>(?:\t\t[^\n]*\n)*)\t\}\n\n?")
_COUNTER = re.compile(r"\tcounter (?P<name>\S+) \{\n\t\}\n\n?")
_CHAIN_NAME = re.compile(r"^\tchain (\S+) \{$", re.MULTILINE)
_THREE_OCTETS = re.compile(r"(?P<field>ip [sd]addr) (?P<differs>!= )?(?P<prefix>[0-9.]+)/24(?= )")


def _masked(match: re.Match[str]) -> str:
    return f"{match['field']} & 255.255.255.0 {'!=' if match['differs'] else '=='} {match['prefix']}"


_DEVICES = re.compile(r"hook (?:ingress|egress) (?:device \"([^\"]+)\"|devices = \{([^}]*)\})")


def is_ours(table: str) -> bool:
    """Whether a table is ours, by the begin of its name."""
    return table.startswith(TABLE)


def check_table(family: str, table: str) -> None:
    """Refuse a family or a table's name that could say something else to nftables.

    Raises:
        IdentifierError: not one of ours.
    """
    if family not in FAMILIES:
        raise IdentifierError(f"{family[:64]!r} is no family of nftables that we use")
    if _NAME.fullmatch(table) is None or not is_ours(table):
        raise IdentifierError(f"the name of a table of ours begins with {TABLE!r}, unlike {table[:64]!r}")


def to_load(wanted: Sequence[Ruleset], anew: bool = True) -> str:
    """The commands that put tables of one namespace there as declared, in one transaction.

    Args:
        wanted: the tables, at least one.
        anew: whatever they were before; False where they are not there.

    Raises:
        IdentifierError: a table's name is not ours, or a body ends it early.
    """
    text = "".join(_declaration(one, anew) for one in wanted)
    return text + least_read(wanted[-1])


def least_read(last: Ruleset) -> str:
    """A listing that makes libnftables read, before it does anything, not all tables, for each of which it takes half a
    MiB, but one; and of the namespace's chains one too, where it would read all of them (evaluate_cache_list and
    chain_cache_dump in nftables' src/cache.c)."""
    chain = _CHAIN_NAME.search(last.body)
    if chain is None:
        return to_list(last.family, last.table)
    return f"list chain {last.family} {last.table} {chain[1]}\n"


def is_same(one: Ruleset, other: Ruleset) -> bool:
    """Whether two tables have the same sets and chains, whatever the order: nft lists them as they were made."""
    if (
        one.key != other.key
        or one.counters != other.counters
        or len(one.body) != len(other.body)
        or len(one.sets) != len(other.sets)
    ):
        return False
    chains = chains_of(one.body)
    return chains is not None and chains == chains_of(other.body) and set(one.sets) == set(other.sets)


def chains_of(body: str) -> dict[str, str] | None:
    """The rules of each chain, as lines; None where the body has another form than ours."""
    found: dict[str, str] = {}
    at = 0
    for match in _CHAIN.finditer(body):
        if match.start() != at:
            return None
        found[match["name"]] = match["rules"]
        at = match.end()
    return found if at == len(body) else None


def _declaration(wanted: Ruleset, anew: bool) -> str:
    check_table(wanted.family, wanted.table)
    _check_body(wanted)
    table = f"{wanted.family} {wanted.table}"
    before = f"table {table}\ndelete table {table}\n" if anew else ""
    return f"{before}table {table} {{\n{chain_text(text_of(wanted)).strip(chr(10))}\n}}\n"


def dropping(body: str) -> list[str]:
    """The chains with rules that count what they drop or reject."""
    counted = ("counter drop", "counter reject")
    return [name for name, rules in (chains_of(body) or {}).items() if any(words in rules for words in counted)]


def chain_text(text: str) -> str:
    """The same, in words that make the kernel read 32 bits of an address at once: it lists them as they were.

    Of a prefix of 24 bits nftables would compare three octets, for which the kernel has no short way: reading and
    comparing them takes longer (`nft_payload_select_ops` in net/netfilter/nft_payload.c).
    """
    return _THREE_OCTETS.sub(_masked, text)


def text_of(wanted: Ruleset) -> str:
    """What stands between the table's braces."""
    counters = (f"\tcounter {name} {{\n\t}}\n" for name in wanted.counters)
    return "\n".join(part for part in (*counters, *map(set_text, wanted.sets), wanted.body) if part)


def set_text(one: NamedSet) -> str:
    """The declaration of a set or map with its elements."""
    words = " : ".join(" . ".join(part) for part in (one.key, one.value) if part)
    flags = "\t\tflags interval\n" if one.interval else ""
    elements = f"\t\telements = {{ {', '.join(one.elements)} }}\n" if one.elements else ""
    word = "typeof" if one.typeof else "type"
    return f"\t{'map' if one.value else 'set'} {one.name} {{\n\t\t{word} {words}\n{flags}{elements}\t}}\n"


def counters_and_rest(text: str) -> tuple[tuple[str, ...], str]:
    """What stands between a table's braces, taken apart into the names of its counters and what follows them."""
    found: list[str] = []
    at = 0
    while match := _COUNTER.match(text, at):
        found.append(match["name"])
        at = match.end()
    return tuple(found), text[at:]


def sets_and_rest(text: str) -> tuple[tuple[NamedSet, ...], str]:
    """What stands between a table's braces, taken apart into its sets and what follows them.

    A set in another form than `text_of` writes, and all that follows it, is left as text.
    """
    found: list[NamedSet] = []
    at = 0
    while (match := _SET.match(text, at)) and (match["what"] == "map") == bool(match["value"]):
        found.append(
            NamedSet(
                match["name"],
                tuple(match["key"].split(" . ")),
                tuple(match["value"].split(" . ")) if match["value"] else (),
                typeof=match["word"] == "typeof",
                interval=bool(match["flags"]),
                elements=tuple(sorted(match["elements"].split(", "))) if match["elements"] else (),
            )
        )
        at = match.end()
    return tuple(found), text[at:]


def ruleset_of(namespace: str, family: str, table: str, text: str) -> Ruleset:
    """The table with this text between its braces."""
    counters, rest = counters_and_rest(text)
    sets, body = sets_and_rest(rest)
    return Ruleset(
        namespace=namespace,
        family=family,
        table=table,
        counters=counters,
        sets=sets,
        body=body,
        devices=devices_of(body),
    )


def to_list(family: str, table: str) -> str:
    """The command that lists the table.

    Raises:
        IdentifierError: the table's name is not ours.
    """
    check_table(family, table)
    return f"list table {family} {table}\n"


def body_of(listing: str) -> str:
    """What stands between the braces of a listed table, each line as it is, with the last newline.

    Only the elements of a set, which nft breaks over lines, are put on one.
    """
    _, _, rest = listing.partition("{\n")
    return _BROKEN_LINE.sub(", ", rest.rstrip().removesuffix("}"))


def devices_of(body: str) -> tuple[str, ...]:
    """The links that the chains of a listed table hook, in order of appearance."""
    found: dict[str, None] = {}
    for one, several in _DEVICES.findall(body):
        names = [one] if one else [part.strip().strip('"') for part in several.split(",")]
        found.update(dict.fromkeys(name for name in names if name))
    return tuple(found)


def _check_body(wanted: Ruleset) -> None:
    check_ends(wanted.table, text_of(wanted))


def check_ends(table: str, text: str) -> None:
    depth = 0
    for brace in _BRACE.findall("".join(text.split('"')[::2])):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            break
    if depth or text.count('"') % 2:
        raise IdentifierError(f"the body of table {table} does not end where it should: a brace or quote is off")
