"""The audit of a host's files: who can read them, and whose certificate is there. Reads, changes nothing."""

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path

from onehop.agent import credential
from onehop.agent.request import SOCKET
from onehop.agent.validity import validity
from onehop.audit import Result, judged
from onehop.settings import AgentSettings

SHORT_DAYS = 30
"""A certificate that ends sooner should have been renewed long ago."""


def access(settings: AgentSettings, now: dt.datetime) -> Iterator[Result]:
    """Modes of the agent's files, and how long the certificate is good."""
    state, run = Path(settings.state_dir), Path(settings.run_dir)
    closed = [path for path in (state, *sorted(state.iterdir())) if path.suffix != ".crt"] if state.exists() else []
    yield judged(
        "CWE-284",
        "files of the agent",
        [said for path in (*closed, run / SOCKET) if (said := openness(path))],
        "for their owner only",
        "chmod go= on them; whoever read the key can be this host: `onehop host token`, and join again",
    )
    path = state / credential.CERTIFICATE
    yield judged(
        "CWE-284",
        "certificate",
        _ends(path, now),
        "good for more than a month",
        "look why it is not renewed (the agent's log); `onehop host token`, and join again",
    )


def openness(path: Path) -> str:
    """What is wrong with the mode of something that is for its owner only, or ""."""
    try:
        mode = stat.S_IMODE(path.lstat().st_mode)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return f"{path} has mode {mode:04o}" if mode & 0o077 else ""


def _ends(path: Path, now: dt.datetime) -> Iterator[str]:
    try:
        _, end = validity(path.read_text())
    except (OSError, ValueError) as error:
        yield f"{path} cannot be read: {error}"
        return
    if end - now < dt.timedelta(days=SHORT_DAYS):
        yield f"ends on {end:%Y-%m-%d}"


def names(settings: AgentSettings) -> Iterator[str]:
    """Is the host called what its certificate says?"""
    # 10 MiB that an agent has no need of before it is asked.
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    path = Path(settings.state_dir) / credential.CERTIFICATE
    try:
        subject = x509.load_pem_x509_certificate(path.read_bytes()).subject
    except (OSError, ValueError):
        return  # said above
    found = [str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if found != [settings.host]:
        yield f"agent.toml says {settings.host}, the certificate {' '.join(found)}"
