from __future__ import annotations

from made_items import lost, table

from inversion.analyse.factors import factors


def test_context_reliance_by_each_factor() -> None:
    # the levels alternate: dated items change from the context to memory, undated items do not
    crossed = (["length=long", "tense=past"], ["length=long", "tense=none"])
    frame = table(lost(range(0, 40, 2), n=40), steps=(0, 10, 20), crossed=crossed)
    found = factors(frame).filter(scorer="first_mention")
    rates = {(row["factor"], row["level"], row["moment"]): row["context_rate"] for row in found.iter_rows(named=True)}
    assert rates == {
        ("length", "long", "start"): 0.0,
        ("length", "long", "peak"): 1.0,
        ("length", "long", "end"): 0.5,
        ("tense", "none", "start"): 0.0,
        ("tense", "none", "peak"): 1.0,
        ("tense", "none", "end"): 1.0,
        ("tense", "past", "start"): 0.0,
        ("tense", "past", "peak"): 1.0,
        ("tense", "past", "end"): 0.0,
    }
    row = found.filter(factor="length", moment="end").row(0, named=True)
    assert (row["n"], row["low"] < 0.5 < row["high"]) == (40, True)
    assert factors(table(lost([1]), steps=(0, 10, 20))).is_empty()
