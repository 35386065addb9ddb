from biweekly.reports.habits import MONTHS, RUN_IN, RUN_IN_HEADS


def test_every_month_has_its_names_in_lower_case() -> None:
    assert set(MONTHS.values()) == set(range(1, 13))
    assert all(name == name.lower() for name in MONTHS)


def test_a_misprint_leads_to_a_head_that_is_none() -> None:
    right = {name for name, meant in RUN_IN_HEADS.items() if name == meant}
    assert set(RUN_IN_HEADS.values()) == right


def test_a_run_in_head_has_a_colon_or_a_line_of_its_own() -> None:
    assert RUN_IN.match("BACKGROUND: it rose")
    assert RUN_IN.match("BACKGROUND ")
    assert not RUN_IN.match("BACKGROUND noise is rising")
    assert not RUN_IN.match("Background: it rose")
