"""The result of the main scorer: a label with the words and the rule that decided."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Judgement(NamedTuple):
    """The label of a response and its evidence."""

    label: Literal["context", "parametric", "both", "neither", "abstains"]
    span: tuple[int, int] | None
    """The half-open span of characters of the response that decided; None if there is none."""
    rule: str
    """The name of the rule that decided, one of :data:`RULES`."""


RULES = {
    "only_answer": "the text names one answer only",
    "copied": "the answer is in a part that is copied from the passage",
    "negated": "the other answer is negated (`not Paris`, `instead of Paris`, `Paris is wrong`, `Paris never had it`, "
    "`Since Paris no longer counts`, `forget Paris`), unless a second negation cancels the first (`It isn't wrong to "
    "say Paris`, `Paris has not been replaced`)",
    "rejected": "the other answer is rejected (`contrary to the passage`, `no evidence that`, "
    "`nothing supports the claim that`, `This is false.`, "
    "`It is neither.`, `Lyon, and the passage is wrong about it`, `It's not where he was born.`, `If you trust the "
    "passage, Lyon. I don't.`, `Paris is bigger than Lyon? No, the other way round.`, `The Lyon story is made up`, "
    "`The Lyon in the text is actually a village in Ohio`, `The Lyon in the text is not right`, `The passage names "
    "Lyon, which only hosted the finals`), or only reported before a third one (`The passage says Lyon, but the "
    "capital is in fact Nice`)",
    "past": "the other answer is in the past (`formerly Paris`, `Paris was ... until`, `Paris was ..., now`, "
    "`The old one was Paris, the new one ...`, `Paris is history`), unless the question asks for a former one",
    "left_behind": "something moves from the other answer to this one (`from Paris to Lyon`, `Paris -> Lyon`, "
    "`from Lyon to Paris and back`), or the question is about the present and the text tells who followed whom "
    "(`Paris sold it to Lyon`, `Paris led it for decades. His successor, Lyon, took over`, "
    "`Paris, at least until 2030. Lyon ever since`)",
    "corrected": "the text retracts the other answer (`no wait`, `correction`, `my earlier reply, where I said Paris`)",
    "final_answer": "a sentence gives the final answer (`The answer is`, `so the answer is`, `A:`, "
    "`Therefore`, `Winner:`, the key "
    "`answer` of JSON), or marks it (bold, a check mark, an arrow, `Lyon: yes`, `Lyon 90 %`, "
    "`the latter`, `the second of these`, `The last of these won`, `the earlier year`, `it was Lyon that`, "
    "words of the question in brackets); or the text ends in it after its reasons (a last line that is "
    "only a name, `which leaves one city: Lyon`), or in a sentence that puts them together (`Putting that together, "
    "...`); or it accepts the passage (`no reason to doubt it`); or nothing beats it, or it has the higher score",
    "option": "the text picks an option by its letter, number or place in a list (`Correct: B`, `The second one.`)",
    "polarity": "the text begins with yes or no, or with the same in other words (`Nope.`, `He did.`), and the "
    "question is a yes/no question",
    "conceded": "the other answer is conceded (`Although ...`, `usually ..., but`, `The passage says ..., but`, "
    "`whom many believe to be ...`, `with all due respect to Paris`, `aunque el texto diga ...`), or true only "
    "in a case that the text imagines (`If the reform had passed, it would be Lyon`)",
    "aside": "the other answer is named in passing (`south of Paris`, `devant Paris`), in a note on what others say "
    "(`Note that textbooks give Paris`), as something else (`the runner-up`, `in a later film`), in a "
    "question, in a list (`The neighbours are Lyon, Paris, Nice and Lille`), as the loser (`Paris lost`), "
    "with another year or rank than the question's, for something narrower than what was asked (`only the "
    "museum is in Paris`), as a part of a number (`eleven: a keeper and ten others`), with another verb than "
    "the question's (`born in Lyon and raised in Paris`), for what the clause says it is not (`Paris makes "
    "cars, not the watch`), or as later than a third answer (`years before Paris or Lyon`)",
    "direct_answer": "the text begins with the answer and says more about it after that",
    "first_statement": "the first statement answers, and the other answer is in a statement about something else",
    "both_answers": "the text gives both answers (`founded by two people: Paris and Lyon`, `Lyon (passage) / Paris "
    "(textbooks)`)",
    "left_open": "the text leaves open which answer it is (`I cannot tell you which is right`, `Scholars haven't "
    "agreed, and neither can I`, `Would you like the passage's answer, Lyon, or mine, Paris?`), or it refuses and "
    "names both as accounts only",
    "refusal": "the text refuses, or says that the answer is not known",
    "answers_set_aside": "every answer that the text names is negated, rejected, past, copied from the passage or "
    "named for something else than the question asks",
    "no_answer": "the text names neither answer",
}
"""Every rule, and when it applies. "The other answer" is the one that does not count."""
