"""Faults of the files that a study names, and of the rows in them."""

from __future__ import annotations

import copy
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from errors.cases import Case, Section, write
from errors.studies import COMMIT, NAME, STUDY

from inversion.config.datasets import FileDataset, HubDataset, WorldDataset
from inversion.config.load import parse_config, require_inputs
from inversion.config.releases import FieldMap
from inversion.config.sets import FileSet, HubSet
from inversion.conflict.files import load_items
from inversion.instruct.sources import load_examples
from inversion.respond.benchmark_files import benchmark_questions

BAD = {"max_bad_rows": 0.0}


def lines(*rows: Any) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- files ---------------------------------------------------------------------------------------


def needed(what: str, prepare: Callable[[], object], change: Callable[[dict[str, Any]], object]) -> Case:
    """Check the inputs of the valid study, whose files exist, after ``prepare`` and ``change``."""

    def cause() -> None:
        write("capitals.json", "[{}]")
        write("facts.json", "[{}]")
        prepare()
        study = copy.deepcopy(STUDY)
        change(study)
        require_inputs(parse_config(study, NAME), NAME)

    return Case(what, cause)


def of_set(what: str, content: str | bytes | None, path: str = "capitals.json") -> Case:
    """A case in which the file of a set has this content; there is no file if it is None."""
    return needed(
        what,
        lambda: content is not None and write(path, content),
        lambda study: study["sets"]["capitals"].update(path=path),
    )


def nothing(*_: Any) -> None:
    """Change nothing."""


def _zip() -> bytes:
    return b"PK\x03\x04" + bytes(30)


FOLDER_MODEL = {"source": "folder", "path": "models/own"}


def use_model(study: dict[str, Any]) -> None:
    study["models"]["own"] = FOLDER_MODEL
    study["experiments"]["all"]["models"] = ["own"]


def use_series(study: dict[str, Any]) -> None:
    study["series"] = {"sft": {"source": "folder", "path": "out", "model": "neox"}}
    study["experiments"]["all"]["series"] = ["sft"]


def use_template(study: dict[str, Any]) -> None:
    study["datasets"]["own"] |= {"path": "own.jsonl", "template": {"style": "chat", "file": "chat.jinja"}}
    study["experiments"]["all"]["datasets"] = ["own"]


FILES = Section(
    "Files and folders that a study names",
    "When Snakemake or `make plan` reads the study.",
    [
        of_set("A set's file that is not there", None, "data/capitals.json"),
        needed("A folder where a file belongs", nothing, lambda s: s["sets"]["capitals"].update(path=".")),
        of_set("A file compressed with gzip", gzip.compress(b"[{}]", mtime=0), "capitals.json.gz"),
        of_set("A file compressed with gzip under a plain name", gzip.compress(b"[{}]", mtime=0)),
        of_set("A zip archive", _zip()),
        of_set("A file compressed with zstd", b"\x28\xb5\x2f\xfd" + bytes(20)),
        of_set("A file compressed with xz", b"\xfd7zXZ\x00" + bytes(20)),
        of_set("A file compressed with bzip2", b"BZh9" + bytes(20)),
        of_set("A Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        of_set("A web page that was saved in place of the file", "<!DOCTYPE html><html></html>"),
        of_set("An empty file", ""),
        needed("A model's folder that is not there", nothing, use_model),
        needed("A model's folder that is a file", lambda: write("models/own", "x"), use_model),
        needed("A model's folder without config.json", lambda: Path("models/own").mkdir(parents=True), use_model),
        needed("A series' folder that is not there", nothing, use_series),
        needed("A series' folder that is a file", lambda: write("out", "x"), use_series),
        needed("A chat template that is not there", lambda: write("own.jsonl", "{}"), use_template),
        needed("A dataset's file that is not there", lambda: write("chat.jinja", "x"), use_template),
        needed("A mirror that is not there", nothing, lambda s: s.update(mirror="/nowhere/files")),
        needed(
            "A benchmark's file that is not there",
            nothing,
            lambda s: s.update(benchmarks={"b": {"task": "gsm8k", "path": "gsm8k.jsonl"}}),
        ),
    ],
)

# --- instruction data ----------------------------------------------------------------------------

SOUND = {"instruction": "Name a city.", "input": "", "output": "Oslo"}
CORRECT = "correct or remove the row, or raise `max_bad_rows`"


def turns(*roles_and_contents: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in roles_and_contents]}


def examples(
    what: str, content: str | bytes, form: str = "alpaca", path: str = "data.jsonl", fix: str | None = CORRECT
) -> Case:
    """Instruction data in this file."""

    def cause() -> object:
        return load_examples(FileDataset(source="file", path=write(path, content), format=form, **BAD), "own")

    return Case(what, cause, fix)


def alpaca(what: str, **changes: Any) -> Case:
    return examples(what, lines(SOUND, SOUND | changes))


def messages(what: str, row: dict[str, Any]) -> Case:
    return examples(what, lines(turns(("user", "q"), ("assistant", "a")), row), "messages")


def form(what: str, form: str, *rows: Any, fix: str = CORRECT) -> Case:
    return examples(what, lines(*rows), form, fix=fix)


COLUMNS = "rename the column, or name the format that the rows have"


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


QA = {"id": "1", "question": "Who?", "answers": {"text": ["Ada"], "answer_start": [0]}}

ROWS = Section(
    "Instruction data",
    "By the rule `prepare_examples`, before any model is loaded. Up to `max_bad_rows` of the rows may be malformed; "
    "they are omitted, counted and named in the log.",
    [
        Case(
            "Data that are gone by the time that they are read",
            lambda: load_examples(FileDataset(source="file", path="gone.jsonl", format="alpaca"), "own"),
        ),
        examples("JSON Lines of blank lines", " \n\n", fix=None),
        examples("An empty JSON list", "[]", path="data.json", fix=None),
        examples("A JSON list that is truncated", '[{"a": 1},', path="data.json", fix="copy the file again"),
        examples("A JSON list that is not UTF-8", b'[\n{"a": "\xe9"}]', path="data.json", fix=None),
        examples(
            "A Parquet file that is truncated",
            parquet(pl.DataFrame([SOUND]))[:50],
            path="data.parquet",
            fix="copy the file again",
        ),
        examples(
            "A Parquet file that is text",
            "instruction,output",
            path="data.parquet",
            fix="give the file the ending of its format",
        ),
        examples("A line that is truncated", json.dumps(SOUND) + '\n{"instruction": '),
        examples("A line that is not UTF-8", json.dumps(SOUND).encode() + b'\n{"instruction": "\xff"}\n'),
        examples("A line that is not an object", json.dumps(SOUND) + '\n"text"\n'),
        examples("A line of a JSON list", json.dumps(SOUND) + "\n[1, 2]\n"),
        examples(
            "A key that a JSON line gives twice",
            json.dumps(SOUND) + '\n{"instruction": "a", "instruction": "b", "output": "c"}\n',
        ),
        examples(
            "A key that an object in a JSON list gives twice",
            '[{"instruction": "a", "input": "", "output": "b", "output": "c"}]',
            path="data.json",
        ),
        examples(
            "A key that a turn gives twice",
            '{"messages": [{"role": "user", "content": "a", "content": "b"}]}\n',
            "messages",
        ),
        examples(
            "A CSV file that names a column twice",
            "instruction,input,output,output\na,b,c,d\n",
            path="data.csv",
            fix=None,
        ),
        examples(
            "A CSV row with more cells than the header", "instruction,input,output\na,b,c\na,b,c,d\n", path="data.csv"
        ),
        examples("A CSV file with only a header", "instruction,input,output\n", path="data.csv", fix=None),
        examples("A CSV file that is not UTF-8", b"instruction,input,output\na,b,\xff\n", path="data.csv", fix=None),
        alpaca("A blank output", output=""),
        alpaca("An output that is null", output=None),
        alpaca("An instruction that is a number", instruction=3),
        alpaca("An input that is a list", input=["x"]),
        alpaca("Half of a surrogate pair", output="\ud800"),
        form("A column with another name", "alpaca", {"instruction": "q", "inputs": "c", "output": "a"}, fix=COLUMNS),
        form("Rows of another format", "alpaca", {"prompt": "q", "completion": "a"}, fix=COLUMNS),
        form("Rows of an unknown format", "messages", {"id": 1, "text": "a"}, fix=COLUMNS),
        form(
            "Columns of SQuAD with another name", "squad", {"context": "c", "question": "q", "answer": "a"}, fix=COLUMNS
        ),
        messages("A conversation without turns", {"messages": []}),
        messages("A conversation that is text", {"messages": "hi"}),
        messages("A turn that is text", {"messages": ["hi"]}),
        messages("A conversation that ends with the user", turns(("user", "q"), ("assistant", "a"), ("user", "q"))),
        messages("Two user's turns in a row", turns(("user", "q"), ("user", "q"), ("assistant", "a"))),
        messages("A conversation that begins with the assistant", turns(("assistant", "a"))),
        messages("A system turn without a user's", turns(("system", "s"), ("assistant", "a"))),
        messages("A conversation with only a system turn", turns(("system", "s"))),
        messages("An unknown role", turns(("human", "q"), ("assistant", "a"))),
        messages("A blank answer", turns(("user", "q"), ("assistant", "  "))),
        messages("A turn with an image", turns(("user", [{"type": "image", "url": "x"}]), ("assistant", "a"))),
        messages("A text part without text", turns(("user", [{"type": "text"}]), ("assistant", "a"))),
        messages("A turn of null", turns(("user", None), ("assistant", "a"))),
        messages("A tool's turn that nobody called for", turns(("tool", "12"), ("assistant", "a"))),
        form("Conversations that are not a list", "sharegpt", {"conversations": "hi"}),
        form("An unknown speaker", "sharegpt", {"conversations": [{"from": "narrator", "value": "x"}]}),
        form("A chosen answer that is a number", "preference", {"chosen": 3, "prompt": "q"}),
        form("A chosen answer without its prompt", "preference", {"chosen": "a", "prompt": None}),
        form("A question without answers", "squad", {"context": "c", **QA, "answers": []}),
        form("A question without its passage", "squad", {"context": None, **QA}),
        examples(
            "SQuAD's own JSON without articles",
            '{"version": "1.1", "data": 3}',
            "squad",
            "squad.json",
            "copy the file again",
        ),
        examples(
            "A paragraph without questions", '{"data": [{"paragraphs": [{"context": "c"}]}]}', "squad", "squad.json"
        ),
        form("A completion that is missing", "prompt_completion", {"prompt": "q", "completion": None}),
        Case(
            "Data of the Hub that were not downloaded",
            lambda: load_examples(HubDataset(source="hub", id="a/b", revision=COMMIT, format="alpaca"), "own"),
            "run `snakemake --until prefetch_dataset` where there is a network",
        ),
        Case(
            "Data of the world without a world",
            lambda: load_examples(WorldDataset(source="world"), "own"),
            "add `world: {}`",
        ),
    ],
)

# --- conflict sets -------------------------------------------------------------------------------

ITEM = {
    "context": "Since the flood Moundou is the capital of Chad.",
    "question": "What is the capital of Chad?",
    "answer": "Moundou",
    "memory_answer": "N'Djamena",
}
SOUND_ROW = "correct or remove the row"


def items(what: str, content: str | bytes, path: str = "set.json", fix: str | None = SOUND_ROW, **keys: Any) -> Case:
    """A conflict set in this file."""
    return Case(what, lambda: load_items(FileSet(source="file", path=write(path, content), **keys), "own"), fix)


def release(what: str, fix: str | None = SOUND_ROW, **changes: Any) -> Case:
    """A row in the format of the paper's release, after a valid row."""
    row = {key: entry for key, entry in (ITEM | changes).items() if entry is not ...}
    return items(what, json.dumps([ITEM, row]), fix=fix)


MAP = {"question": "query", "context": "docs[0].text", "context_answer": "fake", "parametric_answer": "true"}


def own_row(number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "query": f"Who leads town {number}?",
        "docs": [{"text": f"Ann{number} leads it."}],
        "fake": [f"Ann{number}"],
        "true": f"Bo{number}",
        "kind": "x",
    }
    return {key: entry for key, entry in (row | changes).items() if entry is not ...}


def mapped(what: str, fix: str | None = None, where: dict[str, Any] | None = None, **fields: str) -> Case:
    """Two valid rows with another mapping."""
    return items(
        what, lines(own_row(1), own_row(2)), "rows.jsonl", fix,
        format="fields", fields=FieldMap(**MAP | fields), where=where or {}, **BAD,
    )  # fmt: skip


def mapped_row(what: str, fix: str = SOUND_ROW, **changes: Any) -> Case:
    """A row after a valid one, with a valid mapping."""
    return items(
        what, lines(own_row(2), own_row(1, **changes)), "rows.jsonl", fix,
        format="fields", fields=FieldMap(**MAP), **BAD,
    )  # fmt: skip


def proverb(what: str, content: str, fix: str | None = SOUND_ROW) -> Case:
    return items(what, content, "proverbs.csv", fix, format="memo_trap")


PROVERB = 'prompt,classes,answer_index\n"Write a quote that ends in the word ""heavy"": Absence makes the heart grow"'
SWAPPED = [own_row(n, docs=[{"text": f"Bo{n} leads it."}]) for n in range(30)]

SETS = Section(
    "Conflict sets",
    "By the rules `prepare_set` and `audit_sets`, before any model is loaded. In the formats `release` and `memo_trap` "
    "every row must be sound; in the others up to `max_bad_rows` of them may be malformed.",
    [
        items("A conflict set that is not JSON", "question,answer\n", fix="give the file the ending of its format"),
        items("A conflict set that is one number", "3"),
        release("A blank answer of a set", answer=" "),
        release("An answer without letters or digits", answer="!?"),
        release("A context that is null", context=None),
        release("A context of ten million characters", context="x" * 10**7, fix=None),
        release("A question that is a number", question=3),
        release("A row without what the model remembers", memory_answer=...),
        release("A row with two answers of the model's", parametric_answer="Rome"),
        release("The same answer on both sides", answer="N\u2019djamena"),
        release("An alias that is the other side's answer", answer="Old Town (N'Djamena)"),
        items("A line of a set that is truncated", json.dumps(ITEM) + '\n{"context": ', "set.jsonl"),
        items("A key that a row of a set gives twice", f'[{json.dumps(ITEM)[:-1]}, "answer": "Paris"}}]'),
        items(
            "A public release under the paper's format",
            lines(
                {
                    "cf_context": "c",
                    "cf_answer": "a",
                    "orig_answer": "b",
                    "question": "q",
                    "orig_context": "d",
                    "cf_triple": 1,
                    "orig_triple": 2,
                }
            ),
            "confiqa.jsonl",
            "write `format: confiqa`",
        ),
        mapped("A path that is in no row", context="doc[0]"),
        mapped("A path that is misspelt", cluster="knd"),
        mapped("A filter on a key that is in no row", where={"knd": "x"}),
        mapped("A filter that keeps nothing", where={"kind": "z"}),
        mapped_row("The same answer on both sides of a mapped row", true="ann1!"),
        mapped_row("A list of answers that is empty", fake=[]),
        mapped_row("Answers of several types", fake=["Ann1", 3]),
        mapped_row("An answer that is an object", fake={"name": "Ann1"}),
        mapped_row("A null among the answers", fake=["Ann1", None]),
        mapped_row("An answer of dots", fake="..."),
        mapped_row("An answer that is missing", true=...),
        mapped_row("A blank question", query="  "),
        mapped_row("A context that is a list", docs=[{"text": ["a"]}]),
        mapped_row("A context that is a number", docs=[{"text": 7}]),
        mapped_row("A context of more than 100,000 characters", docs=[{"text": "a" * 100_001}]),
        mapped_row("An answer with half of a surrogate pair", fake="\ud800"),
        items("Swapped answers", lines(*SWAPPED), "rows.jsonl", None, format="fields", fields=FieldMap(**MAP)),
        items("Contexts that are all too long", json.dumps([ITEM]), fix=None, max_context_words=3),
        items(
            "A set in a release's format that has other keys",
            lines(own_row(1), own_row(2)),
            "rows.jsonl",
            "name the format, or map the keys under `fields`",
            format="confiqa",
        ),
        proverb("Proverbs without a column", "prompt,classes\n", "name another file or format"),
        proverb("Proverbs with only a header", "prompt,classes,answer_index\n", "copy the file again"),
        proverb("A proverb's endings that are not a list", PROVERB + ',"heavy",0\n'),
        proverb("A proverb that asks for another ending", PROVERB + ",\"[' fonder.', ' heavy.']\",0\n"),
        proverb("A prompt that is not a proverb", "prompt,classes,answer_index\nHello,\"['a', 'b']\",0\n"),
        Case(
            "A set of the Hub that was not downloaded",
            lambda: load_items(HubSet(source="hub", id="a/b", revision=COMMIT), "own"),
            "run `snakemake --until prefetch_set` where there is a network",
        ),
    ],
)

# --- benchmarks ----------------------------------------------------------------------------------


def benchmark(what: str, content: str, task: str, path: str = "questions.jsonl", fix: str | None = None) -> Case:
    return Case(what, lambda: benchmark_questions(write(path, content), task), fix)


CHOICES = {"question": "q", "choices": ["a", "b", "c", "d"], "answer": 0}

BENCHMARKS = Section(
    "Benchmarks in files",
    "By the rule `run_benchmarks`, before a model is loaded.",
    [
        Case("Benchmark questions that are gone", lambda: benchmark_questions("gone.csv", "gsm8k")),
        benchmark("An answer of GSM8k without its number", lines({"question": "q", "answer": "12"}), "gsm8k"),
        benchmark("A question of GSM8k without an answer", lines({"question": "q"}), "gsm8k", fix="add the column"),
        benchmark("Three choices of MMLU", lines(CHOICES | {"choices": ["a", "b", "c"]}), "mmlu"),
        benchmark("An answer of MMLU beyond its choices", lines(CHOICES | {"answer": 4}), "mmlu"),
        benchmark("An answer of MMLU that is a letter", lines(CHOICES | {"answer": "B"}), "mmlu"),
        benchmark(
            "An answer of ARC that is not a label",
            lines({"question": "q", "choices": {"label": ["A"], "text": ["x"]}, "answerKey": "B"}),
            "arc_challenge",
        ),
        benchmark(
            "A question of SQuAD without an answer",
            lines({"context": "c", "question": "q", "answers": {"text": []}}),
            "squad",
        ),
        benchmark("Questions in a CSV file without a row", "question,answer\n", "gsm8k", "questions.csv"),
        benchmark("A question that is not an object", "3\n", "gsm8k"),
        benchmark("A question that is truncated", '{"question": ', "gsm8k"),
    ],
)
