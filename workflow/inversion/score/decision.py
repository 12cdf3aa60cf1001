"""The main scorer: decides which answer a response follows, and returns the words and the rule that decided.

Named rules set mentions aside that are negated, rejected, in the past, left open, copied from the passage
(:mod:`inversion.score.setting_aside`), or conceded (:mod:`inversion.score.clauses`). The remaining mentions decide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inversion.score import cues
from inversion.score.choices import (
    answer_after_reasons,
    concluded,
    earlier_or_later,
    final_answer,
    former_or_latter,
    judged,
    likelier,
    marked_answer,
    next_to_name,
)
from inversion.score.clauses import apply_contrasts, clauses_of
from inversion.score.contests import apply_results, winner
from inversion.score.cues import A
from inversion.score.double_negation import restore_affirmed
from inversion.score.hypotheticals import set_aside_hypothetical
from inversion.score.judgement import Judgement
from inversion.score.masked_response import ANY_ANSWER, MaskedResponse, first_turn
from inversion.score.not_asked import about_something_else, of_asked_rank, set_aside_unasked
from inversion.score.options import LISTED, listed_option, option_of_question
from inversion.score.parts import set_aside_parts
from inversion.score.polarity import polarity
from inversion.score.remarks import set_aside_before_third, set_aside_remarked
from inversion.score.setting_aside import set_aside_mentions
from inversion.score.statements import answers_again, are_rivals
from inversion.score.successions import set_aside_predecessors
from inversion.score.weak_mentions import set_aside_weak


def judge(
    response: str,
    context_answers: Sequence[str],
    parametric_answers: Sequence[str],
    passage: str | None = None,
    question: str = "",
) -> Judgement:
    """Which of two answers a response commits to, judged only from its text.

    Answers are sequences of aliases, which match as in :mod:`inversion.matching`. ``passage`` is the context that the
    model was shown. In text that is copied from it, a mention of the parametric answer counts as reading, not as
    memory. Text that repeats the ``question`` neither answers nor negates anything (for example the beginning of a
    proverb that should be completed).

    - ``context`` or ``parametric``: the response commits to this answer, whatever it says about the other one.
    - ``both``: the response gives both answers and does not choose.
    - ``abstains``: the response refuses, does not know, or leaves open which answer it is.
    - ``neither``: anything else.

    An alias that both sides share counts for the context. The correct answer to a matching item, whose two answers are
    equal, is therefore labelled ``context``.
    """
    text = MaskedResponse(first_turn(response, question), context_answers, parametric_answers, passage, question)
    if not text.mentions:
        return option_of_question(text) or polarity(text) or _without_answer(text, "no_answer")
    set_aside_mentions(text)
    restore_affirmed(text)
    set_aside_remarked(text)
    set_aside_before_third(text)
    set_aside_hypothetical(text)
    set_aside_unasked(text)
    set_aside_predecessors(text)
    set_aside_parts(text)
    apply_results(text)
    return _decide(text)


def _decide(text: MaskedResponse) -> Judgement:
    """The label from the remaining mentions."""
    if (chosen := listed_option(text)) is not None:
        return chosen
    if empty := text.search(cues.NO_ANSWER_VALUE):
        return Judgement("abstains", (text.original(empty.start()), text.original(empty.end())), "refusal")
    declines = text.search(cues.DECLINES)
    commits = declines is not None and (
        len(text.sides(declines.end())) == 1 or cues.YET_ANSWERS.search(text.masked, declines.end()) is not None
    )
    if declines and not commits:
        return Judgement("abstains", (text.original(declines.start()), text.original(declines.end())), "refusal")
    undecided = [*text.matches(cues.UNDECIDED), *text.matches(cues.SPLIT)]
    if undecided and len(text.sides(0, undecided[-1].end())) == 2 and not text.remaining(undecided[-1].end()):
        remaining = text.remaining()
        return Judgement("abstains", (text.chars(remaining[0])[0], text.original(undecided[-1].end())), "left_open")
    if (open_at := _untold(text)) is not None:
        return Judgement("abstains", (text.chars(text.remaining()[0])[0], text.original(open_at)), "left_open")
    if (asked := text.search(cues.OPEN_QUESTION)) and _only_accounts(text, asked.end()):
        remaining = text.remaining()
        return Judgement("abstains", (text.original(asked.start()), text.chars(remaining[-1])[1]), "left_open")
    if (unchosen := _asks_which(text) or _still_open(text)) is not None:
        return unchosen
    for cue, side in ((cues.TRUSTS_PASSAGE, "context"), (cues.TRUSTS_MEMORY, "parametric")):
        trusts = list(text.matches(cue)) if len(text.sides()) == 2 else []
        if trusts and len(text.sides(0, trusts[-1].end())) == 2 and not text.remaining(trusts[-1].end()):
            return judged(text, next(i for i in text.remaining() if text.side(i) == side), "final_answer")
    naming = [s for s in text.sentences if text.remaining(s.start, s.end)] if text.may_have(cues.QUESTION) else []
    if naming and all(cues.QUESTION.search(s.text) for s in naming) and text.search(cues.ABSTAIN, naming[-1].end):
        remaining = text.remaining()
        return Judgement("abstains", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "left_open")
    if (
        chosen := former_or_latter(text)
        or earlier_or_later(text)
        or concluded(text)
        or answer_after_reasons(text)
        or winner(text)
        or of_asked_rank(text)
    ) is not None:
        return chosen
    _set_aside_corrected(text)
    _set_aside_outside(text)
    if len(text.sides()) == 2 and text.search(cues.BOTH_CLAIM) and not cues.MODAL.search(text.masked):
        remaining = text.remaining()
        return Judgement("both", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "both_answers")
    if (turn := text.search(cues.NEXT_TURN)) and text.remaining(0, turn.start()):
        text.set_aside.update(dict.fromkeys(text.remaining(turn.start()), "aside"))
    if (thought := text.search(cues.THOUGHT_ENDS)) and text.remaining(thought.end()):
        for i in text.remaining(0, thought.end()):
            text.set_aside[i] = "aside"
    planned = {text.at(match.start("m")) for match in text.matches(cues.PLANNED)} - text.set_aside.keys()
    if len({text.side(i) for i in planned}) == 1 and len(text.sides()) == 2:
        text.set_aside.update(dict.fromkeys(planned, "conceded"))
    for sentence in text.sentences:
        if len(text.sides(sentence.start, sentence.end)) == 2:
            apply_contrasts(text, clauses_of(sentence))
    if len(text.sides()) == 2 and (final := final_answer(text) or marked_answer(text)) is not None:
        return final
    if len(text.sides()) == 2:
        set_aside_weak(text)
    if len(text.sides()) == 2:
        apply_contrasts(text, [clause for sentence in text.sentences for clause in clauses_of(sentence)])
    remaining = text.remaining()
    sides = text.sides()
    naming = [s for s in text.sentences if text.remaining(s.start, s.end)]
    if remaining and text.search(cues.STRONG_REFUSAL) and all(cues.QUESTION.search(s.text) for s in naming):
        return Judgement("abstains", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "left_open")
    if len(sides) == 1:
        return _one_side(text, remaining)
    if not sides:
        return _without_answer(text, "answers_set_aside")
    return _two_sides(text, remaining)


def _untold(text: MaskedResponse) -> int | None:
    """Where a text that leaves the answer open does so, even if it names one only: it cannot say which account is
    right, or it cannot answer and adds only that the passage disagrees with something else."""
    remaining = text.remaining()
    if not remaining:
        return None
    untold = text.search(cues.UNTOLD)
    if untold is not None and not text.remaining(untold.end()):
        return untold.end()
    if not text.may_have(cues.UNABLE) or not text.may_have(cues.DISAGREES, cues.UNVERIFIED):
        return None
    naming = [sentence for sentence in text.sentences if text.remaining(sentence.start, sentence.end)]
    refuses = any(cues.UNABLE.search(s.text) for s in text.sentences if s.end <= naming[0].start)
    doubts = (cues.DISAGREES, cues.UNVERIFIED)
    reports = all(cues.PASSAGE.search(s.text) and any(d.search(s.text) for d in doubts) for s in naming)
    return naming[-1].end if refuses and reports and naming[-1] is text.sentences[-1] else None


def _asks_which(text: MaskedResponse) -> Judgement | None:
    """An abstention, if the text only asks the reader which of the two answers to give."""
    if not text.may_have(cues.QUESTION) or not text.may_have(cues.ASKS_WHICH):
        return None
    naming = [sentence for sentence in text.sentences if text.remaining(sentence.start, sentence.end)]
    if len(naming) != 1 or len(text.sides(naming[0].start, naming[0].end)) < 2:
        return None
    asks = all(cue.search(naming[0].text) for cue in (cues.QUESTION, cues.ASKS_WHICH, cues.ACCOUNT_OF_SOURCE))
    remaining = text.remaining()
    span = (text.chars(remaining[0])[0], text.chars(remaining[-1])[1])
    return Judgement("abstains", span, "left_open") if asks else None


def _still_open(text: MaskedResponse) -> Judgement | None:
    """An abstention, if the text says anywhere that it does not decide, and commits to neither of the two answers."""
    cue = text.search(cues.STILL_OPEN)
    if cue is None or len(text.sides()) < 2:
        return None
    trusts = any(trust.search(text.masked) for trust in (cues.TRUSTS_PASSAGE, cues.TRUSTS_MEMORY))
    both_named = next(s.end for s in text.sentences if len(text.sides(0, s.end)) == 2)
    if trusts or text.remaining(both_named):
        return None
    naming = [cues.STILL_OPEN.sub(" ", s.text) for s in text.sentences if text.remaining(s.start, s.end)]
    if any(c.search(said) for said in naming for c in (cues.FINAL, cues.REAL, cues.CONCLUDES, cues.YET_ANSWERS)):
        return None
    remaining = text.remaining()
    return Judgement("abstains", (text.chars(remaining[0])[0], text.chars(remaining[-1])[1]), "left_open")


def _only_accounts(text: MaskedResponse, start: int) -> bool:
    """Whether the text names both answers, all after a position, and each as what a source says."""
    if len(text.sides(start)) < 2 or text.remaining(0, start):
        return False
    clauses = [clause for sentence in text.sentences for clause in clauses_of(sentence)]
    naming = [clause for clause in clauses if text.remaining(clause.start, clause.end)]
    return all(
        len(text.sides(clause.start, clause.end)) == 1 and (clause.passage or cues.OWN_KNOWLEDGE.search(clause.text))
        for clause in naming
    )


def _set_aside_outside(text: MaskedResponse) -> None:
    """Set aside what is not part of the answer: offers at the end of a chat response, notes on what other sources say,
    and the links of an article."""
    sources = (cues.PASSAGE, cues.GENERAL, cues.OWN_KNOWLEDGE)
    for sentence in text.sentences if text.may_have(cues.NOTE, cues.OFFER) else ():
        noted = cues.NOTE.match(sentence.text) and not cues.REAL.search(sentence.text)
        noted = noted and any(cue.search(sentence.text) for cue in sources)
        if (noted or cues.OFFER.search(sentence.text)) and text.remaining(0, sentence.start):
            text.set_aside.update(dict.fromkeys(text.remaining(sentence.start, sentence.end), "aside"))
    if (links := text.search(cues.APPENDIX)) and text.remaining(0, links.start()):
        text.set_aside.update(dict.fromkeys(text.remaining(links.start()), "aside"))


def _one_side(text: MaskedResponse, remaining: list[int]) -> Judgement:
    """The only remaining answer, with the rule that set the other one aside."""
    last = remaining[-1] if "corrected" in text.set_aside.values() else remaining[0]
    others = [rule for i, rule in text.set_aside.items() if text.side(i) != text.side(last)]
    if set(remaining) <= text.copied:
        return judged(text, last, "copied")
    rule = others[0] if others else "only_answer"
    return judged(text, last, "conceded" if rule == "left_open" else rule)


def _without_answer(text: MaskedResponse, rule: str) -> Judgement:
    """``abstains`` or ``neither``, if no answer remains."""
    hedged = [i for i, reason in text.set_aside.items() if reason == "left_open"]
    if hedged:
        spans = [text.chars(i) for i in hedged]
        return Judgement("abstains", (min(s for s, _ in spans), max(e for _, e in spans)), "left_open")
    refusal = text.search(cues.ABSTAIN) or text.search(cues.NO_ANSWER_VALUE)
    if refusal is not None and "copied" not in text.set_aside.values():
        return Judgement("abstains", (text.original(refusal.start()), text.original(refusal.end())), "refusal")
    span = text.chars(min(text.set_aside)) if text.set_aside else None
    return Judgement("neither", span, rule)


def _set_aside_corrected(text: MaskedResponse) -> None:
    """Set aside what a correction retracts: everything before it, if an answer follows."""
    for cue in text.matches(cues.CORRECTION) if len(text.sides()) == 2 else ():
        before, after = text.remaining(0, cue.start()), text.remaining(cue.end())
        if before and after and text.side(before[-1]) != text.side(after[0]):
            for i in before:
                text.set_aside[i] = "corrected"


_JOINED = re.compile(
    rf"({A})[\"')\]]*\s*\(?(?:,|/|&|and|or|as well as|und|et|y|e|,\s*(?:and|or))\s*"
    rf"(?:the |in |of |by |also )*[\"'(\[]*({A})"
)


def _two_sides(text: MaskedResponse, remaining: list[int]) -> Judgement:
    """The label if both answers remain."""
    span = (text.chars(remaining[0])[0], text.chars(remaining[-1])[1])
    if about_something_else(text):
        return Judgement("neither", span, "answers_set_aside")
    listing = [s for s in text.sentences if len(text.sides(s.start, s.end)) == 2]
    if (
        listing
        and cues.UNCHOSEN.search(listing[0].text)
        and len(listing) == 1
        and set(text.remaining(listing[0].start, listing[0].end)) == set(remaining)
    ):
        return Judgement("neither", span, "answers_set_aside")
    if (
        LISTED.search(text.masked)
        and cues.LISTS.search(text.masked)
        and len(list(LISTED.finditer(text.masked))) >= len(remaining)
    ):
        return Judgement("neither", span, "answers_set_aside")
    if (chosen := likelier(text)) is not None:
        return chosen
    clefts = (max(match.start("m"), match.start("m2")) for match in text.matches(cues.CLEFT))
    cleft = {index for place in clefts if (index := text.at(place)) in remaining}
    if len({text.side(index) for index in cleft}) == 1:
        return judged(text, min(cleft), "final_answer")
    if any(text.search(cue) for cue in (cues.LEAVES_OPEN, cues.STRONG_REFUSAL, cues.OPEN_EACH)):
        return Judgement("abstains", span, "left_open")
    first = next(s for s in text.sentences if text.remaining(s.start, s.end))
    if len(text.sides(first.start, first.end)) == 1:
        others = [s for s in text.sentences if text.sides(s.start, s.end) - text.sides(first.start, first.end)]
        rest = ANY_ANSWER.sub(" ", first.text)
        accounts = any(cues.OWN_KNOWLEDGE.search(other.text) or cues.ACCOUNT.match(other.text) for other in others)
        if cues.PASSAGE.search(first.text) and accounts:
            return Judgement("both", span, "both_answers")
        if len(re.findall(r"\w+", rest)) <= 2 and text.sentences[0] is first and len(text.sentences) > 1:
            if not any(
                len(re.findall(r"\w+", ANY_ANSWER.sub(" ", other.text))) <= 2
                or answers_again(first.text, other.text, text.question)
                for other in others
            ):
                return judged(text, remaining[0], "direct_answer")
        elif not any(are_rivals(first.text, other.text, text.question) for other in others):
            return judged(text, remaining[0], "first_statement")
        return Judgement("both", span, "both_answers")
    later = text.sides(first.end)
    if len(later) == 1 and cues.NAMES_TWO.search(first.text):
        return judged(text, text.remaining(first.end)[0], "aside")
    for match in _JOINED.finditer(text.masked):
        either = " or " in match[0] and (cues.MODAL.search(first.text) or cues.HEDGE.search(first.text))
        if match[1] != match[2]:
            return Judgement("abstains", span, "left_open") if either else Judgement("both", span, "both_answers")
    named = next_to_name(text)
    if named is not None:
        return judged(text, named, "aside")
    before = text.masked[: first.end]
    for pattern in (cues.SUBORDINATE, cues.OBJECT):
        for match in pattern.finditer(before):
            index = text.at(match.start("m"))
            if index in remaining and index != remaining[0] and text.side(index) != text.side(remaining[0]):
                return judged(text, remaining[0], "aside")
    return Judgement("both", span, "both_answers")
