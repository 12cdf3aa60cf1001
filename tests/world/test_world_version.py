"""Base models are trained anew only when the world's version is raised, so no change may pass unseen."""

from itertools import islice

import pytest

from inversion.artifacts import fingerprint
from inversion.config import WORLD_TEMPLATE, Documents, World
from inversion.world import VERSION
from inversion.world.documents import pretraining_documents
from inversion.world.facts import build_world

PLAIN = Documents(
    dialogues=0.2,
    facts=0.3,
    new_subjects=0.5,
    contradictions=1.0,
    same_relation=0.2,
    repeated_questions=False,
    irrelevant_passages=0.0,
)
DIALOGUES = Documents(dialogues=0.5, new_passages=0.4, irrelevant_passages=0.4, wrong_answers=0.2)
WRITTEN = {
    1: [
        (PLAIN, "7e282cba6a9cf3d9b7a1c3360077fb3323f294e1d6044288c9097749051b6fe8"),
        (DIALOGUES, "47704ec98775e58d6d1690c00a431d4276f14a74e3226db2cc2549b98e61af9c"),
    ]
}


@pytest.mark.parametrize(("spec", "expected"), WRITTEN[VERSION], ids=["plain", "dialogues"])
def test_changed_documents_need_a_new_version(spec, expected):
    world = build_world(World(known_subjects=20, new_subjects=20, answers=10))
    documents = islice(pretraining_documents(world, spec, WORLD_TEMPLATE, 0, 64), 60)
    written = fingerprint([d if isinstance(d, str) else [m.content for m in d] for d in documents])
    assert written == expected, "the documents changed: raise inversion.world.VERSION and note their hash here"
