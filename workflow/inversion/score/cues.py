"""Patterns of wording that the main scorer looks for in a masked response.

In a masked response (:mod:`inversion.score.masked_response`) the context answer is the character :data:`C` and the parametric
answer :data:`P`. Everything else is in lower case, "isn't" is "is not", and markdown is removed.
"""

from __future__ import annotations

import re

C, P = "\ue000", "\ue001"
"""The characters that replace mentions of the two answers. They are in Unicode's private use area."""
A = f"[{C}{P}]"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_FEW = r"(?:[\w'-]+\s+){0,4}?"
_SMALL = r"(?:(?:in|the|a|an|at|to|of|by|on|called|named|really|actually|simply|be|as|been|its?|capital|city|old|usual|traditional|well-known|familiar|expected|famous)\s+){0,5}"
_QUOTE = r"[\"'(\[\u201c\u2018\u300c\u300e\u00ab]*"
SOURCE = (
    r"(?:passage|text|context|article|document|paragraph|source|excerpt|story|report|author|snippet|statement|material|"
    r"input|prompt|information (?:given|provided)|provided information|reading|extract|description|writer|claim)"
)
_SAYS = (
    r"(?:says?|said|states?|stated|claims?|claimed|mentions?|mentioned|suggests?|suggested|indicates?|tells?|asserts?|"
    r"implies|reports?|gives?|names?|lists?|describes?|writes|wrote|shows?|notes?|insists?|argues?|has|puts?|"
    r"contends?|maintains?|declares?|places?|credits?|attributes?|ascribes?|assigns?|disagrees?|differs?|would have|presents?|seems? to (?:say|suggest)|"
    r"(?:wants?|would like|expects?) (?:me|us|you) to (?:say|answer|believe|think|write|conclude))"
)

_KEEPS = r"(?:forget|ignore|disregard|doubt|deny|dispute|question|leave|lose|miss|overlook|stop|cease)\b"
"""Verbs whose negation does not deny their object: "did not leave Paris"."""
NEGATED = _any(
    rf"\b(?:not|never|neither|nor|no longer|instead of|rather than|in place of|(?<!none )(?<!anything )(?<!nothing )(?<!anyone )(?<!nobody )(?<!no one )other than|except(?: for)?|as opposed to|"
    rf"and not|but not|contrary to|unlike)(?!\s+(?:only|just|merely|until)\b)\s+{_SMALL}{_QUOTE}(?P<m>{A})",
    rf"\b(?:replac(?:e|es|ed|ing)|succeed(?:s|ed|ing)?|supersed(?:e|es|ed|ing)|supplant(?:s|ed|ing)?|displac(?:es|ed|ing)|overtook|"
    rf"overtakes|(?<!not )(?<!never )g(?:ave|ives?|iven|iving) up|rul(?:e|ed|es|ing) out|eliminat(?:e|es|ed|ing)|reject(?:s|ed|ing)?|t(?:ook|akes?|aken|aking) (?:over from|the place of)|"
    rf"relinquish(?:es|ed|ing)|d(?:id|oes|one|oing) away with|put aside|discard(?:s|ed|ing)?|(?<!not )(?<!never )(?<! i )(?:forget(?: about| what [^.;!?,{C}{P}]{{1,30}} about)?|disregard|ignore)|never mind|so much for)(?!\s+(?:by|with|as)\b)\s+(?:(?:the|a|an|as|capital|city|old|former)\s+){{0,4}}{_QUOTE}(?P<m4>{A})",
    rf"(?:(?<=, )(?:non|no|não)|不是|并非|而非|而不是|不再是|並非|ya no es|no (?:es|fue|era)|n'était pas|(?:war|waren|ist) nicht|non (?:è stat[oa]|era|fu)|não foi|n'est pas|n'est plus|et non(?: pas)?|pas|nicht mehr|nicht|не|non è|"
    rf"não é|niet)\s*{_QUOTE}(?P<m2>{A})",
    rf"\bnot,[^,.;{C}{P}]*,\s*(?:the |in |by )?{_QUOTE}(?P<m7>{A})",
    rf"\bno longer\s+(?:has|have|sits?|meets?|lies|lives?|works?|plays|runs|governs|resides?|belongs?)\s+(?:[\w'-]+\s+){{0,5}}?(?:in|at|for|to|from)\s+(?:the\s+)?(?P<m13>{A})",
    rf"~~[^~]*?(?P<m8>{A})[^~]*?~~|<(?:s|del|strike)>[^<]*?(?P<m10>{A})",
    rf"(?P<m11>{A})[\"')\]]*,?\s+(?:is|was|were|has been|had been|got)\s+(?:\w+ly )?(?:stripped|deprived|relieved|disqualified|demoted|dethroned|"
    rf"ousted|unseated|debunked|refuted|disproved|overruled|retracted|ruled out)\b",
    rf"(?P<m9>{A})\s*(?:\u274c|\u2717|\u2718|\u2716|\U0001f44e)",
    rf"\b(?:do|does|did|would|should) not\s+(?!only|just|merely|{_KEEPS})\w+\s+{_SMALL}{_QUOTE}(?P<m5>{A})",
    rf"\b(?:not|never)\s+(?!only|just|merely|until|{_KEEPS})(?:\w+ly\s+)?[a-z]+(?<!ly)(?:\s+(?:place|part|(?:its|their|his|her|an?|any|the)\s+\w+))?\s+(?:by|in|at|to|from)\s+(?:the\s+)?{_QUOTE}(?P<m12>{A})",
    rf"\b(?:anstelle von|anstatt|statt|au lieu de|en lugar de|en vez de|invece di|em vez de|вместо)\s+(?:la |le |el |der |die )?(?P<m6>{A})",
    rf"(?P<m14>{A})[\"')\]]*,?\s+(?:\w+ly )?(?:never (?:\w+ly )?(?!left|stopped|ceased|lost|finished|completed|published|saw|seen|heard|liked|regretted)\w+ (?:it|them|this|that|any)\b"
    r"|(?:had|has|have) (?:nothing to do with|no (?:part|hand|role|share) in)\b)",
    rf"(?P<m16>{A})[\"')\]]*\s*(?::|=|\(|\s[-\u2013\u2014])\s*(?:no|nope|wrong|false|incorrect|not correct|crossed out|deleted|rejected|0 ?%)(?:\b|(?<=%))"
    r"(?!\s+(?:doubt|question|longer))",
    rf"(?:(?:^|[.;,\n(]\s*)(?:wrong|false|incorrect)(?: answer)?\s*:|\[\s?\]|[\u2610\u25cb])\s*{_QUOTE}(?P<m17>{A})",
    rf"\b(?:pas|nicht|niet|non è|no es|no fue)\s+(?:de |d'|von |di |van |der |die |das |le |la |en |in |à |a )(?P<m18>{A})",
    rf"\b(?:not|never)\s+(?:\w+ly )?(?:s[eo]ld?l?|hand(?:ed)?|gi?a?ven?|ceded?|transfer(?:red)?)\b[^.;,{C}{P}]{{0,40}} to (?:the )?(?P<m20>{A})",
    rf"\bnot\s+(?:his|her|their|its)\s+(?:\w+\s+){{1,2}}(?P<m15>{A})",
    rf"\bno amount of [^.;!?,{C}{P}]*(?P<m25>{A})",
    rf"\bno longer\s+(?:ha(?:s|ve) to|needs? to|must|should)\s+(?:be|have|know|say)\s+{_SMALL}{_QUOTE}(?P<m22>{A})",
    rf"\band not\b[^.;:!?,{C}{P}]{{1,40}}\b(?:in|on|at|by|from)\s+(?:the\s+)?(?P<m23>{A})",
    rf"\b(?:cho(?:se|sen)|picked|selected|prefer(?:red|s)|favou?red) (?:it|this|that|him|her|them|{A}) over (?:the )?{_QUOTE}(?P<m24>{A})",
    rf"\bnot\s+[\"'\u201c\u2018](?:the )?(?:\w+ ){{1,2}}(?:of )?(?P<m21>{A})",
    rf"\b(?:(?:prefer|rather) not (?:to )?|neither (?:would|do|can|will) i )(?:name|favou?r|trust|believe) (?:(?:the|this|that) (?:{SOURCE}'s )?)?(?P<m19>{A})",
    rf"(?P<m3>{A}){_QUOTE}(?:ではなく|じゃなく|ではありません|ではない|가 아니라|이 아니라|が廃止)",
)
"""A negated mention: "not Paris", "instead of Paris", "replaced Paris"."""

_UNDONE = r"been (?:\w+ly )?(?:abandoned|replaced|superseded|abolished|dropped|dethroned|surpassed|overtaken|overturned|refuted|disproved|debunked|moved|renamed|withdrawn|given up)"
"""What would end the validity of an answer, so that its negation affirms the answer: "has not been replaced"."""
NEGATED_AFTER = re.compile(
    rf"(?P<m>{A})[\"'*)\]]*(?:, (?:the|an?) [\w' -]{{2,30}},|,)?\s+(?:(?:is|was|are|were|has|had|does|did|will|would|can|could|should|may|might)\s+"
    rf"(?:\w+\s+)?(?:not|never|no longer)\b(?!\s+(?:only|just|merely|disputed|changed|{_UNDONE}|(?:\w+ly )?(?:s[eo]ld?l?|hand(?:ed)?|gi?a?ven?|ceded?|transfer(?:red)?)\b[^.;{C}{P}]* to (?:the )?{A}))"
    r"|no longer (?!only|just|merely)\w+"
    r"|(?:is|was) (?:a |an )?(?:\w+ly )?(?:different|another|separate|unrelated) "
    r"|(?:is|was|must be|has to be)\s+(?:\w+\s+){0,2}?(?:wrong|incorrect|false|outdated|untrue|off by|a typo|a misprint|a slip|a mistake|an error|mistaken|inaccurate|obsolete|nonsense|(?:an|pure) invention|a fabrication"
    r"|a myth|a misconception|out of the question|out(?=[.,;]))\b)"
)
"""A mention whose own sentence denies it: "Paris is not the capital", "Paris is wrong"."""

FALSE = (
    r"(?:wrong|incorrect|false|untrue|inaccurate|erroneous|mistaken|not (?:\w+ )?(?:true|correct|accurate|right|so|the case)|"
    r"(?:a|an|the) (?:\w+ ){0,2}(?:myth|misconception|error|mistake|lie|misattribution|mix-up|confusion)|outdated|fictional|fictitious|fabricated|made up|made-up|unreliable|"
    r"misinformation|nonsense|unsupported|baseless|unfounded|groundless|unsubstantiated|without (?:any )?(?:basis|foundation|merit|support)|contradicts|not to be (?:trusted|believed|relied on))"
)
_STORY = r"(?:claim|idea|notion|statement|assertion|suggestion|belief|story|tale|rumou?r|version|theory|account|answer|report|move|relocation|attribution|thing|business)"
_IS_FALSE = rf"(?:is|was) (?:(?!not\b)\w+ )?(?:{FALSE}|invented|(?:an? |pure )?(?:fabrication|invention|fiction|fantasy|fake|hoax)|bogus|absurd|ridiculous|out of date)"
_IMAGINED = r"(?:hypothetical|fictional|fictitious|imagin(?:ed|ary)|invented|speculative|counterfactual|alternat(?:e|ive)|made[- ]up)"
DENIED = _any(
    rf"\bno\s+(?:evidence|proof|indication|reason|record|sign|support|basis|truth|mention|trace)\b[^,;:]*?{A}[^,;:.]*",
    rf"\bnothing (?:\w+ ){{0,3}}?(?:support|back|confirm|suggest|indicat|prov|substantiat|show|corroborat)(?:s|es|e|ed|ing)?\b[^,;:]*?{A}[^,;:.]*",
    rf"\bnot (?:\w+ ){{0,2}}?(?:anything|any (?:evidence|proof|sources?|records?|basis|support))\b[^,;:]*?{A}[^,;:.]*",
    rf"\bno (?:\w+ )?(?:sources?|historians?|scholars?|experts?|documents?|biograph\w+|encyclop\w+)\b(?! (?:\w+ )?(?:disput|doubt|question|contradict|disagree|den[yi]|reject))[^,;:]*?{A}[^,;:.]*",
    rf"\bi (?:have )?never (?:heard|read|seen|come across)\b[^,;:]*?{A}[^,;:.]*",
    rf"\b(?:nobody|no one) (?:but|except|other than)\b[^,;:]*?\b(?:thinks?|says?|claims?|believes?|maintains?)\b[^,;:]*?{A}[^,;:.]*",
    rf"\b{FALSE}\s+{_FEW}(?:that|to (?:say|claim|state|think|believe))\s+[^,;:]*?{A}[^,;:]*",
    rf"\b{FALSE} (?:about|regarding|concerning|in (?:naming|saying|giving|claiming|calling)|when it (?:says|names|gives))\b[^,;:.]*?{A}[^,;:.]*",
    rf"{A}[\"')\]]*,? which i (?:\w+ ){{0,4}}?(?:doubt|dispute|reject|do not (?:believe|accept))\b",
    rf"\b(?:typo|misprint|slip|mistake|error) \({A} for(?=\W*{A})",
    rf"\[sic\b[^\]]*?{A}[^\]]*",
    rf"{A}[\"']*\)? should (?:read|be|say|have (?:been|read|said))(?= [\"']*{A})",
    rf"\b(?:wrongly|falsely|incorrectly|mistakenly|erroneously)\s+[^,;:]*?{A}[^,;:]*",
    rf"\b(?:contrary to|despite|in spite of|notwithstanding|ignoring|disregarding|regardless of)\b[^,;:]*?{A}[^,;:]*",
    rf"\b(?:whatever|no matter what) (?:the|this|that|your) {SOURCE}\b[^,;:.]*?{A}[^,;:]*",
    rf"{A}[^.;:{C}{P}]*?(?:,|\band|\bbut)?\s*(?:which|this|that|it|and this|but this|but that|but it|the claim|but the {SOURCE}|though this"
    rf"|however,? this)\s+(?:is|was|seems|appears(?: to be)?)\s+(?:(?!not\b)\w+\s+)?{FALSE}",
    rf"{A}[^.!?{C}{P}]*,? (?:so|and therefore|which means that) (?:he|she|it|they|this|that) (?:can|could) not (?:possibly )?(?:be|have)\b",
    rf"{A}[^.;!?{C}{P}]*\b(?:look|search|seek)\w* (?:for (?:it|him|her|them) )?(?:there )?in vain\b",
    rf"\b(?:look|search|seek)\w* (?:for )?(?:the )?{A} (?:there )?in vain\b",
    rf"\b(?:the|this|that|any|his|her|their)\s+{_STORY}\s+(?:that|about|of|with|to)\b[^,;:]*?{A}[^,;:]*?\b{_IS_FALSE}",
    rf"{A}(?:'s)? {_STORY} {_IS_FALSE}",
    rf"\b(?:calling|naming|saying|claiming|crediting|dating|placing|putting)\b[^,;:.]*?{A}[^,;:.]*?\b{_IS_FALSE}",
    rf"{A}[^.;!?{C}{P}]{{0,40}}\b(?:typo|misprint|slip|mistake|error) for (?=(?:the )?{A})",
    rf"\b(?:describes|depicts|imagines|portrays|presents|invents|is about|talks about) (?:a|an|some) (?:\w+ )?(?:{_IMAGINED}|future|scenario|world|timeline|reality)\b[^.;!?]*?{A}[^,;.!?]*",
    rf"{A}(?: in (?:the|this) {SOURCE})? (?:looks|sounds|seems|reads|appears)(?: to be| like)? (?:an? )?(?:\w+ly )?{_IMAGINED}\b",
    rf"\b(?:i|we)\s+(?:disagree|(?:do|can) not (?:agree|accept|believe|accept|think)|doubt|reject|would not say)\b[^,;:]*?{A}[^,;:]*",
)
"""A stretch that denies what it says: "there is no evidence that Lyon ...", "wrongly says that Lyon ..."."""

DENIED_ELSEWHERE = re.compile(
    rf"(?P<m>{A})(?:という|との|と|って)?(?:の)?(?:記述|主張|情報|答え|説明)?(?:は|が)?(?:誤り|間違い|正しくな|不正確|嘘)"
    rf"|(?P<m2>{A})(?:的)?(?:说法|答案|描述|信息|記述)?(?:是|并|並)?(?:不)?(?:错误|錯誤|错的|不对|不正确|不是真|误)"
    rf"|(?P<m3>{A})[^.!?]{{0,40}}\b(?:est faux|est incorrect|es falso|es incorrecto|ist falsch|è falso|é falso|неверно|ошибка|неправильно)"
)
"""A mention that another language denies: "大阪という記述は誤りです"."""

DENIES_BEFORE = re.compile(
    rf"^(?:but|however|yet|and|unfortunately)?,?\s*(?:this|that|it|the (?:{SOURCE}|information|above|sentence|line|quote|quotation))"
    rf"(?:\s+(?:{SOURCE}|information|sentence|line|quote|quotation))?\s+(?:is|was|seems(?: to be)?|appears to be|must be)\s+(?:(?!not\b)\w+\s+)?{FALSE}"
    r"|^(?:but )?i (?:do not|can not) (?:\w+ )?(?:think|believe|accept) (?:that|this|it)(?: (?:is|was)\b|\W*$)|^(?:but )?i (?:doubt|reject|dispute) (?:that|this|it)\b"
    rf"|^(?:but |here |however )?i (?:\w+ )?(?:have to |must |would )?disagree\b(?: with (?:that|this|it|the {SOURCE})(?: \w+)?)?\W*$"
    r"|^(?:that|this) is not (?:true|right|correct|so)\b|^(?:wrong|false|incorrect|not true)\b|^no[,.!]?$"
)
"""A sentence that denies the one before it: "This is incorrect."."""

NEITHER_BEFORE = re.compile(
    r"^(?:but |in fact,? |actually,? )?(?:it is|it was|that is|the answer is) (?:in fact |actually )?neither\b(?! (?:the )?[\ue000\ue001])"
    r"|^(?:but |in fact,? )?(?:neither|none) (?:of (?:them|these|those|the \w+) )?(?:is|are|was|were) (?:right|correct|true|the case)\b"
    r"|(?:^|[,;:] )(?:but |yet )?(?:both|all)(?: of (?:them|these|those))? (?:are|were) (?:wrong|incorrect|false|mistaken)(?=\W*$|[.,;])|^(?:but )?(?:both|all)(?: of (?:them|these|those))? (?:are|were) (?:wrong|incorrect|false|mistaken)\b"
)
"""A sentence that denies every answer before it: "It's neither"."""

FORMER = _any(
    rf"\b(?:former(?:ly)?|previous(?:ly)?|ex-?|erstwhile|once(?! (?:again|more))|originally|used to be|until (?:recently|then)|no longer|(?<!-)old|prior|"
    rf"earlier|ancient(?!\s+{A} (?:builders?|civili[sz]ations?|cultures?|dynasty|emp\w+|kings?|kingdom|peoples?|tribes?)\b)|past|initially|at first|back then|anciennement|früher|antes|раньше|原来|曾经|かつて)"
    rf"[\s,:-]+(?:(?:known|called|named|in|at|the|a|an|as|was|is|it|its|capital|city|seat|currency|name|answer|choice|located|based|"
    rf"of|country|government|held|by|{SOURCE}):?\s+){{0,6}}{_QUOTE}(?P<m>{A})",
    rf"(?P<m2>{A})(?! old\b)[\"')\]]*,?\s*(?:\(|which |that |who )?(?:was|had been|is|were|the {SOURCE} calls)?\s*(?:now |only |just |merely )?(?:the |its |a |an |their )?(?:former|previous|old|past|"
    rf"erstwhile|then(?! (?:an?|one|part|in|under|within|ruled|known|called|belong\w+|still|owned|governed|occupied)\b)|original|ex)\b(?![^.;,()]*{A})",
    rf"(?P<m3>{A})\s+(?:was|had been|served as|used to be|used to serve|remained|were)\b[^.;]*?\b(?:until|till|before (?:\d+|it|that|this|the|"
    rf"being|moving)|previously|formerly|originally|in the past|at one time|at the time|once|back then|for (?:centuries|decades|"
    rf"many years))\b",
    rf"\bbefore (?:that|then|this|it)\b(?! (?:was|were|got|is|left|went|\w+ed)\b)[^.;]*?(?P<m9>{A})",
    rf"\b(?:old|former|previous|prior|earlier|past)\s+(?:[\w'-]+\s+){{0,2}}?[\w'-]+\s*:\s*{_QUOTE}(?P<m10>{A})",
    rf"\b(?:old|former|previous|earlier)\s+(?:[\w'-]+\s+){{1,3}}?(?:was|were|is)\s+{_SMALL}(?P<m15>{A})(?=[^!?{C}{P}]*\b(?:new|current|present|latest)\b)",
    rf"\b(?:was|were|been) (?:\w+ )?(?:known as|called|named) {_SMALL}(?P<m16>{A})\s+for (?:[\w-]+ ){{1,4}}?(?:years|decades|centuries|a century|a decade|ages|generations)\b",
    rf"(?P<m17>{A})[\"')\]]* (?:is|are) (?:now )?(?:history(?=[.,;!])|a thing of the past|no more|long gone)",
    rf"(?P<m18>{A}) (?:\w+ )?left (?:the )?[\w ]{{2,30}} in \d{{4}}",
    rf"\b(?:spell|time|stint|contract|career|tenure|reign|term) (?:with|at|for|in|of) (?:the )?(?P<m19>{A}) (?:\w+ )?(?:ended|is over|was over|expired|came to an end|finished)",
    rf"\bused to (?:be|have been)\b(?:(?!\b(?:now|today|but|currently)\b)[^.;!?])*?(?P<m11>{A})",
    rf"(?<!by )(?<!by the )(?P<m12>{A})\s+(?:\w+ ){{0,8}}?(?:from|between|in) \d{{4}} (?:to|until|till|and|through) \d{{4}}",
    rf"(?:^|[\s(])(?:\d{{1,2}} \w+ )?\d{{4}}\s*[\u2013-]\s*(?:\d{{1,2}} \w+ )?\d{{2,4}}\s*[:,]?\s*{_QUOTE}(?P<m13>{A})",
    rf"^\W*(?:until|till|up to|prior to|before)\s+[^.;:{C}{P}]*:\s*{_QUOTE}(?P<m14>{A})",
    rf"(?P<m4>{A})\s+(?:used to\b|(?:has |had )?lost (?:its|the|his|her)\b)",
    rf"\(\s*(?:was|before|until \d+|old|formerly|previously)\s*:?\s*(?P<m7>{A})",
    rf"\b(?:until|before|up to|prior to)\s+\d+,?\s+(?:it|the \w+(?:\s\w+)?)\s+(?:was|were|had been)\s+(?:the |a |in |at )?{_QUOTE}(?P<m8>{A})",
    rf"^(?:until|till|up to|prior to|before)\s+[^,.;{C}{P}]*,\s*(?:(?:it|the \w+(?:\s\w+)?)\s+(?:was|were|had been)\s+)?{_QUOTE}(?P<m5>{A})",
    rf"\b(?:was|were|had been)\s+{_SMALL}(?P<m6>{A})\s+(?:until|till|before|previously|formerly|originally|in the past|back then|at first)\b",
)
"""A mention of a former answer: "formerly Paris", "Paris, the old capital", "Paris was ... until"."""

HELD = re.compile(
    rf"(?P<m>{A})[\"')\]]* (?:once )?(?:held|was|had|owned|led|ruled|ran|hosted)\b[^.;!?]*?\bfor (?:many|several|some|a few|two|three|over|more than|nearly|almost|\d+)\b"
    r"[^.;,!?]{0,20}\b(?:years|decades|seasons|centuries)\b"
)
"""A mention of who held something for years, which is past if the question is about the present."""
PRESENT = re.compile(r"\b(?:holds|owns|leads|rules|runs|hosts|currently|current|now|today)\b")
PAST = re.compile(r"\b(?:was|were|did|had|before|first|last)\b")
RUINED = (
    r"(?:destroyed|devastated|damaged|flooded|submerged|ruined|uninhabitable|evacuated|abandoned|struck|hit|impacted|unsafe|overwhelmed|ravaged|"
    r"crippled|paralysed|paralyzed|inundated|affected|threatened|engulfed|plagued|wiped out|levell?ed|razed|burnt|burned|battered|buried|swallowed)"
)
MOVES = (
    r"(?:mov(?:e|es|ed|ing)|relocat(?:e|es|ed|ing|ion)|transfer(?:s|red|ring)?|shift(?:s|ed|ing)?|switch(?:es|ed|ing)?|establish(?:es|ed|ing)?|"
    r"designat(?:e|es|ed|ing)|declar(?:e|es|ed|ing))"
)
RETRACTED = re.compile(
    rf"\b(?:where|when|in which|that) i (?:\w+ )?(?:said|wrote|claimed|stated|answered|named|gave|called it)\b[^.;!?{C}{P}]*(?P<m>{A})"
    rf"|\bmy (?:earlier|previous|first|last|prior|original) (?:\w+ )?(?:reply|answer|response|message|statement|guess|claim)\b[^.;!?{C}{P}]*(?P<m2>{A})"
    rf"|\bi (?:\w+ )?(?:said|wrote|claimed|stated|answered|named|gave) {_SMALL}(?P<m3>{A})[\"')]* (?:before|earlier|previously|above|at first|first)\b"
)
"""A mention that the text said before and takes back: "my earlier reply, where I said Paris"."""
BEFALLEN = _any(
    rf"(?P<m>{A})\s+(?:was|were|had been|is|has been|became|becoming|being)\s+(?:\w+\s+){{0,2}}?{RUINED}\b",
    rf"\b{RUINED}\s+(?:the\s+)?(?:city of\s+|much of\s+|parts of\s+|most of\s+)?(?P<m2>{A})",
)
"""A mention to which something happened, which does not make it the answer: "an earthquake destroyed Paris"."""
UNFINISHED_MOVE = re.compile(
    rf"(?P<m>{A})[^.!?{C}{P}]*\b(?:{MOVES}|decided|chose|opted|planned|voted|agreed|prompting|forcing|forced)\b[^.!?){C}{P}]*(?<!\d)\Z"
)
"""The last mention before a move whose end is cut off: "Paris was hit, so the government moved the capital to"."""

LEFT = _any(
    rf"\bfrom\s+{_SMALL}(?P<m>{A})[\"')\]]*[^.;!?]{{0,80}}?\b(?:to|into|towards?)\s+(?:[\w'-]+\s+){{0,7}}?{_QUOTE}(?P<to>{A})",
    rf"\b(?:to|into|towards?|in)\s+(?:[\w'-]+\s+){{0,5}}?(?P<to2>{A})\s+(?:[\w'-]+\s+){{0,2}}?from\s+{_SMALL}(?P<m2>{A})",
    rf"\b(?:mov\w+|relocat\w+|transfer\w*|shift\w*|chang\w+|switch\w*|went|going|convert\w*|renam\w+|left|leaving|depart\w*)\s+"
    rf"(?:[\w'-]+\s+){{0,6}}?(?:away |out )?(?:from|of)\s+{_SMALL}(?P<m3>{A})",
    rf"\b(?:left|leaving|leave|leaves|abandon\w*|abolish\w*|dropp\w+|vacat\w+|scrapp\w+)\s+{_SMALL}(?P<m4>{A})",
    rf"(?P<m5>{A})[\"')\]]*\s*(?:\u2192|->|-->|=>|\u21d2|>>|\u279c|\u27f6)\s*{_QUOTE}(?P<to5>{A})",
    rf"(?P<m6>{A})[\"')\]]*,?(?: (?:limit|rule|rate|system|name|version|law|act|tax|record|currency|format))?\s+(?:was|is|were|has been|had been|got|being|will be)\s+(?:later |then |officially |eventually |since |now )?"
    rf"(?:replaced|succeeded|superseded|supplanted|overtaken|surpassed|eclipsed|dethroned|ousted|unseated|displaced|swapped|exchanged|followed|changed|renamed|converted)\s+"
    rf"(?:by|to|into|with|for|as)\s+(?:[\w'-]+\s+){{0,4}}?(?P<to6>{A})",
    rf"(?P<m17>{A})[^.;!?]*?\bbefore (?:it|he|she|they|that) (?:was|were|got) (?:\w+ )?(?:replaced|succeeded|superseded|overtaken|surpassed|"
    rf"displaced|eclipsed|dethroned|ousted|beaten|outstripped|unseated|toppled) by (?:the )?(?P<to17>{A})",
    rf"(?P<m18>{A})から[^\u3002{C}{P}]{{0,8}}?(?:移|遷|変更|変わ|替わ)",
    rf"(?P<m9>{A})[\"')\]]*,?\s+(?:was |has |had |is )?(?:relocated|moved|g(?:a|i)ves? way|given way|yielded|gave place|changed|switched|turned in|transferred|shifted|"
    rf"renamed|lost (?:its|the) (?:status|title|place|role)(?: as)?(?: \w+){{0,3}})\s+(?:to|into|as|for)\s+(?:[\w'-]+\s+){{0,4}}?(?P<to9>{A})",
    rf"(?P<m10>{A})\s+(?:later |then |officially )?became\s+(?P<to10>{A})",
    rf"(?P<m11>{A}),?\s+(?:is|was|has been)\s+(?:now |today |since |later )?(?:called|known as|named|renamed)\s+(?P<to11>{A})",
    rf"(?P<m12>{A})\s+(?:was|were|has been|had been|is)\s+(?:\w+ly )?(?:replaced|superseded|supplanted|abolished|abandoned|dropped|discontinued|scrapped)\b(?!\s+by)",
    rf"\b(?:sold|released|let go|loaned out|dismissed|given away) by (?:the )?(?P<m13>{A})",
    rf"(?P<m14>{A})[\"')\]]*,?\s+(?:\w+ly )?(?:laid down|abdicat\w+|stepped (?:down|aside)|resign\w+|retired|handed (?:over|in)|left office|gave up)\b",
    rf"\b(?:aus|von|vom|de|du|da|dal|van|z|из|\u0441|от|من)\s+(?:la |le |el |der |die |das )?(?P<m15>{A})[^.;!?{C}{P}]*\b(?:nach|à|a|au|vers|en|para|naar|do|в|во|на|к|إلى)\s+"
    rf"(?:la |le |el |der |die |das )?(?P<to15>{A})",
    rf"\b(?:quitté|verlassen|verließ|dejó|abandonó|lasciato|покинул\w*)\s+(?:la |le |el )?(?P<m16>{A})",
    rf"(?P<m19>{A})[^.;!?]{{0,80}}\bchang(?:e|ed|ing) (?:it|that|this|my answer) (?:in)?to (?:the )?{_QUOTE}(?P<to19>{A})",
    rf"\b(?:correct|change|amend)\s+(?:the )?{_QUOTE}(?P<m20>{A})[\"')\]]*\s+(?:in)?to\s+(?:the )?{_QUOTE}(?P<to20>{A})",
    rf"(?:从|從|由)\s*(?P<m7>{A}).{{0,12}}?(?:迁|遷|搬|移|改|变|變|到|至|为|為)",
    rf"(?P<m8>{A})(?:から).{{0,12}}?(?P<to8>{A})",
)
"""A mention that something moves away from: "from Paris to Lyon", "Paris was replaced by Lyon", "Paris -> Lyon"."""

_ONCE_ELSEWHERE = (
    r"\b(?:früher|ehemals|vormals|zuvor|einst|bislang|ehemalig\w+|anciennement|autrefois|jadis|auparavant|naguère|jusqu'en|bis \d{4}|"
    r"antes|antiguamente|anteriormente|hasta|un tiempo|prima|precedentemente|fino al|antigamente|anteriormente|até|vroeger|voorheen|"
    r"раньше|ранее|прежде|бывш\w+|до \d{4}|tot \d{4}|dawniej|eskiden)\b|まで|直到|之前|까지|以前|过去|過去|曾经|曾經|曾|原来|原本|従来|かつて|昔|もともと|예전|과거|이전|سابقا"
)
_NOW_ELSEWHERE = (
    r"\b(?:jetzt|heute|nun|inzwischen|mittlerweile|seitdem|seither|seit|maintenant|aujourd'hui|désormais|actuellement|depuis|"
    r"ahora|hoy|actualmente|desde|ora|oggi|adesso|attualmente|dal|agora|hoje|atualmente|nu|tegenwoordig|sinds|"
    r"теперь|сейчас|сегодня|ныне|teraz|obecnie|şimdi|art\u0131k)\b|现在|現在|如今|目前|此后|之后|以後|以降|その後|이후|今は|今では|지금|현재|이제|الآن"
)
"""Former and present answers in other languages."""
WAS_THEN_IS = _any(
    rf"(?P<m8>{A})[^.!?]*?\b{MOVES}\b[^.!?]*?\b(?:to|into|in|as)\s+(?:[\w'-]+\s+){{0,7}}?(?!(?P=m8))(?P<to8>{A})",
    rf"(?P<m>{A})[^.!?]*?\b(?:was|were|had been|used to|has long been)\b[^!?]*?\b(?:now|today|currently|nowadays|became|becomes|become|"
    rf"these days|at present|presently|since (?:then|\d{{4}})|moved|relocated|has since|when it|will be|it is)\b[^!?]*?(?P<to>{A})",
    rf"\b(?:was|were|had been|used to be|has long been|in the past|before|back then|originally|once|previously|formerly|historically|traditionally)\b[^.!?]*?(?P<m2>{A})"
    rf"[^!?]*?\b(?:now|today|currently|nowadays|became|becomes|these days|at present|presently|since then|moved|relocated|has since|"
    rf"when it|will be)\b[^!?]*?(?P<to2>{A})",
    rf"\b(?:now|today|currently|nowadays|at present|presently|these days)\b[^.!?]*?(?P<to3>{A})[^!?]*?\b(?:was|were|had been|used to|"
    rf"before|previously|formerly|originally|once)\b[^!?]*?(?P<m3>{A})",
    rf"(?:{_ONCE_ELSEWHERE})[^.!?\u3002]{{0,40}}?(?P<m13>{A})[^!?]*?(?:{_NOW_ELSEWHERE})[^!?]*?(?P<to13>{A})",
    rf"(?:{_NOW_ELSEWHERE})[^.!?\u3002{C}{P}]{{0,40}}?(?P<to14>{A})[^!?]*?(?:{_ONCE_ELSEWHERE})[^.!?\u3002]*?(?P<m14>{A})",
    rf"(?P<m15>{A})[^.!?\u3002{C}{P}]*?(?:{_ONCE_ELSEWHERE})[^!?]*?(?:{_NOW_ELSEWHERE})[^!?]*?(?P<to15>{A})",
    rf"(?P<m16>{A})[^.!?{C}{P}]*?,\s*(?:so|therefore|hence|which is why|which meant)\b[^.!?{C}{P}]*(?P<to16>{A})",
    rf"(?P<m17>{A})[^.!?{C}{P}]*=\s*(?P<to17>{A})",
    rf"(?P<m4>{A})\s+(?:was|were|had been|used to be|served)\b[^.!?]*?\bbefore\s+(?:[\w'-]+\s+){{0,3}}?(?P<to4>{A})",
    rf"\b(?:after|since|when|once|because|as)\s+(?:the\s+)?(?P<m6>{A})\s+(?:was|were|had|has|lost|fell|got|suffered|\w+ed)\b[^.!?]*?(?P<to6>{A})",
    rf"(?P<m9>{A}),?\s*(?:and\s+)?(?:then|later|afterwards|subsequently|now|today|currently)\s*:?\s+(?:\w+\s+){{0,3}}?(?P<to9>{A})",
    rf"(?P<to10>{A})\s+(?:since|from|as of|after)\b[^.!?{C}{P}]*?(?P<m10>{A})\s+(?:before|until|earlier|prior|previously)\b",
    rf"(?P<m11>{A})\s*\(?(?:until|before|up to|till|\d{{4}}\s*[\u2013-]\s*\d{{4}})\b[^.!?{C}{P}]*?(?P<to11>{A})",
    rf"(?P<to7>{A})[^.!?{C}{P}]*?\b(?:after|since|when|once|because)\s+(?:the\s+)?(?P<m7>{A})\s+(?:was|were|had|has|lost|fell|got|suffered|\w+ed)\b",
    rf"^(?:before|until|prior to)\s+(?:[\w'-]+\s+){{0,4}}?(?P<to5>{A})[^.!?]*?,[^.!?]*?\b(?:was|were|had been|used to be)?\s*(?P<m5>{A})",
)
"""Two mentions, one of the former and one of the present answer."""

BUT_ELSEWHERE = re.compile(
    rf"(?P<m>{A})[^.!?\u3002]*?(?:但是?|可是|不过|然而|しかし|ですが|だが|けれど|하지만|그러나|지만|实际上|其实|実際|実は|실제로|\b(?:sino|en realidad|en réalité|in wirklichkeit|tatsächlich|in realtà|na verdade|на самом деле|но|mais|pero|aber|sondern|mas|ma|bensì|però|maar|men|lecz|ale|لكن)\b)[^.!?\u3002]*?(?P<to>{A})"
)
"""Two mentions with "but" or "actually" between them in another language: the first one is conceded."""
POSSESSOR = re.compile(rf"(?P<m>{A})'s\s+(?!(?:the|a|an|not|now|my|your|correct|right|what|where|who)\b)\w+")
"""A mention as a possessor: "Fleming's discovery"."""
_PERSON = r"(?:friend|contemporary|colleague|rival|pupil|student|teacher|brother|sister|son|daughter|wife|husband|neighbou?r|cousin|disciple|admirer)"
ASIDE = re.compile(
    rf"(?:\b(?:than(?: even| both| either)?|near|nearby|outside|around|(?:south|north|east|west)(?:ern|east|west)? (?:of|from)|close to|next to|far from|beats?|beating|defeat(?:s|ed|ing)|edg(?:ed|ing)(?: out| past)?|against|\d+\s?[-\u2013:]\s?\d+ (?:[\w-]+ ){{0,4}}?over|victory over|w[io]n over|preced(?:es|ed)|outrank(?:s|ed)|surpass(?:es|ed)|overshadowed by|ahead of|under the (?:pen |false |assumed )?(?:name|pseudonym)(?: of)?|pseudonym(?: of)?|pen name|compared (?:to|with)|"
    rf"unlike|like|similar to|away from|(?:km|kilometer|kilometers|miles?) (?:from|of)|university of|mayor of|people of|population of|"
    rf"distance (?:to|from)|followed by(?: (?:the )?[\w -]{{1,30}},? (?:and|then))?|behind|accompanied by|second only to|sold (?:it |them )?to|bought (?:\w+ )?from|visit|visiting|via|through|as well known as|confused with|mistaken for|not to be confused with|{_PERSON} of|(?:his|her) {_PERSON}|dwarf(?:s|ed)|out(?:runs?|ran|paces?|paced|weighs?|weighed|lasts?|lasted|sells?|sold|shines?|grows?|grew|does|strips?|stripped)|exceed(?:s|ed))|[\w{C}{P}] >)\s+(?:the\s+)?(?P<m>{A})"
    r"|\b(?:devant|vor|por delante del?|davanti a(?:lla|ll|l)?|à frente d[aeo]|v[óo]ó?r|(?:plus|más|mais|più) \w+ (?:do )?(?:que|d(?:ell|ella|el|i|e))|\w{2,}er (?:als|dan))(?:\s+|')"
    rf"(?:l[aeo]s? |l'|el |d(?:er|ie|as|en|em) |de |il |o |a )?(?P<m2>{A})"
)
"""A mention in passing: "bigger than Paris", "south of Paris", "devant Paris"."""

WITHIN = re.compile(
    rf"\b(?:in|within) the (?:\w+ )?(?P<kind>province|state|region|district|department|county|municipality|prefecture|canton|suburb|outskirts|vicinity|area)s? of (?P<m>{A})"
)
"""A mention that only says in which larger area the other answer is: "a city in the province of Havana"."""

_BELIEVE = r"(?:believ|think|thought|assum|suppos|consider|claim|regard|tak|mistak|said|say)\w*"
BELIEVED = _any(
    rf"\b(?:who|whom|which|that)\s+(?:so )?(?:many|most|some|people|everyone|everybody|you|one|it)\b[^,.;:{C}{P}]*?\b{_BELIEVE}\s+(?:\w+\s+){{0,4}}?(?P<m>{A})",
    rf"\b(?:often|commonly|widely|popularly|usually|generally|frequently|sometimes)\s+{_BELIEVE}\s+(?:\w+\s+){{0,4}}?(?P<m2>{A})",
    rf"\byou (?:may|might|are probably|probably|will) (?:be |have |well )?(?:think|thinking|expect\w*|remember\w*|know|learn\w*|heard?|guess\w*)\b[^,.;:{C}{P}]*(?P<m3>{A})",
)
"""A mention of what is believed of something, in a clause about it: "whom many believe to be Finnish"."""

HEDGE = _any(
    r"\b(?:can not|could not|unable to|impossible to|hard to|difficult to|not (?:\w+ )?(?:able|possible|enough \w+) to|no way to|not want to)\s+"
    r"(?:\w+\s+){0,2}?(?:say|tell|determine|decide|choose|know|confirm|verify|answer|pick|judge|infer|conclude|establish|see|find out|be (?:sure|"
    r"certain))\b",
    r"\b(?:not (?:\w+ )?(?:sure|certain|clear|clear to me|confident)|unsure|uncertain|unclear|undecided|unknown|(?:do|does|did) not (?:\w+ )?(?:know|"
    r"specify|say|tell|state|clarify|make (?:it )?clear)|no idea|hesitate to|would not (?:like|want) to|"
    r"open question|debatable|ambiguous|remains? to be seen)\b",
    r"\b(?:will not|rather not|refuse to|decline to|prefer not to|not going to|not like to|hard to)\s+(?:\w+\s+){0,2}?(?:say|tell|guess|choose|decide|pick|"
    r"speculate|judge|answer|take sides|commit)\b",
    r"\bwhether\b",
    r"\b(?:could|may|might|can|should) (?:\w+ )?(?:be|also be) (?:either|both|any)\b|\b(?:depends?|depending) on\b|\beither\b",
    r"\bje ne (?:saurais|peux pas|sais pas) (?:dire|trancher)?|\bich (?:kann nicht|weiß nicht|vermag nicht)\b|\bno (?:sabría|puedo|sé) (?:decir\w*|si)?\b|"
    r"\bnon (?:saprei|so|posso) (?:dire|se)\b|\bnão (?:saberia|sei|posso) (?:dizer|se)\b|\b\u043d\u0435 (?:знаю|могу сказать|берусь|ясно)\b",
    r"\b(?:torn|split|undecided|waver\w*|hesitat\w+) between\b|\btoss[- ]up\b|\b(?:fifty|50)[- /](?:fifty|50)\b",
)
"""The beginning of text that leaves the answer open."""

_THING = (
    r"(?:the )?(?:(?!(?:two|both|is|was|are|were|but|who|which|that|says?|did|does|has|had|it|not|and|or|in|to|by|while|rather|instead)\b)"
    rf"[\w'{C}{P}-]+ ?){{1,4}}"
)
ENUMERATION = re.compile(
    rf"\b(?:are|were|includ(?:e|es|ing)|such as|like|with|between|among):? {_THING}, {_THING}(?:, {_THING})*(?:,? (?:and|or) {_THING})?(?![\w{C}{P}])"
)
"""A list of at least three things."""

MODAL = re.compile(r"\b(?:could|may|might|maybe|perhaps|possibly|either|probably|likely)\b")
SCOPE_END = re.compile(
    r",?\s*\b(?:but|however|yet|so|although|though|(?<!or )(?<!is )(?<!are )still|therefore|i (?:think|believe|guess|suppose|would (?:say|guess|go))|my (?:best )?"
    r"guess|probably|most likely|nevertheless|nonetheless|that said|anyway)\b|[;:.!?]"
)
"""The end of a hedge's scope."""

ABSTAIN = _any(
    r"\bi (?:really |honestly |simply )?(?:do not|did not|don't) (?:really |actually )?(?:know|have (?:\w+ ){0,3}?(?:information|knowledge|data|access|answer|idea)|"
    r"remember|recall|understand)\b",
    r"\b(?:i )?(?:cannot|can not(?! (?:\w+ )?be (?:right|true|correct|accurate|so|real|the case)\b)|could not|am unable to|'m unable to|am not able to|unable to|not able to|will not|would rather not|must "
    r"decline|decline to|prefer not to|refuse to)\s*(?:\w+ )?(?:answer|determine|say|tell|provide|find|help|assist|confirm|verify|decide|choose|give|be "
    r"(?:answered|determined|sure|certain|established|known)|infer|conclude|respond|identify|comment|judge|comply|pick|speculate|share|locate|make)?\b",
    r"\b(?:not|no|insufficient|without|lacks?|lacking|too little) (?:\w+ )?(?:enough |sufficient |relevant )?(?:information|details?|data|context|evidence(?! (?:that|of|for))|"
    r"answer (?:is )?(?:given|provided|available|possible))\b",
    r"\b(?:does|do|did|is|are|was) not (?:\w+ )?(?:say|mention(?:ed)?|provide[d]?|specif(?:y|ied)|state[d]?|contain|give[n]?|tell|answer(?:ed)?|"
    r"include[d]?|indicate[d]?|address|discuss|clear|known|sure|certain|available|disclosed|determinable|possible(?! to (?:choose|find|have|be|make|get|reach|use) (?:a|an|one|the|any)\b)|enough)\b",
    r"\b(?:unknown|unanswerable|unclear|uncertain|unsure|undetermined|undecided|indeterminate|n/?a|not applicable|no idea|no clue|no comment|"
    r"no answer|cannot say|hard to say|difficult to say|impossible to (?:say|tell|know|determine)|who knows|not sure|not certain|it depends|"
    r"your guess is as good|beyond my knowledge|no one knows|nobody knows|not answerable|conflicting|inconclusive|(?:sources|accounts|texts|they) (?:conflict|disagree|contradict)|none of the \w+ agree)\b",
    r"\b(?:would you (?:like|prefer|want)|do you want|should i|shall i|could you|can you|please) (?:me to )?(?:\w+ )?(?:answer|clarify|specify|check|tell me|choose|provide|confirm|use|rely)\b",
    r"^\W*(?:i(?:'ll| will| would| am going to)? )?pass\b(?! (?:the|this|by|it))|\bi(?:'ll| will| would)? pass\b|\bas an ai\b|\bi(?:'m| am) (?:sorry|afraid|just an ai|not sure|not certain|unsure|uncertain)\b|\bsorry,? (?:but )?i\b|\bapologi[sz]e\b",
    rf"\bnot (?:\w+ )?(?:in|by|from) (?:the|this) {SOURCE}\b",
    r"\bnot something i can\b|\bleave (?:it|this|that|the question) open\b|\blook (?:it|this|that) up\b|\bdepends? on (?:whether|who|which|what|how)\b|\bi would (?:need|want) (?:another|more|a second|further|better|to see)\b",
    r"\brather not (?:say|answer|guess|choose|comment)\b|\bnot (?:\w+ )?(?:in a position|comfortable|qualified|prepared|willing) (?:to|with|in)?\b",
    r"\benough to (?:say|tell|answer|know|judge|decide|comment)\b|\b(?:have|has) (?:not|never) (?:\w+ )?(?:read|seen|heard|watched|checked|looked|come across|studied|"
    r"visited|played|been told|encountered)\b|\bi do not (?:follow|keep track|keep up|watch|have a (?:view|opinion|position))\b",
    r"\b(?:do not|don't) ask me\b|\bone (?:of|or) the (?:two|other)\b|\b(?:can not|could not) (?:\w+ )?(?:settle|resolve|reconcile|commit)\b|\bback and forth\b|"
    r"\bdo not (?:want|like|wish|care) to (?:guess|say|speculate|answer|choose|pick)\b|\bno (?:means|way) (?:of|to)\b|\bi(?:'d| would)? (?:leave|pass on) (?:that|this)\b",
    r"\b(?:recommend|suggest|advise|best|better|want|wish|try|worth|should|please) (?:to |you )?(?:\w+ )?(?:check|consult|verify|look|refer|ask|search|see|contact)(?:ing)?\b"
    r"(?! (?:the|this) (?:passage|text))",
    r"\b(?:do you (?:want|mean)|are you asking|which (?:one |of (?:the|these) \w+ )?do you|what do you mean|tell me (?:which|what|whether|and)|let me know (?:which|whether|if you (?:want|mean)))\b",
    r"lässt sich (?:\w+ ){0,6}?nicht (?:\w+ ){0,2}?(?:beantworten|sagen|bestimmen|entscheiden|feststellen|klären)|nicht (?:\w+ )?(?:bekannt|klar|sicher|eindeutig|beantwort\w+)|"
    r"(?:weiß|wissen|kenne) (?:\w+ ){0,2}?nicht|je ne saurais|je l'ignore|j'ignore|aucune idée|impossible (?:de|à) (?:dire|savoir|déterminer)|on ne (?:sait|peut) pas|"
    r"ne (?:permet|dit|précise) pas|no (?:sabría|se sabe|está claro|tengo (?:ni )?idea|puedo|se puede)|desconozco|ni idea|non (?:saprei|si sa|è chiaro|posso|ne ho idea)|non ho idea|"
    r"não (?:se sabe|posso|faço ideia|está claro|tenho)|desconheço|geen idee|weet (?:ik )?(?:het )?niet|без понятия|затрудняюсь|не уверен|трудно сказать|невозможно|не ясно|"
    r"不好说|说不准|难以|不得而知|没有(?:足够|相关|提到)|未提(?:及|到)|答えられません|判断できません|断定できません|何とも言えません|言えません|確認できません|不明です|잘 모르|확실하지 않|말할 수 없|لست متأكد",
    r"no tengo (?:forma|manera|modo)|préfère ne pas|prefiero no|preferisco non|möchte (?:\w+ )?nicht|je ne sais pas|je ne peux pas|no lo sé|no sé|no puedo|ich weiß (?:es )?nicht|ich wei(?:ss|ß) nicht|ich kann|keine ahnung|non lo so|não sei|ik weet het niet|"
    r"не знаю|не могу|неизвестно|不知道|无法|無法|不清楚|不确定|わかりません|分かりません|わからない|答えできません|回答できません|不明|모르겠|알 수 없|لا أعرف|لا أعلم|"
    r"bilmiyorum|nie wiem|मुझे नहीं पता",
)
"""A refusal, or a statement that the answer is not known."""

OPEN_QUESTION = re.compile(
    r"\b(?:can not|could not) be (?:\w+ )?(?:answered|determined|decided|settled|known|said|established|resolved|verified|confirmed)\b|"
    r"\b(?:not possible|impossible|unable|not able) to (?:\w+ )?(?:answer|say|tell|determine|decide|settle|know|establish|verify|confirm)\b|"
    r"\bi (?:can not|could not|will not) (?:\w+ )?(?:answer|settle|resolve|decide|determine)\b(?! (?:with )?(?:anything|otherwise|any other))|"
    r"\bno (?:\w+ )?answer (?:is possible|can be given)\b"
)
"""Wording that leaves a question open, after which accounts can follow that do not answer it."""
LEAVES_OPEN = _any(
    r"\b(?:cannot|can not|could not|unable to|not able to|impossible to|hard to|difficult to|not possible to) (?:\w+ )?(?:say|tell|determine|decide|choose|"
    r"know|confirm|pick|judge|be (?:sure|certain|determined))\b",
    r"\b(?:not (?:sure|certain|clear)|unsure|unclear|uncertain|do not know) (?:which|who|what|whether|if)\b|\bdepends? on\b",
    r"\b(?:either (?:\w+ )?(?:are|is)|(?:both|either) (?:\w+ )?(?:could be|may be|might be)) (?:\w+ )?(?:possible|plausible|right|correct|valid)\b",
)
"""Wording that leaves both answers open after naming them."""

PASSAGE = _any(
    rf"\b(?:according to|based on|per|going by|following|in|from|as per|given|by|reading|considering|in light of)\s+(?:the|this|that|your|our|these)?\s*(?:\w+\s+){{0,2}}?{SOURCE}s?\b",
    rf"\b{SOURCE}s?,?\s+(?:\w+,?\s+){{0,2}}?{_SAYS}\b",
    rf"\byou (?:asked|wanted|requested)\b|\b(?:you|they)(?:'d| would)? (?:want|like|have|expect) me to\b|\bas (?:the|this) {SOURCE}\b|\bas (?:stated|mentioned|described|written|given|noted) (?:in|above|here)\b|\baccording to (?:this|that|it|what)\b|\b(?:laut|gemäß|nach|selon|d'après|según|secondo|segundo|согласно)\s+(?:\w+\s+){{0,2}}?(?:text\w*|passage|artikel|pasaje|artículo|testo|тексту)\b|^\W*it (?:says|states|claims|mentions)\b|\b(?:wenn man|folgt man|si (?:l'on|on) (?:se|en|suit))\s+(?:[\w']+\s+){{0,3}}?(?:text\w*|passage|artikel)\b",
)
"""Wording after which the text reports the passage."""

GENERAL = re.compile(
    rf"\b(?:on average|if i (?:only )?(?:had|went|knew|trusted|followed)|colloquially|informally|unofficially|nominally|on paper|in theory|usually|normally|commonly|generally|typically|often|traditionally|popularly|widely|many|most (?:people|(?:\w+ )?(?:sources|textbooks|books|works|maps|lists|histories))|people|you (?:might|may|"
    rf"would|could) (?:think|expect|say|know)|you (?:say|said|tell me|told me|claim|claimed)|one (?:might|may|would)|everyone|everybody|conventional\w*|it is (?:often |widely |commonly )?(?:said|believed|"
    rf"thought|assumed)|some (?:people|say|sources)|common (?:knowledge|belief)|historically|if the (?:{SOURCE}|text)|would (?:be|have been)|comes to mind|my (?:training|prior|memory|first)|i (?:thought|believed|learned|was taught|remember|would have said|had "
    rf"thought)|textbooks?|old(?:er)? (?:books?|sources?|texts?|maps?|tables?|editions?|records?|accounts?|references?)|(?:thought|believed|assumed|supposed) to be|in the past|well[- ]known|used to|at first|supposedly|allegedly)\b"
)
"""What is generally believed, or was: the side of a contrast that is overridden."""

REAL = re.compile(
    r"\b(?:actually|actual|turns out|turned out|as it happens|in (?:reality|fact|truth|actuality)|really|real|true|correct|right|truth|as far as i know|to my knowledge|from my knowledge|i know(?! (?:that )?(?:the|this|what))|we know|i am (?:confident|sure|certain|convinced)|i'm (?:confident|sure|certain|convinced)|"
    r"real[- ]world|in (?:the )?real life|factually|officially|indeed|remains|still|of course|certainly|definitely|is known to be|"
    r"in (?:wirklichkeit|der (?:realität|wirklichkeit|wirklichen welt))|tatsächlich|en réalité|dans (?:la réalité|le monde réel)|en realidad|in realtà|na (?:realidade|verdade))\b"
)
"""What is stated as true, whatever was said before."""

NOW = re.compile(r"\b(?:now|today|currently|nowadays|at present|new|these days|as of|since|becomes?|became)\b")
ALTHOUGH_ELSEWHERE = (
    r"aunque|a pesar de|pese a|bien que|quoique|même si|obwohl|obgleich|wenngleich|auch wenn|anche se|sebbene|benché|nonostante|embora|ainda que|"
    r"mesmo que|apesar de|por (?:mucho|más|mais) que|per quanto|quoi que|egal was|hoewel|ook al|хотя"
)
"""Conjunctions of a concession in other languages."""
CONCESSION = re.compile(
    r"\b(?:although|even though|though(?!,)|while|whilst|whereas|even if|albeit|granted|despite|in spite of|contrary to|regardless of|notwithstanding|unlike|"
    rf"ignoring|disregarding|leaving aside|apart from|besides|{ALTHOUGH_ELSEWHERE})\b"
)
CONTRAST = re.compile(
    r"(?:\w+ ){0,2}?\w+, though,|\b(?:but|however|yet|nevertheless|nonetheless|on the other hand|in contrast|by contrast|instead|conversely|that said|whereas|except|only|"
    r"actually|in reality|in fact|in truth)\b"
)
CORRECTION = re.compile(
    rf"[.,\u2026\u2013\u2014-]\s*no,\s+(?=(?:it (?:is|was) )?(?:the )?{A})|"
    r"\b(?:no,? wait|wait|sorry|correction|i mean|i meant|scratch that|my mistake|my bad|my apologies|i apologi[sz]e|let me correct|correct(?:ing)? myself|thought better of it|changed my mind|on "
    r"second thoughts?|or rather|make that|strike that|oops|no, (?:it|that|the|actually)|i was wrong|i misspoke|hold on|hmm,? no|rather,|er,|update:|edit:)"
)
"""Wording that retracts the answer before it."""

CLEFT = re.compile(
    rf"\bit (?:is|was) (?:\w+ly |in fact |indeed )?{_QUOTE}(?P<m>{A})[\"')]* (?:who|that|which|whom)\b|(?P<m2>{A}) it (?:is|was)\b"
)
"""A mention that a sentence singles out: "it was Paris that"."""
FINAL = re.compile(
    rf"^(?:still|nevertheless|even so|but|however|yet),? (?:with|on|going by|given) (?:only |just |nothing but )?(?:this|the|your) {SOURCE}\b|"
    r"^(?:so|therefore|thus|hence|in conclusion|conclusion|overall|to conclude|finally|in short|in summary|ultimately|consequently|final|result|verdict|"
    rf"(?:putting|taking|taken) [^.;!?,{C}{P}]*together|(?:weighing|having (?:weighed|considered|compared)) [^.;!?,{C}{P}]*|taken together|all told|to sum up|in sum|bottom line|accordingly|in the end|that means|this means|as a result|my answer|i(?:'d| would)? (?:still )?(?:choose|pick|go with|will go with|conclude|therefore)|i(?:'d| would) still (?:answer|say)|(?:i am )?going with|i(?:'ll| will) (?:go|answer|say)|on (?:that|this) basis|on balance|all things considered|all in all|"
    r"by (?:the|this) (?:passage|text|document|article)(?! (?:it|this|that) would))\b|^\W*(?:winner|champion|chosen|pick|choice|selected|decision)\s*:"
    r"|\b(?:trophy|title|crown|gold|gold medal|prize|award|medal|victory|win|role|throne|post|job|honou?r|honou?rs|distinction|credit)\s+(?:\w+ )?(?:went|goes|passed|passes|fell|falls|belongs|belonged|ended up|"
    r"is due)\s+(?:to|with)\b|\b(?:took the oath|(?:was|were|is) (?:sworn in|crowned|enthroned|inaugurated)|took office|ascended|acceded)\b"
    r"|\b(?:final|correct|right|true|actual|real|best|my|the|short|expected)?\s*(?:answer|solution|response)\b[^.]{0,40}?(?:\bis\b|:|=|\bwould be\b|\bmust be\b|\bshould be\b|\bremains\b)"
    rf"|,\s(?:so|hence|therefore|thus)\s+(?:it is |it was |the answer is |that is |i (?:say|choose) )?(?:the |in )?{A}\W*$"
    rf"|^(?:since|because|as) [^.;!?{C}{P}]*[,:] (?:it is )?(?:the )?{A}\W*$"
    r"|^(?:but )?here,? i (?:answer|say|choose|write|go with)\b"
    rf"|^(?:the )?{A}[\"')\]]* (?:is|was) (?:the )?(?:correct|right)(?: one| answer| name)?\W*$"
    r"|^(?:a|ans|answer|output|final answer|respuesta|réponse|antwort|ответ|答案|答|回答|答え)\s*[:\uff1a=]|^\W*\"?(?:final_)?answer\"?\s*:|\bboxed\b|^\W*####|\bis (?:the|my) (?:correct |final |right |best |true )?(?:answer|choice)\b|(?:答案|正解|答え)(?:是|は|:|\uff1a)"
)
"""A sentence that gives the final answer."""
SO_ANSWER = re.compile(
    rf"\b(?:so|hence|therefore|thus|consequently|which means|that is why)\b,? (?:that )?(?:the|my) (?:\w+ )?answer (?:is|must be|should be|remains|has to be|becomes)\s*:?\s*{_SMALL}{_QUOTE}(?P<m>{A})"
)
"""An answer that is drawn from what precedes it: "so the answer is Paris"."""
EXPLAINS = re.compile(
    r"^\W*(?:explanation|reason(?:ing)?|because|note|context|background|justification|rationale|details?|passage|text|quote|evidence|thought|thinking|"
    r"question|q|comment|source|options?|choices?|candidates?|possible answers?|possibilities|alternatives?)\s*\"?\s*[:\uff1a]"
)
"""A part that gives reasons or lists choices, not the answer."""
OF_SOURCE = re.compile(rf"\b(?:the|this|that|your) {SOURCE}(?:'s|s') (?:\w+ )?(?:answer|response|solution)\b")
"""An answer that belongs to the passage."""
LISTS = re.compile(
    r"^\W*(?:options?|choices?|candidates?|possible answers?|possibilities|alternatives?|the (?:options|choices|candidates)(?: are| were)?)\b"
)
QUESTION = re.compile(r"\?\W*$|^\W*(?:question|q)\s*[:\uff1a]|[\uff1f\u061f]\W*$")
NEGATIVE_QUESTION = re.compile(
    r"^\W*(?:but |well, |hm+, )?(?:is|was|are|were|should|would|did|does|could) not (?:it|that|this|he|she|they|the)\b(?=[^?]*\?\W*$)"
)
"""A question that suggests its answer: "Wasn't it Paris?"."""
ASKED = re.compile(
    r"\bif (?:you are|it is|the question is)\b|\bif you (?:ask|mean|asked|want|wanted|meant)\b|\byou asked (?:about|for)\b|\bas for (?:the|your) question\b"
)
"""A clause that returns to the question."""
_NOTE = rf"{A} \((?!(?:not|no|wrong|incorrect|false|former\w*|old|until|was)\b)[^(){C}{P}]+\)"
_NOTE_OF_SOURCE = rf"{A} \((?:in |per |from |according to )?(?:(?:the|this) )?{SOURCE}\)"
_NEXT_NOTE = r"\s*(?:[/,;&]\s*(?:and )?|and )(?:by |in |at )?"
_NO_ACCOUNT = rf"(?![^.;!?:{C}{P}]*\b(?:candidates?|options?|answers?|possib\w+|choices?|name[ds]?|accounts?|versions?|sources?|claims?|stories|mention\w*|listed|given|between)\b)"
BOTH_CLAIM = re.compile(
    rf"{A}(?:(?!\band\b)[^.!?{C}{P}])*\b(?:together with|jointly with|along with|alongside|in collaboration with|co-\w+ (?:with|by))\s+(?:the )?{A}"
    rf"|\b(?:both apply|both hold|both are (?:\w+ )?answers|both (?:of (?:them|these|the \w+) )?are (?:the |an? )?(?:right|correct|true|valid|official)|(?:dual|double|jointly|co)-?\s?(?:licensed|official|written|founded|led|authored)|joint(?:ly)?)\b"
    rf"|{A}[^.!?{C}{P}]*?\band\s+(?:the )?{A}[^.!?{C}{P}]*\b(?:together|jointly|as a team|in tandem|side by side|share[sd]?)\b"
    rf"|\bboth\b[^.!?:{C}{P}]*:\s*(?:the )?{A}[^.!?{C}{P}]{{0,20}}(?:,|\band\b)\s*(?:the )?{A}(?:\s*\([^(){C}{P}]*\))?\W*$"
    rf"|{_NOTE_OF_SOURCE}{_NEXT_NOTE}{_NOTE}|{_NOTE}{_NEXT_NOTE}{_NOTE_OF_SOURCE}"
    rf"|(?:(?:^|[.!?]\s|'s |\b(?:ha[sd]|have|by|with|there (?:are|were)) )two) {_NO_ACCOUNT}[^.;!?:{C}{P}]*?(?::|,|\b(?:were|are)\b)\s*(?:the )?{A}[^.;!?{C}{P}]*?\band\b(?: [^.;!?,{C}{P}]{{0,30}},)?\s*(?:the )?{A}"
    r"(?![^.!?]*\b(?:but|only|not)\b)"
    rf"|\b(?P<verb>\w+ (?:by|in|at|to|on|from) ){A},? and (?:it|he|she|they|this) (?:\w+ ){{1,2}}?(?<= )(?P=verb){A}"
)
"""A text that gives both answers on purpose."""
OFFER = re.compile(
    r"\b(?:let me know|would you like|feel free|happy to (?:tell|help|explain|go)|do you want (?:me )?to (?:hear|know)|want to (?:hear|know)|if you(?:'d| would)? (?:like|want) (?:me )?to|i can also)\b"
)
"""An offer to say more at the end of a chat response."""
NOTE = re.compile(
    r"^\W*(?:(?:please )?note\b|(?:please )?(?:be aware|keep in mind|bear in mind)\b|for (?:reference|the record|comparison)\b|incidentally\b|by the way\b|fyi\b|n\.?b\b)"
)
"""The beginning of a note after the answer."""
APPENDIX = re.compile(
    r"\n\W*(?:see also|references|external links|further reading|related (?:articles|pages|topics|questions)|categories|tags|footnotes|read more)\b[^\n]*(?:\n|:)"
)
"""The beginning of the links of an article."""
UNCHOSEN = re.compile(
    r"\b(?:nominees?|nominated|candidates?|finalists?|contenders?|shortlist(?:ed)?|options?|choices?)\b|\b(?:played|contested|fought|held|match|final|race|battle|game) (?:was )?(?:\w+ )?between\b"
    rf"|{A}[\"')\]]* (?:vs?\.?|versus|against) (?:the )?{A}"
)
"""A sentence that lists or contrasts two answers without a decision."""
_ANOTHER_WORK = (
    r"(?:another|some other|a later|an earlier|a different|a previous|a separate|an unrelated|an older|a newer) (?:\w+ )?"
    r"(?:film|movie|book|novel|story|song|album|play|match|game|season|series|episode|edition|version|war|battle|race|election|"
    r"tournament|opera|poem|painting|work|production|adaptation|remake|treaty|case)"
)
OTHER_ROLE = _any(
    rf"(?P<m>{A})[\"')\]]*,?\s+(?:is |was |now |then |later |who |came |comes |takes |ranks |ranked |finished |finishes )*(?:only )?(?:the |a |an |his |her |its |in )?(?:(?:second|third|2nd|3rd)\b(?![ -](?!to\b|behind\b|after\b)\w+,?(?: is| was|:)? (?:the )?{A})|runner-up|predecessor|"
    rf"successor|assistant|deputy|understudy|museum|maintainer|editor|publisher|producer)\b",
    rf"(?P<m2>{A})[\"')\]]*\s+(?:now |still |today |since )*(?:chairs|hosts|keeps|retains|houses|advises|became (?:the |a |an |executive |honorary )*(?:chair\w*|museum|adviser|advisor|"
    rf"consultant|deputy|president emeritus)|is (?:still )?under construction|is (?:not yet|still (?:being|un\w+))|gets?|received|followed)\b",
    rf"\b(?:second(?:ly)?|2nd|third|3rd|runner[- ]up|runners[- ]up|second place)\s*:\s*(?P<m3>{A})",
    rf"{A} over (?:the )?(?P<m8>{A})",
    rf"\b(?:former|previous|outgoing) (?:\w+ ){{1,3}}?(?:is|was) (?:the )?(?P<m11>{A})",
    rf"(?P<m12>{A})[^.;!?{C}{P}]{{0,20}} has no \w+",
    rf"\b(?:probably|(?:most|more) likely|presumably)\b[^.;!?{C}{P}]*{A}[^.;!?{C}{P}]*\b(?:possibly|perhaps|maybe|less likely)\b (?:\w+ ){{0,2}}(?P<m9>{A})",
    rf"[;.,]\s*otherwise,?:?\s+(?:it (?:is|was|would be) )?(?P<m10>{A})",
    rf"\b(?:second|third|next)(?: |-)\w+(?:,| is| was|:)? (?:the )?(?P<m7>{A})",
    rf"(?P<m4>{A})(?:(?!\bbut\b)[^.;:!?{C}{P}])*\b\w+ {_ANOTHER_WORK}",
    rf"\b(?:in|of|for|from|on) {_ANOTHER_WORK},? [^.;:!?{C}{P}]{{0,40}}(?P<m5>{A})",
    rf"\bif you (?:have (?:an?|any)|suffer|visit|like|enjoy|ever)\b[^.,;!?{C}{P}]*(?P<m6>{A})",
)
"""A mention as something other than what the question asks for: a runner-up, a successor, a museum, the actor of a later
film, or in advice to the reader ("if you have a peanut allergy")."""
ASKS_FORMER = re.compile(r"\b(?:former|formerly|previous|previously|old|original|originally|earlier|past)\b")
"""A question about what was."""
RANK = re.compile(r"\b(?:second|third|2nd|3rd|next|runner-up)\b")
"""A rank that a question can ask for."""
REFERS_BACK = re.compile(r"^\W*(?:that|this|which) (?:is|would be) (?:the|my) (?:final |correct )?answer\b")
"""A sentence that makes the answer before it the final one."""
CHECKED = re.compile(
    rf"(?P<m>{A})[^.\n{C}{P}]{{0,20}}(?:[\u2705\u2714\u2713]|(?:<[-=]+|\u2190|\u27f5)(?!\s*{A}))|(?:^|\n)\s*[\u2705\u2714\u2713]\ufe0f?\s*(?P<m2>{A})"
    rf"|(?:\[x\]|[\u2611\u25cf]|(?:^|[.;,\n(]\s*)(?:right|true|truth|correct|reality)(?: answer)?\s*:|\bthe truth is(?: that)?(?: it (?:is|was))?)\s*{_QUOTE}(?P<m3>{A})"
    rf"|(?P<m4>{A})[\"')\]]*\s*(?::|=|\()\s*(?:yes|right|correct|true)\b"
)
"""A mention with a check mark, a yes, or an arrow that points at it."""
TAGGED = re.compile(rf"<(?:final[_ ]?)?answer>[^<{C}{P}]*(?P<m>{A})[^<{C}{P}]*</")
"""The only mention in an XML element that holds the answer."""
FORMER_OR_LATTER = re.compile(
    r"(?:\b(?:is|was|be|go(?:es)? (?:for|with)|choose|pick|say|to|with|prefers?|trust|follow|take|believe|answer|means?)|[:,])\s+(?:clearly |really )?the (?P<which>former|latter)\W*$"
    r"|\b(?:is|was|be|with|choose|pick|prefer|say|trust|take|:|,) the (?P<which3>first|second) of (?:these|those|them|the two)(?: \w+)?(?:\W*$| (?:that|which|who)\b)"
    r"|(?:^|[.;:]\s)the (?P<which2>former|latter) (?:\w+ )?(?:is|was) (?:\w+ )?(?:right|correct|true|the answer|the (?:right|correct) (?:one|name|answer))\b"
)
"""The end of a text, or a statement, that chooses between the two answers named before it."""
NOTED = re.compile(
    rf"(?P<m>{A})[\"']*\s*\((?!(?:not|no|former\w*|old|until|was|previous\w*|second|third)\b)(?P<note>[^(){C}{P}]+)\)"
)
"""A mention with a note in brackets that does not deny it."""
EXPLAINED = re.compile(
    rf"^\W*(?:it is |the )?(?:in )?(?P<m>{A})[\"')\]]*(?:\s+[-\u2013\u2014]\s+(?!\W*{A}\W*$)|\s+once again,|\s+(?:again|instead),)"
)
"""A text that begins with its answer, and says more after a dash."""
_ELSEWHERE = (
    r"(?:(?:my (?:own )?|general |common |prior |world |background )(?:knowledge|memory|training(?: data)?)|"
    r"(?:most |other |many |standard |all )?(?:encyclop\w+|text ?books|history books|historians|(?:reference )?works|experts|sources|references|"
    r"scholars|records)|(?:literary |art |music |film )?history|everyone else|wikipedia)"
)
OWN_KNOWLEDGE = _any(
    r"\b(?:based on|according to|from|per|by|in) (?:my|general|common|prior|real[- ]world|other) ",
    rf"\b(?:based on|according to|per|by|in) (?:the )?{_ELSEWHERE}\b",
    rf"\b{_ELSEWHERE},? (?:{_SAYS}|say|name|list|give|state|mention|report|place|put|suggest|indicate|point)\b",
    r"^\W*(?:and )?i (?:remember|recall|learned|was taught)\b|\bi have (?:always|only|usually|often) (?:\w+ )?(?:seen|read|heard|learned|known|been told)\b",
    r"\b(?:nach meinem wissen|meines wissens|à ma connaissance|que yo sepa|según mis conocimientos|per quanto ne so)\b",
)
"""What follows is another account: what the model knows by itself, or other sources say."""

ACCOUNT = re.compile(r"^\W*(?:and )?(?:according to|going by|per|as per|based on) ")
"""A clause that begins with whose account it is."""

COMMITS = re.compile(
    r"\b(?:the|my) (?:correct |right |true |real |best |final )?answer (?:is|should be|must be|remains)\b"
)
"""A clause that commits to its answer as the answer."""
REPORTS = re.compile(rf"\b{SOURCE},?\s+(?:\w+,?\s+){{0,2}}?{_SAYS}\b")
"""A clause that reports what the passage says."""

PAIR = re.compile(
    rf"(?:\b(?:between|of|comparing|compared|both|either|from|options|candidates|choices)\b[^.!?{C}{P}]*|^\W*(?={A} (?:vs?\.?|versus)))(?P<m>{A})[\"')]*\s*(?:,|/|and|or|with|to|vs?\.?|versus|against)+"
    rf"\s*(?:and |or )?(?:the )?[\"'(]*(?P<n>{A})[^{C}{P}]*?[,:;]"
)
"""Two answers that are compared before one is chosen: "between Paris and Lyon, it is Lyon"."""
THOUGHT_ENDS = re.compile(r"</(?:think|thinking|thought|reasoning|scratchpad)>")
"""The end of a chain of thought, after which the answer begins."""
OBJECT = re.compile(
    rf"\b(?:to|from|by|with|of|for|against|after|before|under|through|without)\s+(?:the\s+)?[\"']*(?P<m>{A})"
)
"""A mention that only belongs to another word."""
SUBORDINATE = re.compile(
    rf"(?:,\s*(?:who|which|whose|whom|where|when)\b|,?\s+(?:because|since|so that|in order)\b|\(|,\s+and\s+(?={A}\s+(?:came|was|followed|later|also|who)))[^{C}{P}]*(?P<m>{A})"
)
"""A mention in a clause that adds something to the one before it."""
WAS = re.compile(r"\b(?:was|were|had been)\b")
NEXT_TURN = re.compile(r"\n\W*(?:question|q|user|human|passage|context|instruction|### ?instruction)\s*\d*\s*[:\uff1a]")
"""The beginning of another question that the response itself generates."""
HEADING = re.compile(rf"(?:^|\n)[^\w{C}{P}]*(?:final |my |the )?answer[^\w{C}{P}]*$")
"""A heading, after which the answer follows."""
NAMES_TWO = re.compile(
    r"\b(?:two|both|mentions?|names?|lists?|gives?|options?|candidates?|possibilities|choices?|between|compares?)\b"
)
"""A sentence that introduces both answers before one is chosen."""
STRONG_REFUSAL = _any(
    r"\b(?:i|we) (?:really |honestly |simply )?do not know\b|\bno (?:idea|clue)\b|\bnot (?:really |quite )?sure\b|\bunsure\b|\bneed (?:more|further) (?:information|context|details)\b"
    r"|\bcannot be (?:determined|known|decided)\b",
    r"je ne sais pas|no lo sé|no sé|ich weiß (?:es )?nicht|non lo so|não sei|не знаю|不知道|不清楚|不确定|わかりません|分かりません|わからない|모르겠|알 수 없|لا أعرف",
)
"""A refusal that counts even after both answers are named."""
OPEN_EACH = re.compile(
    r"\b(?:could|might|may|perhaps|maybe|possibly)\b[^.!?]*\b(?:could|might|may|perhaps|maybe|possibly)\b"
)
"""Two possibilities next to each other."""
_TRUSTED = r"(?:is|are|seems?) (?:the )?(?:more )?(?:reliable|correct|right|true|accurate|trustworthy)"
_TRUST = r"\b(?:trust(?:ing)?|go(?:ing)? with|follow(?:ing)?|rely(?:ing)? on|sid(?:e|ing) with|believe|stick(?:ing)? (?:to|with)|prefer|choose|(?:defer|bow)(?:ring|ing)? to|accept)"
TRUSTS_PASSAGE = re.compile(
    rf"\bit is (?:the|this|your) {SOURCE} (?:that )?i (?:go by|trust|follow|believe)\b|"
    rf"\bbut (?:you asked (?:about|for|what)|the question is about|i was asked about) (?:the|this|your) {SOURCE}\b|"
    rf"\b(?:the|this) {SOURCE}(?:'s)?(?: \w+)? {_TRUSTED}\b|(?<!not ){_TRUST} (?:(?:the|this|your) {SOURCE}|yours)\b"
    rf"|\b{SOURCE},? which i (?:\w+ )?(?:take at (?:its|his|her|face) (?:word|value)|trust|believe|have no reason to doubt)\b"
    rf"|(?<!not )(?<!would )\btak(?:e|ing) the {SOURCE} at (?:its|his|her|face) (?:word|value)\b|\bno (?:reason|cause|grounds) to (?:doubt|question|distrust|disbelieve) the {SOURCE}\b"
    rf"|{C}[^{C}{P}]*(?:(?<!not )(?<!would )\btak(?:e|ing) (?:it|that|this) at (?:its|his|her|face) (?:word|value)\b|\bno (?:reason|cause|grounds) to (?:doubt|question|distrust|disbelieve) (?:it|that|this)\b)"
    rf"|\b(?:that|this|it) is what (?:the|this|that|your) {SOURCE} {_SAYS}\b[^.;!?{C}{P}]*\b(?:so|hence|therefore|and) (?:that|this|it) is (?:also )?(?:my|the) (?:final )?answer\b"
)
TRUSTS_MEMORY = re.compile(
    rf"\bi (?:would|will|have to|must|should) (?:\w+ )?correct (?:the|this|your) {SOURCE}\b|"
    rf"\b(?:textbooks?|memory|usual|common|known|established|real|traditional|other|older|standard|official)(?:'s)?(?: \w+)? {_TRUSTED}\b"
    rf"|(?<!not ){_TRUST} (?:my (?:own )?(?:knowledge|memory|training)|general knowledge|common knowledge|what i (?:know|learned)|mine|history|science|(?:the )?(?:text ?books?|historians|experts))\b"
)
"""Which of two accounts a text trusts, if it names the account but not its answer."""
MIXED_UP = re.compile(
    rf"\b{SOURCE} (?:has |must have |seems to have |seems to )?(?:confus(?:es?|ed)|mix(?:es|ed)?(?: \w+){{0,3}} up|conflat(?:es?|ed)|mist(?:akes?|ook|aken)|swap(?:s|ped)|"
    rf"interchang(?:es?|ed))\b[^.;!?]*{A}[^.;!?]*{A}"
)
"""The passage is said to take one answer for the other, so what it says is rejected."""
IF_SOURCE = re.compile(rf"\b(?:if|assuming|supposing|provided)(?: that)? (?:the|this|that|your) {SOURCE}\b")
"""A condition on the passage: "if the passage is right"."""
CONDITION = re.compile(r"^\W*(?:and |but )?if\b")
CONCLUDES = re.compile(r"\b(?:so|therefore|thus|hence|consequently)\b")
"""A word that introduces the conclusion of a clause."""
PUT_ASIDE = re.compile(
    r"\b(?:set(?:ting)?|put(?:ting)?|leav(?:e|ing)|lay(?:ing)?) (?:that|it|this|those|these|my \w+) aside\b|\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?) (?:that|it|this)\b"
)
"""Wording that dismisses the answer before it in the same sentence."""
NO_ANSWER_VALUE = re.compile(
    r"\"(?:\w+_)?(?:answer|result|response|output|value)\"\s*:\s*(?:null|none|\"\s*\"|\"(?:unknown|n/?a|none|null|unclear|uncertain)\"|\[\s*\])"
)
"""JSON whose answer is empty."""
UNDECIDED = re.compile(
    r"\b(?:can not|could not|unable to|not able to|impossible to|not possible to) (?:\w+ )?(?:say|tell|determine|decide|choose|know|judge|be (?:sure|certain)) (?:\w+ )?"
    r"(?:which|who|what|whether|between|(?:the|a|any|one) (?:single )?(?:correct|right|true|actual|real|exact|definite|definitive|final) \w+)\b|\b(?:remains?|is still|is) (?:\w+ )?(?:unclear|disputed|contested|unresolved|debated|a matter of (?:debate|dispute))\b|\b(?:can not|could not) (?:\w+ )?(?:settle|resolve|reconcile|decide|choose|make up my mind)\b|\bdo not ask me which\b|"
    r"\bwhich (?:one |of \w+ )?(?:is|was) (?:right|correct|true),? (?:i |we )?(?:really |honestly )?(?:can not|could not|do not)\b|"
    rf"\bit (?:is|was) {_SMALL}{A} if\b[^.!?{C}{P}]*\b(?:and|but|or) {_SMALL}{A} if\b|"
    r"\bno (?:means|way) (?:of|to) \w+ (?:which|who|what|whether)\b|\bno (?:means|way) (?:of|to) (?:verify|check|confirm)(?:ing)? (?:this|that|it|them|either)\b|\bback and forth\b|\bno way of (?:telling|knowing|deciding)\b|\b(?:take your pick|your (?:call|choice|pick)|you (?:decide|choose)|up to you)\b|\bone or the other\b|\b(?:not (?:sure|certain|clear)|unsure|unclear|do not know) (?:which|whether)\b|\bneither (?:can|could|do|will|would) i\b(?=\W*$|[.;,!])|\b(?:nobody|no one|(?:scholars|experts|historians|scientists|sources|people) (?:have|do|can|could) not) (?:has |have |\w+ )?(?:settled?|agreed?|resolved?|decided?)\b(?! with)"
)
"""Wording that leaves the answers before it undecided, however they were stated."""
UNTOLD = re.compile(
    r"\b(?:can not|could not|unable to|not able to|do not know|not sure|no way to) (?:(?:say|tell|know|decide|judge)(?: you)? )?(?:\w+ )?which (?:one |of \w+(?: \w+)? )?"
    r"(?:is|are|was|were|to) (?:actually )?(?:right|correct|true|believe|trust|follow)\b"
)
"""Wording that leaves open which of two accounts is right, even if only one of them names an answer that is recognised."""
UNABLE = re.compile(
    r"^(?:i(?:'m| am) (?:sorry|afraid),? (?:but |that )?|sorry,? (?:but )?|unfortunately,? )?i (?:can not|could not|am not able to|am unable to|would not be able to) "
    r"(?:really |honestly )?(?:say|tell|answer|decide|judge|settle|determine|(?:answer|settle|determine) (?:this|that|it)(?: question)?)(?: for (?:sure|certain)| with (?:any )?(?:confidence|certainty))?\W*$"
)
"""A whole sentence that refuses to answer."""
DISAGREES = re.compile(
    r"\b(?:contradict\w*|conflict\w*|disagree\w*|at odds|(?:differs?|differing|different) from|does not (?:match|agree|fit))\b"
)
"""An account is said to disagree with another one."""
SUPERSEDED = re.compile(
    r"\bi (?:initially|first|originally|always|once|used to|had) (?:thought|think|believed?|assumed?|guessed|learned|expected|would)\b|\bi (?:would have|was going to|was about to)\b"
    r"|\bmy (?:first|initial) (?:thought|guess|instinct|reaction)\b|\b(?:once|long|initially|originally|previously) (?:thought|believed|assumed|held|considered)\b"
)
"""A belief that was later corrected."""
HAD_THOUGHT = re.compile(
    r"\bi(?:'d| had) (?:always |long |previously |once )?(?:thought|believed|assumed|supposed|learned)\b"
)
"""A belief before the answer, stated after it: "Lyon. I had thought it was Paris"."""
PLANNED = re.compile(
    rf"\b(?:planned|intended|scheduled|expected|slated|meant|hoped) (?:to (?:be|have) (?:\w+ )?)?(?:for|in|by|on|at|as) (?:[\w'-]+ ){{0,2}}?(?P<m>{A})"
)
"""A mention of what was planned: "planned for 1990, but finished in 1994"."""
OUTDATED = re.compile(
    r"\b(?:old(?:er)?|outdated|earlier|previous) (?:school ?books?|text ?books?|books?|sources?|maps?|editions?|records?|accounts?|references?|works|encyclop\w+)\b"
)
"""A source that newer ones have replaced."""
PREPOSITIONAL = re.compile(
    r"(?:contrary to|despite|in spite of|regardless of|notwithstanding|ignoring|disregarding|leaving aside|apart from)\b"
)
"""A concession without a verb of its own, which ends at its first comma."""
RELATIVE = re.compile(r",\s*(?:which|who|that|whose|as)\b")
"""A comma that a relative clause follows."""
SPLIT = re.compile(
    rf"\b(?:debate|disput|disagree|controvers|contested|unclear|unsettled)[^.!?]*\bsome (?:[\w']+ ){{0,3}}?(?:say|consider|believe|argue|claim|think|regard|hold|maintain|list|give|name|put)s?\b[^.!?]*{A}[^.!?]*"
    rf"\bothers?\b[^.!?]*{A}"
)
"""Two camps, one for each answer: "some consider Paris ..., while others say Lyon"."""
DECLINES = re.compile(
    rf"\b(?:rather|prefer) not (?:to )?(?:give|say|answer|choose|commit|decide|guess|pick|take|settle|(?:name|single out|favou?r)\b(?![^.;:!?,{C}{P}]{{0,24}}{A}))\b(?! (?:any )?(?:more|further|anything else))|\b(?:not able to|unable to|can not|could not) "
    r"(?:provide|give|offer) (?:you )?(?:a|an|any|the|one) (?:\w+ )?(?:definite|definitive|clear|certain|single|reliable|conclusive)\b"
    r"|\bi (?:will not|would not|can not|could not|refuse to|decline to) (?:choose|decide|pick|take sides|judge|settle (?:it|this|that))(?: between (?:them|the two))?\W*$"
)
"""Wording that declines to answer, whatever accounts it names."""
YET_ANSWERS = re.compile(r"\b(?:but|however|still|guess|think|believe|probably|likely|suppose|lean(?:ing)?)\b")
"""Wording with which a refusal continues to an answer."""
LABELLED = re.compile(r"^\W*(?:final )?(?:answer|response|output|a)\s*[:\uff1a]")
"""A line that gives an answer under a heading."""
OF_PRONOUN = re.compile(rf"^\W*(?:he|she|it|they|this|that) (\w+) (?:\w+ ){{0,2}}?{A}")
"""A sentence that says something about a pronoun with an answer, and its verb."""
ALSO = re.compile(r"^\W*(?:he|she|it|they|this|that)\s+(?:\w+\s+){0,2}?also\b")
"""A sentence that adds something about the subject of the one before it."""
UNVERIFIED = re.compile(
    r"\b(?:no way (?:to|of)|can not|could not|unable to|not able to) (?:\w+ )?(?:verify|verifying|confirm|confirming|check|checking|vouch)\b"
)
"""An account is said to be unverified."""
ASKS_WHICH = re.compile(
    r"\b(?:would you (?:like|prefer)|do you (?:want|prefer|mean|need)|should i|shall i|which (?:one |of \w+ (?:\w+ )?|answer |account )?(?:should|shall|do|would|did) (?:i|you))\b"
)
"""A question that asks the reader which answer to give."""
ACCOUNT_OF_SOURCE = re.compile(
    rf"\b(?:the (?:one|answer|name|version)|what) (?:\w+ )?(?:from|in|by|of|given (?:by|in)|according to) |\b{SOURCE}\b"
)
"""Words that call an answer one account of several."""
STILL_OPEN = re.compile(
    r"\bjury is (?:still )?out\b|\bleaves? it open\b|\b(?:flip|toss) a coin\b|\b(?:stay|remain|keep)(?:ing)? neutral\b|\byou tell me\b(?=\W*$|[.!?])|\bno way (?:for me |for us )?(?:to|of) (?:say|tell|know|decid)\w* who\b(?: is (?:right|correct))?"
    r"|\bnot (?:\w+ )?comfortable (?:with )?(?:choosing|picking|deciding|answering)\b|\b(?:conflicting|contradictory|contradicting) (?:information|accounts|sources|answers)\b"
    r"|\b(?:two|my) sources,? (?:two names|disagree|conflict)\b"
)
"""Wording that leaves open which of several accounts is right, before or after them."""
EARLIER_OR_LATER = re.compile(
    r"(?<!not )(?<!which )(?<!what )\b(?:is|be|was|go(?:ing)? (?:for|with)|choose|pick|say|trust|take|prefer|stick (?:to|with)|believe|keep|:) the (?P<which>earlier|later|smaller|larger|bigger|lower|higher|greater|shorter|longer)"
    r"(?: (?:one|year|date|number|figure|value|of (?:the|these) (?:two|\w+)))*\W*$"
)
"""The end of a text that chooses between two numbers by their order."""
BARE = re.compile(rf"\W*(?:(?:it is|it was|the|a|an|in|answer|fine|ok|okay)\W+)*{A}\W*")
"""A sentence that is only an answer."""
CONCLUDED = re.compile(
    rf"(?:\b(?:which|that|this|it) (?:tells? (?:us|me)|means|implies|leaves (?:us|me|only)|suggests|shows|points to)\b|\b(?:so|therefore|thus|hence|leaving|conclude|conclusion)\b)[^.;!?{C}{P}]*:\s*(?:the )?{_QUOTE}{A}\W*$"
)
"""A conclusion with the answer after a colon."""
SOURCE_IS_WRONG = re.compile(
    rf"(?<!if )(?<!whether )(?<!unless )(?<!that )(?<!because )\b(?:the|this|that|your) {SOURCE} (?:is|was|must be|has to be|seems|appears)(?: to be)? "
    r"(?:\w+ly |simply |just |quite |plain )?(?:wrong|mistaken|in error|incorrect|inaccurate|false|untrue|at fault|lying)(?: (?:about|on) (?:it|this|that|him|her|them|his|her|their))?"
    r"(?= here| there|\W*$|[.,;!)]| and\b)"
    rf"|\"{SOURCE}_(?:is_)?(?:correct|right|true|accurate|reliable)\"\s*:\s*(?:false|no|\"(?:false|no)\")"
    rf"|\bif [^.;!?{C}{P}]*\b{SOURCE}\b[^.;!?{C}{P}]*, which (?:it|i|they) (?:can|is|do|does|could|should|are) not\b"
)
"""The passage is said to be wrong about its answer."""
NOT_WHAT_WAS_ASKED = re.compile(
    r"(?:^\W*|[,;\u2013\u2014] ?)(?:but |though |however,? |yet |and )?(?:it|this|that|he|she|they)(?: is| was| are| were) (?:\w+ly |of course )?not (?P<rest>(?:where|who|what|when|the \w+ (?:where|who|that|which|in which|whose))\b[^.;!?]*)"
)
"""A sentence that denies that the answer before it is what the question asks for."""
IF_TRUSTED = re.compile(
    rf"\b(?:if|assuming|provided) (?:you|one|we) (?:\w+ )?(?:trust|believe|accept|follow|go by|take)\b[^.;!?{C}{P}]*\b(?:{SOURCE}|it|that)\b"
)
"""A condition on somebody's trust in the passage."""
NOT_I = re.compile(
    r"^\W*(?:but |however,? |though )?(?:i|we)(?:,? (?:for one|personally|myself),?)? (?:do|would|can|could|will) not(?: (?:trust|believe|accept|follow|buy) (?:it|that|this))?(?:,? (?:though|however|myself|personally))?(?:\W*$|[:,])"
)
"""A sentence that withholds the writer's trust."""
ATTRIBUTES = re.compile(
    rf"^\W*(?:(?:or )?at least,?\s+)?(?:so |(?:that|this) is (?:how|what) |(?:as|if) )?(?:(?:the|this|that|your) {SOURCE} {_SAYS}|according to (?:the|this|that|your) {SOURCE})\b[^.;!?{C}{P}]*$"
)
"""A clause that says only that the passage claims what precedes it."""
RESPECTS = re.compile(
    rf"\b(?:with (?:all )?(?:due )?respect|no offen[cs]e|(?:my )?apologies|no disrespect) to (?:the |any |all )?(?P<m>{A})"
)
"""A mention that a text is polite about, because it does not give it as the answer."""
RETURNED = re.compile(
    rf"\bfrom (?P<to>{A}) to (?P<m>{A})[^!?{C}{P}]*?\b(?:(?:from (?P<m2>{A})|and|then|later|finally) back(?: again| there)?|back again)\b(?! (?:in|to|then) {A})"
)
"""A move to another place and back: "from Bonn to Berlin in 1999, and from Berlin back again"."""
