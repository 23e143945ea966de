"""One rule, and the elements of sets and maps, from text to values."""

import re
from collections.abc import Iterable

from onehop.errors import UnknownRuleError
from onehop.verify.nft.value import (
    Assign,
    Atom,
    Chance,
    Copy,
    Counter,
    Decide,
    Field,
    Flags,
    Item,
    Limit,
    Log,
    Looked,
    Masked,
    Match,
    Members,
    Notrack,
    Part,
    Reject,
    Source,
    Span,
    Translate,
    Value,
    Verdict,
)
from onehop.verify.nft.word import FLAGS, field, flag, is_writable, item

_TOKEN = re.compile(r'@(?:th|nh|ll),[0-9]+,[0-9]+|"[^"]*"|[{},;]|[^\s{},;"]+')
_RATE = re.compile(r"[0-9]+/(?:second|minute|hour)")
_LONGEST = 4


def parse_rule(text: str) -> tuple[Part, ...]:
    """The parts of a rule.

    Raises:
        UnknownRuleError: a word of it is not known here.
    """
    reader = _Reader(text)
    parts: list[Part] = []
    while reader.tokens:
        parts.append(_part(reader))
    return tuple(parts)


def parse_elements(elements: Iterable[str], key: list[str], value: list[str]) -> Members:
    """Elements of a set or map, ``10.0.0.1 . tcp . 80 : 10.0.0.5 . 8080``, of these data types.

    Raises:
        UnknownRuleError: an element is not of its type.
    """
    exact: dict[tuple[Atom, ...], Value] = {}
    wide: list[tuple[tuple[Item, ...], Value]] = []
    for element in elements:
        left, _, right = element.partition(" : ")
        items = _items(key, left.split(" . "))
        found: Value = ()
        if value == ["verdict"]:
            found = _verdict(right.split())
        elif value or right:
            found = _items(value, right.split(" . "))
        atoms = tuple(part for part in items if isinstance(part, int | str))
        if len(atoms) == len(items):
            exact[atoms] = found
        else:
            wide.append((items, found))
    return Members(exact, tuple(wide))


def _items(kinds: list[str], words: list[str]) -> tuple[Item, ...]:
    if len(kinds) != len(words):
        raise UnknownRuleError(f"{' . '.join(words)!r} is not of the type {' . '.join(kinds)}")
    return tuple(item(kind, word) for kind, word in zip(kinds, words, strict=True))


class _Reader:
    """The words of a rule that are still to be read."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)

    def take(self, *words: str) -> bool:
        """Whether these come next; if so they are read."""
        if self.tokens[: len(words)] != list(words):
            return False
        del self.tokens[: len(words)]
        return True

    def next(self) -> str:
        """The next word."""
        if not self.tokens:
            raise UnknownRuleError("it ends too early")
        return str(self.tokens.pop(0))

    def field(self) -> Field | None:
        """The next words as a field, if they are one."""
        for length in range(min(_LONGEST, len(self.tokens)), 0, -1):
            found = field(" ".join(self.tokens[:length]))
            if found is not None:
                del self.tokens[:length]
                return found
        return None

    def fields(self) -> tuple[Field, ...]:
        """The next words as fields put together; none where they are no field."""
        first = self.field()
        found = [first] if first is not None else []
        while found and self.take("."):
            more = self.field()
            if more is None:
                raise UnknownRuleError(f"{self.next()!r} is no field that is known")
            found.append(more)
        return tuple(found)

    def braced(self) -> list[str]:
        """What is between the next braces, one by one."""
        words = []
        while (word := self.next()) != "}":
            words.append(word)
        return [element.strip() for element in " ".join(words).split(",")]


def _part(reader: _Reader) -> Part:
    word = reader.tokens[0]
    if word in ("accept", "drop", "return", "jump", "goto"):
        return _verdict([reader.next()] + ([reader.next()] if word in ("jump", "goto") else []))
    if reader.take("counter"):
        if reader.take("name"):
            reader.next()
        return Counter()
    if reader.take("notrack"):
        return Notrack()
    if reader.take("reject"):
        return _reject(reader)
    if word in ("snat", "dnat"):
        return _translate(reader)
    if reader.take("dup", "to"):
        return Copy(reader.next().strip('"'))
    if reader.take("fwd", "to"):
        return Copy(reader.next().strip('"'), away=True)
    if reader.take("fwd", "ip", "to"):
        hop = _hop(reader)
        if not reader.take("device"):
            raise UnknownRuleError("fwd to a neighbour without its device is not known")
        return Copy(reader.next().strip('"'), away=True, hop=hop)
    if reader.take("limit", "rate"):
        return _limit(reader)
    if reader.take("log"):
        return _log(reader)
    if reader.take("numgen", "random", "mod"):
        return _chance(reader)
    fields = reader.fields()
    if not fields:
        raise UnknownRuleError(f"{word!r} is not known")
    return _about(reader, fields)


def _hop(reader: _Reader) -> int | Looked:
    fields = reader.fields()
    if not fields:
        return _number("ipv4_addr", reader.next())
    if not reader.take("map"):
        raise UnknownRuleError("fwd to a field is not known")
    return Looked(fields, _mapped(reader, fields, ["ipv4_addr"]))


def _about(reader: _Reader, fields: tuple[Field, ...]) -> Part:
    if reader.take("set"):
        if len(fields) > 1 or not is_writable(fields[0]):
            raise UnknownRuleError(f"{fields[0].name!r} is not known to be written")
        return Assign(fields[0], _source(reader, fields[0].kind))
    if reader.take("vmap"):
        return Decide(Looked(fields, _mapped(reader, fields, ["verdict"])))
    if len(fields) == 1 and fields[0].kind in FLAGS:
        negated = reader.take("!")
        bits = flag(fields[0].kind, reader.next())
        while reader.take(","):
            bits |= flag(fields[0].kind, reader.next())
        return Flags(fields[0], bits, negated)
    if reader.take("&"):
        mask = _number(fields[0].kind, reader.next())
        reader.take("==")
        return Match(fields, *_compared(reader, fields), mask)
    return Match(fields, *_compared(reader, fields))


def _compared(reader: _Reader, fields: tuple[Field, ...]) -> tuple[Members | str, bool]:
    negated = reader.take("!=")
    kinds = [one.kind for one in fields]
    if reader.take("{"):
        return parse_elements(reader.braced(), kinds, []), negated
    word = reader.next()
    if word.startswith("@"):
        return word[1:], negated
    words = [word]
    while reader.take("."):
        words.append(reader.next())
    return parse_elements([" . ".join(words)], kinds, []), negated


def _mapped(reader: _Reader, fields: tuple[Field, ...], value: list[str]) -> Members | str:
    if reader.take("{"):
        return parse_elements(reader.braced(), [one.kind for one in fields], value)
    word = reader.next()
    if not word.startswith("@"):
        raise UnknownRuleError(f"{word!r} is no map")
    return word[1:]


def _source(reader: _Reader, kind: str) -> Source:
    fields = reader.fields()
    if not fields:
        return _number(kind, reader.next())
    if reader.take("map"):
        return Looked(fields, _mapped(reader, fields, [kind]))
    if len(fields) == 1 and reader.take("&"):
        return Masked(fields[0], _number(kind, reader.next()))
    raise UnknownRuleError(f"{fields[0].name!r} is not known to be copied")


def _number(kind: str, word: str) -> int:
    found = item(kind, word)
    if not isinstance(found, int):
        raise UnknownRuleError(f"{word!r} is no single {kind}")
    return found


def _translate(reader: _Reader) -> Translate:
    word = reader.next()
    six = reader.take("ip6")
    if not six:
        reader.take("ip")
    if not reader.take("to"):
        raise UnknownRuleError(f"{word} without a target is not known")
    kind = "ipv6_addr" if six else "ipv4_addr"
    fields = reader.fields()
    if fields:
        if not reader.take("map"):
            raise UnknownRuleError(f"{word} to a field is not known")
        target: int | Looked = Looked(fields, _mapped(reader, fields, [kind]))
        return Translate("snat" if word == "snat" else "dnat", target)
    address, colon, ports = reader.next().partition(":")
    span = item("inet_service", ports) if colon else None
    if isinstance(span, int):
        span = Span(span, span)
    return Translate("snat" if word == "snat" else "dnat", _number(kind, address), span)  # type: ignore[arg-type]  # numbers only


def _reject(reader: _Reader) -> Reject:
    if not reader.take("with"):
        return Reject("icmp port-unreachable")
    if reader.take("tcp", "reset"):
        return Reject("tcp reset")
    how = reader.next()
    if how not in ("icmp", "icmpv6", "icmpx"):
        raise UnknownRuleError(f"reject with {how!r} is not known")
    reader.take("type")
    return Reject(f"{how} {reader.next()}")


def _limit(reader: _Reader) -> Limit:
    if _RATE.fullmatch(reader.next()) is None:
        raise UnknownRuleError("only a limit of packets in a time is known")
    if reader.take("burst") and not (reader.next().isdecimal() and reader.take("packets")):
        raise UnknownRuleError("only a burst of packets is known")
    return Limit()


def _log(reader: _Reader) -> Log:
    while reader.tokens[:1] in (["prefix"], ["group"]):
        reader.next()
        reader.next()
    return Log()


def _chance(reader: _Reader) -> Chance:
    times = int(reader.next())
    if not reader.take("==", "0") and not reader.take("0"):
        raise UnknownRuleError("numgen with another number than 0 is not known")
    return Chance(times)


def _verdict(words: list[str]) -> Verdict:
    if len(words) == 2 and words[0] in ("jump", "goto"):
        return Verdict(words[0], words[1])  # type: ignore[arg-type]  # one of the two words
    if len(words) == 1 and words[0] in ("accept", "drop", "return"):
        return Verdict(words[0])  # type: ignore[arg-type]  # one of the three words
    raise UnknownRuleError(f"{' '.join(words)!r} is no verdict")
