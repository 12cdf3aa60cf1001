"""All sections of the page, in its order."""

from errors import studies

SECTIONS = [studies.FILES, studies.KEYS, studies.AGREE]
