"""Settings: wrong keys are refused by name, with file and line; what is missing has a documented default."""

from pathlib import Path

import msgspec
import pytest

from onehop.errors import SettingsError
from onehop.net.endpoint import join_address, split_address
from onehop.settings import (
    AgentSettings,
    ControllerSettings,
    load_agent,
    load_controller,
)

AGENT = 'host = "host-1"\ncontroller = "192.0.2.9:9697"\nvtep = "192.0.2.1"\n'


def write(directory: Path, text: str) -> Path:
    path = directory / "onehop.toml"
    path.write_text(text)
    return path


def test_an_empty_controller_file_has_defaults_that_work(tmp_path: Path) -> None:
    assert load_controller(write(tmp_path, "")) == ControllerSettings()


def test_an_agent_file_needs_three_keys(tmp_path: Path) -> None:
    settings = load_agent(write(tmp_path, AGENT))
    assert settings == AgentSettings(host="host-1", controller="192.0.2.9:9697", vtep="192.0.2.1")
    assert settings.controllers == ("192.0.2.9:9697",)
    for line in AGENT.splitlines():
        with pytest.raises(SettingsError, match=line.partition(" ")[0]):
            load_agent(write(tmp_path, AGENT.replace(line, "")))


def test_an_agent_may_know_several_controllers(tmp_path: Path) -> None:
    text = AGENT.replace('"192.0.2.9:9697"', '["192.0.2.9:9697", "[fd00::9]:9697"]')
    assert load_agent(write(tmp_path, text)).controllers == ("192.0.2.9:9697", "[fd00::9]:9697")


def test_an_unknown_key_is_named_with_file_and_line_and_what_was_meant(tmp_path: Path) -> None:
    path = write(tmp_path, 'auth = "none"\n\nstream_listn = "0.0.0.0:1"\n')
    with pytest.raises(SettingsError) as error:
        load_controller(path)
    assert str(error.value) == f"{path}, line 3: unknown key 'stream_listn'; did you mean 'stream_listen'?"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("underlay_mtu = true", "underlay_mtu"),
        ('underlay_mtu = "1500"', "underlay_mtu"),
        ("underlay_mtu = 100", "underlay_mtu"),
        ('auth = "maybe"', "auth"),
        ('auth = "http_basic"', "users_file"),
        ('api_listen = "9696"', "api_listen"),
        ('api_listen = "127.0.0.1:99999"', "api_listen"),
        ('stream_listen = "::1:9697"', "brackets"),
        ("vni_min = 0", "vni_min"),
        ("vni_min = 7\nvni_max = 6", "vni_min"),
        ('mac_prefix = "fa:16"', "mac_prefix"),
        ('snat = "none"', "snat"),
        ("port_block_size = 1000", "port_block_size"),
        ("port_block_size = 32768", "port_block_size"),
        ("port_block_quarantine_seconds = -1", "port_block_quarantine_seconds"),
        ('mac_prefix = "01:16:3e"', "multicast"),
        ('api_tls_key = "/x"', "api_tls_certificate"),
        ("heartbeat_seconds = 0", "heartbeat_seconds"),
        ('state_dir = ""', "state_dir must not be empty"),
        ('pki_dir = " "', "pki_dir must not be empty"),
        ('database_url = ""', "database_url must not be empty"),
        ('physical_networks = ["external", ""]', "physical_networks: ''"),
        ("[stream]\nlisten = 1", "stream"),
        ("= 1", "not TOML"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as error:
        load_controller(write(tmp_path, text))
    assert "onehop.toml" in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host", '"../x"'),
        ("vtep", '"host-1"'),
        ("controller", '"here"'),
        ("controller", "[]"),
        ("vxlan_port", "0"),
        ("physical_networks", "7"),
        ("observe_seconds", "-1"),
        ("observe_seconds", "nan"),
        ("reconnect_seconds", "inf"),
        ("gateway_host", '"yes"'),
        ("state_dir", '""'),
        ("run_dir", '""'),
        ("physical_networks", '{ external = "" }'),
        ("physical_networks", '{ external = "br/ex" }'),
        ("physical_networks", '{ external = "br ex" }'),
        ("physical_networks", '{ external = ".." }'),
        ("physical_networks", '{ external = "sixteen-letters-" }'),
        ("physical_networks", '{ external = "ö-ö-ö-ö-ö-ö-" }'),
        ("physical_networks", '{ "" = "br-ex" }'),
    ],
)
def test_a_wrong_value_of_an_agent_is_named(tmp_path: Path, key: str, value: str) -> None:
    lines = [line for line in AGENT.splitlines() if not line.startswith(key)]
    with pytest.raises(SettingsError, match=key):
        load_agent(write(tmp_path, "\n".join([*lines, f"{key} = {value}"])))


def test_the_longest_name_of_a_bridge_is_taken(tmp_path: Path) -> None:
    settings = load_agent(write(tmp_path, AGENT + 'physical_networks = { external = "fifteen-letters" }\n'))
    assert settings.physical_networks == {"external": "fifteen-letters"}


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--config"):
        load_controller(tmp_path / "nothing.toml")


@pytest.mark.parametrize("type_", [ControllerSettings, AgentSettings])
def test_every_key_is_documented(type_: type[msgspec.Struct]) -> None:
    documented = type_.__doc__ or ""
    for field in msgspec.structs.fields(type_):
        assert f"        {field.name}: " in documented, field.name


@pytest.mark.parametrize("text", ["127.0.0.1:9697", "[fd00::1]:9697", "controller.example:0"])
def test_an_address_reads_back_as_it_was_written(text: str) -> None:
    assert join_address(*split_address(text)) == text
