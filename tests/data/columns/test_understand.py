import numpy as np
import pytest

from gradprobe.data.columns import NotLabels, Understood, understand
from gradprobe.data.columns.texts import texts_of
from gradprobe.data.formats.raw import objects

NAN = np.nan


def read(*cells: object, **options: object) -> Understood | NotLabels:
    return understand(texts_of(objects(cells)), **options)  # type: ignore[arg-type]


def labels(*cells: object, **options: object) -> list[float]:
    found = read(*cells, **options)
    assert isinstance(found, Understood), found
    return found.values.tolist()


def refused(*cells: object, **options: object) -> NotLabels:
    found = read(*cells, **options)
    assert isinstance(found, NotLabels), found
    return found


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["5,2", "0,45", "-1,5"], [5.2, 0.45, -1.5]),
        (["1.234,5", "17,25"], [1234.5, 17.25]),
        (["1,234.5", "12"], [1234.5, 12.0]),
        (["1,234,567", "12"], [1234567.0, 12.0]),
        (["1,234", "850"], [1234.0, 850.0]),
        (["1 234", "850"], [1234.0, 850.0]),
        (["−5.2", "＜3", "5.2e-3"], [-5.2, 3.0, 0.0052]),
        (["95%", "7.5 %"], [95.0, 7.5]),
        (["5.2 uM", "6µM", "7 μM"], [5.2, 6.0, 7.0]),
        (["3 mL/min/kg", "4.5 mL/min/kg"], [3.0, 4.5]),
        (["5.2 ± 0.3", "6 +/- 1", "7 (±2)"], [5.2, 6.0, 7.0]),
        (["~5", "ca. 6", "=7"], [5.0, 6.0, 7.0]),
        (["yes", "NO", "Yes"], [1.0, 0.0, 1.0]),
        (["Active", "inactive", "Inconclusive"], [1.0, 0.0, NAN]),
        (["+", "-", "+"], [1.0, 0.0, 1.0]),
        ([True, False, None], [1.0, 0.0, NAN]),
        (["TRUE", "0", "1"], [1.0, 0.0, 1.0]),
        (["1.5", "-", "ND", "BLQ", "#N/A", "#DIV/0!", "n.d.", ""], [1.5] + [NAN] * 7),
        ([1, 2.5, None, "3"], [1.0, 2.5, NAN, 3.0]),
    ],
)
def test_cells_are_read_as_a_chemist_means_them(cells: list[object], expected: list[float]) -> None:
    np.testing.assert_array_equal(labels(*cells), expected)


@pytest.mark.parametrize(
    ("cells", "reason", "shown"),
    [
        (["1,234", "2,500"], "may mean thousands or decimals", "1,234"),
        (["1,5", "2.5"], "points and commas both", "2.5"),
        (["5 uM", "3 nM", "7 nM"], "differ in their unit: 'nM' (2) and 'µM' (1)", "5 uM"),
        (["95%", "0.9", "0.8"], "differ in their unit", "95%"),
        (["high", "low", "high"], "2 different texts ('high', 'low'): write classes as 1 and 0", "high"),
        (["aspirin", "caffeine"], "text", "aspirin"),
        (["1", "2", "see note", "5-10"], "2 of 4 cells are no numbers", "see note"),
        (["2021-05-03", "2021-05-04"], "text", "2021-05-03"),
        (["1_000", "2_000"], "text", "1_000"),
        (["", "-", None], "empty", ""),
        ([[1, 2], {"a": 1}, b"\xff"], "text", "[1, 2]"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_left_out_with_a_cell(
    cells: list[object], reason: str, shown: str
) -> None:
    found = refused(*cells)
    assert reason in found.reason
    assert found.text == shown


def test_bounds_are_told_from_values() -> None:
    found = read("<5.4", "> 100", "≥3", "<=2", "7", "'>'8")
    assert isinstance(found, NotLabels) is False
    found = read("<5.4", "> 100", "≥3", "<=2", "7")
    assert isinstance(found, Understood)
    assert found.values.tolist() == [5.4, 100.0, 3.0, 2.0, 7.0]
    assert found.bounds.tolist() == [-1, 1, 1, -1, 0]


def test_a_few_unreadable_cells_count_as_missing_and_are_said() -> None:
    found = read(*map(str, range(9)), "see note")
    assert isinstance(found, Understood)
    assert np.isnan(found.values[9])
    assert found.conversions == ("1 cells that are no numbers count as missing, first 'see note'",)


def test_marks_of_the_user_cover_every_spelling_of_a_number() -> None:
    np.testing.assert_array_equal(
        labels("-999", "-999.0", "5", "fail", missing=["-999", "Fail"]), [NAN, NAN, 5.0, NAN]
    )
    numbers = understand(texts_of(np.array([-999.0, 1.0])), missing=["-999"])
    assert isinstance(numbers, Understood)
    np.testing.assert_array_equal(numbers.values, [NAN, 1.0])


def test_a_point_in_a_file_with_decimal_commas_is_not_guessed() -> None:
    assert "may mean thousands" in refused("1.234", "2.500", decimal_comma_file=True).reason
    assert labels("1,234", "2,500", decimal_comma_file=True) == [1.234, 2.5]
    assert labels("364.86", "371.6", decimal_comma_file=True) == [364.86, 371.6]


@pytest.mark.parametrize(
    ("cells", "warning"),
    [
        ([1.2, 1.5, 1.9, 2.2, -999, -999], "2 labels -999 may mean missing"),
        ([0.2, 0.5, 9999, 0.4], "1 labels 9999 may mean missing"),
        ([1, -1, 1, -1], "two values -1 and 1 look like classes"),
        ([1, 2, 1, 2], "two values 1 and 2 look like classes"),
        ([0, 1, -1, 1], "-1 beside 0 and 1 may mean missing"),
        ([0, 1, 2] * 6, "3 values 0 to 2 look like classes"),
    ],
)
def test_suspicious_numbers_are_warned_about(cells: list[float], warning: str) -> None:
    found = read(*cells)
    assert isinstance(found, Understood)
    assert warning in found.warnings[0]


@pytest.mark.parametrize("cells", [[0, 1, 1, 0], [1.2, 3.4, 5.6], [998.0, 999.0, 1001.0, 1000.0]])
def test_ordinary_numbers_are_not_warned_about(cells: list[float]) -> None:
    found = read(*cells)
    assert isinstance(found, Understood)
    assert found.warnings == ()
