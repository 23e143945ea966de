"""What an agent tells of itself: all that the catalog names, and whether it can do its work."""

import asyncio
import json
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from onehop.agent.gauges import cpu_seconds
from onehop.agent.request import PlugRequest, PortAnswer
from onehop.metric.catalog import LIBRARY, METRICS
from onehop.objects import Link
from tests.unit.agent.place import Place
from tests.unit.controller.streams import LIMIT


async def ask(place: Place, path: str) -> str:
    address = (await place.until(lambda status: bool(status.metrics))).metrics

    def get() -> str:
        try:
            with urlopen(f"http://{address}{path}", timeout=LIMIT) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            return str(error.read().decode())

    return await asyncio.to_thread(get)


async def numbers(place: Place) -> dict[tuple[str, ...], float]:
    """Name and values of labels, in the order of their names → number."""
    families = text_string_to_metric_families(await ask(place, "/metrics"))
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_an_agent_tells_all_that_the_catalog_names(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            await place.until(lambda status: status.complete and status.connected and status.in_sync)
            port = place.port()
            await place.ask(PlugRequest(port_id=port), PortAnswer)
            await place.until(lambda status: status.resources.get("port", {}).get("ACTIVE") == 1 and status.in_sync)
            text = await ask(place, "/metrics")
            names = {m.name for m in METRICS if m.daemon in ("agent", "both")} | set(LIBRARY)
            assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} == names
            told = await numbers(place)
            status = await place.status()
            assert told["onehop_agent_connected",] == told["onehop_agent_in_sync",] == told["onehop_agent_plugs",] == 1
            assert told["onehop_agent_resources", "port", "ACTIVE"] == 1
            assert told["onehop_agent_applied_revision",] == status.applied
            assert told["onehop_kernel_ops_total",] == status.writes
            assert sum(v for k, v in told.items() if k[0] == "onehop_agent_objects") == status.objects
            assert told["onehop_apply_seconds_count",] >= 1

    asyncio.run(scenario())


def test_an_agent_in_sync_is_ready_and_one_that_fails_says_how_much(place: Place) -> None:
    async def scenario() -> None:
        async with place.joined():
            await place.until(lambda status: status.complete and status.connected and status.in_sync)
            assert json.loads(await ask(place, "/readyz")) == {"ready": True, "why_not": []}
            place.kernel.fail(lambda op: op.key[0] == Link.kind, 16)
            place.leg(place.port())
            status = await place.until(lambda status: status.failing > 0)
            (why,) = json.loads(await ask(place, "/readyz"))["why_not"]
            assert why == f"{status.failing} kernel objects fail: `onehop status` names them"
            assert json.loads(await ask(place, "/healthz"))["alive"]

    asyncio.run(scenario())


def test_an_agent_without_a_view_is_alive_and_not_ready(place: Place) -> None:
    async def scenario() -> None:
        async with place.site.running():
            await place.join()
        async with place.running("127.0.0.1:9"):
            found = json.loads(await ask(place, "/readyz"))
            assert not found["ready"]
            assert "there is no view yet" in found["why_not"][0]
            assert json.loads(await ask(place, "/healthz")) == {"alive": True, "why_not": []}
            assert (await numbers(place))["onehop_agent_complete",] == 0

    asyncio.run(scenario())


def test_a_thread_that_has_ended_took_no_time() -> None:
    assert cpu_seconds(0) == 0.0
