"""``python -m tests.proof [SEED [WORLD …]]``: the mutation score of `onehop verify`, mutant by mutant.

Kinds of mistakes are shared out to as many processes as there are processors; what one has noticed, no other has tried.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import process_time
from zlib import crc32

from onehop.verify.mutation.score import Score
from tests.proof.worlds import WORLDS, judge_of


def part(names: list[str], seed: int, shares: int, share: int) -> tuple[Score, float]:
    """One share of the kinds, in all worlds or those that are named, and the CPU seconds it took."""
    begun = process_time()
    found = Score()
    for world in WORLDS:
        if not names or world.__name__ in names:
            found.add(
                world.__name__,
                judge_of(world),
                seed,
                say=lambda line: print(line, flush=True),
                chosen=lambda _number, kind: crc32(kind.encode()) % shares == share,
            )
    return found, process_time() - begun


def main(seed: int, names: list[str]) -> None:
    """Print every mutant, then the score."""
    shares = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(shares) as pool:
        found = list(pool.map(partial(part, names, seed, shares), range(shares)))
    whole = Score(classes=found[0][0].classes, violations=found[0][0].violations)
    for one, _ in found:
        whole.caught.update(one.caught)
        whole.missed.update(one.missed)
        whole.tried += one.tried
    seconds = sum(took for _, took in found)
    print(*sorted(set(whole.violations)), *whole.told(), f"{seconds:.0f} s of CPU time", sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2:])
