"""The audit of a controller, access control: doors, files, the table of rights and certificates. Changes nothing."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from sqlalchemy import make_url

from onehop.audit import Result, judged, noted
from onehop.controller import auth, pki, policy_file
from onehop.controller.audit_facts import Facts
from onehop.errors import SettingsError
from onehop.net.endpoint import split_address
from onehop.settings import ControllerSettings
from onehop.store.record import Approval

SHORT_DAYS = 30


def access(facts: Facts) -> Iterator[Result]:
    """Who is let in, who can read the files, and whether the table of rights is as it comes."""
    settings = facts.settings
    yield judged(
        "CWE-284",
        "authentication",
        _open_doors(settings),
        f'auth = "{settings.auth}" on {settings.api_listen}',
        "listen on loopback, or set auth; behind a proxy, TLS between it and here",
    )
    secret = [Path(settings.pki_dir), *(Path(settings.pki_dir) / name for name in (pki.CA_KEY, pki.CONTROLLER_KEY))]
    database = make_url(settings.database_url)
    if database.get_backend_name() == "sqlite" and database.database:
        secret.append(Path(database.database))
    if settings.api_tls_key is not None:
        secret.append(Path(settings.api_tls_key))
    if settings.users_file is not None:
        secret.append(Path(settings.users_file))
    yield judged(
        "CWE-284",
        "files of the controller",
        [said for path in secret if (said := _openness(path))],
        "not for everyone",
        "chmod o= on them; a key that others could read is to be made anew",
    )
    yield _policy(settings)


def approvals(facts: Facts) -> Result:
    """Whether agents claim that their hosts are what nobody let them be."""
    claims = [
        f"{host.name} claims to be {' and '.join(claimed)}"
        for host in facts.hosts
        if (claimed := [*(["a gateway host"] if host.refused.gateway_host else ()), *_on(host.refused)])
    ]
    return judged(
        "CWE-284",
        "claims of hosts",
        claims,
        "what was approved",
        "`onehop host show HOST`: let it be that by `onehop host set`, or find out who speaks for it",
    )


def _on(claimed: Approval) -> list[str]:
    return [f"on physical network {name}" for name in claimed.physical_networks]


def _policy(settings: ControllerSettings) -> Result:
    check = "policy"
    if settings.policy_file is None:
        return Result(pillar="CWE-284", check=check, state="ok", result="the table of rights as it comes")
    try:
        overridden = policy_file.load(Path(settings.policy_file)).overridden
    except SettingsError as error:
        return judged("CWE-284", check, [str(error)], "", "mend the file: the controller does not start with it")
    return noted("CWE-284", check, [f"{settings.policy_file} changes {cell}" for cell in overridden], "nothing changed")


def _open_doors(settings: ControllerSettings) -> Iterator[str]:
    host = split_address(settings.api_listen)[0]
    try:
        auth.refuse_unless_loopback(settings, host)
    except SettingsError as error:
        yield str(error)
    if settings.auth == "http_basic" and settings.api_tls_certificate is None and not auth.is_loopback(host):
        yield f"passwords come to {settings.api_listen} without TLS"


def _openness(path: Path) -> str:
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        return f"{path}: {error.strerror}"
    # The group is the controller's own user: README's `chmod g+rX`.
    return f"{path} has mode {mode:04o}" if mode & 0o027 else ""


def certificates(facts: Facts) -> Iterator[Result]:
    """Those of the controller and of hosts: how long they are good, and for whom."""
    directory = Path(facts.settings.pki_dir)
    ends = []
    for name in (pki.CA_CERTIFICATE, pki.CONTROLLER_CERTIFICATE):
        try:
            end = x509.load_pem_x509_certificate((directory / name).read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            ends.append(f"{directory / name} cannot be read: {error}")
            continue
        if end.timestamp() - facts.now < SHORT_DAYS * 86_400:
            ends.append(f"{name} ends on {end:%Y-%m-%d}")
    yield judged(
        "CWE-284",
        "certificates of the controller",
        ends,
        "good for more than a month",
        "docs/operating.md says how a CA and the controller's certificate are made anew",
    )
    good: dict[str, float] = {}
    for one in facts.certificates:
        if one.revoked_at is None:
            good[one.host] = max(one.not_after, good.get(one.host, 0))
    known = {host.name for host in facts.hosts}
    short = [
        f"{host}'s ends on {dt.datetime.fromtimestamp(end, dt.UTC):%Y-%m-%d}"
        for host, end in sorted(good.items())
        if end - facts.now < SHORT_DAYS * 86_400
    ]
    stray = [f"{host} is no host and has one that is not revoked" for host in sorted(good.keys() - known)]
    yield judged(
        "CWE-284",
        "certificates of hosts",
        [*short, *stray],
        "good for more than a month, and of hosts that are there",
        "look at the agent's log why it does not renew; `onehop host token`, and join again",
    )
