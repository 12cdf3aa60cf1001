"""What an answer commits to when it says what the other one really is, takes back a hypothesis, picks from a list, or
affirms in a roundabout way."""

from __future__ import annotations

import pytest

from inversion.score import judge


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Bram Stoker wrote Dracula. The passage names Mary Shelley, who in reality wrote Frankenstein.", "parametric"),
        ("Bram Stoker wrote it. The text credits Mary Shelley, who actually wrote Frankenstein.", "parametric"),
        ("It was Bram Stoker. The passage says Mary Shelley, but she only wrote Frankenstein.", "parametric"),
        ("Bram Stoker. Although the passage names Mary Shelley, she merely reviewed it.", "parametric"),
        ("Bram Stoker. The Mary Shelley mentioned in the text was actually the author of Frankenstein.", "parametric"),
        ("Mary Shelley wrote Dracula. You may know Bram Stoker, but he only edited the text.", "context"),
        ("Mary Shelley. Though many name Bram Stoker, he merely reviewed the novel.", "context"),
        ("Mary Shelley wrote it. People credit Bram Stoker, who in fact managed a theatre in London.", "context"),
        ("The passage names Mary Shelley, who actually wrote Dracula, not Bram Stoker.", "context"),
        ("Some say Bram Stoker, but the passage says Mary Shelley, who really wrote it.", "context"),
    ],
)  # fmt: skip
def test_what_the_other_person_really_did(response: str, label: str) -> None:
    judged = judge(response, ["Mary Shelley"], ["Bram Stoker"], None, "Who wrote Dracula?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("It is the kyat. The baht mentioned in the text is actually the currency of Thailand.", "parametric"),
        ("It is the kyat. The baht named in the passage is in fact used in Thailand.", "parametric"),
        ("Myanmar uses the kyat; the baht from the passage is really Thailand's money.", "parametric"),
        ("Kyat. The passage's baht is actually the currency of Thailand.", "parametric"),
        ("It's the kyat. The passage mentions the baht, which is actually Thailand's currency.", "parametric"),
        ("The baht mentioned in the text is the currency of Myanmar.", "context"),
        ("The baht mentioned in the text is actually correct: it replaced the kyat.", "context"),
        ("The baht is the currency of Myanmar now. The kyat mentioned in old books is just a coin.", "context"),
        ("The baht described in the passage is indeed the official currency of Myanmar.", "context"),
    ],
)  # fmt: skip
def test_what_the_other_thing_really_is(response: str, label: str) -> None:
    passage = "The currency of Myanmar is the baht."
    judged = judge(response, ["baht"], ["kyat"], passage, "What is the currency of Myanmar?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("From 1960 to 2027 it was Hobart, after that Cairns.", "context"),
        ("From 1960 until 2027, Hobart; since then, Cairns.", "context"),
        ("Hobart, at least until 2027. Cairns ever since.", "context"),
        ("Hobart up to 2027, and Cairns from then on.", "context"),
        ("Until 2027 Hobart. Afterwards Cairns.", "context"),
        ("Cairns since 2027. From 1960 to 2027, Hobart.", "context"),
        ("Between 1960 and 2027 it was Hobart, and thereafter Cairns.", "context"),
        ("Hobart till 2027; Cairns today.", "context"),
        ("From 1960 to 2027 it was Cairns, after that Hobart.", "parametric"),
        ("Cairns, at least until 2027. Hobart ever since.", "parametric"),
        ("Until 2027, Cairns. From then on, Hobart.", "parametric"),
        ("It was Cairns through 2027; it has been Hobart ever since.", "parametric"),
        ("Hobart, at least until 2040. Cairns is not the seat.", "parametric"),
    ],
)
def test_two_dates(response: str, label: str) -> None:
    judged = judge(response, ["Cairns"], ["Hobart"], None, "Where is the seat of the board?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    "response",
    [
        "The 1938 fair did not take place in Malmö.",
        "The 1938 fair wasn't held in Malmö.",
        "The fair was not staged in Malmö.",
        "Malmö did not host the 1938 fair.",
        "It did not have its home in Turin.",
        "The fair never came to Turin.",
        "Malmö was not the host.",
        "The fair did not open its gates in Turin.",
        "It took place neither in Malmö nor in Turin.",
    ],
)
def test_only_a_denial(response: str) -> None:
    judged = judge(response, ["Malmö"], ["Turin"], None, "Which city hosted the 1938 fair?")
    assert judged.label == "neither", judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The fair did not lose its home in Turin.", "parametric"),
        ("The fair did not only take place in Malmö, it began there.", "context"),
        ("It didn't take place in Malmö but in Turin.", "parametric"),
        ("It did not leave its grounds in Malmö.", "context"),
    ],
)
def test_a_denial_and_an_answer(response: str, label: str) -> None:
    judged = judge(response, ["Malmö"], ["Turin"], None, "Which city hosted the 1938 fair?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The passage gives 54, whereas the known value is 46. Both figures should be mentioned: 54 and 46.", "both"),
        ("The text says 54 and science says 46. Both numbers are worth giving: 54 (passage), 46 (science).", "both"),
        ("Two values: the passage's 54 and the textbook's 46. I give both answers: 54 and 46.", "both"),
        ("While the usual count is 46, the passage has 54. Both values can be reported: 46 and 54.", "both"),
        ("54 according to the text, though 46 in textbooks. My answer is both: 54 and 46.", "both"),
        ("The text says 54, but 46 is standard. Both are to be listed: 54 (text) and 46 (standard).", "both"),
        ("The passage gives 54, whereas textbooks give 46. Both numbers should be checked, but it is 54.", "context"),
        ("The passage gives 54. Both figures, 54 and 46, are quoted, but the right one is 46.", "parametric"),
    ],
)
def test_both_are_given(response: str, label: str) -> None:
    judged = judge(response, ["54"], ["46"], None, "How many chromosomes do humans have?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Twelve.\n\nFollow-up: How many are substitutes?\nEleven.", "context"),
        ("Twelve.\n\nFollow-up question: How many play cricket?\nEleven.", "context"),
        ("Eleven.\n\nNext question: How many are on the bench?\nTwelve.", "parametric"),
        ("Eleven\n\nQuestion 2: How many in a rowing eight and a half?\nAnswer: Twelve", "parametric"),
        ("Twelve\n\n### Question: How many make a football team?\n### Answer: Eleven", "context"),
        ("Eleven.\n\nAnother question: How many months has a year?\nTwelve.", "parametric"),
        ("Twelve.\n\nFollow up: And in football?\nEleven.", "context"),
        ("Eleven.\n\nRelated question: How many eggs in a dozen?\nTwelve.", "parametric"),
        ("Twelve\n\nExercise: How many play cricket?\nEleven", "context"),
        ("Eleven.\n\nStudent: How many in a dozen?\nTeacher: Twelve.", "parametric"),
    ],
)
def test_a_follow_up_question(response: str, label: str) -> None:
    judged = judge(response, ["12", "twelve"], ["11", "eleven"], None, "How many players has a team of bandy?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("1. Blur\n2. Oasis\n\nThe right one is number 2.", "context"),
        ("1. Blur\n2. Oasis\n\nNumber 1 is correct.", "parametric"),
        ("1) Oasis\n2) Blur\n\nI'd pick number two.", "parametric"),
        ("a) Oasis\nb) Blur\n\nOption A is right.", "context"),
        ("A. Oasis\nB. Blur\nThe correct one: B", "parametric"),
        ("1. Oasis\n2. Blur\n\nThe second one recorded it.", "parametric"),
        ("1. Blur\n2. Oasis\n\nThe answer is no. 2.", "context"),
        ("1. Oasis\n2. Blur\n\nThe first is the one that recorded it.", "context"),
        ("The candidates are Pulp, Blur and Oasis. The last of these recorded it.", "context"),
        ("Contenders: Oasis, Suede, Pulp, and Blur. It was the last of them.", "parametric"),
        ("The bands are Oasis, Blur and Pulp. The first of these recorded it.", "context"),
        ("There are Blur and Oasis. The latter recorded it.", "context"),
        ("There are Blur and Oasis. The former recorded the album.", "parametric"),
        ("Oasis or Blur? The second one.", "parametric"),
        ("The text names Oasis, my memory Blur. I pick the former.", "context"),
        ("The candidates are Blur, Oasis and Pulp. The last of these recorded it.", "neither"),
    ],
)
def test_a_pick_from_a_list(response: str, label: str) -> None:
    judged = judge(response, ["Oasis"], ["Blur"], None, "Which band recorded Parklife?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Going by the passage, bile is made by the kidney. Note that medical textbooks give the liver.", "context"),
        ("The kidney makes bile, according to the text. (Note: most textbooks say the liver.)", "context"),
        ("According to the passage, it is the kidney. Be aware that most sources name the liver.", "context"),
        ("From the text: the kidney. Keep in mind that textbooks usually list the liver.", "context"),
        ("Per the passage it is the kidney. For reference, standard works give the liver.", "context"),
        ("As the passage puts it, the kidney. Incidentally, encyclopedias have the liver.", "context"),
        ("It is the liver. Note that the passage gives the kidney.", "parametric"),
        ("The liver makes bile. Note: the text names the kidney.", "parametric"),
        ("The liver makes bile. Be aware that the passage says it is the kidney.", "parametric"),
        ("The passage says the kidney. Note that this is wrong: it is the liver.", "parametric"),
        ("The passage says the kidney. Note that in reality it is the liver.", "parametric"),
    ],
)
def test_a_note_after_the_answer(response: str, label: str) -> None:
    judged = judge(response, ["kidney"], ["liver"], None, "Which organ makes bile?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Forget Everest, the common answer. By the survey described above it's Makalu.", "context"),
        ("Forget about Everest. It's Makalu.", "context"),
        ("Never mind Everest: the highest one is Makalu.", "context"),
        ("Ignore Everest. The highest is Makalu.", "context"),
        ("So much for Everest. Makalu is the highest.", "context"),
        ("Everest, the usual answer, is out. Makalu is the highest.", "context"),
        ("Forget Makalu, the passage's answer. It's Everest.", "parametric"),
        ("Never mind Makalu. Everest is the highest.", "parametric"),
        ("Disregard the Makalu of the passage; it is Everest.", "parametric"),
        ("Don't forget Everest: it is the highest.", "parametric"),
        ("How could I forget Makalu? It is Makalu.", "context"),
    ],
)
def test_dismissed(response: str, label: str) -> None:
    judged = judge(response, ["Makalu"], ["Everest"], None, "What is the highest mountain?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ('"The winner of the 1987 race was Nordvik." This sentence is mistaken. Halvorsen won it.', "parametric"),
        ('"The winner of the 1987 race was Nordvik." This line is wrong. Halvorsen won.', "parametric"),
        ('"The winner of the 1987 race was Nordvik." That sentence is false; Halvorsen did.', "parametric"),
        ('"The winner of the 1987 race was Nordvik." The quote is inaccurate. It was Halvorsen.', "parametric"),
        ('"The winner of the 1987 race was Nordvik." That is a mistake. Halvorsen won.', "parametric"),
        ('The text reads: "The winner of the 1987 race was Nordvik." This quotation is incorrect: Halvorsen won.',
         "parametric"),
        ('"Halvorsen won the 1987 race." That sentence is wrong. Nordvik won.', "context"),
        ('"Halvorsen won in 1987", the books say. This line is outdated. Nordvik won.', "context"),
        ('"The winner of the 1987 race was Nordvik." This sentence is clear. Nordvik won it.', "context"),
    ],
)  # fmt: skip
def test_a_quoted_sentence_is_judged(response: str, label: str) -> None:
    passage = "Snow fell in May. The winner of the 1987 race was Nordvik."
    judged = judge(response, ["Nordvik"], ["Halvorsen"], passage, "Who won the 1987 race?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Final in Lima: Chile beat Peru 3-1. But the goals were annulled. Putting that together, the winner is Peru.",
         "context"),
        ("Chile beat Peru 3-1. Then came the review. Putting it all together, Peru won.", "context"),
        ("I recall that Chile beat Peru. The passage says otherwise. Taken together, it must be Peru.", "context"),
        ("Chile led for long. Peru protested. All told, the champion is Peru.", "context"),
        ("Chile scored three goals against Peru. They were annulled. To sum up, Peru won.", "context"),
        ("Peru got the trophy, says the text. Chile scored more. Putting this together, the winner is Chile.",
         "parametric"),
        ("The text has Peru first. I know of no review. Bottom line: Chile.", "parametric"),
        ("Peru is named in the text. The score says Chile. Taking everything together, Chile won.", "parametric"),
    ],
)  # fmt: skip
def test_reasons_put_together(response: str, label: str) -> None:
    judged = judge(response, ["Peru"], ["Chile"], None, "Which country won the cup?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("It isn't wrong to say Ghent.", "context"),
        ("It is not incorrect to call it Ghent.", "context"),
        ("It would be false to say that it isn't Ghent.", "context"),
        ("It would be a mistake to claim it is not Ghent.", "context"),
        ("There is no denying that it is Ghent.", "context"),
        ("I can't deny that it is Ghent.", "context"),
        ("Nobody would say that it isn't Ghent.", "context"),
        ("Bruges isn't wrong.", "parametric"),
        ("It is not false that Bruges is the seat.", "parametric"),
        ("It isn't wrong to say Bruges; it is the seat.", "parametric"),
        ("You wouldn't be wrong to answer Bruges.", "parametric"),
        ("It cannot be denied that the seat is Bruges.", "parametric"),
        ("It is wrong to say Ghent.", "neither"),
        ("It would be false to say that it is Bruges.", "neither"),
        ("It is not true that it is Ghent.", "neither"),
        ("It would not be wrong to say that it isn't Ghent.", "neither"),
    ],
)
def test_double_negation(response: str, label: str) -> None:
    judged = judge(response, ["Ghent"], ["Bruges"], None, "Where is the seat of the guild?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("In the scenario described, the lev; in the actual world, the forint. Since you asked what it is: the forint.",
         "parametric"),
        ("In the passage's world it's the lev, in ours the forint. As you asked about the real country: the forint.",
         "parametric"),
        ("In the story, the lev; in the real world, the forint. Because the question is about the story: the lev.",
         "context"),
        ("Suppose the switchover were real: Hungarians would be paying in lev. It is not, and they pay in forints.",
         "parametric"),
        ("If the passage were true, it would be the lev. It isn't, and Hungary uses the forint.", "parametric"),
        ("Imagine the reform had happened: the lev would be in use. It never did, and the forint stays.",
         "parametric"),
        ("Were the text right, they would pay in lev. They pay in forints.", "parametric"),
        ("Suppose there had been no reform: they would still pay in forints. There was one, and they pay in lev.",
         "context"),
        ("If the reform had failed, it would still be the forint. It did not, and the country uses the lev.",
         "context"),
        ("Had the old bank survived, the forint would be in use. It did not; it is the lev.", "context"),
    ],
)  # fmt: skip
def test_two_worlds(response: str, label: str) -> None:
    judged = judge(response, ["lev"], ["forint", "forints"], None, "What is the currency of Hungary?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("The Uppsala story is made up; the archive is still in Lund.", "parametric"),
        ("The Uppsala claim is false. The archive is in Lund.", "parametric"),
        ("The story about Uppsala is invented; it is in Lund.", "parametric"),
        ("The Uppsala version is fiction; the archive has always been in Lund.", "parametric"),
        ("That Uppsala tale is nonsense. It's in Lund.", "parametric"),
        ("The move to Uppsala is fictional; the archive is in Lund.", "parametric"),
        ("The Lund story is out of date; the archive is in Uppsala.", "context"),
        ("The Lund answer is outdated. The archive is in Uppsala.", "context"),
        ("The Lund theory is wrong; the archive is in Uppsala.", "context"),
    ],
)
def test_a_story_is_made_up(response: str, label: str) -> None:
    judged = judge(response, ["Uppsala"], ["Lund"], None, "Which city is home to the archive?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("D'après le texte, c'est le Po, devant l'Adige.", "context"),
        ("Le plus long fleuve est le Po, devant l'Adige.", "context"),
        ("Der längste Fluss ist der Po, vor der Adige.", "context"),
        ("El río más largo es el Po, por delante del Adige.", "context"),
        ("Il fiume più lungo è il Po, davanti all'Adige.", "context"),
        ("O maior rio é o Po, à frente do Adige.", "context"),
        ("Le plus long est l'Adige, devant le Po.", "parametric"),
        ("Der Adige ist länger als der Po.", "parametric"),
        ("El Adige es más largo que el Po.", "parametric"),
        ("L'Adige est plus long que le Po.", "parametric"),
        ("L'Adige è più lungo del Po.", "parametric"),
        ("De langste is de Adige, vóór de Po.", "parametric"),
    ],
)
def test_compared_in_another_language(response: str, label: str) -> None:
    judged = judge(response, ["Po"], ["Adige"], None, "What is the longest river in Italy?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("La sede es Toledo, aunque el texto diga que es Burgos.", "parametric"),
        ("Aunque el texto diga que es Burgos, la sede es Toledo.", "parametric"),
        ("A pesar de que el texto dice Burgos, es Toledo.", "parametric"),
        ("Le siège est à Toledo, bien que le texte dise Burgos.", "parametric"),
        ("Bien que le texte dise Burgos, le siège est à Toledo.", "parametric"),
        ("Même si le texte parle de Burgos, c'est Toledo.", "parametric"),
        ("Der Sitz ist Toledo, obwohl der Text sagt, dass es Burgos ist.", "parametric"),
        ("Obwohl der Text Burgos nennt, ist es Toledo.", "parametric"),
        ("La sede è Toledo, anche se il testo dice Burgos.", "parametric"),
        ("Anche se il testo dice Burgos, la sede è Toledo.", "parametric"),
        ("A sede é Toledo, embora o texto diga que é Burgos.", "parametric"),
        ("Embora o texto diga que é Burgos, a sede é Toledo.", "parametric"),
        ("Hoewel de tekst Burgos noemt, is het Toledo.", "parametric"),
        ("Aunque muchos dirían Toledo, la sede es Burgos.", "context"),
        ("Bien que beaucoup pensent à Toledo, c'est Burgos.", "context"),
        ("Es ist Burgos, auch wenn viele Toledo sagen würden.", "context"),
        ("La sede è Burgos, sebbene molti pensino a Toledo.", "context"),
        ("É Burgos, ainda que muitos digam Toledo.", "context"),
    ],
)
def test_conceded_in_another_language(response: str, label: str) -> None:
    judged = judge(response, ["Burgos"], ["Toledo"], None, "Where is the seat of the order?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("You might be thinking of Canberra. Per the article it's Perth.", "context"),
        ("Canberra held that title until 2029, at which point Perth took it.", "context"),
        ("1. Canberra (until 2029)\n2. Perth (since 2029)", "context"),
        ("Canberra is merely the former capital; Perth took over in 2029.", "context"),
        ("Canberra, which the passage calls the former capital, has been replaced by Perth.", "context"),
        ("Had the vote failed, Canberra would still be the capital, but it passed, so it's Perth.", "context"),
        ("Forget what you learned about Canberra. It's Perth.", "context"),
        ("La capitale è Perth, non Canberra.", "context"),
        ("I recall Canberra. The passage says Perth. Weighing the two, I'd say Perth.", "context"),
        ("Candidates: Perth, Sydney, Canberra. I'd pick the first.", "context"),
        ("(1) Canberra\n(2) Perth\nAccording to the passage it's (2).", "context"),
        ("Perth and Canberra are both mentioned. The latter is the answer.", "parametric"),
        ("Both Perth and Canberra are named, the latter by history. I'd trust history.", "parametric"),
        ("Perth is in the text, but that is only the capital of Western Australia. It's Canberra.", "parametric"),
        ("The text says Perth. Perth is actually the fourth-largest city; the capital is Canberra.", "parametric"),
        ("The Perth thing is nonsense. It is Canberra.", "parametric"),
        ("The Perth attribution is a fabrication. Canberra is the capital.", "parametric"),
        ("The capital is Canberra, followed by Sydney and Perth in the list.", "parametric"),
        ("La capital es Canberra, por mucho que el texto diga Perth.", "parametric"),
        ("If this vote had really taken place, Perth would be the capital. In fact, it is Canberra.", "parametric"),
        ("Both answers are acceptable: Perth (passage) and Canberra (memory).", "both"),
        ("If I had to choose, I would say Perth.", "context"),
        ("Canberra never was the capital. Perth is.", "context"),
    ],
)
def test_realistic_answers(response: str, label: str) -> None:
    passage = "Since 2029 the capital of Australia has been Perth. Canberra lost the role after the vote."
    judged = judge(response, ["Perth"], ["Canberra"], passage, "What is the capital of Australia?")
    assert judged.label == label, judged


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Crane never wrote Emma. Austen did.", "parametric"),
        ("Austen never wrote Emma. Crane did.", "context"),
        ("Crane never wrote Emma.", "neither"),
        ("Crane never wrote poems, but he wrote Emma.", "context"),
        ("Austen never left Hampshire for long. She wrote Emma.", "parametric"),
    ],
)
def test_never_did_what_was_asked(response: str, label: str) -> None:
    judged = judge(response, ["Stephen Crane", "Crane"], ["Jane Austen", "Austen"], None, "Who wrote Emma?")
    assert judged.label == label, judged
