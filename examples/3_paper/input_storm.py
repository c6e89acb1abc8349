"""Input storms: how many generated sessions end with a valid result, with a refusal that helps, or with neither.

    python examples/3_paper/input_storm.py --output docs/reliability --count 2000

Each session fits a small model to a generated table (1 to 60 rows, 1 to 12 columns of every kind), predicts, and asks
for counterfactuals of a table that may differ from the fitted one. What makes a result valid, and a refusal a good one,
is said in tests/_storm_checks.py, and the sessions are described in tests/_storms.py. A session that ends otherwise is
printed, so that it can be pasted into a test. A seed draws its own sessions.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from runs import Records, Stopwatch, command_line

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from _storm_checks import outcome
from _storms import Storm, storms

OUTCOMES = ("valid", "fit refused", "query refused", "failed")


def weathered(storm: Storm) -> str:
    """Return how a session ended, and print one that ended badly."""
    try:
        return outcome(storm)
    except Exception as error:
        print(f"{type(error).__name__}: {error}\n{storm}", file=sys.stderr, flush=True)
        return "failed"


def measure(number: int, count: int) -> dict[str, Any]:
    """Weather `count` sessions drawn by a seed, and count how they ended."""
    ended: Counter[str] = Counter()

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(storms())
    def weather(storm: Storm) -> None:
        ended[weathered(storm)] += 1

    with Stopwatch() as watch:
        weather()
    return {
        "sessions": ended.total(),
        **{name.replace(" ", "_"): ended[name] for name in OUTCOMES},
        "seconds": watch.seconds,
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="sessions of each seed")
    arguments = parser.parse_args()
    records = Records(arguments.output, "input_storm", arguments.quick)
    count = 20 if arguments.quick else arguments.count
    for key in records.missing(seed=arguments.seeds or [0], asked=[count]):
        records.add(key, measure(key["seed"], key["asked"]))


if __name__ == "__main__":
    main()
