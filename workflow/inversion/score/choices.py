"""The answer that a text chooses of two: in a final sentence, with a mark, as the latter, by a percentage."""

from __future__ import annotations

import re

from inversion.score import cues
from inversion.score.cues import A
from inversion.score.judgement import Judgement
from inversion.score.masked_response import MaskedResponse
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
    checked = [
        text.at(place) for m in cues.CHECKED.finditer(text.masked) if (place := max(map(m.start, m.groupdict()))) >= 0
    ]
    tagged = [text.at(match.start("m")) for match in cues.TAGGED.finditer(text.masked)]
    bold = [i for i in text.remaining() if _BOLD.search(text.response[: text.chars(i)[0]])]
    wanted = content_words(text.question)
    noted = [text.at(m.start("m")) for m in cues.NOTED.finditer(text.masked) if content_words(m["note"]) & wanted]
    for marked in (tagged, checked, bold, noted):
        remaining = [i for i in marked if i not in text.set_aside]
        if remaining and len({text.side(i) for i in remaining}) == 1:
            return judged(text, remaining[0], "final_answer")
    for sentence in text.sentences:
        if cues.REFERS_BACK.search(sentence.text) and (before := text.remaining(0, sentence.start)):
            return judged(text, before[-1], "final_answer")
    return None


_BOLD = re.compile(r"(?:\*\*|__)[\"']?(?:the |The )?$")


def former_or_latter(text: MaskedResponse) -> Judgement | None:
    """The answer that the text chooses as the former or the latter of the two that it named before."""
    matches = list(cues.FORMER_OR_LATTER.finditer(text.masked))
    if not matches or text.remaining(matches[-1].end()):
        return None
    before = [i for i, place in enumerate(text.places) if place < matches[-1].start()]
    latter = before[-1] if before else None
    former = next((i for i in reversed(before) if latter is not None and text.side(i) != text.side(latter)), None)
    if latter is None or former is None:
        return None
    which = matches[-1]["which"] or matches[-1]["which2"]
    return judged(text, latter if which == "latter" else former, "final_answer")


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
