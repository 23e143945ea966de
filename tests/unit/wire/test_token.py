"""Join tokens and digests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehop.errors import InputError
from onehop.wire.digest import digest_of
from onehop.wire.token import JoinToken, parse_token
from tests.worlds import World

TOKEN = JoinToken("[fd00::1]:9697", "ab" * 32, "host-1", "secret-word")


def test_a_token_is_one_word_that_reads_back() -> None:
    text = TOKEN.text()
    assert len(text.split()) == 1
    assert parse_token(f"  {text}\n") == TOKEN


@given(st.text(max_size=80))
def test_any_other_word_is_no_token(word: str) -> None:
    for text in (word, "onehop1." + word):
        with pytest.raises(InputError):
            parse_token(text)


@given(st.integers(0, len(TOKEN.text()) - 1))
def test_half_a_token_is_no_token(cut: int) -> None:
    with pytest.raises(InputError):
        parse_token(TOKEN.text()[:cut])


def test_a_digest_tells_views_apart_and_does_not_depend_on_order() -> None:
    world = World(2)
    world.network(1)
    world.port(1, 1)
    values = world.values
    assert digest_of(values) == digest_of(reversed(values))
    assert digest_of(values) != digest_of(values[1:])
    assert len(digest_of([])) == 32
