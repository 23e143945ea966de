"""`onehop verify`: runs where the controller runs, on its store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onehop.cli.app import new, show_json
from onehop.settings import DEFAULT_CONTROLLER_FILE

if TYPE_CHECKING:
    from onehop.controller.verify import Deployment
    from onehop.verify.mutation.score import Score
    from onehop.verify.proof.case import Violation
    from onehop.verify.proof.prove import Proof

app = new("Prove that nobody reaches, or passes for, somebody else.")


@app.command()
def verify(
    config: Annotated[Path, typer.Option(help="The controller's configuration file.")] = DEFAULT_CONTROLLER_FILE,
    most: Annotated[int, typer.Option(min=1, help="Stop after so many violations.")] = 100,
    mutation: Annotated[
        bool, typer.Option("--mutation", help="Say instead how many mistakes the proof would notice here.")
    ] = False,
    kinds: Annotated[int, typer.Option(min=1, help="With --mutation: kinds of mistakes that are tried.")] = 100,
    seed: Annotated[int, typer.Option(help="With --mutation: decides which.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove, from what every host's kernel should hold, that no port reaches another project's but as the API allows.

    Over all packets, not by samples; also that no protected port can say it is somebody else, and that what the API
    promises arrives. Exit status 1 says that something is violated.

    With --mutation what the hosts should hold is broken in many ways, on paper, and each time it is asked whether the
    proof notices: the share of mistakes that it notices says what the proof is worth here.
    """
    from time import monotonic

    from onehop import log
    from onehop.controller.verify import Deployment
    from onehop.settings import load_controller
    from onehop.store import Store

    settings = load_controller(config)
    log.setup("console", "warning")
    begun = monotonic()
    store = Store.open(settings.database_url)
    try:
        with store.read() as tx:
            deployment = Deployment.of(tx)
    finally:
        store.close()
    if mutation:
        score = deployment.mutate(seed, kinds)
        _show_score(deployment, score, seed, round(monotonic() - begun, 1), json=json)
        if score.violations:
            raise typer.Exit(1)
        return
    proof = deployment.prove(most)
    seconds = round(monotonic() - begun, 1)
    if json:
        show_json({"revision": deployment.revision, "seconds": seconds, "proof": proof})
    else:
        _show(proof, deployment.revision, seconds)
    if proof.violations:
        raise typer.Exit(1)


def _show_score(deployment: "Deployment", score: "Score", seed: int, seconds: float, *, json: bool) -> None:
    if json:
        missed = score.uncaught
        figures = {"noticed": len(score.caught), "missed": missed, "share": score.share, "seed": seed}
        show_json({"revision": deployment.revision, "seconds": seconds, **figures, "violations": score.violations})
        return
    for line in score.told():
        typer.echo(line)
    for violation in score.violations[:10]:
        typer.echo(f"violated before anything was broken: {violation} (`onehop verify` says more)")
    typer.echo(f"revision {deployment.revision}, seed {seed}, {seconds} s")


def _show(proof: "Proof", revision: int, seconds: float) -> None:
    for violation in proof.violations:
        _violation(violation)
    typer.echo(
        f"revision {revision}: {proof.ports} ports, {proof.protected} of them protected; {proof.promises} promises; "
        f"classes of frames: {', '.join(f'{count} of {kind}' for kind, count in proof.classes.items())}; {seconds} s"
    )
    said = f"{len(proof.violations)} violations" if proof.violations else "nobody reaches or passes for somebody else"
    typer.echo(said)


def _violation(violation: "Violation") -> None:
    typer.echo(f"port {violation.port}" if violation.port else "the outside", nl=False)
    typer.echo(f" {violation.what}" + (f" (port {violation.to})" if violation.to else ""))
    typer.echo(f"  such as {violation.frame}")
    for step in violation.trail:
        place = f"{step.host}: {step.namespace}" if step.namespace else step.host
        typer.echo(f"  {place}  {step.kind} {step.device} {step.text}")
    typer.echo("")
