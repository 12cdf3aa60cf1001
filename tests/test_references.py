"""References of the configuration's tables (``module:function``) lead to functions that take what they are given."""

from pkgutil import resolve_name

import pytest

from inversion.config.sets import SET_FORMATS

REFERENCES = {f"set format {name}": form.read for name, form in SET_FORMATS.items()}


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=REFERENCES)
def test_every_reference_leads_to_a_function(reference: str) -> None:
    assert callable(resolve_name(reference))
