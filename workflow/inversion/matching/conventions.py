"""Other conventions of writing an answer: American spelling, times of day, eras, decades, ranges and signs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inversion.matching.words import read_words

_AMERICAN = {
    "aeroplane": "airplane", "ageing": "aging", "aluminium": "aluminum", "caesium": "cesium", "cheque": "check",
    "councillor": "councilor", "defence": "defense", "doughnut": "donut", "draught": "draft", "grey": "gray",
    "jewellery": "jewelry", "kerb": "curb", "licence": "license", "liquorice": "licorice", "mould": "mold",
    "moustache": "mustache", "offence": "offense", "plough": "plow", "programme": "program", "pyjamas": "pajamas",
    "sceptic": "skeptic", "storey": "story", "sulphur": "sulfur", "traveller": "traveler", "tyre": "tire",
    "whisky": "whiskey", "yoghurt": "yogurt",
}  # fmt: skip
"""British words and their American spellings."""
_BRITISH = {american: british for british, american in _AMERICAN.items()}
_ENDINGS = (
    (re.compile(r"(?<=[a-z][lbvnm])our(?=s?$|ed$|ing$|ful$|able$)"), "or"),
    (re.compile(r"(?<=[a-z][tb])re(?=s?$)"), "er"),
    (re.compile(r"(?<=[a-z]{3})is(?=e[drs]?$|ing$|ation$)"), "iz"),
    (re.compile(r"(?<=al)ys(?=e[drs]?$|ing$)"), "yz"),
    (re.compile(r"(?<=[a-z]{3})ogue(?=s?$)"), "og"),
    (re.compile(r"(?<=[a-z][lbvnm])or(?=s?$|ed$|ing$|ful$|able$)"), "our"),
    (re.compile(r"(?<=[a-z][tb])er(?=s?$)"), "re"),
    (re.compile(r"(?<=[a-z]{3})iz(?=e[drs]?$|ing$|ation$)"), "is"),
    (re.compile(r"(?<=al)yz(?=e[drs]?$|ing$)"), "ys"),
)
"""Regular endings, from British to American spelling and back. A word that does not exist is in no text."""
_TIME = re.compile(r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d\d))?\s*(?P<half>[ap])\.?m\b\.?", re.IGNORECASE)
_TIME_24 = re.compile(r"(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)")
_ERAS = {"bc": ("bce",), "bce": ("bc",), "ad": ("ce", "ad"), "ce": ("ad",)}
_DECADES = {
    "20": "twenties", "30": "thirties", "40": "forties", "50": "fifties", "60": "sixties", "70": "seventies",
    "80": "eighties", "90": "nineties",
}  # fmt: skip
_BETWEEN = (("to",), ("and",), ("or",))


def other_conventions(answer: str) -> Iterator[tuple[str, ...]]:
    """The normalised words of an answer in other conventions: "gray" for "grey", "21:30" for "9:30 pm", "44 BCE" for
    "44 BC", "the '50s" for "1950s", "between 8 and 12 euros" for "8-12 euros", "minus 5" for "-5"."""
    words = read_words(answer).words
    for place, word in enumerate(words):
        for spelling in _other_spellings(word):
            yield (*words[:place], spelling, *words[place + 1 :])
    yield from (read_words(time).words for time in _times(answer.strip()))
    yield from _eras(words)
    yield from _decades(answer.strip())
    yield from _ranges(answer.strip())
    if words and re.fullmatch(r"-\d[\d.]*", words[0]):
        for sign in ("minus", "negative"):
            yield (sign, words[0][1:], *words[1:])


def _other_spellings(word: str) -> Iterator[str]:
    yield from (table[word] for table in (_AMERICAN, _BRITISH) if word in table)
    yield from (other for pattern, ending in _ENDINGS if (other := pattern.sub(ending, word)) != word)


def _times(answer: str) -> Iterator[str]:
    """Other ways to write a time of day."""
    match, late = _TIME.fullmatch(answer), _TIME_24.fullmatch(answer)
    if match and 1 <= int(match["hour"]) <= 12:
        hour = int(match["hour"]) % 12 + (12 if match["half"].lower() == "p" else 0)
    elif late:
        hour = int(late["hour"])
    else:
        return
    minute, short = int((match or late)["minute"] or 0), (hour - 1) % 12 + 1  # type: ignore[index]
    half = "p" if hour >= 12 else "a"
    yield f"{hour}:{minute:02}"
    for written in (f"{half}m", f"{half}.m."):
        yield f"{short}:{minute:02} {written}"
        yield f"{short}.{minute:02} {written}"
        if minute == 0:
            yield f"{short} {written}"
    if minute == 0:
        yield f"{short} o'clock"
    if minute == 30:
        yield f"half past {short}"


def _eras(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A year with another name of its era: "95 CE" for "AD 95"."""
    if len(words) == 2 and {*words} & _ERAS.keys():
        era = next(word for word in words if word in _ERAS)
        (year,) = (word for word in words if word != era) if words.count(era) == 1 else ("",)
        if year.isdecimal():
            yield from ((year, other) for other in (*_ERAS[era], era))
            yield ("ad", year) if era in ("ad", "ce") else (year, "b", "c")


def _decades(answer: str) -> Iterator[tuple[str, ...]]:
    """A decade in other words: "the fifties" for "1950s"."""
    match = re.fullmatch(r"(?:the )?(1[89]|20)(\d0)'?s", answer)
    if match and match[2] in _DECADES:
        yield (f"{match[2]}s",)
        yield (_DECADES[match[2]],)
        yield (f"{match[1]}{match[2]}", "s")


def _ranges(answer: str) -> Iterator[tuple[str, ...]]:
    """A range of numbers in words: "from 8 to 12 euros" for "8-12 euros"."""
    match = re.fullmatch(r"(\d[\d.,]*)\s?[-\u2013]\s?(\d[\d.,]*)(\s\D+)?", answer)
    if match is None:
        return
    first, last = read_words(match[1]).words, read_words(match[2]).words
    unit = read_words(match[3] or "").words
    for between in _BETWEEN:
        yield (*first, *between, *last, *unit)
        if unit:
            yield (*first, *unit, *between, *last, *unit)
