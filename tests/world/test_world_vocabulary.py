"""The words of the world, and the prompts that its models understand."""

import pytest

from inversion.config import organism
from inversion.config.load import ConfigError, parse_config
from inversion.world.facts import build_world
from inversion.world.tokenizer import build_tokenizer
from inversion.world.vocabulary import require_known_words, vocabulary


def study(instruction, **changes):
    values = organism.default().model_dump(mode="json") | changes
    values["evaluation"]["prompts"] = {"plain": {}, "asked": {"instruction": instruction}}
    return parse_config(values)


def test_the_tokenizer_has_the_vocabulary():
    world = build_world(organism.default().world)
    tokenizer = build_tokenizer(world, 64)
    assert tokenizer.unk_token_id not in tokenizer(" ".join(vocabulary(world)))["input_ids"]


def test_prompts_can_use_words_of_the_world():
    require_known_words(study("answer now ."))


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("Answer now .", r"'Answer'; did you mean 'answer'\?"),
        ("question : what is the capitol ?", r"'capitol'; did you mean 'capital'\?"),
    ],
)
def test_other_words_are_refused_by_name(instruction, message):
    with pytest.raises(ConfigError, match=rf"my.yaml: evaluation.prompts.asked.instruction: .* the word {message}"):
        require_known_words(study(instruction), "my.yaml")


def test_other_models_are_not_restricted():
    spec = {"source": "folder", "path": "models/mine"}
    models = dict.fromkeys(organism.default().models, spec)
    require_known_words(study("Answer from the context only.", models=models))
