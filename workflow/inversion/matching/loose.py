"""Loose spellings of an answer, used only if a text contains neither answer in an exact spelling.

Each is a separate rule: a misspelled or abbreviated word, an institution in another order or shortened
(:mod:`~inversion.matching.abbreviations`, :mod:`~inversion.matching.institutions`), a word written as two or two as
one, a date without its year, a year of two digits, a range of years in words, a rounded number, a name without its
apostrophe, the initials of a name, one word of a name, the name of a country, language or city in another language
(:mod:`~inversion.matching.places`, and Unicode CLDR through Babel), and an answer without the words that the question
gives.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from inversion.matching.abbreviations import ABBREVIATED, find_abbreviated
from inversion.matching.answers import ARTICLES, find_answer
from inversion.matching.conventions import other_conventions
from inversion.matching.demonyms import country_names
from inversion.matching.generic import GENERIC
from inversion.matching.institutions import institution_spellings
from inversion.matching.places import (
    LANGUAGES,
    cities_in_other_languages,
    city_in_other_scripts,
    exonyms,
    in_other_script,
    is_another_place,
    is_place,
)
from inversion.matching.quantities import currency_names, ordinal, unit_at
from inversion.matching.transliteration import sound
from inversion.matching.words import ROMAN_NUMERALS, Words, fold_word, read_words

_OTHER_READINGS = (
    # "8.861 Meter": the stop separates thousands
    (re.compile(r"(?<![\d.,])([1-9]\d{0,2})\.(\d{3})(?![\d.,]?\d)"), r"\1,\2"),
    # "380K": thousands, not kelvins
    (re.compile(r"(?<=\d)K\b"), "k"),
    # "250_000" in code
    (re.compile(r"(?<=\d)_(?=\d{3}(?!\d))"), ","),
)
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_CAPITALISED = re.compile(r"[^\W\d_][\w'\u2019-]*")
_INNER_CAPITAL = re.compile(r"\b([A-Z][a-z]{1,2})([A-Z][a-z]{2,})\b")
_SAME_CUES = (
    (("almost",), ("nearly",), ("just", "under"), ("close", "to"), ("not", "quite")),
    (("about",), ("around",), ("approximately",), ("roughly",), ("some",), ("circa",), ("ca",), ("approx",)),
    (("over",), ("more", "than"), ("above",)),
    (("under",), ("less", "than"), ("fewer", "than"), ("below",)),
)
"""Words before a number that say the same: "nearly two years" and "almost two years"."""
_SAINTS = frozenset({"san", "sankt", "sant", "santa", "santo", "sao", "sint", "swieta", "swiety"})
"""The word for a saint in other languages."""
_COMPOUND = 6
"""The number of letters from which two words are also read as one ("chick peas")."""


def reread(text: str) -> str:
    """``text`` with ambiguous numbers rewritten in their other reading. The length does not change."""
    for pattern, other in _OTHER_READINGS:
        text = pattern.sub(other, text)
    return text


@functools.lru_cache(maxsize=65536)
def loose_spellings(answer: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The loose spellings of an answer as normalised words, each with its kind: ``capitals`` for initials, ``part`` for
    one word of a name, ``number`` for one without its unit, otherwise ``plain``."""
    return tuple(dict.fromkeys(_spellings(answer)))


_NO_PART = GENERIC | ARTICLES | ROMAN_NUMERALS.keys()
"""Words that are not enough for a name of several words."""
_NO_FIRST = _NO_PART | ABBREVIATED
"""Those that are not enough if they are the first ones: "Professor" for "Professor Plum"."""


_SMALL_WORDS = frozenset({"of", "and", "for", "the", "in", "on"})
_JUNIOR = frozenset({"Jr", "Sr"})


_WITH_UNIT = re.compile(r"(?P<number>\d[\d.,]*\d)\s?(?P<unit>\D+)$")
"""A number of two digits or more with a unit."""


def _initials(names: Sequence[str]) -> str:
    """The initials by which a name of several words can be known: "OECD", "MLK". Small words are omitted."""
    whole = [name for name in names if name not in _SMALL_WORDS | _JUNIOR]
    return "".join(name[0] for name in whole) if all(name[0].isupper() for name in whole) else ""


def _spellings(answer: str) -> Iterator[tuple[tuple[str, ...], str]]:
    words = read_words(answer).words
    if not words:
        return
    if (
        (bare := _WITH_UNIT.match(answer.strip()))
        and (unit := unit_at(bare["unit"], 0))
        and unit[1] == len(bare["unit"])
    ):
        yield read_words(bare["number"]).words, "number"
    if len(words) == 1 and re.fullmatch(r"1\d{3}|20\d\d", words[0]):
        yield (f"'{words[0][2:]}",), "plain"
    if len(words) == 3 and re.fullmatch(r"\d{4}", words[0]) and words[1].isalpha() and words[2].isdecimal():
        yield words[1:], "plain"
    if re.fullmatch(r"\d+\.\d+", words[0]) and len(re.sub(r"\D", "", words[0])) >= 4:
        places = len(words[0].partition(".")[2]) - 1
        rounded = Decimal(words[0]).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP).normalize()
        yield (f"{rounded:f}", *words[1:]), "plain"
    if len(words) == 2 and all(re.fullmatch(r"1\d{3}|20\d\d", word) for word in words):
        for between in ("to", "and", "until", "till", "through"):
            yield (words[0], between, words[1]), "plain"
    for cues in _SAME_CUES:
        cue = next((cue for cue in cues if words[: len(cue)] == cue), None)
        if cue is not None and len(words) > len(cue) and words[len(cue)][0].isdecimal():
            yield from (((*other, *words[len(cue) :]), "plain") for other in cues if other != cue)
    if (joined := _POSSESSIVE.sub("s", answer)) != answer:
        yield read_words(joined).words, "plain"
    if len(words) > 1 and len(joined := "".join(words)) >= _COMPOUND and joined.isalpha() and joined.isascii():
        yield (joined,), "plain"  # "ice cream" as "icecream"
    if (apart := _INNER_CAPITAL.sub(r"\1 \2", answer)) != answer:
        yield read_words(apart).words, "plain"  # "DiCaprio" as "Di Caprio"
    names = [name for name in re.split(r"[\s.]+", answer.strip()) if name]
    if len(names) > 1 and all(_CAPITALISED.fullmatch(name) for name in names):
        capital = [name for name in names if name[0].isupper()]
        if len(initials := _initials(names)) >= 3:
            yield read_words(initials).words, "capitals"
        ends = (*read_words(names[0]).words, *read_words(names[-1]).words)
        if len(capital) == len(names) == 3 and not GENERIC & {*ends} and all(len(end) > 2 for end in ends):
            yield ends, "plain"  # without the middle name
        for name in (names[0], names[-1]):
            folded = fold_word(name)
            if name[0].isupper() and len(folded) >= 3 and folded not in (_NO_FIRST if name is names[0] else _NO_PART):
                yield read_words(name).words, "part"
                if name is names[-1]:
                    yield (f"{folded}s",), "part"
        if names[1] == "the" and len(names) > 2:
            yield (*read_words(names[0]).words, "i"), "plain"  # "William the Conqueror" as "William I"
        if _is_surname(names):
            yield read_words(" ".join(names[1:])).words, "part"  # "García Márquez", "da Vinci"
        if names[0] == "The" and len(names) == 2 and names[1][0].isupper() and re.search(r"[a-z]{3}s$", names[1]):
            yield read_words(names[1][:-1]).words, "part"  # "Inca civilization"
    yield from _with_other_numeral(names)
    for name in country_names(answer.strip()):  # "the GDR" for East Germany
        if len(name) > 2 and name.isalpha() and name.isupper():
            yield read_words(name).words, "capitals"
    if len(words) > 1 and " ".join(words) in currency_names():
        yield words[-1:], "plain"
    if answer[:1].isupper():
        yield from ((words, "part") for name in exonyms(answer.strip()) if (words := read_words(name).words))
    yield from ((spelling, "plain") for spelling in other_conventions(answer))
    plain = answer.strip().lower().removeprefix("the ")
    for name in (*_translations().get(plain, ()), *cities_in_other_languages().get(plain, ())):
        if (translated := read_words(name).words) and translated != words:
            yield translated, "plain"


_PARTICLES = frozenset(
    {
        "al",
        "bin",
        "da",
        "de",
        "del",
        "della",
        "den",
        "der",
        "di",
        "do",
        "dos",
        "du",
        "el",
        "ibn",
        "la",
        "le",
        "ter",
        "van",
        "von",
    }
)


_PARTICLES_BEFORE = re.compile(rf"\b(?:(?:{'|'.join(sorted(_PARTICLES))}) )+$")


def _is_surname(names: Sequence[str]) -> bool:
    """Whether a name without its first word is a surname of several words. Places and titles are not persons."""
    first, rest = names[0], [fold_word(name) for name in names[1:]]
    if len(names) not in (3, 4) or not (first[0].isupper() and names[-1][0].isupper()) or fold_word(first) in _NO_FIRST:
        return False
    if any(name[0].islower() and name not in _PARTICLES for name in names) or any(len(name) < 2 for name in rest):
        return False
    if len(names) == 4 and names[2] not in _PARTICLES:
        return False
    whole = " ".join(map(fold_word, names))
    return not GENERIC & {*rest} and not any(is_place(name) for name in (whole, " ".join(rest)))


_ROMAN = ROMAN_NUMERALS | {"i": "1", "v": "5", "x": "10"}


def _with_other_numeral(names: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """A name with its Roman numeral as an ordinal, or the other way round: "Ramesses the Sixth", "Second World War"."""
    if len(names) < 2:
        return
    words = read_words(" ".join(names)).words
    if names[-1].isupper() and (number := _ROMAN.get(names[-1].lower())):
        yield (*words[:-1], ordinal(number)), "plain"
        yield (*words[:-1], "the", ordinal(number)), "plain"
        yield (ordinal(number), *words[:-1]), "plain"
        if len(words) > 2:  # "World War II" as "WWII"
            initials = "".join(word[0] for word in words[:-1])
            yield (f"{initials}{names[-1].lower()}",), "capitals"
            yield (f"{initials}{number}",), "capitals"
    elif words[-1][0].isdigit() and words[-1] == ordinal(re.sub(r"\D", "", words[-1])):
        yield (*(word for word in words[:-1] if word != "the"), words[-1][:-2]), "plain"
    elif words[0][0].isdigit() and words[0] == ordinal(re.sub(r"\D", "", words[0])):
        yield (*words[1:], words[0][:-2]), "plain"


@functools.cache
def _translations() -> dict[str, tuple[str, ...]]:
    """Maps the English names of countries and languages to their names in other languages."""
    from babel import Locale

    english = Locale.parse("en")
    table: dict[str, list[str]] = {}
    for language in LANGUAGES:
        locale = Locale.parse(language)
        for field in ("territories", "languages"):
            names = getattr(locale, field)
            for code, name in getattr(english, field).items():
                if not code.isdecimal() and len(other := names.get(code, "")) > 1:
                    table.setdefault(name.lower(), []).append(other)
    return {name: tuple(dict.fromkeys(others)) for name, others in table.items()}


def respelled(text: Words, answers: Sequence[str], others: Sequence[str]) -> Words:
    """``text`` with the misspelled and abbreviated words of ``answers`` written as the answers write them; the same
    object if there are none.

    A word is misspelled if its first letter is right and it differs from a word of five letters or more in letters that
    are doubled, or from one of six or more by one letter added, missing or swapped with the next one, or, in a name of
    seven or more, by another letter. Four letters are enough after the other words of the same name ("Karl Bath" for
    Barth), unless the word occurs in many names. A different ending is another word ("Italian" is not "Italia"), except
    for a silent "h" or, in a long name, "e", and so is the name of another place ("Kingstown" is not "Kingston"). In a
    word of eight letters or more, one or two letters can be a few places from where they belong. The word for a saint
    in another language is read as "saint" before the rest of the name. A word is abbreviated if it begins a word of a
    longer answer and ends in a full stop ("Corp. Z"). Words of ``others`` are neither.
    """
    known = [_word_set(other) for other in (*answers, *others)]
    named = [words for answer in answers if (words := read_words(answer).words)]
    wanted = [(word, len(words) > 1) for words in named for word in words if len(word) > 4]
    initials = {word[0] for words in named for word in words}
    found = {}
    for place, word in enumerate(text.words):
        if word[0] not in initials or len(word) < 3 or not word.isalpha() or any(word in each for each in known):
            continue
        capital = text.text[text.starts[place]].isupper()
        for right, longer in wanted:
            if word[0] == right[0] and (
                _misspells(word, right, capital)
                or (longer and right.startswith(word) and _ABBREVIATED.match(text.text, text.ends[place]))
            ):
                found[place] = right
        if capital:
            for words in named:
                right = words[-1]
                before = text.words[max(0, place - len(words) + 1) : place]
                if (
                    word[0] == right[0]
                    and right not in GENERIC
                    and before == words[:-1]
                    and _identifies(before)
                    and _misspells(word, right, True, after_name=True)
                ):
                    found[place] = right
    for place, (word, following) in enumerate(itertools.pairwise(text.words)):
        if word in _SAINTS and not _is_town(text, place):
            saint = ("saint", found.get(place + 1, following))
            if any(words[:2] == saint for words in named):
                found[place] = "saint"
    if not found:
        return text
    return replace(text, words=tuple(found.get(place, word) for place, word in enumerate(text.words)))


@functools.lru_cache(maxsize=4096)
def _word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(read_words(text).words)


_IN_TOWN = re.compile(r"\b(?:at|from|in|near|of|to)\s+$", re.IGNORECASE)
_STATE = re.compile(r",\s+[A-Z]")


def _is_town(text: Words, place: int) -> bool:
    """Whether the name that begins with the word for a saint at ``place`` is a town: "in Santa Barbara"."""
    start, end = text.starts[place], text.ends[place + 1]
    local = _IN_TOWN.search(text.text, max(0, start - 8), start) or _STATE.match(text.text, end)
    return local is not None and is_place(" ".join(text.words[place : place + 2]))


def _identifies(words: Sequence[str]) -> bool:
    """Whether the words of a name before its last one identify it: "Elisha", but not "Lake"."""
    return any(len(word) > 3 and word.isalpha() and word not in GENERIC for word in words)


_DOUBLED = re.compile(r"(.)\1")
_ABBREVIATED = re.compile(r"\.\s+\S")


def _misspells(word: str, right: str, name: bool, *, after_name: bool = False) -> bool:
    """Whether ``word`` is ``right`` with one letter wrong, or with other letters doubled. ``after_name`` says that the
    other words of the name precede it, so that fewer letters are enough."""
    if _DOUBLED.sub(r"\1", word) == _DOUBLED.sub(r"\1", right):
        return True
    if name and len(right) > 6 and sound(word) == sound(right):  # "Tereschkowa" for Tereshkova
        return not is_another_place(word, right)
    if _moved(word, right):
        return not is_another_place(word, right)
    if len(right) < (4 if after_name else 6) or abs(len(word) - len(right)) > 1 or not right.isalpha():
        return False
    same = next((n for n, (one, other) in enumerate(zip(word, right, strict=False)) if one != other), None)
    if same is None:  # one begins with the other: "cheeta"
        if f"{right}h" == word or right == f"{word}h":
            return True
        silent = name and len(right) > 6 and (f"{right}e" == word or right == f"{word}e")  # "Pastorale"
        return silent and not is_another_place(word, right)
    if len(word) != len(right):
        shorter, longer = sorted((word, right), key=len)
        one_letter = shorter[same:] == longer[same + 1 :]
    elif word[same + 1 :] == right[same + 1 :]:
        # a final vowel differs between languages: "Athene" for Athena
        last = same == len(right) - 1
        vowels = word[-1] in "aeio" and right[-1] in "aeio"
        one_letter = name and len(right) > (3 if after_name else 5 if last else 6) and (vowels or not last)
    else:
        one_letter = word[same : same + 2] == right[same : same + 2][::-1] and word[same + 2 :] == right[same + 2 :]
    return one_letter and not is_another_place(word, right)


def _moved(word: str, right: str) -> bool:
    """Whether a word of eight letters or more has one or two letters a few places from where they belong:
    "Marscapone" for "mascarpone". Its first and last letters must be right."""
    if len(word) != len(right) or len(right) < 8 or word == right or (word[0], word[-1]) != (right[0], right[-1]):
        return False
    if sorted(word) != sorted(right):
        return False
    first, last = (
        next(n for n, (one, other) in enumerate(zip(a, b, strict=True)) if one != other)
        for a, b in ((word, right), (word[::-1], right[::-1]))
    )
    said, wanted = word[first : len(word) - last], right[first : len(right) - last]
    if len(said) > 5:
        return False
    return any(said[n:] + said[:n] == wanted for n in (1, 2, len(said) - 1, len(said) - 2))


def find_loose(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` contains a loose spelling of ``answers`` that cannot mean ``others``, as half-open spans of
    words."""
    theirs = {word for other in others for word in read_words(other).words}
    foreign = in_other_script(text.text)
    theirs_whole = {named for other in others for named in _institution(other, tuple(others))}
    theirs_whole |= {words for other in others if (words := read_words(other).words)}
    present = frozenset(text.words)
    spans: set[tuple[int, int]] = set()
    for answer in answers:
        for wanted, kind in _all_spellings(answer, foreign):
            if wanted[0] not in present or (kind == "part" and wanted[0] in theirs):
                continue
            if any(wanted == spelling for other in others for spelling, _ in _all_spellings(other, foreign)):
                continue
            for start, word in enumerate(text.words):
                end = start + len(wanted)
                if word == wanted[0] and text.words[start:end] == wanted and _fits(text, start, end, kind):
                    spans.add((start, end))
                elif word == wanted[0] and text.words[start:end] == wanted and kind == "part":
                    spans.update(_after_short_form(text, start, end, answer))
        for named in _institution(answer, tuple(answers)):
            if present.issuperset(named) and named not in theirs_whole:
                spans.update(span for span in find_answer(text, " ".join(named)) if _alone(text, span[0], answer))
        spans.update(_in_two_words(text, answer))
    spans.update(find_abbreviated(text, answers, others))
    return sorted(spans)


def _alone(text: Words, start: int, answer: str) -> bool:
    """Whether no word of another name precedes the name of an institution: "Peggy Guggenheim Museum"."""
    before = text.text[max(0, text.starts[start] - 24) : text.starts[start]]
    return _NAME_BEFORE.search(f" {before}") is None or text.words[start - 1] in read_words(answer).words


@functools.lru_cache(maxsize=65536)
def _institution(answer: str, aliases: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The other names of an institution."""
    return tuple(dict.fromkeys(institution_spellings(answer, aliases)))


def _after_short_form(text: Words, start: int, end: int, answer: str) -> Iterator[tuple[int, int]]:
    """A surname after a longer or shorter form of the right first name: "Benjamin Britten" for Ben Britten."""
    words = tuple(word for word in read_words(answer).words if word not in ARTICLES)
    said, right = (text.words[start - 1], words[0]) if start and words else ("", "")
    last = words[len(words) - (end - start) :] == text.words[start:end]
    if last and said != right and min(len(said), len(right)) > 2 and (said.startswith(right) or right.startswith(said)):
        yield start - 1, end


def _all_spellings(answer: str, foreign: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """The loose spellings of an answer; of a city also those in other scripts, if the text has a ``foreign`` one."""
    yield from loose_spellings(answer)
    if foreign and not in_other_script(answer):
        yield from ((words, "plain") for words in city_in_other_scripts(answer))


def _in_two_words(text: Words, answer: str) -> Iterator[tuple[int, int]]:
    """Where ``text`` contains the single word ``answer`` written as two: "chick peas"."""
    words = read_words(answer).words
    if len(words) != 1 or len(words[0]) < _COMPOUND or not words[0].isalpha():
        return
    for start, (one, other) in enumerate(itertools.pairwise(text.words)):
        if len(one) > 2 and len(other) > 2 and words[0] == one + other and text.gap(start + 1) in (" ", "-"):
            yield start, start + 2


def rest_of_answer(answer: str, question: str) -> tuple[str, ...]:
    """The words of ``answer`` that the question does not give: "C" of "vitamin C" for "Which vitamin prevents scurvy?".
    Empty if these are all of its words or not at one end of it."""
    words, asked = read_words(answer).words, {*read_words(question).words}
    # an article in last position is kept: "vitamin A"
    rest = tuple(word for word in words[:-1] if word not in asked | _LINKS)
    rest += tuple(word for word in words[-1:] if word not in asked)
    ends = rest in (words[: len(rest)], words[len(words) - len(rest) :])
    return rest if ends and 0 < len(rest) < len(words) else ()


_LINKS = ARTICLES | {"of"}


_NAME_BEFORE = re.compile(
    r"(?:^|[^.!?:\s])\s(?!(?:I|An?|The|And|But|So|Or|Sorry|Mr|Mrs|Ms|Dr|Sir|Lord|Lady|King|Queen|Prince|Princess|Emperor|Empress|Tsar|Pope|President|Professor|Prof|Captain|General|Colonel|Admiral|Judge|Justice|Senator|Governor|Sen|Gen|Gov|Rep|Capt|Col|Maj|Lt|Sgt|Rev|Pres|Chancellor|Count|Baron|Dame|Miss|Author|Answer|Antwort|Text|Passage|Artikel|Kontext|Wissen|Nach|Laut|[A-Z][a-z]+ly|Both|Neither|Either|Not|No|Yes|Only|By|In|From|It|If|While|Although|Though|Since|Because|Actually|However|Then|Perhaps|Maybe|Probably|Definitely|Certainly|That|This|When|Unlike|Like|To)\b)(?:[A-Z][\w'-]+(?<!'s)|[A-Z][\w'-]{1,2}\.)\s$"
)
_GIVEN = re.compile(
    r"(?:^|[:,.]\s*|\b(?:is|was|by|to|says?|said|names?|named|called|answer|yes|think|guess|mr|mrs|dr|sir)\s+)$"
)
"""What precedes a surname in a text without capitals."""
_NAME_AFTER = re.compile(r"(?:-|[^\S\n])(?!(?:The|An?)\s)[A-Z][\w-]*|'s?\s(?!(?:The|An?)\s)[A-Z]")
_STARTS = re.compile(r"(?:^|[.!?:\n]\s*|[\"'(*_\u201c-]\s*)$")
_GOES_ON = re.compile(
    r"\W*$|\s*\n|\W*(?:and|or|&|is|was|wrote|did|has|had|never|only|also|later|first|still|just|already|could|would|will|can|held|ran|gave|came|"
    r"went|lost|beat|left|said|shot|spent|kept|taught|fought|flew|rode|drove|swam|fell|rose|met|grew|knew|chose|spoke|broke|threw|sat|set|put|read|began|sold|bought|stood|took|made|makes|won|built|sang|drew|led|found|founded|[a-z]{3,}ed|became|took|"
    r"discovers?|writes|plays|lies)\b|\s*[^\w\s'\u2019]"
)


_ENDS_SENTENCE = re.compile(r"[\"'\u2019\u201d)\]}*]*\s*(?:[.,;!?](?=\s|$)|\n|$)")


def _fits(text: Words, start: int, end: int, kind: str) -> bool:
    """Whether a loose spelling refers to the answer here. Initials must be in capitals, and a number without its
    unit must end a sentence. One word of a name must begin
    with a capital and must not be part of another name ("Leonard" in "Leonard Cohen")."""
    first, last = text.starts[start], text.ends[end - 1]
    written = text.text[first:last]
    if kind == "capitals":
        return written.isupper()
    if kind == "number":
        alone = end == len(text) or text.starts[end] >= last  # a number and its unit have the same characters
        return alone and _ENDS_SENTENCE.match(text.text, last) is not None
    if kind != "part":
        return True
    before, after = text.text[max(0, first - 24) : first], text.text[last : last + 24]
    before = _PARTICLES_BEFORE.sub("", before)  # "Paul van der Berg" is not Anna van der Berg
    if len(text) == end - start:
        return True  # "elgar"
    if written.islower() and text.text.islower() and last - first > 4:
        return _GIVEN.search(before) is not None and not _NAME_AFTER.match(after)  # "it was elgar"
    capital = written.partition(" ")[2] if written.partition(" ")[0] in _PARTICLES else written
    if not capital[:1].isupper() or _NAME_BEFORE.search(f" {before}") or _NAME_AFTER.match(after):
        return False
    # a short word at the beginning of a sentence can be a common one ("Will", "Mark")
    return last - first > 4 or not _STARTS.search(before) or _GOES_ON.match(after) is not None
