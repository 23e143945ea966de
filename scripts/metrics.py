"""docs/metrics.md: what is measured, how to read it, and what to do when an alert comes."""

from collections.abc import Iterator

from onehop.metric.catalog import LIBRARY, METRICS, Metric
from scripts.alerts import ALERTS

_HEAD = """\
# Metrics and health

<!-- Written by `make docs` from src/onehop/metric/catalog.py, scripts/alerts.py and scripts/metrics.py: edit there. -->

Controller and agent each listen on an address of their own, on the loopback unless `metrics_listen` says otherwise
([configuration](configuration.md)): the controller on port 9698, the agent on 9699. `onehop status` shows the
agent's, the controller's is in its `controller.json`.

| path | answer |
| --- | --- |
| `/metrics` | everything below, in Prometheus' text format |
| `/healthz` | 200 while event loop and (agent) kernel thread live, else 503: restart it |
| `/readyz` | 200 while it can do its work, else 503, with `why_not` in sentences |

Ready means, of a controller: the database answers, its schema is the one that this version knows, and something can
be written (it is rolled back). Of an agent: it has a view, a controller's or its own copy; the kernel is as that
wants it; and the whole of it was read back within three times `observe_seconds`. An agent that is not ready still
forwards: packets need no process.

Others than the loopback need `metrics_token_file`: a file with one word of 16 letters or more, which Prometheus shows
as `authorization: {credentials_file: …}`. It goes over the wire as it is, so let this address be on a network that
you trust, or put a proxy with TLS before it. Nothing secret is told either way.

```yaml
scrape_configs:
  - job_name: onehop-controller
    static_configs: [{targets: ["127.0.0.1:9698"]}]
  - job_name: onehop-agent
    static_configs: [{targets: ["127.0.0.1:9699"]}]
rule_files: [onehop.rules.yml]
```

Alerts are in `packaging/prometheus/onehop.rules.yml`, a dashboard for Grafana in `packaging/grafana/onehop.json`.
Both, and this page, are written from the lists in the code; a test refuses a name or a label that no daemon tells.

## How to read them

- A **repair** is a change in a partition of the kernel of which nothing else was wanted than when it was last found
  whole: so somebody else changed it. What was changed while no agent ran is put right too, but cannot be told from an
  update and is not counted. A **leak** is an object with our mark that nobody wanted; `when="start"` is what an
  earlier life left.
- **Drops** are counted by the kernel and read a part of the host at a time: a few seconds old on a host with some
  dozens of routers, a minute or two with 500 (`onehop_drops_age_seconds`). A series begins with its first drop, so
  sums by reason (`onehop_drops_total`) are what an alert should look at. What a table counted between the last look
  and its replacement is lost.
- `onehop_apply_seconds` is from the arrival of a change at the host until the kernel was read back and found so.
- Counters begin at 0 with each start of a daemon. With several controllers each tells what the store knows: take the
  `max`, not the `sum`.
- What one request to the API became: its `X-Openstack-Request-Id` is in the controller's log (`request`, `a change
  goes out`), and, where the controller that answered it also sends the change, in the logs of the agents that it
  concerns, from what the kernel refused to `carried out and verified`. With several controllers the `revision` in the
  same lines leads on.

"""


def page() -> str:
    """The page."""
    parts = [_HEAD.rstrip()]
    for title, daemon in (("Both", "both"), ("Agent", "agent"), ("Controller", "controller")):
        mine = [metric for metric in METRICS if metric.daemon == daemon]
        parts.append(f"## {title}\n\n| metric | type | labels | series | what it is |\n| --- | --- | --- | --- | --- |")
        parts[-1] += "".join(f"\n{row}" for row in _rows(mine))
        if daemon == "both":
            names = ", ".join(f"`{name}`" for name in LIBRARY)
            parts.append(f"Of the process, as every client library of Prometheus tells them: {names}.")
    alerts = "## Alerts\n\n`page`: packets are lost, or will be with the next failure. `ticket`: in the morning.\n\n"
    alerts += "| alert | severity | what is wrong | what to do |\n| --- | --- | --- | --- |"
    for alert in ALERTS:
        cells = (f"`{alert.name}`", alert.severity, _said(alert.summary), alert.action)
        alerts += f"\n| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    return "\n\n".join([*parts, alerts]) + "\n"


def _rows(metrics: list[Metric]) -> Iterator[str]:
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.type} | {labels} | {metric.bound} | {metric.help} |"


def _said(summary: str) -> str:
    """A summary without Prometheus' templates: ``{{ $labels.host }}`` as ``<host>``."""
    said = summary.replace("{{ $value }}", "`<number>`")
    for label in ("instance", "host", "kind", "part", "router", "port", "reason"):
        said = said.replace(f"{{{{ $labels.{label} }}}}", f"`<{label}>`")
    return said
