"""``python -m tests.proof [SEED [WORLD …]]``: the mutation score of `onehop verify`, mutant by mutant."""

import sys
from time import process_time

from onehop.verify.mutation.score import Score
from tests.proof.worlds import WORLDS, judge_of

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
begun = process_time()
found = Score()
for world in WORLDS:
    if not sys.argv[2:] or world.__name__ in sys.argv[2:]:
        found.add(world.__name__, judge_of(world), seed, say=lambda line: print(line, flush=True))
print(*sorted(set(found.violations)), *found.told(), f"{process_time() - begun:.0f} s of CPU time", sep="\n")
