"""The files that `up` writes: settings of controller and agents, users, ``clouds.yaml``."""

import secrets
from collections.abc import Mapping

import bcrypt
import msgspec

from onehop.lab import plan
from onehop.lab.state import Directory, HostRecord, State

PROJECTS = {
    "project-a": "a0000000000000000000000000000001",
    "project-b": "b0000000000000000000000000000002",
}
"""User (and cloud) → project id."""

_ROUNDS = 4
"""Cost of the hashes: the lowest, as the passwords are random and every request of a test checks one."""

Setting = str | int | bool | tuple[str, ...] | Mapping[str, str]


def toml(settings: Mapping[str, Setting]) -> str:
    """Settings as TOML."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in settings.items())


def _value(value: Setting) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(key)} = {_value(item)}" for key, item in value.items()) + "}"
    return msgspec.json.encode(value).decode()


def write_controller(directory: Directory, state: State) -> None:
    """Write the controller's settings, users and the clouds of whoever uses the lab."""
    home = directory.controller
    home.mkdir(parents=True, exist_ok=True)
    passwords = {user: secrets.token_urlsafe(12) for user in PROJECTS}
    users = home / "users.toml"
    users.touch(mode=0o600)
    users.write_text("".join(_user(user, passwords[user], project) for user, project in PROJECTS.items()))
    (home / "controller.toml").write_text(
        toml(
            {
                "database_url": f"sqlite:///{home / 'controller.sqlite'}",
                "state_dir": str(home),
                "pki_dir": str(directory.path / "pki"),
                "api_listen": f"127.0.0.1:{state.api_port}",
                "auth": "none",
                "users_file": str(users),
                "stream_listen": f"{plan.STREAM}:{plan.STREAM_PORT}",
                "underlay_mtu": state.underlay_mtu,
                "physical_networks": (plan.PHYSICAL_NETWORK,),
                "metrics_listen": "127.0.0.1:0",
                "log_format": "console",
            }
        ),
        encoding="utf-8",
    )
    directory.clouds.touch(mode=0o600)
    directory.clouds.write_bytes(_clouds(directory, state, passwords))


def _user(name: str, password: str, project: str) -> str:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()
    return "[[user]]\n" + toml({"name": name, "password": hashed, "project": project, "roles": ("member",)})


def _clouds(directory: Directory, state: State, passwords: Mapping[str, str]) -> bytes:
    endpoint = f"http://127.0.0.1:{state.api_port}"
    clouds: dict[str, object] = {directory.cloud: {"auth_type": "none", "auth": {"endpoint": endpoint}}}
    for user, password in passwords.items():
        clouds[user] = {
            "auth_type": "http_basic",
            "auth": {"endpoint": endpoint, "username": user, "password": password},
        }
    # JSON is YAML.
    return msgspec.json.format(msgspec.json.encode({"clouds": clouds}), indent=2) + b"\n"


def write_agent(directory: Directory, host: HostRecord) -> None:
    """Write a host's settings."""
    home = directory.host(host.name)
    for path in (home / "state", directory.run(host.name)):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "agent.toml").write_text(
        toml(
            {
                "host": host.name,
                "controller": f"{plan.STREAM}:{plan.STREAM_PORT}",
                "vtep": host.vtep,
                "underlay_interface": plan.UNDERLAY_LINK,
                "physical_networks": {plan.PHYSICAL_NETWORK: plan.EXTERNAL_BRIDGE} if host.external else {},
                "state_dir": str(home / "state"),
                "run_dir": str(directory.run(host.name)),
                "gateway_host": host.gateway,
                "reconnect_seconds": 1,
                "log_format": "console",
            }
        ),
        encoding="utf-8",
    )
