"""`onehop trace --live` in the lab: the model and real packets say the same, from the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from onehop.lab import plan
from onehop.net import naming
from tests.dataplane.north import North, north_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def north() -> Iterator[North]:
    """A router with a gateway, and on three hosts instances with and without floating IPs."""
    with north_world(f"trace-{os.getpid()}") as made:
        yield made


def trace(north: North, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "onehop", "trace", *arguments, "--lab", north.site.directory.name, "--live"]
    done = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("asker", ["a", "b2", "c2"])
def test_out_of_a_lab_the_model_and_real_packets_agree(north: North, asker: str) -> None:
    name = north.boxes[asker].name
    for protocol, port in (("icmp", "0"), ("tcp", "7007"), ("udp", "7007")):
        said = trace(north, name, plan.OUTSIDE, "--protocol", protocol, "--port", port)
        assert (said["trace"]["outcome"], said["live"]["outcome"]) == ("answered", "answered")
        assert said["live"]["answered_from"] == plan.OUTSIDE
        assert said["live"]["agrees"] is True


def test_instances_are_named_as_the_lab_names_them_and_floating_ips_by_id(north: North) -> None:
    said = trace(north, north.boxes["b2"].name, north.boxes["c"].name)
    assert said["trace"]["end"]["port"] == north.boxes["c"].port
    assert said["live"]["agrees"] is True
    floating = north.floating["a"]
    said = trace(north, "--from-outside", floating["id"], "--protocol", "tcp", "--port", "7007")
    assert said["live"] == said["live"] | {"answered_from": floating["floating_ip_address"], "agrees": True}


def test_what_the_model_calls_dead_no_packet_reaches(north: North) -> None:
    for arguments in (
        (north.boxes["b2"].name, "169.254.1.1"),
        (north.boxes["b2"].name, "203.0.113.250", "--protocol", "tcp"),
        ("--from-outside", north.boxes["b2"].v4),
    ):
        said = trace(north, *arguments)
        assert (said["trace"]["outcome"], said["live"]["outcome"]) == ("dead", "silent")
        assert said["live"]["agrees"] is True


def test_a_kernel_that_was_changed_behind_our_back_is_told_from_the_model(north: North) -> None:
    """An instance that drops everything: the model cannot know."""
    box = north.boxes["c2"]
    rules = "table ip deaf { chain in { type filter hook input priority 0; policy drop; }; }"
    north.site.run(box.name, "nft", rules)
    try:
        said = trace(north, north.boxes["a"].name, box.v4)
    finally:
        north.site.run(box.name, "nft", "delete table ip deaf")
    assert (said["trace"]["outcome"], said["live"]["outcome"], said["live"]["agrees"]) == ("answered", "silent", False)
    assert naming.tap(box.port) in {step.get("device") for step in said["trace"]["there"]}
