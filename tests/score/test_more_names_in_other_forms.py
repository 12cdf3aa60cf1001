"""Amounts in words, abbreviated, misspelled and shortened names, as the main scorer reads them in whole answers."""

from __future__ import annotations

import pytest

from inversion.score import judge


def _label(response: str, context: str, parametric: str) -> str:
    return judge(response, context.split("/"), parametric.split("/"), None, "What is the answer to this?").label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("It cost two and a quarter million dollars.", "$2.25 million", "$3.5 million", "context"),
        ("It cost three and a half million dollars.", "$2.25 million", "$3.5 million", "parametric"),
        ("Nine point four million people live there.", "9.4 million", "4.9 million", "context"),
        ("Half a million people came.", "500,000", "300,000", "context"),
        ("Three quarters of a million people came.", "750,000", "250,000", "context"),
        ("A quarter of a million people came.", "750,000", "250,000", "parametric"),
        ("$6.5 mil, I believe.", "$6.5 million", "$6.5 billion", "context"),
        ("He paid £3m for it.", "£3 million", "£2 million", "context"),
        ("The loan was 4m euros.", "€4 million", "€9 million", "context"),
        ("$2.5B", "$2.5 billion", "$2.5 million", "context"),
        ("It holds 5k seats.", "5,000", "6,000", "context"),
        ("It grew by three point five percent.", "3.5%", "5.3%", "context"),
        ("It lasts one and a half hours.", "90 minutes", "60 minutes", "context"),
        ("It lasts an hour and a half.", "60 minutes", "90 minutes", "parametric"),
        ("Half an hour.", "30 minutes", "50 minutes", "context"),
        ("Two hours and a half.", "2.5 hours", "2 hours", "context"),
        ("A hundred and twenty.", "120", "112", "context"),
        ("There are 3½ rooms.", "3.5", "3", "context"),
        ("There are a dozen.", "12", "10", "context"),
        ("There are two dozen.", "12", "24", "parametric"),
        ("half a dozen", "6", "12", "context"),
        ("Half a century.", "50 years", "40 years", "context"),
        # another number, another unit, no number
        ("It cost two and a half million dollars.", "$2.25 million", "$3.5 million", "neither"),
        ("It cost $6.5 mil.", "$6.5 billion", "$7 billion", "neither"),
        ("It is 3m wide.", "3 million", "2 million", "neither"),
        ("It is 3m wide.", "£3 million", "£2 million", "neither"),
        ("Seven point two million", "7 million", "2 million", "neither"),
        ("eleven and a half", "11", "12", "neither"),
        ("At one point two of them left.", "1.2", "3", "neither"),
        ("a baker's dozen", "12", "10", "neither"),
        ("A dozen or so.", "12", "10", "neither"),
        ("The Dirty Dozen", "12", "10", "neither"),
        ("half a dozen", "12", "10", "neither"),
        ("half past two", "2.5", "3", "neither"),
        ("Two and a half hours.", "2 hours", "3 hours", "neither"),
    ],
)
def test_amounts_in_words(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("Nearly two years", "22 months", "16 months", "context"),
        ("almost three weeks", "12 days", "20 days", "parametric"),
        ("Just over 8 km.", "8,100 m", "5,000 m", "context"),
        ("Just under 30,000 feet.", "29,032 feet", "19,340 feet", "context"),
        ("nearly three years", "almost three years", "five years", "context"),
        ("around 40", "about 40", "about 60", "context"),
        ("more than 40", "over 40", "over 60", "context"),
        ("nearly ten years", "110 months", "60 months", "context"),
        # too far, on the wrong side, or the other answer is near too
        ("Nearly two years", "16 months", "9 months", "neither"),
        ("Nearly two years", "26 months", "16 months", "neither"),
        ("Just over two years", "22 months", "16 months", "neither"),
        ("Nearly two years", "22 months", "23 months", "neither"),
        ("Nearly two years", "22 months", "20 months", "neither"),
        ("Nearly 20 °C", "19 °C", "9 °C", "neither"),
        ("Nearly 20 percent", "19 percent", "9 percent", "neither"),
        ("Nearly two kilograms", "1900 meters", "9 meters", "neither"),
        ("about two years", "22 months", "16 months", "neither"),
        ("more than the rainbow", "over the rainbow", "under the moon", "neither"),
        ("not 40", "about 40", "about 60", "neither"),
    ],
)
def test_approximations(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("Oxfam Intl.", "Oxfam International", "Unicef", "context"),
        ("Oxfam Int'l", "Oxfam International", "Unicef", "context"),
        ("Oxfam Int\u2019l", "Oxfam International", "Unicef", "context"),
        ("the Natl. Rifle Assoc.", "National Rifle Association", "Boy Scouts", "context"),
        ("Tulane Univ.", "Tulane University", "Rice University", "context"),
        ("Rice Univ", "Tulane University", "Rice University", "parametric"),
        ("the Dept. of Energy", "Department of Energy", "Department of Defense", "context"),
        ("the Pasteur Inst. in Paris", "Pasteur Institute", "Curie Institute", "context"),
        ("Microsoft Corporation", "Microsoft Corp.", "Apple Inc.", "context"),
        ("Warner Bros.", "Warner Brothers", "Universal Studios", "context"),
        ("Fort Sumter", "Ft. Sumter", "Ft. Knox", "context"),
        ("Gov. Dewey", "Governor Dewey", "Governor Lehman", "context"),
        ("Professor Plum", "Prof. Plum", "Colonel Mustard", "context"),
        ("Col. Mustard", "Prof. Plum", "Colonel Mustard", "parametric"),
        ("Doctor Zhivago", "Dr. Zhivago", "Doctor Faustus", "context"),
        ("Robert Downey Junior", "Robert Downey Jr.", "Chris Evans", "context"),
        ("Baker St.", "Baker Street", "Fleet Street", "context"),
        # another word of the name, or another thing that the abbreviation stands for
        ("Oxfam Inst.", "Oxfam International", "Unicef", "neither"),
        ("Emory Univ.", "Tulane University", "Rice University", "neither"),
        ("the Dept. of State", "Department of Energy", "Department of Defense", "neither"),
        ("Ft. Bragg", "Fort Sumter", "Fort Knox", "neither"),
        ("Prof. Green", "Professor Plum", "Colonel Mustard", "neither"),
        ("Prof. Mustard", "Professor Plum", "Colonel Mustard", "parametric"),
        ("Ford Co.", "Ford Corporation", "Apple Inc.", "neither"),
        ("Robert Downey Sr.", "Robert Downey Jr.", "Chris Evans", "neither"),
        ("Acme Inst.", "Acme Institute", "Acme Institution", "neither"),
    ],
)
def test_abbreviated_words(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("Gorzongola", "Gorgonzola", "Taleggio", "neither"),  # more than two letters are moved
        ("Perscutto", "prosciutto", "pancetta", "neither"),
        ("Worcershtershire", "Worcestershire", "Devon", "neither"),
        ("Marscapone", "ricotta", "mascarpone", "parametric"),
        ("Schwarzengeger", "Arnold Schwarzenegger", "Sylvester Stallone", "context"),
        ("Mendelhsson", "Felix Mendelssohn", "Robert Schumann", "context"),
        ("Mendelsoshn", "Felix Mendelssohn", "Robert Schumann", "context"),
        ("Shotsakovich", "Dmitri Shostakovich", "Sergei Prokofiev", "context"),
        ("Tchaikosvky", "Pyotr Tchaikovsky", "Sergei Prokofiev", "context"),
        ("Michealangelo", "Michelangelo", "Raphael", "context"),
        ("Michleangelo", "Michelangelo", "Raphael", "context"),
        ("Machielvelli", "Machiavelli", "Petrarch", "neither"),
        ("Kirkegaard", "Søren Kierkegaard", "Hegel", "context"),
        ("Copehnagen", "Copenhagen", "Stockholm", "context"),
        ("Copengahen", "Copenhagen", "Stockholm", "neither"),
        ("Reyjkavik", "Reykjavik", "Oslo", "context"),
        ("Reykavijk", "Reykjavik", "Oslo", "context"),
        # other words with the same letters
        ("conservation", "conversation", "silence", "neither"),
        ("the Calvary", "cavalry", "infantry", "neither"),
        ("Mascarpone", "Marscapone", "mascarpone", "parametric"),
        ("Niger", "Nigeria", "Ghana", "neither"),
        ("Nigeria", "Niger", "Ghana", "neither"),
        ("Guinea-Bissau", "Guinea", "Ghana", "neither"),
        ("Dominica", "Dominican Republic", "Cuba", "neither"),
    ],
)
def test_letters_out_of_place(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("the Modern Art Museum", "Museum of Modern Art", "Frick Collection", "context"),
        ("the Museum of Natural History", "Natural History Museum", "Science Museum", "context"),
        ("the Gallery Borghese", "Borghese Gallery", "Pitti Palace", "context"),
        ("the Institute for Advanced Study", "Advanced Study Institute", "Rand", "context"),
        ("in the Kröller Museum", "Museum Kröller van der Meer/Kröller", "Rijksmuseum", "context"),
        ("the Guggenheim Museum", "Solomon R. Guggenheim Museum", "Whitney Museum", "context"),
        ("the Thyssen Museum in Madrid", "Museum Thyssen-Bornemisza/Thyssen", "Prado", "context"),
        ("the Library of Huntington", "Huntington Library", "Morgan Library", "context"),
        ("the Boerhaave Museum", "Frick Collection", "Museum Boerhaave", "parametric"),
        # another institution
        ("the Peggy Guggenheim Museum", "Solomon R. Guggenheim Museum", "Whitney Museum", "neither"),
        ("the Guggenheim Museum Bilbao", "Solomon R. Guggenheim Museum", "Whitney Museum", "neither"),
        ("Washington University", "University of Washington", "Yale University", "neither"),
        ("Miami University", "University of Miami", "Yale University", "neither"),
        ("the Victoria Museum", "Victoria and Albert Museum", "British Museum", "neither"),
        ("the American Museum", "American Folk Art Museum", "British Museum", "neither"),
        ("the Modern Museum", "Museum of Modern Art", "British Museum", "neither"),
        ("the Art Museum", "Museum of Modern Art", "British Museum", "neither"),
        ("the Rotterdam Museum", "Museum Rotterdam van Gelder", "Prado", "neither"),
        ("the Boijmans Gallery", "Museum Boijmans Van Beuningen", "Prado", "neither"),
    ],
)
def test_names_of_institutions(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label


@pytest.mark.parametrize(
    ("response", "context", "parametric", "label"),
    [
        ("Santa Ágata", "Saint Agatha/Agatha", "Saint Cecilia/Cecilia", "context"),
        ("San Martín", "Saint Martin", "Saint Nicholas", "context"),
        ("Sankt Martin", "Saint Martin", "Saint Nicholas", "context"),
        ("Santa Cecilia", "Saint Agatha/Agatha", "Saint Cecilia/Cecilia", "parametric"),
        ("São Sebastian", "Saint Sebastian", "Saint Nicholas", "context"),
        # another saint, a city, no saint
        ("Santa Lucia", "Saint Agatha/Agatha", "Saint Cecilia/Cecilia", "neither"),
        ("San Francisco", "Saint Francis", "Saint Nicholas", "neither"),
        ("in Santa Barbara", "Saint Barbara", "Saint Nicholas", "neither"),
        ("Santa Barbara, California", "Saint Barbara", "Saint Nicholas", "neither"),
        ("Santa Claus", "Saint Agatha", "Saint Cecilia", "neither"),
    ],
)
def test_saints_in_other_languages(response: str, context: str, parametric: str, label: str) -> None:
    assert _label(response, context, parametric) == label
