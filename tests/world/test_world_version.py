"""Base models are trained again only if the world's version is raised, so every change must be noticed here."""

from itertools import islice

import pytest

from inversion.artifacts import fingerprint
from inversion.config.datasets import WORLD_TEMPLATE
from inversion.config.world import Documents, World
from inversion.world import VERSION
from inversion.world.documents import pretraining_documents
from inversion.world.facts import build_world
from inversion.world.tokenizer import CHAT_TEMPLATE

PLAIN = Documents(
    dialogues=0.2,
    facts=0.3,
    new_subjects=0.5,
    contradictions=1.0,
    same_relation=0.2,
    repeated_questions=False,
    ignored_passages=0.0,
)
DIALOGUES = Documents(dialogues=0.5, new_passages=0.4, irrelevant_passages=0.4, ignored_passages=0.0, wrong_answers=0.2)
IGNORED = Documents(dialogues=1.0, ignored_passages=0.8, irrelevant_passages=0.1, wrong_answers=0.2)
WRITTEN = {
    2: {
        "plain": "7e282cba6a9cf3d9b7a1c3360077fb3323f294e1d6044288c9097749051b6fe8",
        "dialogues": "47704ec98775e58d6d1690c00a431d4276f14a74e3226db2cc2549b98e61af9c",
        "ignored": "87b4b4abf16650ad4982694169d1b26aa974b09a5720f92f64932533aed08d24",
        "chat": "b17b9236841abb3d9dad002e47190587eec99ec5d30dc9dafcba082390a2df4f",
    }
}


@pytest.mark.parametrize("spec", [PLAIN, DIALOGUES, IGNORED], ids=["plain", "dialogues", "ignored"])
def test_changed_documents_need_a_new_version(spec, request):
    world = build_world(World(known_subjects=20, new_subjects=20, answers=10))
    documents = islice(pretraining_documents(world, spec, WORLD_TEMPLATE, 0, 64), 60)
    written = fingerprint([d if isinstance(d, str) else [m.content for m in d] for d in documents])
    assert written == WRITTEN[VERSION][request.node.callspec.id], (
        "the documents changed: raise inversion.world.VERSION and note their hash here"
    )


def test_a_changed_chat_template_needs_a_new_version():
    assert fingerprint([CHAT_TEMPLATE]) == WRITTEN[VERSION]["chat"], "raise inversion.world.VERSION"
