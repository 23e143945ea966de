"""Kinds of values: what is accepted, in which canonical form, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehop.errors import ConversionError, ValidationError
from onehop.model import kind
from onehop.model.kind import Kind

ACCEPTED: list[tuple[Kind, Any, Any]] = [
    (kind.text(), "", ""),
    (kind.text(3), "äöü", "äöü"),
    (kind.text(none=True), None, None),
    (kind.text(null_is_empty=True), None, ""),
    (kind.BOOLEAN, True, True),
    (kind.BOOLEAN, "False", False),
    (kind.BOOLEAN, 1, True),
    (kind.integer(0, 9), "7", 7),
    (kind.integer(-5, 9), "-5", -5),
    (kind.integer(0, 9, none=True), None, None),
    (kind.one_of("a", None), None, None),
    (kind.only([], feature="x"), [], []),
    (kind.uuid(), "A" * 8 + "-1111-4111-8111-" + "B" * 12, "a" * 8 + "-1111-4111-8111-" + "b" * 12),
    (kind.ip(), "FD00:0:0::1", "fd00::1"),
    (kind.ip(none=True), None, None),
    (kind.prefix(), "10.0.0.7/24", "10.0.0.0/24"),
    (kind.mac(), "FA-16-3E-00-00-01", "fa:16:3e:00:00:01"),
    (kind.list_of(kind.ip(), 2), ["10.0.0.1", "FD00::1"], ["10.0.0.1", "fd00::1"]),
    (kind.list_of(kind.text(), 3, unique=False), ["a", "a"], ["a", "a"]),
    (kind.record({"a": kind.ip()}), {}, {}),
    (kind.mapping(), None, {}),
    (kind.mapping(), {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
]

REFUSED: list[tuple[Kind, Any]] = [
    (kind.text(), 7),
    (kind.text(), None),
    (kind.text(3), "abcd"),
    (kind.text(), "a\0"),
    (kind.text(), "\ud800"),
    (kind.one_of("a"), "b"),
    (kind.one_of("a"), ["a"]),
    (kind.only(None, feature="x"), False),
    (kind.only(False, feature="x"), 0),
    (kind.only([], feature="x"), ["a"]),
    (kind.integer(0, 9), 10),
    (kind.integer(0, 9), -1),
    (kind.uuid(), "x"),
    (kind.uuid(), None),
    (kind.ip(), "10.0.0.0/24"),
    (kind.ip(), "fe80::1%eth0"),
    (kind.ip(), 167772161),
    (kind.prefix(), "10.0.0.0"),
    (kind.mac(), "01:00:5e:00:00:01"),
    (kind.mac(), "00:00:00:00:00:00"),
    (kind.mac(), "fa:16:3e:00:00"),
    (kind.list_of(kind.ip(), 1), ["10.0.0.1", "10.0.0.2"]),
    (kind.list_of(kind.ip(), 2), ["fd00::1", "fd00:0::1"]),
    (kind.list_of(kind.ip(), 2), "10.0.0.1"),
    (kind.record({"a": kind.ip()}, ("a",)), {}),
    (kind.record({"a": kind.ip()}), {"b": 1}),
    (kind.record({"a": kind.ip()}), []),
    (kind.mapping(), []),
    (kind.mapping(10), {"a": "x" * 10}),
    (kind.mapping(), {"a": "\0"}),
]

NOT_CONVERTED: list[tuple[Kind, Any]] = [
    (kind.BOOLEAN, "yes"),
    (kind.BOOLEAN, 2),
    (kind.BOOLEAN, None),
    (kind.BOOLEAN, []),
    (kind.integer(0, 9), "x"),
    (kind.integer(0, 9), "1.0"),
    (kind.integer(0, 9), 1.0),
    (kind.integer(0, 9), True),
    (kind.integer(0, 9), "9" * 30),
    (kind.integer(0, 9), "²"),
    (kind.integer(0, 9), None),
]


@pytest.mark.parametrize(("one", "value", "canonical"), ACCEPTED)
def test_a_value_is_brought_into_its_canonical_form(one: Kind, value: Any, canonical: Any) -> None:
    assert one.check(value) == canonical
    assert one.check(canonical) == canonical


@pytest.mark.parametrize(("one", "value"), REFUSED)
def test_a_value_of_the_wrong_form_is_refused_with_a_short_reason(one: Kind, value: Any) -> None:
    with pytest.raises(ValidationError) as error:
        one.check(value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(("one", "value"), NOT_CONVERTED)
def test_what_is_no_number_or_truth_value_is_not_converted(one: Kind, value: Any) -> None:
    with pytest.raises(ConversionError):
        one.check(value)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = [one for one, _, _ in ACCEPTED]


@given(value=ANY)
def test_no_value_is_more_than_refused_and_what_is_accepted_stays(value: Any) -> None:
    for one in KINDS:
        try:
            canonical = one.check(value)
        except (ValidationError, ConversionError):
            continue
        assert one.check(canonical) == canonical


@given(text=st.text())
def test_no_filter_is_more_than_refused(text: str) -> None:
    for one in KINDS:
        try:
            one.parse_filter(text)
        except (ValidationError, ConversionError):
            continue
