"""Who may knock: the three ways of authentication, and what an unauthenticated caller is told."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from onehop.controller.app import create_app
from onehop.controller.auth import refuse_unless_loopback
from onehop.controller.users import Users, hash_password, load
from onehop.errors import SettingsError
from onehop.settings import ControllerSettings
from onehop.store import Store
from tests.api.client import PROJECT_A, Answer, Api, identity

ALICE = hash_password("secret", rounds=4)
FILE = f"""
[[user]]
name = "alice"
password = "{ALICE}"
project = "{PROJECT_A}"
roles = ["member"]

[[user]]
name = "root"
password = "{hash_password("toor", rounds=4)}"
project = ""
roles = ["admin"]
"""


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "users.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def ask(api: Api, **headers: str) -> Answer:
    return api.anonymous().send("GET", "networks", headers=headers)


def test_no_identity_is_401_in_keystones_form(api: Api) -> None:
    answer = ask(api)
    assert answer.status == 401
    assert set(answer.body) == {"error"}
    assert (answer.body["error"]["code"], answer.body["error"]["title"]) == (401, "Unauthorized")
    for path in ("/v2.0/", "/v2.0/networks", "/openapi.json", "/onehop/v1/status", "/nowhere"):
        assert api.anonymous().send("GET", path).status == 401


def test_without_authentication_everyone_is_an_administrator(make_api: Callable[..., Api]) -> None:
    api = make_api(auth="none").anonymous()
    assert api.send("GET", "networks", headers={"X-Auth-Token": "notused"}).status == 200
    assert api.network(shared=True)["provider:network_type"] == "vxlan"


def test_what_an_administrator_without_a_project_makes_belongs_to_the_project_admin(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(auth="none").anonymous()
    network = api.network()
    assert network["project_id"] == network["tenant_id"] == "admin"
    assert api.network(project_id="")["project_id"] == "admin"
    assert api.network(project_id=PROJECT_A)["project_id"] == PROJECT_A
    assert len(api.ids("networks?project_id=admin")) == 2
    router = api.router(api.subnet(network))
    assert [port["project_id"] for port in api.get(f"ports?device_id={router['id']}")["ports"]] == ["admin"]


def test_without_authentication_a_web_page_is_refused(make_api: Callable[..., Api]) -> None:
    assert ask(make_api(auth="none"), Origin="https://evil.example").status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9696", 200),
        ("[::1]:9696", 200),
        ("localhost", 200),
        ("net.example", 200),
        ("evil.example", 401),
        ("[", 401),
    ],
)
def test_without_authentication_only_our_own_names_are_answered(
    make_api: Callable[..., Api], host: str, status: int
) -> None:
    assert ask(make_api(auth="none", api_public_url="https://net.example"), Host=host).status == status


@pytest.mark.parametrize("address", ["0.0.0.0:9696", "[::]:9696", "192.0.2.1:9696", "host.example:9696"])
def test_no_authentication_off_loopback_does_not_start(store: Store, address: str) -> None:
    with pytest.raises(SettingsError, match="listen on 127"):
        create_app(store, ControllerSettings(auth="none", api_listen=address))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.5.5.5", "::1", "localhost"])
def test_no_authentication_on_loopback_starts(host: str) -> None:
    refuse_unless_loopback(ControllerSettings(auth="none"), host)
    refuse_unless_loopback(ControllerSettings(auth="http_basic"), "0.0.0.0")  # noqa: S104  # nothing is bound


def test_basic_names_a_user_with_project_and_roles(make_api: Callable[..., Api], users_file: Path) -> None:
    api = make_api(auth="http_basic", users_file=str(users_file)).anonymous()
    answer = api.send("POST", "networks", {"network": {}}, headers=basic("alice", "secret"))
    assert answer.body["network"]["project_id"] == PROJECT_A
    assert "provider:network_type" not in answer.body["network"]
    shown = api.send("GET", "networks", headers=basic("root", "toor")).body["networks"][0]
    assert shown["provider:network_type"] == "vxlan"


@pytest.mark.parametrize(
    "header",
    [
        basic("alice", "wrong")["Authorization"],
        basic("mallory", "secret")["Authorization"],
        basic("alice", "x" * 100)["Authorization"],
        basic("", "")["Authorization"],
        "Basic !!!",
        "Basic " + base64.b64encode(b"alice").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Bearer x",
        "",
    ],
)
def test_wrong_credentials_are_401(make_api: Callable[..., Api], users_file: Path, header: str) -> None:
    for auth in ("http_basic", "none"):
        answer = ask(make_api(auth=auth, users_file=str(users_file)), Authorization=header)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_one_endpoint_serves_an_administrator_and_users(make_api: Callable[..., Api], users_file: Path) -> None:
    api = make_api(auth="none", users_file=str(users_file)).anonymous()
    api.network(name="admin's")
    assert api.send("GET", "networks", headers=basic("alice", "secret")).body == {"networks": []}
    assert len(api.get("networks")["networks"]) == 1


def test_a_hash_of_htpasswd_is_understood(users_file: Path) -> None:
    users_file.write_text(FILE.replace("$2b$", "$2y$"))
    assert Users(users_file).check("alice", "secret") is not None


def test_a_right_password_is_remembered_until_the_file_changes(users_file: Path) -> None:
    users = Users(users_file)
    assert users.remembered("alice", "secret") is None
    assert users.check("alice", "wrong") is None
    alice = users.check("alice", "secret")
    assert alice is not None
    assert users.remembered("alice", "secret") == alice
    assert users.remembered("alice", "wrong") is None
    users_file.write_text(FILE.replace('"member"', '"reader"') + "\n")
    assert users.remembered("alice", "secret") is None
    changed = users.check("alice", "secret")
    assert changed is not None
    assert changed.roles == {"reader"}


def test_a_users_file_that_breaks_while_running_lets_nobody_in_until_it_is_mended(
    make_api: Callable[..., Api], users_file: Path
) -> None:
    api = make_api(auth="http_basic", users_file=str(users_file))
    assert ask(api, **basic("alice", "secret")).status == 200
    users_file.write_text("[[user")
    assert ask(api, **basic("alice", "secret")).error == (503, "ServiceUnavailable")
    users_file.unlink()
    assert ask(api, **basic("alice", "secret")).error == (503, "ServiceUnavailable")
    users_file.write_text(FILE)
    users_file.chmod(0o600)
    assert ask(api, **basic("alice", "secret")).status == 200


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[user", "TOML"),
        (FILE.replace("roles", "role"), "role"),
        (FILE.replace('"member"', '"owner"'), "owner"),
        (FILE.replace(ALICE, "secret"), "not a bcrypt hash"),
        (FILE.replace('name = "root"', 'name = "alice"'), "two users"),
        (FILE.replace(PROJECT_A, ""), "needs a name"),
    ],
)
def test_a_users_file_that_is_wrong_is_refused_with_the_reason(users_file: Path, text: str, says: str) -> None:
    users_file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load(users_file)


def test_a_users_file_that_everyone_reads_or_that_is_missing_is_refused(users_file: Path) -> None:
    users_file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod"):
        load(users_file)
    with pytest.raises(SettingsError, match="cannot read"):
        load(users_file.with_name("missing.toml"))


def test_identity_headers_are_believed_from_the_proxy_only(make_api: Callable[..., Api]) -> None:
    assert ask(make_api(), **identity(PROJECT_A, "member")).status == 200
    stranger = make_api(trusted_proxies=("192.0.2.1",))
    assert ask(stranger, **identity(PROJECT_A, "admin")).status == 401


def test_identity_headers_must_be_confirmed_and_name_a_project(make_api: Callable[..., Api]) -> None:
    api = make_api()
    for wrong in (
        {**identity(PROJECT_A, "member"), "X-Identity-Status": "Invalid"},
        {"X-Project-Id": PROJECT_A, "X-Roles": "member"},
        identity("", "member"),
        identity("x" * 300, "member"),
    ):
        assert ask(api, **wrong).status == 401


def test_identity_headers_mean_nothing_in_other_modes(make_api: Callable[..., Api], users_file: Path) -> None:
    api = make_api(auth="http_basic", users_file=str(users_file))
    assert ask(api, **identity(PROJECT_A, "admin")).status == 401
