"""`python -m benchmarks`: measures every arrow that has a bench, and fails when a figure falls below its floor.

A bench is a file `benchmarks/bench_<name>.py` with `run() -> Iterable[Result]`. Standard output holds the figures, as a table or,
with --json, one object a line; progress goes to standard error. Exit code 1 when a floor is missed or a bench breaks.
"""

import argparse
import importlib
import json
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.result import Result

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def chosen(available: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The benches to run: those whose name contains one of the words, all without a word."""
    return [name for name in available if not wanted or any(word in name for word in wanted)]


def figures(name: str) -> Iterator[Result]:
    module = importlib.import_module(f"benchmarks.bench_{name}")
    yield from module.run()


def table(rows: Iterable[Result]) -> str:
    cells = [("bench", "case", "value", "unit", "floor", "ratio"), *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def measure(benches: Sequence[str], *, as_json: bool) -> tuple[list[Result], list[str]]:
    """Every figure, and the names of benches that broke; JSON lines are printed as they come."""
    rows: list[Result] = []
    broken: list[str] = []
    for name in benches:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            for row in figures(name):
                rows.append(row)
                if as_json:
                    print(json.dumps(row.as_json()), flush=True)
        except Exception:  # noqa: BLE001  one broken bench must not hide the figures of the others
            traceback.print_exc()
            broken.append(name)
    return rows, broken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", help="only benches whose name contains one of these")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(arguments)
    benches = chosen(names(), options.words)
    if not benches:
        print(f"no bench matches {options.words}; there are: {', '.join(names()) or 'none'}", file=sys.stderr)
        return 2
    rows, broken = measure(benches, as_json=options.json)
    if not options.json:
        print(table(rows))
    for row in rows:
        if row.is_missed:
            print(
                f"below its floor: {row.bench} {row.case}: {row.value:g} {row.unit}, wanted {row.floor:g}",
                file=sys.stderr,
            )
    for name in broken:
        print(f"broke: {name}", file=sys.stderr)
    return 1 if broken or any(row.is_missed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
