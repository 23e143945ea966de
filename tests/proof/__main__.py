"""``python -m tests.proof [MOST [WORLD …]]``: the mutation score of `onehop verify`, mutant by mutant."""

import sys
from time import process_time

from tests.proof.score import score, told
from tests.proof.worlds import WORLDS

most = int(sys.argv[1]) if len(sys.argv) > 1 else 2
chosen = [world for world in WORLDS if not sys.argv[2:] or world.__name__ in sys.argv[2:]]
begun = process_time()
found = score(chosen, 1, most, lambda line: print(line, flush=True))
print(*sorted(set(found.violations)), *told(found), f"{process_time() - begun:.0f} s of CPU time", sep="\n")
