"""Sets mentions aside that name a part or another deed: "only the museum is in Paris", "11: a keeper and ten others",
"born in Lyon and raised in Paris", "Paris made another one, not this one"."""

from __future__ import annotations

import itertools
import re

from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.masked_response import MaskedResponse, Sentence
from inversion.score.relative_numbers import number_of
from inversion.score.setting_aside import drop_mention
from inversion.score.statements import WORD, content_words, stems, without_names

_ONLY_PART = re.compile(
    r"(?:^|[.;,\u2013\u2014]\s*|\bwith |\band |\bwhile )(?:only|just|merely|nothing but|nothing except|no more than) (?:the|an?|its|their|his|her|some)(?: old| former| small)? "
    rf"(?P<what>[\w' -]{{2,40}}?) (?:(?:is|are|was|were|has|have|been|remain\w*|stay\w*|still|left|moved|kept|behind|there) )*(?:in|at|to|behind in) (?:the )?(?P<m>{A})"
    rf"|\ball that (?:is|was|has been|has) ?(?:left|remains|remained|stayed)? ?(?:behind )?(?:in|at) (?:the )?(?P<m2>{A}) is (?:the|an?|its) (?P<what2>\w+)"
)
"""A mention of where a part only is: "only the museum is still in Paris"."""
_NOT_ASKED = re.compile(
    rf"(?P<m>{A})(?:(?![\"')\]]*,? not\b)[^.;!?{C}{P}]*?,? (?:but |and )?not|[\"')\]]* never) (?P<rest>(?!only\b|just\b|merely\b)[^.,;:!?{C}{P}]+)(?=[.,;:!?]|$)"
)
"""A mention in a clause that ends in what it does not say: "Paris makes cars, not the watch"."""
_NEGATION = re.compile(r" (?:not|never) ")
_IT = re.compile(r"(?:it|that|this|that one|this one|the one (?:that )?(?:you )?asked(?: about| for)?)\W*")
_BEFORE_BOTH = re.compile(
    rf"\b(?:before|ahead of|earlier than|prior to|long before|sooner than) (?:either |both )?(?:the )?(?P<m>{A})[\"')\]]*,? (?:or|and|nor) (?:the )?(?P<n>{A})"
)
"""A third answer that came before both."""
_PIECE = re.compile(r"[,;]\s|\b(?:and|but|though|although|while|whereas)\b")


def set_aside_parts(text: MaskedResponse) -> None:
    """Set aside every mention that is named for a part of what was asked, or for something else."""
    for match in _BEFORE_BOTH.finditer(text.masked) if text.names_both else ():
        if match["m"] != match["n"]:
            text.set_aside.update({text.at(match.start("m")): "aside", text.at(match.start("n")): "aside"})
    asked = content_words(text.question)
    for match in _NOT_ASKED.finditer(text.masked) if _NEGATION.search(text.masked) else ():
        rest = content_words(match["rest"])
        if _IT.fullmatch(match["rest"]) or (rest and rest <= asked):
            drop_mention(text, match.start("m"), "aside")
    if len(text.sides()) < 2:
        return
    for match in _ONLY_PART.finditer(text.masked):
        index = text.at(max(match.start("m"), match.start("m2")))
        part = content_words(match["what"] or match["what2"])
        if (
            part
            and not part & asked
            and set(map(text.side, text.remaining(0, text.places[index]))) - {text.side(index)}
        ):
            text.set_aside.setdefault(index, "aside")
    _set_aside_addends(text)
    for sentence in text.sentences:
        _set_aside_other_deeds(text, sentence)


_WHOLE_THEN_PART = re.compile(
    rf"(?P<whole>{A})[^.!?{C}{P}]*?(?:"
    rf"(?::|\((?![^(){C}{P}]*\))|,? (?:that is|i\.e\.|namely|which is),?)[^.!?{C}{P}]*?(?:\b(?:and|plus|with)\b[^.!?{C}{P}]*?(?P<m>{A})|(?P<m2>{A})[^.!?{C}{P}]*?\b(?:and|plus)\b)"
    rf"|\b(?:of (?:which|whom|it|that|these|those|them)|including|includes|compris\w+|consist\w+ of|made up of|composed of|divided into|split into)\b[^.!?{C}{P}]*(?P<m3>{A})"
    rf"|[,(;.\u2013\u2014][^.!?{C}{P}]*(?P<m4>{A})[\"')]*\s?(?:of (?:it|that|this|them|these|those|whom|which|the \w+)|in (?:cash|stock|shares|debt))\b)"
)
"""A whole, and a part of it: "eleven: a goalkeeper and ten others", "a million, 300,000 of it in cash"."""
_REST_OF_WHOLE = re.compile(rf"(?P<rest>{A})\W{{1,3}}(?P<m>{A}) (?:minus|less|without)\b")
"""What remains of a whole: "14: fifteen minus the one that was dropped"."""


def _set_aside_addends(text: MaskedResponse) -> None:
    """Set aside the smaller of two numbers as a part of the larger one, or the larger one as what it was taken from."""
    context, parametric = number_of(text.context_answers), number_of(text.parametric_answers)
    if context is None or parametric is None or context == parametric:
        return
    larger = C if context > parametric else P
    for match in _WHOLE_THEN_PART.finditer(text.masked):
        place = max(match.start(name) for name in ("m", "m2", "m3", "m4"))
        if match["whole"] == larger != text.masked[place]:
            drop_mention(text, place, "aside")
    for match in _REST_OF_WHOLE.finditer(text.masked):
        if match["m"] == larger != match["rest"]:
            drop_mention(text, match.start("m"), "aside")


_OWN_VERB = re.compile(
    r"\b(?:grew|raised|lived|brought|spent|went|died|born|buried|fell|taught|sang|wrote|made|won|held|became|came|[a-z]{3,}ed)\b"
)
_NO_DEED = re.compile(r"\b(?:also|not|never|no|or|says|said|claimed|credited|stated|called|believed)\b")

_SAME_DEED = {
    "born": re.compile(r"\b(?:birthplace|place of birth|came into the world|saw the light of day|entered the world)\b"),
    "di": re.compile(r"\b(?:death|passed away|breathed (?:his|her) last|met (?:his|her) end)\b"),
}
"""Other words for the stem of a verb that questions often have."""


def _set_aside_other_deeds(text: MaskedResponse, sentence: Sentence) -> None:
    """Set aside the mentions in the parts of a sentence that have another verb than the question, if the part with the
    other answer has the question's verb: "born in Lyon and raised in Paris" for "Where was he born?"."""
    if len(text.sides(sentence.start, sentence.end)) < 2:
        return
    asked = stems(without_names(text.question))
    bounds = [0, *(match.end() for match in _PIECE.finditer(sentence.text)), len(sentence.text)]
    pieces = [(start, sentence.text[start:end]) for start, end in itertools.pairwise(bounds)]
    wanted, others = set[int](), set[int]()
    for start, piece in pieces:
        here = text.remaining(sentence.start + start, sentence.start + start + len(piece))
        if not here:
            continue
        attributed = any(cue.search(piece) for cue in (cues.PASSAGE, cues.GENERAL, _NO_DEED))
        verbs = stems(" ".join(word for word in WORD.findall(piece) if _OWN_VERB.fullmatch(word)))
        same = any(verb in asked and cue.search(piece) for verb, cue in _SAME_DEED.items())
        if attributed or len({text.side(i) for i in here}) > 1 or not (verbs or same):
            return
        (wanted if verbs & asked or same else others).update(here)
    if {text.side(i) for i in wanted}.isdisjoint({text.side(i) for i in others}) and wanted and others:
        text.set_aside.update(dict.fromkeys(others, "aside"))
