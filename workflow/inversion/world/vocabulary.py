"""The words of the invented world, and a check that prompts use no others."""

from __future__ import annotations

import string
from collections.abc import Iterator

from tokenizers.pre_tokenizers import Whitespace

from inversion.config.base import nearest
from inversion.config.datasets import WORLD_TEMPLATE
from inversion.config.files import ConfigError
from inversion.config.study import Config
from inversion.world.facts import InventedWorld, build_world
from inversion.world.text import ANSWER, QUESTION, STATEMENTS


def vocabulary(world: InventedWorld) -> list[str]:
    """All words of templates, relations, subjects and answers, each once."""
    words = [*_template_words(), *world.relations, *world.known.all, *world.new.all]
    words += [answer for relation in world.relations for answer in world.answers[relation]]
    return list(dict.fromkeys(words))


def require_known_words(study: Config, source: str = "configuration") -> None:
    """Refuse prompts with words that world models do not have, because all of these are the same unknown token.

    ``source`` names the study in errors. Raises :class:`~inversion.config.files.ConfigError`, naming the first such
    word.
    """
    instructions = [
        (name, prompt.instruction) for name, prompt in study.evaluation.prompts.items() if prompt.instruction
    ]
    model = next((name for name, spec in study.models.items() if spec.from_world), None)
    if not instructions or model is None or study.world is None:
        return
    world = build_world(study.world)
    known = set(vocabulary(world))
    for name, instruction in instructions:
        unknown = next((word for word in _words(instruction) if word not in known), None)
        if unknown is not None:
            raise ConfigError(
                f"{source}: evaluation.prompts.{name}.instruction: models of the world, as {model!r}, do not know the "
                f"word {unknown!r}{nearest(unknown, sorted({*_template_words(), *world.relations}))}"
            )


def _template_words() -> list[str]:
    chat = WORLD_TEMPLATE
    templates = (*STATEMENTS, QUESTION, ANSWER, chat.with_context, chat.without_context)
    return [word for template in templates for word in _literal_words(template)]


def _literal_words(template: str) -> Iterator[str]:
    """The words of a template that are not placeholders."""
    for literal, _, _, _ in string.Formatter().parse(template):
        yield from _words(literal)


def _words(text: str) -> list[str]:
    return [word for word, _ in Whitespace().pre_tokenize_str(text)]
