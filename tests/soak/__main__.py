"""``python -m tests.soak MINUTES [SEED]``: one act after another until the time is over, then a report.

The seed decides the order of acts and to whom they are done; how many there are in the time depends on the machine.
``python -m tests.soak --without-controller MINUTES`` is another one, see `tests.soak.alone`.
Exit status 1 says that something was not as the model says within the limit.
"""

import json
import random
import secrets
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

from tests.dataplane.north import North, north_world
from tests.soak import alone
from tests.soak.acts import AGREE, SAMPLE, Acts, Result
from tests.soak.probes import Probes, Wrong

REPORT = Path("build/soak.json")


class Done(msgspec.Struct, frozen=True):
    """One act.

    Attributes:
        kind: name of the act.
        what: was done.
        seconds: from its end, with every agent in sync, until all was as the model says.
        meanwhile, afterwards: what was not.
    """

    kind: str
    what: str
    seconds: float
    meanwhile: list[Wrong]
    afterwards: list[Wrong]


def soak(north: North, seed: str, seconds: float) -> tuple[list[Done], int]:
    """Acts until the time is over; with the number of questions."""
    probes = Probes(north, random.Random(f"{seed}/questions"))
    chance = random.Random(f"{seed}/acts")
    acts = Acts(north, chance, probes)
    deadline, done = time.monotonic() + seconds, list[Done]()
    try:
        while time.monotonic() < deadline:
            act = chance.choice(acts.all)
            one = _step(north, probes, act.__name__, act())
            done.append(one)
            print(f"{len(done):4} {one.what}: {one.seconds:.1f} s", flush=True)
            for when, wrong in (("meanwhile", one.meanwhile), ("afterwards", one.afterwards)):
                for found in wrong:
                    print(f"     {when} WRONG: {found.text}: model {found.model}, packets {found.packets}", flush=True)
    finally:
        probes.close()
    return done, probes.asked


def _step(north: North, probes: Probes, kind: str, result: Result) -> Done:
    what, meanwhile = result
    north.site.wait()
    took, wrong = probes.settle(probes.choose(SAMPLE), AGREE, anew=True)
    return Done(kind, what, took, meanwhile, wrong)


def report(seed: str, done: list[Done], asked: int, seconds: float) -> str:
    """A few lines for people."""
    kinds = Counter(one.kind for one in done)
    bad = [one for one in done if one.meanwhile or one.afterwards]
    lines = [f"seed {seed}: {len(done)} acts, {asked} questions in {seconds / 60:.1f} minutes"]
    lines += [f"  {count:4} {kind}" for kind, count in kinds.most_common()]
    slowest = max(done, key=lambda one: one.seconds, default=None)
    if slowest is not None:
        lines.append(f"slowest to agree: {slowest.what}: {slowest.seconds:.1f} s")
    lines.append(f"acts after or during which something was not as the model says: {len(bad)}")
    return "\n".join(lines)


def main(minutes: float, seed: str) -> int:
    """Run; the exit status."""
    print(f"seed {seed}: `make soak MINUTES={minutes:g} SEED={seed}` repeats the order of acts", flush=True)
    begin = time.monotonic()
    with north_world(f"soak-{seed}") as north:
        begin = time.monotonic()
        done, asked = soak(north, seed, minutes * 60)
    text = report(seed, done, asked, time.monotonic() - begin)
    print(text)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({"seed": seed, "asked": asked, "acts": msgspec.to_builtins(done)}, indent=2) + "\n")
    return int(any(one.meanwhile or one.afterwards for one in done))


if __name__ == "__main__":
    if sys.argv[1] == "--without-controller":
        sys.exit(alone.main(float(sys.argv[2])))
    sys.exit(main(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 and sys.argv[2] else secrets.token_hex(3)))
