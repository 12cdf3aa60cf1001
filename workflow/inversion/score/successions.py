"""Sets the predecessor aside in a text that tells how something passed to another holder: "Paris sold it to Lyon",
"Paris led it for decades. His successor, Lyon, took over"."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.cues import A, C, P
from inversion.score.masked_response import MaskedResponse
from inversion.score.setting_aside import drop_mention

_IN = rf"[^.;!?{C}{P}]"
_THROUGH = rf"[^!?{C}{P}]"
_PRESENT_ASKED = re.compile(
    r"\b(?:is|are|does|do|has|have)\b|\b(?:who|what|which (?:[\w'-]+ ){1,3}?)\s?(?:currently |now |today )?\w+s\b"
)
_UNREAL = re.compile(
    r"\b(?:not|never|will|would|may(?! \d)|might|could|should|plans?|planned|wants?|wanted|refus\w+|tried|failed|offer\w*|consider\w*|(?:almost|nearly)(?= \w+ed\b| sold\b| left\b)|"
    r"if|whether|expected|designated|likely|one day|some day|someday|rumou?r\w*|reported\w*|claim\w*|says|supposed\w*|alleged\w*)\b"
)
"""What a text does not state as a fact."""
_GIVES = (
    r"(?:s(?:old|ells)|divested|ced(?:ed|es)|surrender(?:ed|s)|transferr?(?:ed|s)|handed|hands|passe(?:d|s)|gave|given|gives|return(?:ed|s)|yield(?:ed|s)|"
    r"turned|signed|lost|loses|bequeathed|offloaded|granted|awarded|entrusted|left)"
)
_LEAVES = (
    r"(?:left|leaves|packed (?:up|its bags|their bags)|packs up|decamped|departed|moved (?:out|away|on|house)|upped sticks|pulled up stakes|set (?:off|out)|headed(?: off)?|"
    r"cleared out|quit|sold up|moved)"
)
_HAD = (
    r"(?:was|were|had|held|owned|led|ran|ruled|governed|made|kept|hosted|housed|belonged|sat|spent|headed|managed|produced|controlled|coached|chaired|directed|captained|reigned|served|"
    r"left|quit|sold|divested|ceded|resigned|retired|relinquished|surrendered|stood down|stepped down|did the job)"
)
_THEN = (
    r"(?:(?:his|her|its|their|the) (?:successor|replacement|new (?:home|seat|base|owner|boss|head|chief|ceo|leader|capital|coach|president|holder|manager))(?= (?:is |was )?[\ue000\ue001]|, [\ue000\ue001])|"
    r"since then (?:the|it|they)|(?:these days|nowadays|today|now) (?:it|they) (?:belongs?|(?:is|are) (?:owned|run|held|led|made|with|in))|"
    r"(?:then|later|afterwards|eventually|subsequently|after that|thereafter|it|which|they)\b[^.;!?]{0,30}\b(?:passed|fell|went|moved|joined|switched|came under|became|bought|sold|ceded|acquired|made|relocated|belong\w*|handed|given)"
    r"|then(?= [\ue000\ue001] (?:got|took|had|bought|made|inherited|succeeded|followed)))"
)
_TAKES = (
    r"(?:t(?:ook|akes) (?:over|(?:his|her|its|their) (?:place|job|role|post)|the (?:job|reins|helm)|charge|it\b)|(?:got|gained|received|inherited|bought|acquired) it\b|"
    r"stepped in|(?:is|was|became) (?:now )?(?:his|her|its|their) (?:successor|replacement)|(?:succeeded|replaced|followed) (?:him|her|it|them)\b|(?:has|have) (?:had|held|led|owned|run|been|made|ruled)\b[^.;!?]*\bsince\b)"
)
_SINCE = (
    r"(?:after (?:that|this|which)|afterwards|thereafter|(?:ever )?since(?: then)?|from (?:then|that (?:year|date|point)|there) on|"
    r"today|now|nowadays)"
)
_UNTIL = r"(?:until|till|up to|through)"
_GONE = r"(?:sacked|fired|dismissed|let go|ousted|removed|resigned|retired|quit|left|died|stood down|stepped down)"
_APPOINTED = r"(?:was|is|has been) (?:\w+ly )?(?:hired|appointed|named|elected|chosen|brought in|installed|promoted|put in charge)"
_SUCCESSIONS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<m>{A}){_IN}*?\b{_GIVES}\b{_IN}{{0,60}}?\b(?:to|over to) (?:the )?(?P<to>{A})",
        rf"(?P<m>{A}){_IN}*?\b(?:{_LEAVES} for|made way for|made room for|let) (?:the )?(?P<to>{A})",
        rf"\b(?:swapp|trad|exchang|forsook|desert|abandon)(?:ed|es|ing)? (?:the )?(?P<m>{A}) for (?:the )?(?P<to>{A})",
        rf"\b(?:goodbye to|farewell to|(?:its|their|his|her) back on|parted with|walked away from) (?:the )?(?P<m>{A}){_IN}*(?P<to>{A})",
        rf"\bafter (?:[\w-]+ ){{0,4}}?(?:years|decades|centuries|a century|a decade|ages) (?:in|at|under|with|of) (?:the )?(?P<m>{A}){_IN}*(?P<to>{A})",
        rf"\bafter (?:the )?(?P<m>{A}) (?:came|comes) (?P<to>{A})",
        rf"\b(?:(?:from|between) \d{{4}}|{_UNTIL}) {_IN}{{0,40}}?(?P<m>{A})[.,;]? {_IN}{{0,12}}?\b{_SINCE}\b{_IN}{{0,20}}(?P<to>{A})",
        rf"(?P<m>{A}),? {_IN}{{0,20}}?\b{_UNTIL} {_IN}{{0,20}}[.,;]? {_IN}{{0,12}}?\b{_SINCE}\b{_IN}{{0,20}}(?P<to>{A})",
        rf"(?P<m>{A}),? {_IN}{{0,20}}?\b{_UNTIL} {_IN}{{0,20}}[.,;] {_IN}{{0,20}}(?P<to>{A}) {_SINCE}\b",
        rf"(?P<m>{A}) \((?:{_UNTIL}|before|\d{{4}} ?[-\u2013])[^()]*\){_THROUGH}{{0,40}}(?P<to>{A}) \((?:since|from|after|as of|now|current)\b",
        rf"(?P<m>{A}) {_IN}{{0,40}}?\b{_UNTIL} {_IN}{{0,20}}?,? (?:at which (?:point|time)|when|whereupon|after which) {_IN}{{0,20}}?(?P<to>{A})",
        rf"(?P<m>{A}){_IN}*?\b{_HAD}\b{_THROUGH}{{0,80}}?[.,;]\s{_THROUGH}{{0,40}}?\b{_THEN}\b{_THROUGH}{{0,60}}?(?P<to>{A})",
        rf"\b(?:was|were|been|belonged|sat|spent|made|led|run|owned|ruled){_IN}{{0,30}} (?P<m>{A}){_THROUGH}{{0,60}}?[.,;]\s{_THROUGH}{{0,40}}?\b{_THEN}\b{_THROUGH}{{0,60}}?(?P<to>{A})",
        rf"(?P<m>{A}){_IN}*?\b{_HAD}\b{_THROUGH}{{0,80}}?(?:[.,;]| and| before| until)\s(?:but |and |then |now )*(?P<to>{A})[\"')\]]* (?:has |have )?{_TAKES}",
        rf"\b(?:was|were|been|sat|spent)\b{_IN}{{0,30}} (?P<m>{A}){_IN}{{0,60}}\b(?:before|until|and then|then|and)\b{_IN}{{0,20}}\b{_LEAVES} (?:for|to) (?:the )?(?P<to>{A})",
        rf"(?P<m>{A}){_IN}*?\b(?:was|were) (?:relieved|bought|acquired|taken over|swallowed) by (?:the )?(?P<to>{A})",
        rf"(?P<m>{A}){_IN}*?\b{_GONE}\b{_THROUGH}{{0,60}}?(?:[.,;]| and)\s(?:and |then )*(?P<to>{A}) {_APPOINTED}\b",
        rf"(?P<to>{A}){_IN}*?\b(?:stepped into|filled) (?P<m>{A})'s? shoes\b",
        rf"(?P<to>{A}){_IN}*?\b(?:took|takes) (?:{_IN}{{0,30}} )?over from (?:the )?(?P<m>{A})",
    )
)
"""How a holder ``m`` is followed by ``to``."""


def set_aside_predecessors(text: MaskedResponse) -> None:
    """Set the predecessor aside if the text names both answers as holders that followed each other, and the question
    is about the present. If it describes several successions, the last one counts."""
    asked = text.question.lower()
    if len(text.sides()) < 2 or cues.PAST.search(asked) or not _PRESENT_ASKED.search(asked):
        return
    found = [
        match
        for pattern in _SUCCESSIONS
        for match in pattern.finditer(text.masked)
        if match["m"] != match["to"] and not _UNREAL.search(_clause(text.masked, match))
    ]
    if not found:
        return
    last = max(found, key=lambda match: max(match.start("m"), match.start("to")))
    end = max(last.start("m"), last.start("to")) + 1
    gone = text.side(text.at(last.start("m")))
    for i in text.remaining(0, end):
        if text.side(i) == gone:
            drop_mention(text, text.places[i], "left_behind")


def _clause(masked: str, match: re.Match[str]) -> str:
    """The text of a match, and the rest of the sentences in which it begins and ends."""
    start = max(masked.rfind(mark, 0, match.start()) for mark in ".;!?\n") + 1
    rest = re.compile(r"[^.;!?\n]*").match(masked, match.end())
    return masked[start : rest.end() if rest else match.end()]
