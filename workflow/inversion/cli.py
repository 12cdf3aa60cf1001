"""The command ``inversion``, with subcommands for tasks around the workflow."""

from __future__ import annotations

import argparse
import glob
import importlib.metadata
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

import inversion
from inversion.artifacts import ArtifactError
from inversion.config import render
from inversion.config.files import ConfigError
from inversion.parquet import read_parquet
from inversion.series import SeriesError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. An error is printed as one line on stderr, and the exit status is 1."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (SeriesError, ConfigError, ArtifactError, ValueError, OSError, pl.exceptions.PanicException) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inversion", description=inversion.__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--version", action="version", version=f"%(prog)s {importlib.metadata.version('inversion')}")
    commands = parser.add_subparsers(required=True, metavar="command")

    init = commands.add_parser("init", help="write a study of checkpoints trained elsewhere")
    init.add_argument(
        "--checkpoints",
        required=True,
        metavar="DIR_OR_ID",
        help="the folder that contains them, or owner/name on the Hub",
    )
    init.add_argument("--base", metavar="DIR_OR_ID", help="the model that training started from")
    init.add_argument("--set", action="append", metavar="SET", help="facts (the default) or a file of conflict items")
    init.add_argument(
        "--items", type=int, metavar="N", help="conflict items per set; by default 288 facts and complete files"
    )
    init.add_argument("--name", help="the name of the series; by default the folder's name")
    init.set_defaults(command=_init)

    plan = commands.add_parser("plan", help="print the estimated cost of a study")
    plan.add_argument("study", nargs="?", default="config/config.yaml")
    plan.set_defaults(command=_plan)

    compare = commands.add_parser("compare", help="test whether two finished runs or series differ")
    for place in ("first", "second"):
        compare.add_argument(
            place, metavar=place.upper(), help="a series' name, model/dataset/recipe/seed0, or a folder"
        )
    compare.add_argument(
        "--steps", nargs=2, type=int, metavar="STEP", help="one step for each; by default the last ones"
    )
    compare.add_argument("--scorer", default="first_mention")
    compare.add_argument("--results", default="results", metavar="DIR")
    compare.set_defaults(command=_compare)

    export = commands.add_parser("export", help="export the answers of a finished run")
    export.add_argument("run", metavar="RUN", help="a series' name, model/dataset/recipe/seed0, or a folder")
    export.add_argument(
        "file", metavar="FILE", help="the output file: Parquet if its name ends in .parquet, otherwise JSON Lines"
    )
    export.add_argument("--results", default="results", metavar="DIR")
    export.set_defaults(command=_export)

    config = commands.add_parser(
        "config", help="regenerate the files that are generated from the configuration and the tables"
    )
    config.set_defaults(command=_config)
    return parser


def _init(options: argparse.Namespace) -> None:
    from inversion.first_study import write_first_study

    def revisions(name: str) -> dict[str, str]:
        from inversion.models.hub import revisions_of  # takes seconds to import, and needs a network

        return revisions_of(name)

    start = write_first_study(
        options.checkpoints, options.base, options.set or ["facts"], options.name, revisions, options.items
    )
    print("\n".join(start.assumed), file=sys.stderr)
    print(start.text, end="")


def _compare(options: argparse.Namespace) -> None:
    from inversion.analyse.compare import as_text, compare

    first, second = (read_parquet(labels_of(name, options.results)) for name in (options.first, options.second))
    print(as_text(compare(first, second, options.scorer, tuple(options.steps or (None, None)))))


def _export(options: argparse.Namespace) -> None:
    from inversion.exchange import write_answers

    write_answers(options.file, read_parquet(labels_of(options.run, options.results)))


def labels_of(name: str, results: str | Path) -> Path:
    """The file with the labels of a series (by its name), of a run (by its folders), or in a folder on this machine.

    Raises :class:`ValueError` if there is none, or if a series has several seeds.
    """
    runs = Path(results) / "runs"
    if Path(name, "labels.parquet").is_file():
        return Path(name) / "labels.parquet"
    if (runs / name / "labels.parquet").is_file():
        return runs / name / "labels.parquet"
    found = sorted(runs.glob(f"*/{glob.escape(name)}/external/seed*/labels.parquet"))
    if len(found) != 1:
        there = [file.parent.relative_to(runs).as_posix() for file in sorted(runs.glob("*/*/*/seed*/labels.parquet"))]
        which = "several runs are" if found else "no finished run is"
        raise ValueError(f"{which} called {name} in {runs}; there are: {', '.join(there) or 'none'}")
    return found[0]


def _plan(options: argparse.Namespace) -> None:
    if not Path("Snakefile").is_file():
        raise ValueError("there is no Snakefile in this folder; run `inversion plan` in the folder of the workflow")
    # the script belongs to the workflow, because it uses Snakemake, on which the library does not depend
    script = runpy.run_path(str(Path(inversion.__file__).parents[1] / "print_plan.py"))
    script["main"](options.study)


def _config(options: argparse.Namespace) -> None:
    from inversion.records import reference

    render.main()
    (Path(inversion.__file__).parents[2] / reference.PATH).write_text(reference.tables_reference(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
