"""Echo requests and replies."""

from onehop.net import echo


def test_a_request_carries_a_checksum_over_ipv4_that_sums_up_to_nothing() -> None:
    data = echo.request(4, 0x1234, 7)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert data[0] == 8


def test_a_reply_is_read_behind_its_ipv4_header_and_without_one_in_ipv6() -> None:
    answer = bytes([0, 0, 0, 0]) + bytes.fromhex("12340007")
    assert echo.reply(4, bytes([0x45]) + bytes(19) + answer) == (0x1234, 7)
    assert echo.reply(6, bytes([129]) + answer[1:]) == (0x1234, 7)


def test_what_is_no_reply_is_none() -> None:
    assert echo.reply(4, b"") is None
    assert echo.reply(4, bytes([0x45]) + bytes(19) + echo.request(4, 1, 1)) is None
    assert echo.reply(6, b"\x81\0\0") is None
