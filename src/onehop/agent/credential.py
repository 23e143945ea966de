"""What this host shows that it is itself: its key, its certificate, and the one CA that it believes."""

import ssl
from pathlib import Path

from onehop.errors import NotFoundError

CONTROLLER_NAME = "onehop-controller"
"""The name in the controller's certificate, wherever it runs."""

KEY, CERTIFICATE, AUTHORITY = "host.key", "host.crt", "ca.crt"


def client_context(state_dir: Path) -> ssl.SSLContext:
    """TLS to the controller: 1.3, our CA only, our certificate.

    Raises:
        NotFoundError: this host has not joined.
    """
    context = authority_context(state_dir / AUTHORITY)
    try:
        context.load_cert_chain(state_dir / CERTIFICATE, state_dir / KEY)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(
            f"this host has no usable certificate in {state_dir} ({error}); run `onehop agent join` with a token of "
            f"`onehop host add`"
        ) from None
    return context


def authority_context(path: Path) -> ssl.SSLContext:
    """TLS 1.3 to whom that CA vouches for.

    Raises:
        NotFoundError: it cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(
            f"there is no CA certificate in {path} ({error}); run `onehop agent join` with a token of `onehop host add`"
        ) from None
    return context
