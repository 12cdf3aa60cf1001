"""Restores mentions that a double negation affirms: "It isn't wrong to say Lyon", "It would be false to say that it
isn't Lyon"."""

from __future__ import annotations

import re

from inversion.score.cues import A, C, P
from inversion.score.masked_response import MaskedResponse

_GAP = rf"(?:(?!\b(?:not|never)\b)[^,;:.!?{C}{P}])*?"
_WRONG = r"(?:wrong|false|incorrect|untrue|inaccurate|mistaken|(?:a|an) (?:mistake|error|lie))\b"
_DEGREE = r"(?:(?:be|at all|entirely|really|exactly) )*"
_SAYS = r"(?:say|claim|think|argue|believe|maintain|suggest|deny|doubt|dispute)"
_REASON = r"(?:reason|cause|grounds|need)"
_ENDED = r"(?:dropped|replaced|abandoned|abolished|removed|dethroned|superseded|moved|given up|withdrawn)"
_AFFIRMED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bnot (?:think |believe )?(?:it is |it would be )?{_DEGREE}{_WRONG}{_GAP}(?P<m>{A})",
        rf"(?P<m>{A})[\"')\]]* (?:is|was|would) not {_DEGREE}{_WRONG}",
        rf"(?:\b(?:not|un)\s?true|{_WRONG}) that (?:the )?(?P<m>{A}) (?:was|were|is|has been|had been) "
        rf"(?:\w+ly )?{_ENDED}\b",
        rf"(?<!not )(?<!not be ){_WRONG} (?:to \w+|that)\b{_GAP}\b(?:not|never)\b{_GAP}(?P<m>{A})",
        rf"\b(?:no|not|nobody|no one|never) (?:be |to |(?:\w+ )?{_REASON} to )?"
        rf"(?:den(?:y|ied|ying)|disput|doubt)(?:e[ds]?|ing|s)?\b{_GAP}(?P<m>{A})",
        rf"\b(?:nobody|no one) (?:\w+ )?{_SAYS}s?\b{_GAP}\b(?:not|never)\b{_GAP}(?P<m>{A})",
    )
)
"""A mention after two negations, or before both."""


def restore_affirmed(text: MaskedResponse) -> None:
    """Count every mention again that a negation set aside although another one cancels it."""
    if not {"negated", "rejected"} & {*text.set_aside.values()}:
        return
    for match in (match for pattern in _AFFIRMED for match in pattern.finditer(text.masked)):
        index = text.at(match.start("m"))
        if text.set_aside.get(index) in ("negated", "rejected"):
            del text.set_aside[index]
