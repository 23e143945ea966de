"""Since and until when a certificate is good, read from its DER form (RFC 5280, 4.1).

An agent looks for this each hour and for nothing else in years; a library for all of X.509 would cost it 10 MiB all the
while. It refuses to judge: whether the certificate is genuine is asked of TLS.
"""

import datetime as dt
import ssl
from collections.abc import Iterator

_END = "-----END CERTIFICATE-----"
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_VALIDITY = 3
"""After serial number, algorithm and issuer."""


def validity(pem: str) -> tuple[dt.datetime, dt.datetime]:
    """First and last moment of the first certificate of a PEM file.

    Raises:
        ValueError: that is none.
    """
    head, end, _ = pem.partition(_END)
    try:
        (_, certificate), *_ = _parts(ssl.PEM_cert_to_DER_cert(head + end))
        (_, content), *_ = _parts(certificate)
        fields = [field for tag, field in _parts(content) if tag != _VERSION]
        begin, until = _parts(fields[_VALIDITY])
    except IndexError:
        raise ValueError("the certificate is cut off") from None
    return _time(*begin), _time(*until)


def _parts(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element (X.690, 8.1)."""
    while octets:
        tag, length, at = octets[0], octets[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(octets[2:at], "big")
        if len(octets) < at + length:
            raise ValueError("the certificate is cut off")
        yield tag, octets[at : at + length]
        octets = octets[at + length :]


def _time(tag: int, content: bytes) -> dt.datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the certificate has no time where one belongs")
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC)
