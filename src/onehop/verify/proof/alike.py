"""For one lookup of a rule: which other keys would have found the same.

Part by part: the values that lie in exactly the elements in which this one lies, of those that the parts before have
left over. Keys whose every part is alike meet the same elements, so the set or map says the same of all of them.
"""

from collections.abc import Callable, Iterator

from onehop.verify.nft.value import Atom, Glob, Item, Members, Span, Value
from onehop.verify.proof.spans import Numbers, both, holds, numbers, points, without

_MOST = 1 << 128
WHOLE: Numbers = ((0, _MOST - 1),)


def alike(members: Members, key: tuple[Atom, ...], free: Callable[[int], bool]) -> Iterator[tuple[int, Numbers]]:
    """Parts of the key, by number, with the values that are alike.

    Args:
        members: the set or map.
        key: what was looked for.
        free: whether a part of the key may be another in another packet.
    """
    if len(key) == 1 and isinstance(key[0], int):
        if free(0):
            found = members.find(key)
            known: dict[Value | None, Numbers] = members.__dict__.setdefault("leading", {})
            if found not in known:
                known[found] = _leading_to(members, found)
            yield 0, known[found]
        return
    elements: list[tuple[Item, ...]] = [*members.exact, *(items for items, _ in members.wide)]
    for part, atom in enumerate(key):
        if free(part) and isinstance(atom, int):
            yield part, same(atom, (spans(element[part]) for element in elements))
        elements = [element for element in elements if _in(element[part], atom)]
        if not elements:
            return


def _leading_to(members: Members, found: Value | None) -> Numbers:
    """The numbers for which a set says the same; of spans that overlap the first counts, as for `Members.find`."""
    exact = points(atom for (atom,), value in members.exact.items() if isinstance(atom, int) and value == found)
    taken = points(atom for (atom,) in members.exact if isinstance(atom, int))
    fitting = exact
    for (item,), value in members.wide:
        if value == found:
            fitting = numbers((*fitting, *without(spans(item), taken)))
        taken = numbers((*taken, *spans(item)))
    return without(WHOLE, taken) if found is None else fitting


def spans(item: Item) -> Numbers:
    """An item of a key as a set; a name is none."""
    if isinstance(item, Span):
        return ((item.first, item.last),)
    return ((item, item),) if isinstance(item, int) else ()


def same(value: int, sets: Iterator[Numbers]) -> Numbers:
    """The values that are in exactly those sets in which this one is."""
    inside, outside = WHOLE, list[tuple[int, int]]()
    for some in sets:
        if holds(some, value):
            inside = both(inside, some)
        else:
            outside.extend(some)
    return without(inside, numbers(outside))


def masked(some: Numbers, mask: int, bits: int) -> Numbers:
    """The numbers of so many bits whose lower bits (`mask` is ones at the end) are in a set."""
    step = mask + 1
    low = both(some, ((0, mask),))
    return numbers((base + first, base + last) for base in range(0, 1 << bits, step) for first, last in low)


def _in(item: Item, atom: Atom) -> bool:
    return atom in item if isinstance(item, Span | Glob) else item == atom
