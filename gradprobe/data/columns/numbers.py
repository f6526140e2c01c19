"""One cell to a number with its mark and unit, and the decimal comma of a column."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

_NUMBER = r"[-+]?\s?(?:\d[\d.,'’ ]*|[.,]\d+)(?:[eE][-+]?\d+)?"
_ERROR = rf"(?:\s*(?:±|\+\s?/\s?-|\+-)\s*{_NUMBER}|\s*\(\s*(?:±|\+\s?/\s?-)\s*{_NUMBER}\s*\))"
_ONE_UNIT = (
    r"(?:%|°\s?[CF]|[fpnuµmckM]?(?:M|mol|mole|molar|g|gram|L|l|m|s|sec|Da|V|J|cal|Pa|eV|Hz)|min|hr?s?|hours?|"
    r"days?|d|ppm|ppb|Å|K|C|bar|atm|mmHg|psi|IU|U|RFU|cells?|fold|x|log\s?units?|units?|eq|wt%|vol%|cP)"
    r"(?:\^?-?\d+|[²³⁻¹]+)?"
)
_UNIT = rf"{_ONE_UNIT}(?:\s*[/·*.\s]\s*(?:10\^?\d+\s*)?{_ONE_UNIT})*"
_MARK = r"<<|>>|<=|=<|>=|=>|<|>|≤|≥|⩽|⩾|==?|~|≈|ca\.?(?=\s)|approx\.?"
_CELL = re.compile(rf"(?P<mark>{_MARK})?\s*(?P<number>{_NUMBER})(?P<error>{_ERROR})?\s*(?P<unit>{_UNIT})?")

Mark = Literal["exact", "below", "above", "about"]
_MARKS: dict[str, Mark] = {
    **dict.fromkeys(("<", "<<", "<=", "=<", "≤", "⩽"), "below"),
    **dict.fromkeys((">", ">>", ">=", "=>", "≥", "⩾"), "above"),
    **dict.fromkeys(("~", "≈"), "about"),
    **dict.fromkeys(("=", "==", ""), "exact"),
}


@dataclass(frozen=True)
class Cell:
    """A number as written (digits, points, commas), its mark, and what stands around it."""

    number: str
    mark: Mark
    unit: str
    has_error: bool


def parse_cell(text: str) -> Cell | None:
    """The parts of a cell, or None where it is no number.

    >>> parse_cell("> 1,234 nM")
    Cell(number='1,234', mark='above', unit='nM', has_error=False)
    >>> parse_cell("5.2 ± 0.3").has_error, parse_cell("5-10"), parse_cell("2021-05-03")
    (True, None, None)
    """
    match = _CELL.fullmatch(text)
    if match is None:
        return None
    unit = re.sub(r"\s+", " ", match["unit"] or "").strip()
    return Cell(
        number=match["number"].strip(),
        mark=mark_of(match["mark"] or "") or "about",
        unit="µ" + unit[1:] if re.match(r"u[A-Za-z]", unit) else unit,
        has_error=match["error"] is not None,
    )


def mark_of(text: str) -> Mark | None:
    """How a qualifier bounds the number beside it, or None where it is no qualifier.

    >>> mark_of("<="), mark_of("="), mark_of("IC50")
    ('below', 'exact', None)
    """
    return _MARKS.get(text.strip())


Convention = Literal["point", "comma"]


@dataclass(frozen=True)
class Ambiguous:
    """Why the numbers of a column can be read in two ways, and one of them."""

    reason: str
    example: str


def convention_of(  # noqa: PLR0911 - one return a case
    numbers: Collection[str], *, decimal_comma_file: bool
) -> Convention | Ambiguous:
    """Whether a column's decimal sign is the point or the comma; the other one groups thousands.

    `1,22`, `0,5` and `1.234,5` show a decimal comma; `1,234.5` and `1,234,567` a comma of thousands. `1,234`
    alone is either: thousands where the column has decimal points or whole numbers from 100 to 999 beside
    it, decimals where the file writes decimal commas elsewhere, and else ambiguous.

    >>> convention_of(["1,22", "5"], decimal_comma_file=False)
    'comma'
    >>> convention_of(["1,234", "2,500"], decimal_comma_file=False).example
    '1,234'
    """
    bodies = {_body(number): number for number in numbers}
    commas = [body for body in bodies if "," in body]
    points = [body for body in bodies if "." in body]
    comma_decimal = next(
        (b for b in commas if _matches(b, r"\d*,(\d{1,2}|\d{4,})|0+,\d+|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+")),
        None,
    )
    comma_thousands = next(
        (b for b in commas if _matches(b, r"\d{1,3}(,\d{3})+\.\d*|[1-9]\d{0,2}(,\d{3}){2,}")), None
    )
    point_decimal = next(
        (
            b
            for b in points
            if _matches(b, r"\d*\.(\d{1,2}|\d{4,})?|0+\.\d+|\d{4,}\.\d+|\d{1,3}(,\d{3})+\.\d*")
        ),
        None,
    )
    if comma_decimal and comma_thousands:
        return Ambiguous(
            "commas stand for decimals in some cells and for thousands in others", bodies[comma_thousands]
        )
    if comma_decimal:
        if point_decimal:
            return Ambiguous("points and commas both stand for decimals", bodies[point_decimal])
        groups = [b for b in points if "," not in b]
        if groups and not any(_matches(b, r"\d{1,3}(\.\d{3})+,\d+") for b in commas):
            return Ambiguous("a point beside decimal commas may mean thousands", bodies[groups[0]])
        return "comma"
    if comma_thousands or not commas:
        odd = next((b for b in points if _matches(b, r"[1-9]\d{0,2}(\.\d{3})+")), None)
        if not commas and odd and not point_decimal and decimal_comma_file:
            return Ambiguous("the file writes decimal commas, so a point may mean thousands", bodies[odd])
        return "point"
    return _only_groups_of_three(bodies, commas, points, decimal_comma_file)


def value_of(number: str, convention: Convention) -> float | None:
    """The value of a number as written, or None where its signs make no number.

    >>> value_of("1.234,5", "comma"), value_of("1 234.5", "point"), value_of("1,2,3", "point")
    (1234.5, 1234.5, None)
    """
    thousands, decimal = (r"\.", ",") if convention == "comma" else (",", r"\.")
    shape = rf"([-+]?)\s?(\d+|\d{{1,3}}(?:(?:{thousands}|['’ ])\d{{3}})+)?(?:{decimal}(\d*))?([eE][-+]?\d+)?"
    match = re.fullmatch(shape, number)
    if match is None or not (match[2] or match[3]):
        return None
    whole = re.sub(r"\D", "", match[2] or "")
    value = float(f"{match[1]}{whole or '0'}.{match[3] or '0'}{match[4] or ''}")
    # Squares of larger numbers overflow.
    return value if abs(value) < 1e150 else None


def _only_groups_of_three(
    bodies: dict[str, str], commas: list[str], points: list[str], decimal_comma_file: bool
) -> Convention | Ambiguous:
    if decimal_comma_file:
        return "comma"
    whole = [int(body) for body in bodies if body.isdigit() and len(body) < 18]
    if points or (whole and max(whole) < 1000 and max(whole) >= 100):
        return "point"
    return Ambiguous("a comma before three digits may mean thousands or decimals", bodies[commas[0]])


def _body(number: str) -> str:
    return (
        re.sub(r"[eE][-+]?\d+$", "", number.lstrip("+- ")).replace(" ", "").replace("'", "").replace("’", "")
    )


def _matches(body: str, shape: str) -> bool:
    return re.fullmatch(shape, body) is not None
