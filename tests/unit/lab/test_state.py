"""What a lab remembers, and what it refuses to be called."""

import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from onehop.errors import ConflictError, InputError, NotFoundError
from onehop.lab import build, config, plan
from onehop.lab.state import Directory, HostRecord, InstanceRecord, State, host_of, instance_of, running_host


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short path: sockets have a limit."""
    with tempfile.TemporaryDirectory(prefix="lab") as path:
        yield Path(path)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = Directory("x", tmp_path)
    made.path.mkdir()
    made.write(State(name="x", api_port=20000, underlay_mtu=1500, hosts=dict(_hosts())))
    return made


def _hosts() -> list[tuple[str, HostRecord]]:
    return [
        ("host-1", HostRecord("host-1", plan.vtep(1), external=True, gateway=True, running=True)),
        ("host-2", HostRecord("host-2", plan.vtep(2), external=False, gateway=False)),
    ]


@pytest.mark.parametrize("name", ["", "-x", "x/y", "..", "a b", "x" * 41, "x\n", "ä"])
def test_a_name_that_could_be_something_else_in_a_path_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Directory(name, tmp_path)


def test_a_path_too_long_for_the_agents_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ONEHOP_LAB_DIR"):
        Directory("x" * 40, tmp_path / ("y" * 60))


def test_an_unknown_lab_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="onehop lab up --name nowhere"):
        Directory("nowhere", tmp_path).read()


def test_a_damaged_state_says_what_to_do(directory: Directory) -> None:
    (directory.path / "lab.json").write_text('{"name": ')
    with pytest.raises(ConflictError, match="onehop lab down"):
        directory.read()


def test_members_are_added_and_dropped_one_by_one(directory: Directory) -> None:
    directory.set_instance(InstanceRecord("a", "port-a", "host-1"))
    directory.set_instance(InstanceRecord("b", "port-b", "host-2"))
    directory.drop_instance("a")
    directory.drop_instance("a")
    state = directory.read()
    assert list(state.instances) == ["b"]
    assert instance_of(state, "b").port == "port-b"
    with pytest.raises(NotFoundError, match="there are: b"):
        instance_of(state, "a")


def test_a_stopped_host_says_how_to_start_it(directory: Directory) -> None:
    state = directory.read()
    assert running_host(state, "host-1").external
    with pytest.raises(ConflictError, match="onehop lab host host-2 start"):
        running_host(state, "host-2")
    with pytest.raises(NotFoundError, match="host-1, host-2"):
        host_of(state, "host-3")


def test_two_builders_of_one_lab_do_not_work_at_a_time(directory: Directory) -> None:
    with directory.alone(), pytest.raises(ConflictError, match="at this moment"), directory.alone():
        raise AssertionError


@pytest.mark.parametrize(
    ("hosts", "gateways", "without"), [(0, 0, 0), (251, 0, 0), (3, 4, 0), (3, 3, 1), (3, 0, 4), (3, -1, 0), (3, 0, -1)]
)
def test_numbers_that_do_not_fit_are_refused_before_anything_is_made(
    tmp_path: Path, hosts: int, gateways: int, without: int
) -> None:
    with pytest.raises(InputError):
        build.up(Directory("x", tmp_path), print, hosts, gateways, without)
    assert list(tmp_path.iterdir()) == []


def test_settings_are_written_as_toml_that_says_the_same() -> None:
    settings: dict[str, config.Setting] = {
        "a": 'quote " and \\',
        "b": ("x", "y"),
        "c": 1,
        "d": True,
        "e": {"external": "br-ex"},
    }
    assert tomllib.loads(config.toml(settings)) == {**settings, "b": ["x", "y"]}
