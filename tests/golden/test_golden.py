"""The compiled state of each scenario is the one that is kept beside it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from onehop.compiler import compile_host
from onehop.net import naming
from onehop.objects import Sysctl
from tests.golden.scenarios import SCENARIOS, Scenario, rendered

HERE = Path(__file__).parent


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_a_scenario_compiles_to_the_state_that_is_kept_for_it(scenario: Callable[[], Scenario]) -> None:
    for name, text in rendered(scenario()).items():
        assert text == (HERE / scenario.__name__ / name).read_text(), f"{scenario.__name__}/{name}"


def test_every_kept_folder_belongs_to_a_scenario() -> None:
    kept = {path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert kept == {scenario.__name__ for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_no_setting_of_the_host_itself_is_ever_wanted(scenario: Callable[[], Scenario]) -> None:
    view, locals_ = scenario()
    parts = [part for host in view.hosts for part in compile_host(view, host, locals_[host]).values()]
    settings = [claim.object for part in parts for claim in part.claims.values() if isinstance(claim.object, Sysctl)]
    assert settings or not view.routers
    assert all(found.namespace.startswith(naming.ROUTER_PREFIX) for found in settings)
