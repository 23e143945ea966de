"""A certificate's two moments are those that a library for X.509 reads, and damage is told as such."""

import datetime as dt
import subprocess
import sys
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onehop.agent.validity import validity

KEY = ec.generate_private_key(ec.SECP256R1())


def pem(begin: dt.datetime, end: dt.datetime, serial: int = 1, name: str = "host-1") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-11-24 00:00:01", "2029-02-28 23:59:59"),
        ("1950-01-01 00:00:00", "1999-12-31 23:59:59"),
        ("2000-01-01 00:00:00", "2049-12-31 23:59:59"),
        ("2049-12-31 23:59:59", "2050-01-01 00:00:00"),
        ("2051-06-01 12:00:00", "9999-12-31 23:59:59"),
    ],
)
def test_both_moments_are_read_in_either_century(begin: str, end: str) -> None:
    assert validity(pem(moment(begin), moment(end))) == (moment(begin), moment(end))


def test_a_long_serial_number_and_a_long_name_are_passed_over() -> None:
    begin, end = moment("2026-01-01 00:00:00"), moment("2027-01-01 00:00:00")
    assert validity(pem(begin, end, serial=(1 << 158) + 1, name="h" * 64)) == (begin, end)


def test_of_several_certificates_the_first_counts() -> None:
    moments = [moment(f"{year}-01-01 00:00:00") for year in (2026, 2027, 2028, 2029)]
    assert validity(pem(*moments[:2]) + pem(*moments[2:])) == tuple(moments[:2])


def test_damage_is_a_ValueError_or_does_not_matter() -> None:  # noqa: N802 - the name of the exception
    whole = pem(moment("2026-01-01 00:00:00"), moment("2027-01-01 00:00:00"))
    for length in range(len(whole) - len("-----END CERTIFICATE-----\n")):
        with pytest.raises(ValueError, match=r"."):
            validity(whole[:length])
    for place in range(len(whole)):
        with suppress(ValueError):
            validity(whole[:place] + "A" + whole[place + 1 :])


@pytest.mark.slow
def test_an_agent_that_waits_has_no_library_for_certificates_or_consoles() -> None:
    code = (
        "import onehop.agent.daemon, onehop.kernel.linux, sys\n"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'cryptography', 'rich', 'sqlalchemy', 'typer'})"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.split() == []
