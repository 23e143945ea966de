"""The project's own certificate authority: by it controller and agents know each other, and nobody else.

``ca.key`` signs hosts; ``controller.key`` is what the stream listens with. Every file with a key has mode 0600. The
name in a host's certificate is its name in the store; the controller's is always `CONTROLLER_NAME`, which no
host's certificate can be used for: what a certificate is good for (server or client) is written in it.
"""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from onehop.errors import ConflictError, InputError, NotFoundError
from onehop.net.identifier import HostName
from onehop.system import write_whole

CONTROLLER_NAME = "onehop-controller"
CA_DAYS = 3650
CERTIFICATE_DAYS = 1825

CA_CERTIFICATE = "ca.crt"
CA_KEY = "ca.key"
CONTROLLER_CERTIFICATE = "controller.crt"
CONTROLLER_KEY = "controller.key"


def init(directory: Path) -> str:
    """Make a CA and the controller's certificate.

    Returns:
        the CA's fingerprint (`fingerprint`).

    Raises:
        ConflictError: there is one already; it is not touched.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    if (directory / CA_KEY).exists() or (directory / CA_CERTIFICATE).exists():
        raise ConflictError(
            f"{directory} holds a CA already, and every host's certificate hangs on it; name another directory, or "
            f"move the old one away and let every host join again"
        )
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("onehop CA", ca_key.public_key(), None, ca_key, CA_DAYS, None)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(
        CONTROLLER_NAME, key.public_key(), ca, ca_key, CERTIFICATE_DAYS, ExtendedKeyUsageOID.SERVER_AUTH
    )
    write_whole(directory / CONTROLLER_KEY, private_pem(key))
    write_whole(directory / CONTROLLER_CERTIFICATE, _pem(certificate), 0o644)
    write_whole(directory / CA_CERTIFICATE, _pem(ca), 0o644)
    write_whole(directory / CA_KEY, private_pem(ca_key))
    return fingerprint(ca)


def authority(directory: Path) -> x509.Certificate:
    """The CA's certificate.

    Raises:
        NotFoundError: `onehop pki init` was not run.
    """
    try:
        return x509.load_pem_x509_certificate((directory / CA_CERTIFICATE).read_bytes())
    except OSError as error:
        raise NotFoundError(f"there is no CA in {directory} ({error.strerror}); run `onehop pki init` first") from None
    except ValueError as error:
        raise InputError(f"{directory / CA_CERTIFICATE} is not a certificate: {error}") from None


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, 64 hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as the store keeps it: hexadecimal, lower case."""
    return format(certificate.serial_number, "x")


def check_request(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key in a certificate signing request.

    Raises:
        InputError: it is none, or not with an EC P-256 key that signed it.
    """
    try:
        csr = x509.load_pem_x509_csr(request)
        valid = csr.is_signature_valid
        key = csr.public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise InputError("that is not a certificate signing request") from None
    if not valid or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InputError("a certificate signing request must be for, and signed by, an EC key on P-256")
    return key


def sign_host(directory: Path, host: HostName, request: bytes, days: float = CERTIFICATE_DAYS) -> x509.Certificate:
    """A certificate for a host's key, good for `days`. Of the request only the key counts; the name is ours to give.

    Raises:
        InputError: see `check_request`.
        NotFoundError: there is no CA.
    """
    key = check_request(request)
    ca = authority(directory)
    loaded = serialization.load_pem_private_key((directory / CA_KEY).read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise InputError(f"{directory / CA_KEY} is not an EC key")
    return _certificate(host, key, ca, loaded, days, ExtendedKeyUsageOID.CLIENT_AUTH)


def server_context(directory: Path) -> ssl.SSLContext:
    """TLS for the stream: 1.3, our certificate; a client's is optional (to join there is none yet), but if there is
    one it must be of our CA.

    Raises:
        NotFoundError: `onehop pki init` was not run.
    """
    authority(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_cert_chain(directory / CONTROLLER_CERTIFICATE, directory / CONTROLLER_KEY)
        context.load_verify_locations(directory / CA_CERTIFICATE)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(f"the controller's certificate in {directory} cannot be used: {error}") from None
    return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
    days: float,
    use: x509.ObjectIdentifier | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Hosts' clocks differ a little.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=0 if issuer is None else None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .add_extension(_usage(ca=issuer is None), True)
    )
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    return builder.sign(signer, hashes.SHA256())


def _usage(ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
