"""Splits a text into normalised words, each with its position in the text."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from inversion.matching.quantities import (
    DATE,
    DIGITS,
    MAGNITUDE,
    MAGNITUDE_BEFORE_MONEY,
    MIXED_NUMBER,
    MONEY_MAGNITUDE,
    MONTH_BEGINNINGS,
    NUMBER_WORD_SET,
    NUMBER_WORDS,
    ONE_AND_A_PART,
    PART_AFTER,
    PART_AFTER_UNIT,
    POWER_OF_TEN,
    SYMBOLS,
    currency_plurals,
    date_after,
    date_words,
    in_digits,
    is_pronoun,
    mixed_number,
    number,
    plus_part,
    scaled,
    unit_at,
    with_power,
)

_MARKS = "".join(
    chr(code) for code in (*range(0x300, 0x2000), 0x3099, 0x309A) if unicodedata.category(chr(code))[0] == "M"
)
"""The combining marks of all living scripts, which ``\\w`` does not include: accents, vowel signs, tone marks."""
_APOSTROPHES = str.maketrans(
    dict.fromkeys(
        "\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}"
        "\N{MODIFIER LETTER TURNED COMMA}\N{FULLWIDTH APOSTROPHE}`\N{ACUTE ACCENT}",
        "'",
    )
)
"""Characters that are used as an apostrophe. Unicode classifies some of them as letters."""
_FULL_WIDTH = (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
_PLAIN = _APOSTROPHES | {code: code - 0xFEE0 for code in _FULL_WIDTH}
"""Also maps full-width digits and Latin letters to ASCII."""

_LETTERS = rf"[\w{_MARKS}]+"
_UNSPACED = r"[\u3005\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff66-\uff9f]"
"""A Chinese, Japanese or Korean letter. Latin letters and digits can follow it without a space."""
_TOKEN = re.compile(
    rf"(?P<money>(?:\b[A-Z]{{1,3}})?[{re.escape(''.join(SYMBOLS))}]\s?(?=\d))"
    r"|(?P<year>(?<![\w'])'\d\d(?![\w']))"
    r"|(?P<number>(?:(?<![\w)\].,])[-\N{MINUS SIGN}])?\d)"
    rf"|(?P<unspaced>{_UNSPACED}+)"
    rf"|(?P<letters>(?:(?!{_UNSPACED})[\w{_MARKS}])+)"
    r"|(?P<sign>[&%\N{EURO SIGN}\N{POUND SIGN}\N{YEN SIGN}\N{INDIAN RUPEE SIGN}])"
)
_RUN = re.compile(_LETTERS)
_LATIN_RUN = re.compile(rf"(?:(?!{_UNSPACED})\w)+")
_DATE = re.compile(DATE, re.IGNORECASE)
_DIGITS = re.compile(DIGITS)
_SPELLED = re.compile(NUMBER_WORDS, re.IGNORECASE)
_MIXED = re.compile(MIXED_NUMBER, re.IGNORECASE)
_BEGINS_MIXED = NUMBER_WORD_SET | {"half", "quarter"}
_ONE_AND_A_PART = re.compile(ONE_AND_A_PART, re.IGNORECASE)
_HALF_A = re.compile(r"half\s+an?\b", re.IGNORECASE)
_PART_AFTER = re.compile(PART_AFTER, re.IGNORECASE)
_PART_AFTER_UNIT = re.compile(PART_AFTER_UNIT, re.IGNORECASE)
_MONEY_MAGNITUDE = re.compile(MONEY_MAGNITUDE)
_MAGNITUDE_BEFORE_MONEY = re.compile(MAGNITUDE_BEFORE_MONEY)
_AT = re.compile(r"\b(?:at|the|that|this|any|some|no|which|each|every|to)\s+$", re.IGNORECASE)
"""What precedes a "one point" that is no number: "at one point two of them left"."""
_DEGREE = re.compile(r"(?<=[\d ])[\u00ba\u02da](?=\s?[CFK]\b)")
_LATEX_MATH = re.compile(r"\$([^$\n]{1,60})\$(?!\d)")
_LATEX = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|boxed|operatorname)\{?|\\[,;! ]")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
_INITIALS = re.compile(
    r"(?:[A-Z\u00c0-\u00de\u0410-\u042f](?:\.\s?[A-Z\u00c0-\u00de\u0410-\u042f])+|[^\W\d_](?:\.[^\W\d_])+)"
    r"(?!\w)(?:\.(?!\s+[A-Z]))?|[B-HJ-Z](?: [B-HJ-Z](?!['\w]))+"
)
"""Initials: ``J.K.``, ``J. K.`` and ``J K``. The last stop is part of them unless it could end a sentence."""
_PIECES = re.compile(
    r"(?P<kata>[\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]+)"
    r"|(?P<hangul>[\uac00-\ud7a3]+)"
    r"|(?P<single>[\u3041-\u309f\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    rf"|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff][{_MARKS}]*)"
    r"|(?P<other>[^\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f\uac00-\ud7a3\u3041-\u309f\u3005\u3400-\u4dbf"
    r"\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+)"
)
"""Splits consecutive letters by script. Scripts without spaces are read letter by letter, so that a name is found
inside a sentence. Consecutive katakana, which spell foreign names, are one piece."""

CAPITAL_NAMES = {"US": "us.", "WHO": "who.", "IT": "it."}
"""Names in capitals that are common words in lower case, each with the normalised word that represents it."""
_SPELLINGS = {"st": "saint", "ste": "sainte", "mt": "mount", "vit": "vitamin", "&": "and", "%": "percent"} | {
    sign: name for sign, name in SYMBOLS.items() if sign != "$"
}
_CONTRACTIONS = {"ain": "is", "wo": "will", "ca": "can", "sha": "shall"}
ROMAN_NUMERALS = {
    "ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11", "xii": "12",
    "xiii": "13", "xiv": "14", "xv": "15", "xvi": "16", "xvii": "17", "xviii": "18", "xix": "19", "xx": "20",
    "xxi": "21", "xxiii": "23",
}  # fmt: skip
"""Roman numerals in names ("World War II", "Louis XIV"). Single letters are not read as numerals."""


@dataclass(frozen=True, slots=True)
class Words:
    """The normalised words of a text, in order, each with the half-open span of characters that it came from."""

    text: str
    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.words)

    def gap(self, place: int) -> str:
        """The spaces and punctuation between the word at ``place`` and the previous one."""
        before = self.ends[place - 1] if place else 0
        after = self.starts[place] if place < len(self.words) else len(self.text)
        return self.text[before:after]


@functools.lru_cache(maxsize=32768)
def read_words(text: str) -> Words:
    """The words of ``text`` in lower case, without accents and punctuation, and with quantities normalised.

    "isn't" is read as "is not" and "cannot" as "can not". Case only matters for names in capitals that are a different
    word in lower case: "US" is not "us".
    """
    plain = text if text.isascii() and "`" not in text else text.translate(_PLAIN)
    if "\u00ba" in plain or "\u02da" in plain:  # "98ºC" has the sign of a Spanish ordinal
        plain = _DEGREE.sub("\N{DEGREE SIGN}", plain)
    if plain.count("$") > 1:
        plain = _LATEX_MATH.sub(r" \1 ", plain)
    if "\\" in plain:
        plain = _LATEX.sub(lambda command: " " * len(command[0]), plain)
    found: list[_Found] = []
    position, money = 0, None
    while match := _TOKEN.search(plain, position):
        kind, start = match.lastgroup, match.start()
        if kind == "money":
            money, position = match, match.end()
            continue
        if kind == "sign":
            token: list[_Found] = [(_SPELLINGS[match[0]], start, match.end())]
        elif kind == "year":  # "Nov. '89"
            token = [(match[0], start, match.end())]
        elif kind == "unspaced":
            token = _pieces(plain, start, match.end())
        elif kind == "number":
            token = _number(plain, start, money=money is not None)
            if money is not None:
                token = [(word, money.start(), end) for word, _, end in token]
                token.append((SYMBOLS[money[0].rstrip()[-1]], money.start(), token[-1][2]))
        else:
            token = _letters(plain, match)
        found += token
        position, money = (token[-1][2] if token else match.end()), None
    words, starts, ends = zip(*found, strict=True) if found else ((), (), ())
    return Words(text, words, starts, ends)


_Found = tuple[str, int, int]
"""A word and the span of characters that it came from."""


def _number(text: str, start: int, *, money: bool = False) -> list[_Found]:
    """The words of a token that begins with a digit or a minus sign: a date, a number with its magnitude and unit, or a
    word such as "3D". ``money`` says that the sign of a currency precedes it."""
    if date := _DATE.match(text, start):
        return [(word, start, date.end()) for word in date_words(date[0])]
    sign = "" if text[start].isdecimal() else "-"
    digits = _DIGITS.match(text, start + len(sign))
    if digits is None:
        run = _RUN.match(text, start + len(sign))
        return [] if run is None else _pieces(text, run.start(), run.end())
    end = digits.end()
    if ordinal := _ORDINAL.match(text, end):
        return [(number(digits[0]) + ordinal[0].lower(), start, ordinal.end())]
    plain = sign + number(digits[0])
    if (scientific := POWER_OF_TEN.match(text, end)) and plain.count(".") < 2:
        plain, end = with_power(plain, scientific["power"] or scientific["raised"]), scientific.end()
    if plain.isdecimal() and (part := _PART_AFTER.match(text, end)):
        plain, end = plus_part(plain, part["sign"] or part["digits"] or part["part"]), part.end()
    if magnitude := MAGNITUDE.match(text, end):
        plain, end = scaled(plain, magnitude[1] or magnitude[2]), magnitude.end()
    elif magnitude := (_MONEY_MAGNITUDE if money else _MAGNITUDE_BEFORE_MONEY).match(text, end):
        plain, end = scaled(plain, magnitude[0]), magnitude.end()
    if (unit := _with_unit(plain, text, end)) is not None:
        return [(word, start, unit[1]) for word in unit[0]]
    following = text[end : end + 1]
    if following == "_" or (following.isascii() and following.isalpha()):  # "3D", "1990s"
        run = _LATIN_RUN.match(text, digits.start())
        end = max(end, run.end() if run else end)
        return [(fold_word(text[digits.start() : end]), start, end)]
    return [(plain, start, end)]


def _letters(text: str, match: re.Match[str]) -> list[_Found]:
    """The words of a token that begins with a letter: a number in words, a date, initials or other words."""
    start, end = match.span()
    if (simple := _simple_word(match[0])) is not None:  # most words
        return [(simple, start, end)]
    word = match[0].lower()
    if word in _BEGINS_MIXED and (mixed := _mixed(text, start)) is not None:
        return [(word, start, mixed[1]) for word in mixed[0]]
    if word in ("a", "an") and (more := _ONE_AND_A_PART.match(text, start)):
        plain = plus_part("1", more["part"])
        if large := MAGNITUDE.match(text, more.start("what")):
            return [(scaled(plain, large[1]), start, more.end())]
        if unit := unit_at(text, more.start("what")):
            return [(word, start, more.end()) for word in (plain, *unit[0])]
    if word in NUMBER_WORD_SET and (spelled := _SPELLED.match(text, start)):
        if is_pronoun(text, start, spelled.end()):
            return [(word, start, end)]
        words, end = in_digits(spelled[0]), spelled.end()
        if dated := date_after(words[-1], text, end):
            return [(word, start, dated[1]) for word in dated[0]]
        if (unit := _with_unit(words[-1], text, end)) is not None:
            words, end = (*words[:-1], *unit[0]), unit[1]
        return [(word, start, end) for word in words]
    if word[:3] in MONTH_BEGINNINGS and (date := _DATE.match(text, start)):
        return [(word, start, date.end()) for word in date_words(date[0])]
    if end - start == 1 and (initials := _INITIALS.match(text, start)):
        letters = re.sub(r"[.\s]", "", initials[0])
        return [(CAPITAL_NAMES.get(letters.upper()) or fold_word(letters), start, initials.end())]
    return _pieces(text, start, end)


@functools.lru_cache(maxsize=65536)
def _simple_word(written: str) -> str | None:
    """The normalised form of a word that is read in the same way whatever precedes or follows it; None for others."""
    word = written.lower()
    if not (word.isascii() and word.isalpha()) or len(word) == 1 or word[-1] == "n" or word == "an":
        return None
    if word in _BEGINS_MIXED or word[:3] in MONTH_BEGINNINGS:
        return None
    words = _ascii_words(written, written, 0, len(written))
    return words[0] if len(words) == 1 else None


def _with_unit(plain: str, text: str, end: int) -> tuple[tuple[str, ...], int] | None:
    """A number with the unit that follows it at ``end``, and where they end; None if no unit follows."""
    unit = unit_at(text, end)
    if unit is None:
        return None
    if plain.isdecimal() and (part := _PART_AFTER_UNIT.match(text, unit[1])):
        return (plus_part(plain, part["part"]), *unit[0]), part.end()
    return (plain, *unit[0]), unit[1]


def _mixed(text: str, start: int) -> tuple[tuple[str, ...], int] | None:
    """A number in words with decimals or a fraction, with its unit, and where they end; None if there is none."""
    if half := _HALF_A.match(text, start):
        unit = unit_at(text, half.end())
        if unit is not None:
            return ("0.5", *unit[0]), unit[1]
    match = _MIXED.match(text, start)
    if match is None or (match["decimals"] and match["whole"].lower() == "one" and _AT.search(text[:start][-8:])):
        return None
    plain = mixed_number(match)
    if plain is None:
        return None
    return _with_unit(plain, text, match.end()) or ((plain,), match.end())


def _pieces(text: str, start: int, end: int) -> list[_Found]:
    """The words in consecutive letters, split by script. Surrounding underscores are removed, and contractions are
    written out."""
    while start < end and text[start] == "_":
        start += 1
    while start < end and text[end - 1] == "_":
        end -= 1
    if start == end:
        return []
    run = text[start:end]
    if run.isascii():
        return [(word, start, end) for word in _ascii_words(run, text, start, end)]
    found: list[_Found] = []
    for piece in _PIECES.finditer(run):
        first = start + piece.start()
        if piece.lastgroup == "hangul":
            # a particle can follow a name, so words are read by syllable; "^" marks the first syllable of a word
            for place, syllable in enumerate(piece[0]):
                found.append((syllable if place else f"^{syllable}", first + place, first + place + 1))
        elif folded := fold_word(piece[0]):
            found.append((_SPELLINGS.get(folded, folded), first, start + piece.end()))
    return found


def _ascii_words(run: str, text: str, start: int, end: int) -> tuple[str, ...]:
    """The words in consecutive ASCII letters and digits."""
    if run in CAPITAL_NAMES:
        return (CAPITAL_NAMES[run],)
    word = run.lower()
    if word == "cannot":
        return "can", "not"
    if word == "t" and text[start - 2 : start].lower() == "n'":
        return ("not",)
    if word[-1] == "n" and text[end : end + 2].lower() == "'t" and not text[end + 2 : end + 3].isalnum():
        return (_CONTRACTIONS.get(word[:-1], word[:-1]),)
    if word in ROMAN_NUMERALS:
        return (ROMAN_NUMERALS[word],)
    return (_SPELLINGS.get(word) or currency_plurals().get(word, word),)


@functools.lru_cache(maxsize=65536)
def fold_word(word: str) -> str:
    """A word in lower case and without accents. Latin letters become ASCII ("Łódź" becomes "lodz"); other scripts are
    kept."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    if _CYRILLIC.fullmatch(folded):
        folded = _russian_stem(folded)
    return "".join(map(_fold_letter, folded)).casefold()


_CYRILLIC = re.compile(r"[\u0430-\u044f\u0451]{4,}")


@functools.lru_cache(maxsize=65536)
def _russian_stem(word: str) -> str:
    """A Russian word without its ending, so that "в Москве" matches Москва.

    The stemmer removes the "ев" of the surname "Тургенев" but not of "Тургеневым". Here it is removed from both.
    """
    return re.sub(r"(?<=..)[\u0435\u043e]\u0432$", "", str(_russian_stemmer().stemWord(word)))


@functools.cache
def _russian_stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("russian")


@functools.lru_cache(maxsize=4096)
def _fold_letter(letter: str) -> str:
    """A letter without its accents. A Latin letter becomes ASCII."""
    if letter.isascii() or not letter.isalpha():
        return "" if unicodedata.combining(letter) else letter
    name = unicodedata.name(letter, "")
    if name.startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL")):
        return letter
    bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    if bare.isascii() or not name.startswith("LATIN"):
        return bare
    from anyascii import anyascii

    return str(anyascii(bare))
