"""Normalises the spelling of numbers, units, amounts of money and dates.

Number words are parsed by text2num. The names of units and currencies are those of the Unicode CLDR (through Babel).
Both packages are imported when they are first needed.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from decimal import Decimal, InvalidOperation

_SEPARATORS = ",'\N{RIGHT SINGLE QUOTATION MARK} \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_THOUSANDS = rf"(?:(?:[{_SEPARATORS}]|\{{,\}})\d{{3}})+"
DIGITS = rf"\d{{1,3}}{_THOUSANDS}(?![\d{_SEPARATORS[:3]}])(?:\.\d+)?|\d+(?:[.,]\d+)*"
"""A number in digits: ``1,000``, ``1 000``, ``1'000``, ``1{,}000`` (LaTeX), ``3.5``, ``3,5``."""
_GROUPED = re.compile(rf"\d{{1,3}}{_THOUSANDS}(?:\.\d+)?")
_STOPS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")

_ONES = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_TEENS = "thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_ORDINALS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|"
    "sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|fortieth|fiftieth|sixtieth|seventieth|eightieth|"
    "ninetieth|hundredth|thousandth|millionth"
)
_NUMBER_WORD = rf"(?:zero|{_ONES}|{_TEENS}|{_TENS}|hundred|thousand|million|billion|trillion|{_ORDINALS})"
_YEAR_WITH_OH = re.compile(rf"({_TEENS}|twenty)-(?:oh|o)-({_ONES})")
NUMBER_WORDS = (
    rf"\b(?:(?:{_TEENS}|twenty)[\s-]+(?:oh|o)[\s-]+(?:{_ONES})"
    rf"|{_NUMBER_WORD}(?:(?:\s+and\s+|\s*-\s*|\s+){_NUMBER_WORD})*)\b"
)
"""A number in words: ``seven``, ``twenty-five``, ``nineteen oh five``, ``one hundred and five``, ``seventh``."""
NUMBER_WORD_SET = frozenset(re.findall(r"[a-z]+", _NUMBER_WORD.removeprefix("(?:")))
"""The words that can begin a number in words."""
_CARDINAL = rf"(?:zero|{_ONES}|{_TEENS}|{_TENS}|hundred|thousand|million|billion|trillion)"
_LARGE = r"(?:hundred|thousand|million|billion|trillion)"
_PARTS = r"(?:an?[\s-]+half|an?[\s-]+quarter|three[\s-]+quarters)"
MIXED_NUMBER = (
    rf"\b(?:(?P<whole>{_CARDINAL}(?:(?:\s+and\s+|\s*-\s*|\s+){_CARDINAL})*)"
    rf"(?:\s+(?P<decimals>point(?:[\s-]+(?:zero|oh|{_ONES}))+)\b|[\s-]+and[\s-]+(?P<part>{_PARTS})\b)"
    rf"(?:[\s-]+(?P<magnitude>{_LARGE})s?\b)?"
    rf"|(?P<share>half|quarter|three[\s-]+quarters)(?:[\s-]+(?:of\s+)?an?)?[\s-]+(?P<of>{_LARGE})\b)"
)
"""A number in words with decimals or a fraction: ``seven point two million``, ``one and a half``, ``half a million``,
``three quarters of a million``."""
ONE_AND_A_PART = r"an?\s+(?P<what>[a-z]+)\s+and\s+a\s+(?P<part>half|quarter)\b(?!-)"
"""``a million and a half``, ``an hour and a half``."""
PART_AFTER = rf"\s?(?P<sign>[\u00bc-\u00be])|\s(?P<digits>1/2|1/4|3/4)(?![\d/])|\s+and\s+(?P<part>{_PARTS})\b"
"""The fraction after a number in digits: ``11\N{VULGAR FRACTION ONE HALF}``, ``11 and a half``."""
PART_AFTER_UNIT = (
    r"\s+and\s+a\s+(?P<part>half|quarter)\b(?=\s*(?:[^\w\s-]|$)|\s+(?:ago|and|at|before|in|later|long|on)\b)"
)
"""The fraction after a unit: ``two hours and a half``."""
_HYPHENS = re.compile(r"[a-z]+(?:-[a-z]+)+")
_PRONOUN_BEFORE = re.compile(r"\b(?:no|any|every|some|this|that|which|the|another|each|only)[\s-]+$", re.IGNORECASE)
_PRONOUN_AFTER = re.compile(r"\s+(?:of|who|that|which|can|could|must|should|might|may|another|day)\b", re.IGNORECASE)

_MAGNITUDES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "k": 10**3, "m": 10**6, "mn": 10**6, "mln": 10**6, "mm": 10**6, "mil": 10**6, "mill": 10**6, "b": 10**9,
    "bn": 10**9, "bln": 10**9, "bil": 10**9, "t": 10**12, "tn": 10**12, "trn": 10**12,
}  # fmt: skip
MAGNITUDE = re.compile(
    r"[\s-]*((?i:hundred|thousand|million|billion|trillion))(?i:s)?\b|((?<=\d)(?:k|M)|\s?(?:mn|mln|bn))(?![\w/\u00b2\u00b3])"
)
"""The magnitude of a number, as a word or an abbreviation (``380k``, ``1.2M``). ``1.2m`` is a length instead."""
_MONEY = (
    r"(?:[$\N{EURO SIGN}\N{POUND SIGN}\N{YEN SIGN}\N{INDIAN RUPEE SIGN}]"
    r"|(?:US\s)?(?:dollars?|euros?|pounds?|yen|rupees?|rubles?|francs?|pesos?|USD|EUR|GBP)\b)"
)
MONEY_MAGNITUDE = r"(?:\s?(?i:mill?|mln|mm|bil|bln|trn|tn)|[mMbBT])\b"
"""The magnitude of an amount of money, which can be shorter than that of other numbers: ``$11.5 mil``, ``$3m``."""
MAGNITUDE_BEFORE_MONEY = rf"{MONEY_MAGNITUDE}(?=\s?{_MONEY})"
POWER_OF_TEN = re.compile(
    r"\s?(?:[x\u00d7*\u00b7\u22c5]|\\times|\\cdot)\s?10\s?"
    r"(?:(?:\^|\*\*)\s?\{?(?P<power>-?\d{1,2})\}?(?!\d)|(?P<raised>[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,2}))"
)
"""The power of ten in scientific notation (``3 x 10^8``), written after ``^`` or as a superscript."""
SYMBOLS = {
    "$": "dollar",
    "\N{EURO SIGN}": "euro",
    "\N{POUND SIGN}": "pound",
    "\N{YEN SIGN}": "yen",
    "\N{INDIAN RUPEE SIGN}": "rupee",
    "\N{RUBLE SIGN}": "ruble",
    "\N{WON SIGN}": "won",
}
"""The currency that a symbol before an amount stands for."""

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
MONTH_BEGINNINGS = frozenset(name[:3] for name in MONTHS)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b"
DATE = (
    rf"\b{_DAY}\.?(?:\s+of)?[\s-]+{_MONTH}(?:(?:,|\s+of)?[\s-]+\d{{4}}\b)?"
    rf"|\b{_MONTH}\s+(?:the\s+)?{_DAY}(?!\s*,?\d)(?:,?\s+\d{{4}}\b)?"
    rf"|\b{_MONTH}(?:,|\s+of)?\s+\d{{4}}\b"
    r"|\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}(?P<stop>[/.])\d{1,2}(?P=stop)\d{4}\b"
    r"|\d{4}\s*\N{CJK UNIFIED IDEOGRAPH-5E74}\s*\d{1,2}\s*\N{CJK UNIFIED IDEOGRAPH-6708}"
    r"(?:\s*\d{1,2}\s*\N{CJK UNIFIED IDEOGRAPH-65E5})?"
)
"""A date with a year, a day or both: ``11 November 1918``, ``Nov. 11th, 1918``, ``1918-11-11``, ``May 2020``."""
_DAY_IN_WORDS = re.compile(rf"\s+(?:of\s+)?({_MONTH})(?:(?:,|\s+of)?\s+(\d{{4}})\b)?", re.IGNORECASE)
_NUMBERS_IN_DATE = re.compile(r"\d+")
_MONTH_IN_DATE = re.compile(_MONTH, re.IGNORECASE)

# spellings that are missing from the CLDR
_MORE_UNITS = {
    "sq km": "square kilometer",
    "km2": "square kilometer",
    "sq m": "square meter",
    "m2": "square meter",
    "kph": "kilometer per hour",
    "kmph": "kilometer per hour",
    "kilogrammes": "kilogram",
    "kilogramme": "kilogram",
    "grammes": "gram",
    "kilos": "kilogram",
    "kilo": "kilogram",
    "degrees centigrade": "degree celsius",
    "\N{DEGREE SIGN} c": "degree celsius",
    "\N{DEGREE SIGN} f": "degree fahrenheit",
    "\N{DEGREE CELSIUS}": "degree celsius",
    "\N{DEGREE FAHRENHEIT}": "degree fahrenheit",
    "degrees c": "degree celsius",
    "degrees f": "degree fahrenheit",
    "percentage points": "percentage point",
    "lbs": "pound",
    "sq mi": "square mile",
    "sq miles": "square mile",
    "sq ft": "square foot",
    "pct": "percent",
    "vol%": "percent",
    "vol %": "percent",
    "usd": "dollar",
    "eur": "euro",
    "gbp": "pound",
    "jpy": "yen",
    "inr": "rupee",
    "rub": "ruble",
    "krw": "won",
}
_PER = re.compile(r"\s*(?:/\s*|\s+per\s+)([a-z]+)(?!\w)", re.IGNORECASE)
_DENOMINATORS = {"s": "second", "sec": "second", "h": "hour", "hr": "hour", "min": "minute", "l": "liter"}
"""Abbreviations of units after a slash, as in ``km/s``, that the CLDR does not list by themselves."""
_NOT_UNITS = {"in", "item", "items", "night", "nights", "pt", "em", "dot", "dots", "bar", "stone", "b", "d", "c"}
"""Units of the CLDR that usually mean something else after a number ("in 1912 in Paris")."""


def number(digits: str) -> str:
    """Normalises a number in digits: ``1,000`` becomes ``1000``, and ``3,50`` and ``3.5`` become ``3.5``."""
    if digits.count(".") > 1 and _STOPS.fullmatch(digits):  # "1.234.567"
        plain = digits.replace(".", "")
    elif _GROUPED.fullmatch(digits):
        plain = re.sub(r"[^\d.]", "", digits)
    elif digits.count(",") + digits.count(".") == 1:
        plain = digits.replace(",", ".")
    else:
        plain = digits
    if "." not in plain:
        return plain
    try:
        return f"{Decimal(plain).normalize():f}"
    except InvalidOperation:
        return plain


def scaled(plain: str, magnitude: str) -> str:
    """Multiplies a number by a magnitude: ``3.5`` and ``million`` become ``3500000``."""
    try:
        return f"{(Decimal(plain) * _MAGNITUDES[magnitude.strip().lower()]).normalize():f}"
    except InvalidOperation:
        return plain


def with_power(plain: str, power: str) -> str:
    """Multiplies a number by a power of ten: ``3`` and ``5`` become ``300000``. The power can be in superscript."""
    return f"{Decimal(plain).scaleb(int(unicodedata.normalize('NFKC', power))).normalize():f}"


def is_pronoun(text: str, start: int, end: int) -> bool:
    """Whether the number word at ``start`` of ``text`` is a pronoun: "one" in "no one" or "one of them"."""
    if text[start:end].lower() != "one":
        return False
    if text[:start].strip().lower() == "the" and re.search(r"\w", text[end:]) is None:
        return False  # the whole text is "the one"
    return bool(_PRONOUN_BEFORE.search(text, max(0, start - 10), start) or _PRONOUN_AFTER.match(text, end))


@functools.lru_cache(maxsize=4096)
def in_digits(words: str) -> tuple[str, ...]:
    """Converts number words to numbers in digits: ``twenty-five`` to ``25``, ``two three`` to ``2`` and ``3``."""
    from text_to_num import alpha2digit

    plain = re.sub(r"\s*-\s*", "-", " ".join(words.lower().split()))
    if year := _YEAR_WITH_OH.fullmatch(plain.replace(" ", "-")):
        return (f"{in_digits(year[1])[0]}{int(in_digits(year[2])[0]):02}",)
    found = [number(part) for part in alpha2digit(plain, "en", threshold=0).split()]
    if len(found) == 1 and _HYPHENS.fullmatch(found[0]):  # "nineteen-thirteen"
        found = [number(part) for part in alpha2digit(plain.replace("-", " "), "en", threshold=0).split()]
    if len(found) == 2 and all(part.isdecimal() and 10 <= int(part) <= 99 for part in found) and int(found[0]) <= 20:
        return ("".join(found),)  # "nineteen forty-five"
    return tuple(found)


_PART_VALUES = {
    "half": "0.5", "quarter": "0.25", "quarters": "0.75", "1/2": "0.5", "1/4": "0.25", "3/4": "0.75", "\u00bc": "0.25",
    "\u00bd": "0.5", "\u00be": "0.75",
}  # fmt: skip


def plus_part(plain: str, part: str) -> str:
    """A whole number plus a half, a quarter or three quarters: ``2`` and ``a half`` become ``2.5``."""
    return f"{Decimal(plain) + Decimal(_PART_VALUES[re.split(r'[ -]', part.lower())[-1]]):f}"


def mixed_number(match: re.Match[str]) -> str | None:
    """The number in digits that :data:`MIXED_NUMBER` matched; None if its words are not a single number."""
    if match["share"]:
        return scaled(plus_part("0", match["share"]), match["of"])
    found = in_digits(match["whole"])
    if match["decimals"]:
        found = in_digits(f"{match['whole']} {match['decimals'].replace('-', ' ')}")
    if len(found) != 1 or not found[0].replace(".", "", 1).isdecimal():
        return None
    plain = plus_part(found[0], match["part"]) if match["part"] else found[0]
    return scaled(plain, match["magnitude"]) if match["magnitude"] else plain


def ordinal(digits: str) -> str:
    """The ordinal of a number in digits: ``2nd`` for ``2``."""
    ending = {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")
    return f"{digits}{'th' if digits[-2:-1] == '1' else ending}"


def date_words(text: str) -> tuple[str, ...]:
    """The year, month and day of a date that :data:`DATE` matched, in this order; missing parts are omitted.

    ``03/04/1919`` is read month first, unless the first number is above 12; ``3.4.1919`` is read day first.
    """
    numbers = [int(part) for part in _NUMBERS_IN_DATE.findall(text)]
    named = _MONTH_IN_DATE.search(text)
    if named is not None:
        month = next(name for name in MONTHS if name.startswith(named[0].lower().rstrip(".")[:3]))
        year = next((n for n in numbers if n > 31), None)
        day = next((n for n in numbers if n <= 31), None)
    elif numbers[0] > 31:
        year, number_of_month, *rest = numbers
        if not 1 <= number_of_month <= 12:
            return tuple(map(str, numbers))
        month, day = MONTHS[number_of_month - 1], (rest[0] if rest else None)
    else:
        first, second, year = numbers
        day_first = "." in text or first > 12
        day, number_of_month = (first, second) if day_first else (second, first)
        if not 1 <= number_of_month <= 12:
            return tuple(map(str, numbers))
        month = MONTHS[number_of_month - 1]
    return tuple(str(part) for part in (year, month, day) if part is not None)


def date_after(day: str, text: str, position: int) -> tuple[tuple[str, ...], int] | None:
    """The words of a date whose day was written in words, and where it ends; None if no month follows at ``position``.
    ``day`` is the day in digits, such as ``14th``."""
    month = _DAY_IN_WORDS.match(text, position)
    if month is None or not day[:-2].isdecimal() or not 1 <= int(day[:-2]) <= 31:
        return None
    return date_words(f"{day} {month[1]} {month[2] or ''}"), month.end()


@functools.cache
def _units() -> tuple[dict[str, tuple[str, ...]], re.Pattern[str]]:
    """Maps every spelling of a unit to its normalised words; and the pattern that finds a unit after a number."""
    spellings: dict[str, tuple[str, ...]] = {}
    for locale in map(_locale, ("en", "en_GB")):
        for unit, styles in _locale("en").unit_patterns.items():
            main = _plain(styles.get("long", {}).get("one", ""))
            for style in ("long", "short") if main else ():
                for form, pattern in locale.unit_patterns.get(unit, {}).get(style, {}).items():
                    if form in ("one", "other") and pattern.count("{0}") == 1:
                        spellings.setdefault(_plain(pattern), tuple(main.split()))
    for spelling, main in _MORE_UNITS.items():
        spellings.setdefault(spelling, tuple(main.split()))
    spellings = {spelling: main for spelling, main in spellings.items() if spelling and spelling not in _NOT_UNITS}
    longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
    forms = "|".join(r"\s+".join(map(re.escape, spelling.split())) for spelling in longest_first)
    return spellings, re.compile(rf"[\s-]*({forms})(?!(?![\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3])\w)", re.IGNORECASE)


def unit_at(text: str, position: int) -> tuple[tuple[str, ...], int] | None:
    """The normalised words of the unit that follows a number ending at ``position``, and where the unit ends."""
    if position >= len(text):
        return None
    spellings, pattern = _units()
    match = pattern.match(text, position)
    if match is None:
        return None
    unit, end = spellings[" ".join(match[1].lower().split())], match.end()
    if "per" not in unit and (per := _PER.match(text, end)):
        name = per[1].lower()
        denominator = (_DENOMINATORS[name],) if name in _DENOMINATORS else spellings.get(name)
        if denominator is not None:
            return (*unit, "per", *denominator), per.end()
    return unit, end


def unit_of_symbol(symbol: str) -> tuple[str, ...] | None:
    """The normalised words of the unit that a symbol stands for; None if it is not the symbol of a unit."""
    return _units()[0].get(symbol.lower())


@functools.cache
def currency_plurals() -> dict[str, str]:
    """Maps the English plural of every currency to its singular: ``pesos`` to ``peso``."""
    plurals: dict[str, str] = {}
    for forms in _locale("en").currency_plurals:
        one, other = (forms.get(form, "").split()[-1:] for form in ("one", "other"))
        if one and other and one != other:
            plurals[other[0].casefold()] = one[0].casefold()
    return plurals


@functools.cache
def currency_names() -> frozenset[str]:
    """The English names of currencies in lower case, in the singular: "norwegian krone"."""
    forms = _locale("en").currency_plurals
    return frozenset(form["one"].casefold() for form in forms if "one" in form)


class _Locale:
    """The parts of a CLDR locale that are used here."""

    def __init__(self, name: str) -> None:
        from babel import Locale

        locale = Locale.parse(name)
        self.unit_patterns = locale._data["unit_patterns"]
        self.currency_plurals = [dict(forms) for forms in locale._data["currency_names_plural"].values()]


_locale = functools.cache(_Locale)


def _plain(pattern: str) -> str:
    """The name of a unit, taken from its CLDR pattern."""
    return " ".join(pattern.replace("{0}", " ").lower().split())
