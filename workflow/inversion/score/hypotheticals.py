"""Sets aside what would be the answer in a case that the text only imagines: "If the reform had passed, it would be
Lyon. It is still Paris"."""

from __future__ import annotations

import re

from inversion.score.masked_response import MaskedResponse

_HYPOTHETICAL = re.compile(
    r"^\W*(?:(?:but|and|now|yes|no),? )?(?:"
    r"(?:suppose|supposing|imagine|pretend|if) (?:that )?(?!(?:i|we|you)\b)[^?]*?\b(?:were|was|had|did|\w+ed)\b|"
    r"(?:were|had) (?:the|this|that|it|there|he|she|they)\b)[^?]*?\bwould\b[^?]*$"
)
_CONTRAST = re.compile(r",? \b(?:but|yet|however)\b")
_BOTH_CASES = re.compile(r"\b(?:otherwise|if not|or else)\b")


def set_aside_hypothetical(text: MaskedResponse) -> None:
    """Set aside the answer of a hypothetical sentence, if the text names the other one outside of such sentences."""
    if len(text.sides()) < 2 or "would" not in text.masked or _BOTH_CASES.search(text.masked):
        return
    stretches = ((s.start, _CONTRAST.split(s.text, maxsplit=1)[0]) for s in text.sentences)
    unreal = [(start, start + len(said)) for start, said in stretches if _HYPOTHETICAL.search(said)]
    inside = {i for start, end in unreal for i in text.remaining(start, end)}
    supposed = {text.side(i) for i in inside}
    if len(supposed) == 1 and {text.side(i) for i in {*text.remaining()} - inside} - supposed:
        text.set_aside.update(dict.fromkeys(inside, "conceded"))
