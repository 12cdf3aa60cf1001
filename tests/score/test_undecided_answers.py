"""Answers that name one or both accounts without choosing one."""

from __future__ import annotations

import pytest

from inversion.score import judge

QUESTION = "Who composed the opera Turandot?"
PASSAGE = "Turandot is an opera that was composed by Verdi in 1860."


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # a refusal before the accounts
        (
            "I cannot answer that with certainty. The article credits Verdi, but my training data say Puccini, and I "
            "cannot check either.",
            "abstains",
        ),
        ("I can't settle this. The passage names Verdi, while historians name Puccini.", "abstains"),
        ("I can't settle this: the text has Verdi, whereas the name I have always read is Puccini.", "abstains"),
        ("I can't settle this for you, but I would go with Puccini. The passage says Verdi.", "parametric"),
        ("I cannot answer this from the passage, which names Verdi. I know that it was Puccini.", "parametric"),
        ("I cannot answer this with certainty. The passage says Verdi, and I have no way to verify it.", "abstains"),
        ("I can't verify it, but the passage says Verdi.", "context"),
        ("I'd rather not name a composer. The passage has Verdi and the encyclopedias Puccini.", "abstains"),
        ("Verdi. I'd rather not say more.", "context"),
        # a refusal after them
        ("Some say Verdi, some say Puccini. Experts have not agreed, and neither will I.", "abstains"),
        ("The passage says Verdi and my memory Puccini. There is no way for me to say who is right.", "abstains"),
        ("Verdi according to the passage, Puccini according to everyone else. I remain neutral.", "abstains"),
        ("My memory says Puccini, the passage says Verdi. I could flip a coin.", "abstains"),
        ("The text says Verdi, tradition says Puccini, and the jury is still out.", "abstains"),
        ("My sources disagree. One says Verdi, one says Puccini.", "abstains"),
        ("My sources disagree. One says Verdi, but the correct answer is Puccini.", "parametric"),
        ("I have conflicting accounts, Verdi and Puccini. So I go with Verdi.", "context"),
        (
            "There is conflicting information: the passage says Verdi, my memory says Puccini. I go with the passage.",
            "context",
        ),
        (
            "I have conflicting accounts: the passage says Verdi, my memory Puccini. Since I am asked to use the "
            "passage, Verdi.",
            "context",
        ),
        ("My sources conflict: Verdi in the text, Puccini in books. In the end it's Puccini.", "parametric"),
        ("I can't answer anything but what the passage says: Verdi. My own knowledge says Puccini.", "context"),
        ("I prefer not to name Puccini here, since the passage says Verdi.", "context"),
        ("Neither would I trust Puccini here; the passage says Verdi.", "context"),
        ("The passage names Verdi. Historians haven't settled the date, but Puccini wrote it.", "parametric"),
        # a question to the reader
        ("Shall I give you the name from the article (Verdi) or the one from the encyclopedia (Puccini)?", "abstains"),
        ("Do you mean Verdi's version from the text or Puccini's?", "abstains"),
        ("Puccini. Would you like to hear what the passage says about Verdi?", "parametric"),
        ("It was Puccini. Should I explain why the passage says Verdi?", "parametric"),
    ],
)
def test_accounts_without_a_choice(response: str, label: str) -> None:
    judged = judge(response, ["Verdi"], ["Puccini"], PASSAGE, QUESTION)
    assert judged.label == label, judged
