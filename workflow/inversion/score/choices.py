"""The answer that a text chooses of two: in a final sentence, with a mark, as the latter, by a percentage."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.cues import A
from inversion.score.judgement import Judgement
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse
from inversion.score.relative_numbers import number_of
from inversion.score.statements import NAME, content_words


def judged(text: MaskedResponse, index: int, rule: str) -> Judgement:
    """The label of one mention."""
    return Judgement(text.side(index), text.chars(index), rule)


def final_answer(text: MaskedResponse) -> Judgement | None:
    """The answer of the last sentence that gives a final answer, if it gives one side only; ``both`` if two lines give
    different answers under the same heading ("Answer: ...")."""
    lines = [
        (match[0], text.sides(match.end(), s.end)) for s in text.sentences if (match := cues.LABELLED.match(s.text))
    ]
    if len(lines) > 1 and len({heading for heading, _ in lines}) == 1 and len(set().union(*(s for _, s in lines))) == 2:
        remaining = text.remaining()
        return Judgement("both", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "both_answers")
    for sentence in reversed(text.sentences):
        stripped = sentence.text.strip()
        if cues.HEADING.search(text.masked[: sentence.start]):
            stripped = f"answer: {stripped}"
        if (
            cues.EXPLAINS.search(stripped)
            or cues.OF_SOURCE.search(stripped)
            or cues.QUESTION.search(stripped)
            or not cues.FINAL.search(stripped)
        ):
            continue
        remaining = text.remaining(sentence.start, sentence.end)
        if remaining and len({text.side(i) for i in remaining}) == 1:
            return judged(text, remaining[0], "final_answer")
    return None


def marked_answer(text: MaskedResponse) -> Judgement | None:
    """The only answer that the text marks in bold, with a check mark, with words of the question in brackets ("Skin
    (largest)"), or as its answer in a later sentence."""
    checked = [text.at(place) for m in text.matches(cues.CHECKED) if (place := max(map(m.start, m.groupdict()))) >= 0]
    tagged = [text.at(match.start("m")) for match in text.matches(cues.TAGGED)]
    bold = [i for i in text.remaining() if _BOLD.search(text.response[: text.chars(i)[0]])]
    wanted = content_words(text.question)
    noted = [text.at(m.start("m")) for m in cues.NOTED.finditer(text.masked) if content_words(m["note"]) & wanted]
    for marked in (tagged, checked, bold, noted):
        remaining = [i for i in marked if i not in text.set_aside]
        if remaining and len({text.side(i) for i in remaining}) == 1:
            return judged(text, remaining[0], "final_answer")
    for sentence in text.sentences if text.may_have(cues.REFERS_BACK) else ():
        if cues.REFERS_BACK.search(sentence.text) and (before := text.remaining(0, sentence.start)):
            return judged(text, before[-1], "final_answer")
    return None


_BOLD = re.compile(r"(?:\*\*|__)[\"']?(?:the |The )?$")


def former_or_latter(text: MaskedResponse) -> Judgement | None:
    """The answer that the text chooses as the former or the latter of the two that it named before, or as the first or
    last of a longer list."""
    if not text.names_both:
        return None
    matches = list(text.matches(cues.FORMER_OR_LATTER))
    if not matches:
        return _first_or_last(text)
    if text.remaining(matches[-1].end()):
        return None
    before = [i for i, place in enumerate(text.places) if place < matches[-1].start()]
    latter = before[-1] if before else None
    former = next((i for i in reversed(before) if latter is not None and text.side(i) != text.side(latter)), None)
    if latter is None or former is None:
        return None
    which = next(filter(None, matches[-1].groups()))
    return judged(text, latter if which in ("latter", "second") else former, "final_answer")


_PICK_BY_PLACE = re.compile(
    r"(?:^|[.;:!?\n]\s*)(?:(?:it is|it was|the (?:right|correct) \w+ is|i(?:'d| would|'ll)? (?:pick|choose|say)) )?"
    r"the (?P<which>former|latter|first|second|last)"
    r"(?: (?:one|answer|name|option|choice)| of (?:these|those|them|the \w+))?"
    rf"(?P<rest>(?: [^.;!?\n{A[1:-1]}]*)?)\W*$"
)
"""A last sentence that picks an answer by its place: "The last of these won."."""
_IS_RIGHT = re.compile(
    r"(?: (?:is|was) (?:the )?(?:right|correct|answer|true|one|it|author|writer|winner|host)\b[^,]*)?\W*"
)
_OTHER_THAN = re.compile(r"\b(?:not|never|wrong|incorrect|false|to|lost)\b")
_WORD_CHARACTER = re.compile(r"\w")
_LISTED_BEFORE = re.compile(r"(?:,|\band|\bor)\s*(?:and |or )?(?:the |an? )?\W*$")


def picks(rest: str, question: str) -> bool:
    """Whether what a text says about one place in a list makes it the answer: nothing, that it is right, or words of
    the question ("The last of these won")."""
    if _OTHER_THAN.search(rest):
        return False
    return _IS_RIGHT.fullmatch(rest) is not None or bool(content_words(rest) & content_words(question))


def _first_or_last(text: MaskedResponse) -> Judgement | None:
    """The first or last of the answers that one sentence names, if the last sentence picks it by its place. None if
    another name is at that place."""
    pick = _PICK_BY_PLACE.search(text.masked)
    if pick is None or not picks(pick["rest"], text.question):
        return None
    before = [s for s in text.sentences if s.end <= pick.start("which") and ANY_ANSWER.search(s.text)]
    here = [i for s in before[-1:] for i, place in enumerate(text.places) if s.start <= place < s.end]
    if len({text.side(i) for i in here}) < 2:
        return None
    start, first, last, end = before[-1].start, text.places[here[0]], text.places[here[-1]], before[-1].end
    if pick["which"] in ("first", "former"):
        return None if _LISTED_BEFORE.search(text.masked[start:first]) else judged(text, here[0], "final_answer")
    longer = "," in text.masked[start:first] or text.masked[first:last].count(",") > 1
    followed = _WORD_CHARACTER.search(text.masked, last + 1, end) is not None
    taken = followed if pick["which"] == "last" else longer
    return None if taken else judged(text, here[-1], "final_answer")


_MORE = frozenset({"later", "larger", "bigger", "higher", "greater", "longer"})


def earlier_or_later(text: MaskedResponse) -> Judgement | None:
    """The answer that the text chooses at its end as the earlier, later, smaller or larger of two numbers."""
    match = text.search(cues.EARLIER_OR_LATER)
    if match is None:
        return None
    values = [number_of(answers) for answers in (text.context_answers, text.parametric_answers)]
    if None in values or values[0] == values[1] or len(text.sides(0, match.start())) < 2:
        return None
    context_is_more = values[0] > values[1]  # type: ignore[operator]
    side = "context" if context_is_more == (match["which"] in _MORE) else "parametric"
    return judged(text, next(i for i in text.remaining() if text.side(i) == side), "final_answer")


def concluded(text: MaskedResponse) -> Judgement | None:
    """The answer at the very end of a text that reasons first: after a conclusion and a colon ("which tells us that it
    is elsewhere: Lyon"), or alone, if the text named both answers or reported accounts before."""
    last = text.sentences[-1]
    here = text.remaining(last.start, last.end)
    if len({text.side(i) for i in here}) != 1 or len(text.sentences) < 2:
        return None
    before = text.sentences[-2]
    apart = "\n" in text.masked[before.end - 1 : last.start + 1] or not text.remaining(before.start, before.end)
    alone = apart and cues.BARE.fullmatch(last.text)
    naming = [s for s in text.sentences[:-1] if text.remaining(s.start, s.end)]
    if any((cues.BARE.fullmatch(s.text) and "?" not in s.text) or cues.LISTS.search(s.text) for s in naming):
        return None
    both = len(text.sides(0, last.start)) == 2
    reports = (cues.PASSAGE, cues.SUPERSEDED, cues.GENERAL)
    accounts = naming and all(any(cue.search(s.text) for cue in reports) for s in naming)
    if (alone and (both or accounts)) or (naming and cues.CONCLUDED.search(last.text)):
        return judged(text, here[-1], "final_answer")
    return None


def answer_after_reasons(text: MaskedResponse) -> Judgement | None:
    """The answer that the text draws from what precedes it ("Paris sold it to Lyon, so the answer is Lyon"), if it
    names no other one after that."""
    cue = next(iter(reversed(list(text.matches(cues.SO_ANSWER)))), None)
    if cue is None:
        return None
    index = text.at(cue.start("m"))
    alone = text.sides(cue.start()) == {text.side(index)}
    return judged(text, index, "final_answer") if alone and index not in text.set_aside else None


_PERCENT = r"(?:\d+(?:\.\d+)?) ?%"
_SHARE = re.compile(rf"(?P<m>{A})[\"')\]]*[\s:(=]*(?P<after>{_PERCENT})|(?P<before>{_PERCENT})[\s:]*(?P<m2>{A})")


def likelier(text: MaskedResponse) -> Judgement | None:
    """The answer to which the text gives the higher percentage: "Lyon (90 %), Paris (10 %)"."""
    shares: dict[int, float] = {}
    for match in _SHARE.finditer(text.masked):
        shares.setdefault(
            text.at(max(match.start("m"), match.start("m2"))), float((match["after"] or match["before"]).rstrip(" %"))
        )
    if len(shares) != 2 or len({text.side(i) for i in shares}) < 2:
        return None
    (one, first), (other, second) = shares.items()
    if first == second:
        return Judgement("abstains", (text.chars(one)[0], text.chars(other)[1]), "left_open")
    return judged(text, one if first > second else other, "final_answer")


def next_to_name(text: MaskedResponse) -> int | None:
    """The only mention next to a name in the question, if the text names both answers in one sentence, each with
    something else: "Kafka wrote The Castle, Hesse The Trial"."""
    found: set[int] = set()
    for name in NAME.findall(text.question):
        words = re.escape(name.lower())
        near = re.compile(
            rf"(?P<m>{A})(?:'s| of| wrote| made| runs)? (?:the )?{words}\b"
            rf"|\b{words}(?: is| was| has|:| [-\u2013\u2014])?(?: by)? (?P<m2>{A})"
        )
        found |= {text.at(max(match.start("m"), match.start("m2"))) for match in near.finditer(text.masked)}
    found -= text.set_aside.keys()
    return min(found) if len({text.side(i) for i in found}) == 1 else None
