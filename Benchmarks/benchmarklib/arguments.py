"""What the command lines of the studies have in common: where the data are, and measure or report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Work = Callable[[argparse.Namespace], None]


def study_parser(description: str | None, results: Path) -> argparse.ArgumentParser:
    """A parser with the data folder, the results file and the report.

    Args:
        description: The script's docstring.
        results: Where the results are unless the user says otherwise.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    parser.add_argument("--data", type=Path, help="folder that holds the data sets")
    parser.add_argument("--results", type=Path, default=results)
    parser.add_argument("--report", action="store_true", help="print the tables and do nothing else")
    return parser


def carry_out(parser: argparse.ArgumentParser, args: argparse.Namespace, run: Work, report: Work) -> None:
    """Reports, or measures where the data folder was named."""
    if args.report:
        report(args)
    elif args.data is None:
        parser.error("name the folder of the data sets with --data")
    else:
        run(args)
