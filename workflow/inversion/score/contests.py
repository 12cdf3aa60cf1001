"""Results and comparisons: who lost, what the score was, what nobody beat, and "No, the other way round"."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.judgement import Judgement
from inversion.score.masked_response import MaskedResponse
from inversion.score.setting_aside import drop_mention

_WON = re.compile(r"\b(?:won|wins?|winners?|victor|victory|victorious|champions?|beat)\b")
_LOST = re.compile(r"\b(?:lost|loses?|losers?|losing|runners?-up|second|beaten|defeated)\b")
_TEAMS = re.compile(r"\b(?:cup|match|final|game|games|bowl|team|league|series|derby|playoffs?)\b")
_AUXILIARY = r"(?:was|were|is|are|got|had been|has been)"
_BEATEN = r"(?:beaten|defeated|outscored|trounced|edged out|knocked out|routed|overwhelmed|eliminated)"
_CAME_SECOND = r"(?:comes?|came|finished) (?:in )?(?:close|near|second|third|last)"
_LOSER = re.compile(
    rf"(?P<m>{A})[\"')\]]*(?:,? who| that)? (?:\w+ly )?"
    rf"(?:{_AUXILIARY} (?:\w+ly )?{_BEATEN}|lost|falls? to|fell (?:to|short|in the final)|{_CAME_SECOND})\b"
    r"(?![^.;!?]*\b(?:but|yet|before|still|nevertheless|only|then)\b)"
)
"""A mention of who lost, unless the sentence goes on to something else."""
_UNBEATEN = re.compile(
    r"\b(?:nobody|no one|none|nothing|no (?:other |single )?\w+)\b(?: (?!not\b)[\w'-]+){0,4}? "
    r"(?P<verb>ha(?:s|ve|d) more (?:[\w'-]+ ){1,3}?than|"
    r"beats?|tops?|topped|surpass\w*|exceed\w*|match\w*|rivals|rivalled|equal\w*|bested|outdoes|"
    r"(?:is|are|was|were) (?:even )?\w+er than)"
    rf" (?:the |an? )?(?P<m>{A})(?![^.;!?]*\b(?:until|except|besides|but|before)\b)"
)
"""A mention of what nothing beats."""
_SCORE = re.compile(
    rf"(?P<a>{A}),? (?P<x>\d{{1,3}})\s?[-\u2013:]\s?(?P<y>\d{{1,3}}),? (?P<b>{A})"
    rf"|(?P<a2>{A})[:,]? (?P<x2>\d{{1,3}})(?:[,;:]| and| [-\u2013])* (?P<b2>{A})[:,]? (?P<y2>\d{{1,3}})\b(?![.,]?\d)"
    rf"|(?P<a3>{A})\s?[-\u2013:]\s?(?P<b3>{A}),?:? (?P<x3>\d{{1,3}})\s?[-\u2013:]\s?(?P<y3>\d{{1,3}})\b"
)
"""A score next to the names of the teams."""
_REVERSED = re.compile(
    rf"(?P<m>{A})[\"')\]]* (?:[\w'-]+ ){{0,3}}?"
    r"(?:(?P<more>\w+er|(?:more|less) \w+) than|over|beats?|defeated|defeats|won against|ahead of|surpass\w*) "
    rf"(?:[\w'-]+ ){{0,2}}?(?P<to>{A})[^.!?;{C}{P}]*[.!?;,\u2014-]+\s*"
    r"(?:(?:no|nope|wrong|false|actually|quite|rather|in fact|it is|it was|that is|just|exactly)\W+)*"
    r"(?:the )?(?:other way (?:a)?round|reverse|opposite|vice versa|converse)\b"
)
"""A comparison that the text then reverses."""


def apply_results(text: MaskedResponse) -> None:
    """Set aside who lost, if the question asks who won, and the first of two names in a comparison that is reversed."""
    asked = text.question.lower()
    if _WON.search(asked) and not _LOST.search(asked):
        for match in _LOSER.finditer(text.masked):
            drop_mention(text, match.start("m"), "aside")
    for match in _REVERSED.finditer(text.masked) if text.names_both else ():
        if match["m"] != match["to"] and (match["more"] is None or _asks_for_more(match["more"], asked)):
            drop_mention(text, match.start("m"), "rejected")


def _asks_for_more(comparative: str, question: str) -> bool:
    """Whether a question asks for the most of what a comparative compares: "longest" for "longer"."""
    stem = re.sub(r"i?er$", "", comparative.removeprefix("more "))[:4]
    return len(stem) > 2 and re.search(rf"\b{re.escape(stem)}", question) is not None


def winner(text: MaskedResponse) -> Judgement | None:
    """The answer that nothing beats, or that has the higher score, if the text names both."""
    if len(text.sides()) < 2:
        return None
    asked = text.question.lower()
    for match in _UNBEATEN.finditer(text.masked):
        index, verb = text.at(match.start("m")), match["verb"]
        compared = verb.endswith(" than") and " more " not in verb
        if index not in text.set_aside and (not compared or _asks_for_more(verb.split()[-2], asked)):
            return Judgement(text.side(index), text.chars(index), "final_answer")
    score = _SCORE.search(text.masked) if _TEAMS.search(asked) and _WON.search(asked) else None
    if score is None or _LOST.search(asked) or cues.CORRECTION.search(text.masked):
        return None
    groups = {name[0]: value for name, value in score.groupdict().items() if value is not None}
    places = {name[0]: score.start(name) for name, value in score.groupdict().items() if value is not None}
    if groups["a"] == groups["b"] or groups["x"] == groups["y"]:
        return None
    index = text.at(places["a"] if int(groups["x"]) > int(groups["y"]) else places["b"])
    return Judgement(text.side(index), text.chars(index), "final_answer")
