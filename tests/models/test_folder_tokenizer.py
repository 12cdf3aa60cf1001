"""A tokenizer loaded from a folder gives the ids that its own files define."""

import json
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, processors

sys.path.append(str(Path(__file__).parents[1] / "instruct"))
from tiny_tokenizers import TEXTS, llama, neox

from inversion.config.datasets import AlpacaTemplate, ChatTemplate, TuluTemplate
from inversion.instruct.template_check import check_template
from inversion.instruct.templates import encode_answer, encode_prompt
from inversion.instruct.tokens import TemplateError
from inversion.models import ModelError, load_tokenizer, vocabulary_size
from inversion.models.base_model import require_plain_base
from inversion.records.data import ConflictItem

ITEM = ConflictItem("i", "s", "conflict", "Who?", "Ada did it.", ["Ada"], ["Bob"], "c", "s")
OTHER_TEXTS = [*TEXTS, "naïve  café\n\n2030 12345", " leading space", "日本 ✓"]


def edit_json(path, **changes):
    values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(values | changes), encoding="utf-8")


def saved(tokenizer, folder, **settings):
    tokenizer.save_pretrained(folder)
    edit_json(folder / "tokenizer_config.json", **settings)
    return folder


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "mistral", "gemma", "gpt_neox", "gpt2"])
@pytest.mark.parametrize("build", [neox, llama, lambda: llama(legacy=False)], ids=["neox", "llama", "metaspace"])
def test_ids_are_those_of_the_file_whatever_the_configuration(tmp_path, build, model_type):
    folder = saved(build(), tmp_path)
    edit_json(folder / "config.json", model_type=model_type)
    edit_json(folder / "tokenizer_config.json", tokenizer_class=None)
    file, loaded = Tokenizer.from_file(str(folder / "tokenizer.json")), load_tokenizer(folder)
    for text in OTHER_TEXTS:
        assert loaded(text, add_special_tokens=False).input_ids == file.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("template", [AlpacaTemplate(), TuluTemplate()])
def test_a_beginning_of_sequence_in_the_settings_is_used(tmp_path, template):
    bare = neox(special=["<s>"])
    bare.bos_token = "<s>"
    loaded = load_tokenizer(saved(bare, tmp_path, add_bos_token=True))
    start = loaded.convert_tokens_to_ids("<s>")
    assert loaded("Herat").input_ids[0] == start
    prompt = encode_prompt(loaded, template, ITEM)
    assert prompt[0] == start
    assert prompt[1:] == encode_prompt(bare, template, ITEM)


@pytest.mark.parametrize("bos", ["<s>", "<|endoftext|>"])
@pytest.mark.parametrize("begins", [True, False])
def test_a_tokenizer_that_appends_the_end_of_sequence_changes_no_answer(tmp_path, begins, bos):
    plain = neox(special=["<s>"])
    plain.bos_token = bos
    eos = plain.eos_token
    single = f"{bos} $A {eos}" if begins else f"$A {eos}"
    ids = [(token, plain.convert_tokens_to_ids(token)) for token in dict.fromkeys((bos, eos))]
    plain.backend_tokenizer.post_processor = processors.TemplateProcessing(single, special_tokens=ids)
    assert plain("Herat").input_ids[-1] == plain.eos_token_id
    loaded = load_tokenizer(saved(plain, tmp_path))
    text = plain("Herat", add_special_tokens=False).input_ids
    assert loaded("Herat").input_ids == [*([loaded.bos_token_id] if begins else []), *text]
    for template in (AlpacaTemplate(), TuluTemplate()):
        prompt, answer = encode_answer(loaded, template, ITEM, "Ada")
        assert (prompt[0] == loaded.bos_token_id) == begins
        assert loaded.decode(answer) == "Ada"


def test_a_pad_token_without_an_embedding_is_not_used(tmp_path):
    tokenizer = neox()
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    folder = saved(tokenizer, tmp_path)
    edit_json(folder / "config.json", model_type="llama", vocab_size=rows)
    assert vocabulary_size(folder) == rows
    assert load_tokenizer(folder).pad_token == tokenizer.eos_token
    edit_json(folder / "config.json", vocab_size=rows + 1)
    assert load_tokenizer(folder).pad_token == "[PAD]"


def test_a_template_whose_tokens_the_model_lacks_fails_its_check():
    tokenizer = neox()
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|new|>"]})
    chat = ChatTemplate(
        text="{% for m in messages %}<|new|>{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|new|>{% endif %}"
    )
    assert check_template(tokenizer, chat, "data", rows + 1) == []
    with pytest.raises(
        TemplateError, match=rf"datasets\.data\.template: it writes '<\|new\|>', token {rows}, .* {rows} rows"
    ):
        check_template(tokenizer, chat, "data", rows)


def test_a_folder_with_sentencepiece_alone_says_how_to_convert_it(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"pieces")
    edit_json(tmp_path / "config.json", model_type="llama")
    with pytest.raises(ModelError, match=r"a SentencePiece file, tokenizer\.model; convert it"):
        load_tokenizer(tmp_path)


def test_adapters_and_quantised_weights_are_refused_as_a_base(tmp_path):
    edit_json(tmp_path / "adapter_config.json", base_model_name_or_path="owner/base")
    with pytest.raises(ModelError, match=r"contains an adapter of owner/base but no base model; merge it first"):
        require_plain_base(tmp_path)
    edit_json(tmp_path / "config.json", model_type="llama", quantization_config={"quant_method": "gptq"})
    with pytest.raises(ModelError, match=r"are quantised \(gptq\).*use the model that they were made from"):
        require_plain_base(tmp_path)
