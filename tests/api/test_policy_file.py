"""The table of rights, changed by an operator's file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from onehop.controller import policy_file
from onehop.controller.policy_table import DEEDS, MEANINGFUL, TABLE
from onehop.errors import SettingsError
from tests.api.client import PROJECT_A, PROJECT_B, Api

DENIED = (403, "PolicyNotAuthorized")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[netwrok]\n", r"netwrok is not a resource; did you mean 'network'\?"),
        ("[network]\nremove = []\n", r"network\.remove is not a column; .*delete"),
        (
            "[network]\ndelete = ['nobody']\n",
            r"network\.delete: 'nobody' means nothing there; there can stand: man",
        ),
        ("[network]\ndelete = 'owner'\n", r"network\.delete must be a list of words"),
        ("[network]\ndelete = ['shared']\n", r"'shared' means nothing there"),
        ("[router]\nsee = ['shared']\n", r"router\.see: 'shared' means nothing there; there can stand: anyone, owner$"),
        ("[agent]\nsee = ['owner']\n", r"agent\.see: 'owner' means nothing there; there can stand: anyone$"),
        ("[network.set]\nshred = ['owner']\n", r"network\.set\.shred is not an attribute; did you mean 'shared'\?"),
        ("[network.show]\nmtu = ['owner']\n", r"network\.show\.mtu: 'owner' means nothing there"),
        ("[network]\nset = ['owner']\n", r"network\.set must be a table of attributes: \[network\.set\]"),
        ("network = 1\n", r"network must be a table"),
        ("[network", r"is not TOML"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place_and_what_may_stand_there(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError, match=said) as caught:
        policy_file.load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the policy file .*nowhere"):
        policy_file.load(tmp_path / "nowhere")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    loaded = policy_file.load(written(tmp_path, ""))
    assert (loaded.rights, loaded.overridden) == (TABLE.rights, ())


def test_every_word_of_the_table_means_something_where_it_stands() -> None:
    for line in TABLE.rights.values():
        for deed in DEEDS:
            assert set(getattr(line, deed)) <= MEANINGFUL[deed]
        assert all(set(cell) <= MEANINGFUL["set"] for cell in line.set.values())
        assert all(set(cell) <= MEANINGFUL["show"] for cell in line.show.values())


def test_what_is_named_is_changed_and_said_and_all_else_stays(tmp_path: Path) -> None:
    text = '[network]\ndelete = ["manager"]\n[network.set]\nshared = ["owner"]\n'
    loaded = policy_file.load(written(tmp_path, text))
    assert loaded.overridden == ("network.delete", "network.set.shared")
    assert loaded.rights["network"].delete == ("manager",)
    assert loaded.rights["network"].see == TABLE.rights["network"].see
    assert loaded.rights["network"].set == {**TABLE.rights["network"].set, "shared": ("owner",)}
    assert {**loaded.rights, "network": None} == {**TABLE.rights, "network": None}


@pytest.mark.slow
def test_a_project_can_keep_things_for_its_managers(make_api: Callable[..., Api], tmp_path: Path) -> None:
    text = '[network]\ndelete = ["manager"]\n[router]\ncreate = ["manager"]\n[network.set]\nshared = ["manager"]\n'
    api = make_api(policy_file=str(written(tmp_path, text)))
    member, manager = api.as_(PROJECT_A, "member"), api.as_(PROJECT_A, "manager")
    network = member.network()
    assert member.send("DELETE", f"networks/{network['id']}").error == DENIED
    assert member.refused("router") == DENIED
    assert member.not_updated("network", network["id"], shared=True) == DENIED
    manager.create("router")
    assert manager.update("network", network["id"], shared=True)["shared"] is True
    stranger = api.as_(PROJECT_B, "manager")
    assert stranger.send("DELETE", f"networks/{network['id']}").error == DENIED
    manager.delete(f"networks/{network['id']}")


@pytest.mark.slow
def test_what_is_shown_and_who_sees_can_be_widened(make_api: Callable[..., Api], tmp_path: Path) -> None:
    text = '[network]\nsee = ["anyone"]\n[agent]\nsee = ["anyone"]\n[port.show]\n"binding:host_id" = ["anyone"]\n'
    api = make_api(policy_file=str(written(tmp_path, text)))
    member, reader = api.as_(PROJECT_A, "member"), api.as_(PROJECT_B, "reader")
    network = member.network()
    assert reader.ids("networks") == [network["id"]]
    assert "binding:host_id" in member.port(network)
    assert "binding:profile" not in member.port(network)
    assert member.ids("ports?binding:host_id=") != []
    assert reader.not_updated("network", network["id"], name="x") == DENIED
    assert reader.get("agents") == {"agents": []}


@pytest.mark.slow
def test_a_wrong_file_keeps_the_api_from_starting(make_api: Callable[..., Api], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="netwrok"):
        make_api(policy_file=str(written(tmp_path, "[netwrok]\n")))
