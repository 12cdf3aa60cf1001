"""Faults of model folders, chat templates, adapters and series."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from elsewhere import make_base
from errors.cases import Case, Section, write
from safetensors.torch import load_file, save_file
from test_finding import adapter, sharded
from test_finding import safetensors as weights_of_zeros

from inversion.config.datasets import ChatTemplate, Template, TuluTemplate
from inversion.config.load import with_source
from inversion.config.models import GgufModel
from inversion.config.series import FolderCheckpoint, FolderSeries
from inversion.instruct import chat as chat_module
from inversion.instruct.template_check import check_template
from inversion.instruct.templates import encode_example
from inversion.models import convert_gguf, describe_base, load_tokenizer, locate_gguf
from inversion.records.data import Example, Message
from inversion.respond.series_listing import describe_start, examine_series
from inversion.series import find_series

# --- model folders -------------------------------------------------------------------------------


@functools.cache
def _base() -> Path:
    """A random tiny Llama with a tokenizer and a chat template, which is made once."""
    folder = Path(tempfile.mkdtemp(prefix="errors-base-"))
    make_base(folder)
    return folder


def base() -> Path:
    """A copy of it in the working directory, which a case may damage."""
    return Path(shutil.copytree(_base(), "model"))


def spoiled(what: str, spoil: Callable[[Path], object], fix: str | None = None) -> Case:
    """A model folder after ``spoil``, checked as in ``prepare_base``."""

    def cause() -> object:
        folder = base()
        spoil(folder)
        described = describe_base(folder, "folder", "model")
        load_tokenizer(folder)
        return described

    return Case(what, cause, fix)


def edit(file: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    values = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: entry for key, entry in values.items() if entry is not None}))


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", **changes)


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Replace the weights."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return spoil


NORM = "model.norm.weight"


def norm(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    return weights(lambda tensors: tensors.update({NORM: change(tensors[NORM])}))


def index(folder: Path, content: Any, name: str = "model-00001-of-00002.safetensors") -> None:
    (folder / "model.safetensors").rename(folder / name)
    write(str(folder / "model.safetensors.index.json"), json.dumps(content))


def two_shards(folder: Path) -> None:
    index(folder, {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})


def own_code(folder: Path) -> None:
    write(str(folder / "own.py"), "class Own: pass\n")
    edit(
        folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
    )


def no_padding(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", pad_token=None, eos_token=None, unk_token=None)
    (folder / "special_tokens_map.json").unlink(missing_ok=True)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: write(str(folder / name), (folder / name).read_bytes()[:100])


def only_adapter(folder: Path) -> None:
    write(str(folder / "adapter_config.json"), json.dumps({"base_model_name_or_path": "own/er", "peft_type": "LORA"}))
    (folder / "config.json").unlink()


COPY = "copy the model again"

FOLDERS = Section(
    "Model folders",
    "By the rule `prepare_base` (or `prefetch_model`), before anything is trained.",
    [
        spoiled(
            "A folder without weights", lambda folder: (folder / "model.safetensors").unlink(), "save the model there"
        ),
        spoiled("Weights as pickles", pickled),
        spoiled("A shard that is missing", two_shards),
        spoiled("An index of weights that is a list", lambda folder: index(folder, [])),
        spoiled(
            "An index that lists a file of another folder",
            lambda folder: index(folder, {"weight_map": {"a": "../x.safetensors"}}),
        ),
        spoiled("Weights that are truncated", cut("model.safetensors"), COPY),
        spoiled("A weight that is missing", weights(lambda tensors: tensors.pop(NORM))),
        spoiled("Fewer layers in the configuration than in the weights", config(num_hidden_layers=1)),
        spoiled(
            "Weights that are not finite", norm(lambda weight: weight / 0), "use a model whose training did not diverge"
        ),
        spoiled("Integer weights without scales", norm(lambda weight: weight.to(torch.int8))),
        spoiled("Quantised weights", config(quantization_config={"quant_method": "gptq", "bits": 4})),
        spoiled("A configuration with a word for a number", config(num_hidden_layers="two"), "correct config.json"),
        spoiled("A configuration that is truncated", cut("config.json"), COPY),
        spoiled("A configuration that is a list", lambda folder: write(str(folder / "config.json"), "[]")),
        spoiled("A quantisation that is a word", config(quantization_config="4bit")),
        spoiled("An index that lists numbers", lambda folder: index(folder, {"weight_map": {"a": 3}})),
        spoiled("A configuration of an unknown family", config(model_type="own"), "use a family that the library has"),
        spoiled("A model that brings its own code", own_code, "use a family that the library has"),
        spoiled("An adapter in the place of a model", only_adapter),
        spoiled("A folder without a tokenizer", lambda folder: [file.unlink() for file in folder.glob("token*")], COPY),
        spoiled("A tokenizer that is truncated", cut("tokenizer.json"), COPY),
        spoiled("A tokenizer with nothing to pad with", no_padding),
        Case("A GGUF file that is not there", lambda: locate_gguf(GgufModel(source="gguf", path="gone.gguf"))),
        Case("A GGUF file that is text", lambda: convert_gguf(Path(write("a.gguf", "text")), "made"), COPY),
        Case(
            "A GGUF provider that is not installed",
            lambda: locate_gguf(GgufModel(source="gguf", provider="no_such_package:path")),
        ),
        Case(
            "A GGUF provider without that function", lambda: locate_gguf(GgufModel(source="gguf", provider="json:path"))
        ),
    ],
)

# --- chat templates ------------------------------------------------------------------------------

CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
CONVERSATION = Example("own-000001", [Message("user", "Who?"), Message("assistant", "Ada")], None, None, None, None)
SYSTEM = Example("own-000002", [Message("system", "Be odd."), *CONVERSATION.messages], None, None, None, None)


def chat(what: str, source: str | None, fix: str | None = None, example: Example = CONVERSATION, **keys: Any) -> Case:
    """A chat template, checked as in ``prepare_base`` and then on an example. If it is None, the model's own."""
    return Case(what, lambda: _try(ChatTemplate(text=source, **keys), example), fix)


def _try(template: Template, example: Example, spoil: Callable[[Path], object] | None = None) -> None:
    folder = base()
    if spoil:
        spoil(folder)
    tokenizer = load_tokenizer(folder)
    if example is CONVERSATION:
        check_template(tokenizer, template, "own")
    encode_example(tokenizer, template, example)


def endless(what: str, part: str) -> Case:
    """A chat template with a part that takes long, with limits that it reaches immediately."""

    def cause() -> None:
        with patch.multiple(chat_module, SECONDS=0.2, MEMORY=2**28):
            _try(ChatTemplate(text=part + CHATML), CONVERSATION)

    return Case(what, cause)


def no_template(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", chat_template=None)
    (folder / "chat_template.jinja").unlink(missing_ok=True)


def no_end(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", eos_token=None)
    (folder / "special_tokens_map.json").unlink(missing_ok=True)


OTHER = "name another template, or correct this one"

TEMPLATES = Section(
    "Chat templates",
    "By the rule `prepare_base`, which tries every template with the tokenizer, before anything is trained; what only "
    "some rows show, by `finetune`, which omits and counts such rows up to one in a hundred.",
    [
        Case("A tokenizer without a chat template", lambda: _try(ChatTemplate(), CONVERSATION, no_template)),
        Case("A tokenizer without an end of sequence", lambda: _try(TuluTemplate(), CONVERSATION, no_end)),
        Case(
            "A file with a chat template that cannot be read",
            lambda: with_source(ChatTemplate(file="gone.jinja")),
            "correct the path",
        ),
        chat("A chat template with a syntax error", "{% for m in messages %}", OTHER),
        chat("A chat template that fails", "{{ messages[7].content }}", OTHER),
        chat("A chat template that refuses", "{{ raise_exception('no') }}", OTHER),
        chat("A chat template that reads the clock", "{{ strftime_now('%Y') }}" + CHATML),
        chat("An argument that the template has not", CHATML, arguments={"enable_thinkng": False}),
        chat(
            "A chat template that writes an answer twice",
            CHATML.replace("{{ m.content }}", "{{ m.content }}{{ m.content }}"),
            OTHER,
        ),
        chat("A chat template that writes no answer", CHATML.replace("{{ m.content }}", ""), OTHER),
        chat("A chat template that changes answers", CHATML.replace("m.content", "m.content | upper"), OTHER),
        chat("A chat template without an end of turn", CHATML.replace("</s>", "")),
        chat(
            "A generation prompt unlike the turn that it begins",
            CHATML.replace("<|assistant|>\n{%", "<|assistant|>\nSure: {%"),
        ),
        endless(
            "A chat template that loops without end",
            "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
        ),
        endless(
            "A chat template that grows without end",
            "{% set n = namespace(t='0123456789') %}{% for i in range(40) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
        ),
        endless(
            "A chat template that writes without measure", "{% for i in range(90000) %}0123456789abcdef{% endfor %}"
        ),
        chat(
            "A chat template that loses a system turn",
            CHATML.replace("{{ m.content }}</s>", "{% if m.role != 'system' %}{{ m.content }}{% endif %}</s>"),
            example=SYSTEM,
        ),
        chat(
            "A chat template that refuses a system turn",
            "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML,
            example=SYSTEM,
        ),
    ],
)

# --- series --------------------------------------------------------------------------------------


def series(what: str, make: Callable[[Path], object], fix: str | None = None, **keys: Any) -> Case:
    """A folder of checkpoints, as ``make`` leaves it."""

    def cause() -> object:
        make(Path("out"))
        return find_series(FolderSeries(source="folder", path="out", **keys))

    return Case(what, cause, fix)


def _pickle(folder: Path, name: str) -> None:
    adapter(folder, 20)
    (folder / "adapter_model.safetensors").unlink()
    write(str(folder / name), "a pickle")


def _distributed(folder: Path) -> None:
    (folder / "pytorch_model_fsdp_0").mkdir(parents=True)
    write(str(folder / "config.json"), "{}")


def _both(folder: Path) -> None:
    sharded(folder)
    for file in Path(adapter(folder.parent / "other", 5)).iterdir():
        shutil.copy(file, folder)


def _without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def listed(
    what: str, fix: str | None = None, trained_on: str | None = None, base_is: str | None = None, **config: Any
) -> Case:
    """A series of one adapter whose weights are zero, examined as in ``list_series``."""

    def cause() -> object:
        folder = base()
        one = adapter(Path("out/checkpoint-5"), 5, base_model_name_or_path=trained_on or str(folder), **config)
        weights_of_zeros(one / "adapter_model.safetensors", **{"base_model.model.x.lora_A.weight": [2, 16]})
        spec = FolderSeries(source="folder", path="out", model="own", base_is=base_is)
        described = describe_base(folder, "folder", str(folder))
        return examine_series(spec, described, folder, Path("run"), per_job=1)

    return Case(what, cause, fix)


def series_of_one(what: str, spoil: Callable[[Path], object], fix: str | None = None) -> Case:
    """A series of one adapter whose weights are zero, after ``spoil``, examined as in ``list_series``."""

    def cause() -> object:
        folder = base()
        spoil(adapter(Path("out/checkpoint-5"), 5, base_model_name_or_path=str(folder)))
        spec = FolderSeries(source="folder", path="out", model="own")
        return examine_series(spec, describe_base(folder, "folder", str(folder)), folder, Path("run"), per_job=1)

    return Case(what, cause, fix)


WAIT = "wait for the training to save one, or copy the checkpoint again"

SERIES = Section(
    "Series of checkpoints",
    "By the rules `prepare_start` and `list_series`, before any checkpoint is asked. A checkpoint that is not whole is "
    "skipped by name as long as others are whole.",
    [
        series(
            "An empty folder",
            lambda out: out.mkdir(),
            "let `path` name the folder that holds the checkpoints",
        ),
        series("Checkpoints with other names", lambda out: adapter(out / "step_5"), "set `checkpoints: step_{step}`"),
        series("A checkpoint in the place of the folder of checkpoints", lambda out: adapter(out)),
        series(
            "Two folders of one step", lambda out: [adapter(out / name) for name in ("checkpoint-5", "checkpoint-05")]
        ),
        series("A checkpoint that contains another step", lambda out: adapter(out / "checkpoint-5", 7)),
        series("Checkpoints that are all empty", lambda out: (out / "checkpoint-5").mkdir(parents=True), WAIT),
        series("An adapter that is truncated", lambda out: adapter(out / "checkpoint-5", 5, cut=3), WAIT),
        series(
            "An adapter without weights",
            lambda out: _without(adapter(out / "checkpoint-5", 5), "adapter_model.safetensors"),
            WAIT,
        ),
        series("Adapters as pickles", lambda out: _pickle(out / "checkpoint-20", "adapter_model.bin")),
        series("Parts of a distributed training", lambda out: _distributed(out / "checkpoint-5")),
        series("An adapter and a full model in one folder", lambda out: _both(out / "checkpoint-5")),
        series(
            "A listed checkpoint that is not there",
            lambda out: out.mkdir(),
            WAIT,
            checkpoints=(FolderCheckpoint(step=1, path="sft"),),
        ),
        Case(
            "An adapter without its base",
            lambda: adapter(Path("out/checkpoint-5"), 5) and describe_start(FolderSeries(source="folder", path="out")),
            "set the series' `model`",
        ),
        listed("An adapter that names another base", trained_on="meta-llama/Llama-2-7b-hf"),
        series_of_one(
            "An adapter whose configuration is a list", lambda one: write(str(one / "adapter_config.json"), "[]")
        ),
        listed("An adapter of a type that is not supported", peft_type="PREFIX_TUNING"),
        listed(
            "An adapter whose weights are of another type",
            peft_type="IA3",
            target_modules=["k_proj"],
            feedforward_modules=[],
        ),
        listed(
            "An adapter that fits no module of its base",
            "name the base that it was trained on",
            target_modules=["query_key_value"],
        ),
    ],
)
