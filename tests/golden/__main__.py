"""Write the kept state of every scenario anew: ``python -m tests.golden``."""

from pathlib import Path

from tests.golden.scenarios import SCENARIOS, rendered

for scenario in SCENARIOS:
    folder = Path(__file__).parent / scenario.__name__
    folder.mkdir(exist_ok=True)
    for name, text in rendered(scenario()).items():
        (folder / name).write_text(text)
