"""Columns of numbers that describe a row rather than measure its molecule."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

import numpy as np

from gradprobe.geometry.gramian import FloatArray

# The shortest run of whole numbers that is taken for a count of the rows.
_MIN_INDEX = 20

# What a column holds whose name is one of these, in lower case with single blanks; "* " stands for any
# words before.
_NAMES: dict[str, tuple[str, ...]] = {
    "a condition of the assay": (r"* assay (ph|temp(erature)?( [ck])?)|ph|temp(erature)?( [ck])?",),
    "a group": (r"* cluster( (id|no|number))?",),
    "an identifier": (
        r"* (id|ids|identifier|cid|sid|aid|cas|casrn|inchikey|accession|registry( number)?|uuid)",
        r"* (result tag|tag|record|serial)( (no|number))?",
        r"rn|key|entry|compound|sample|isid|mdlnumber",
    ),
    "a row number": (
        r"(row|line|index|idx|rank|position|order|unnamed( \d+)?)( (no|number|index))?",
        r"(row|compound|molecule|mol|sample|cmpd) (index|idx|no|number)",
    ),
    "where a sample stood": (
        r"* (plate|well|batch|lot|barcode|vial|rack)( (id|no|number|row|column|position))?",
    ),
    "a date": (r"* (year|date|time ?stamp|month)", r"(run |test )?date .*"),
    "a source": (
        r"* (doi|pmid|pubmed|patent|citation|reference|url|link)( (id|no|number))?",
        r"(first |last )?page|volume|issue|version",
    ),
    "a count of measurements": (
        r"* (replicates?|n (obs|reps?|samples?|assays?)|assay id count)",
        r"* (number|count) of (replicates|assays|measurements|results)",
        r"* (geo ?mean|gmean|mean|median|sd) (n|count)|n|count|num|nobs",
    ),
    "a ligand efficiency": (r"* lig(and)? eff(iciency)?( .*)?", r"* (le|lle|bei|sei|lipe)"),
    "an error of another column": (
        r"* (std ?err(or)?|standard error|std ?dev(iation)?|standard deviation|stdev)( .*)?",
        r"* (error|uncertainty|variance)( .*)?",
        r".+ (se|sem|sd)( log.*)?",
    ),
    "a bound of a confidence interval": (
        r"* (confidence interval|conf int|conf limit|(lower|upper) (bound|ci|95)|ci|ci ?95|95 ?%? ci)"
        r"( (low|high|lower|upper|lo|hi|log)( .*)?)?",
    ),
    "a significance": (r"* (p val(ue)?|pvalue|fdr( bh)?|q value|adj p( val(ue)?)?)",),
    "a parameter of a fit": (
        r"* (hill ?(slope|coeff?(icient)?)?|curve class|fit r ?2|r2 fit|r ?2|r squared)",
        r"fit (hill ?slope|r ?2)( (mean|median|std|sd))?",
    ),
    "a note on the record": (
        r"* (potential duplicate|data validity( .*)?|(molecule )?max phase|activity score|confidence score)",
    ),
    "computed from the structure": (
        r"* (ro5|rule of (five|5|three|3)|lipinski)( violations?)?|# ?ro5 violations?",
        r"(molecular|mol|exact|formula|monoisotopic|full) ?(weight|wt|mass)( .*)?|mw|molwt",
        r"(number of |num |n |# ?)?((rotatable|h ?bond|heavy) .*|aromatic rings?|rings?)( count)?",
        r"alogp|xlogp3?|clogp|slogp|mlogp|cx (logp|logd|acidic pka|basic pka|most .*)|tpsa|psa",
        r"polar surface area|hba|hbd|(hba|hbd) lipinski|qed( weighted)?|np likeness( score)?|inorganic flag",
        r"minimum degree|esol predicted .*",
    ),
}
_SHAPES = [
    (what, re.compile("|".join(shape.replace("* ", "(.* )?", 1) for shape in shapes)))
    for what, shapes in _NAMES.items()
]
# Short words that mean an error only where they follow the name of another column: pEC50 and pEC50_se.
_AFTER_A_COLUMN = {
    **dict.fromkeys(("se", "sem", "err"), "the standard error of {}"),
    **dict.fromkeys(("sd", "std"), "the standard deviation of {}"),
    **dict.fromkeys(("n", "count"), "the number of measurements of {}"),
    **dict.fromkeys(("lcl", "ucl"), "a bound of {}"),
    "var": "the variance of {}",
}


def metadata_by_name(name: str, others: Collection[str]) -> str:
    """What a column of this name holds if it is no measurement, in words; empty where nothing tells.

    >>> metadata_by_name("PUBCHEM_CID", []), metadata_by_name("Document Year", [])
    ('an identifier', 'a date')
    >>> metadata_by_name("pEC50_se", ["pEC50"]), metadata_by_name("se", ["pEC50"])
    ("the standard error of 'pEC50'", '')
    >>> metadata_by_name("refractive_index", []), metadata_by_name("upper explosion limit", [])
    ('', '')
    """
    words = words_of(name)
    stem, _, last = words.rpartition(" ")
    if stem and last in _AFTER_A_COLUMN:
        for other in others:
            if words_of(other) == stem:
                return _AFTER_A_COLUMN[last].format(repr(other))
    return next((what for what, shape in _SHAPES if shape.fullmatch(words)), "")


def metadata_by_content(labels: FloatArray) -> str:
    """What labels [r] are if they only count the rows of the file; empty otherwise."""
    if len(labels) < _MIN_INDEX or np.isnan(labels).any() or labels[0] not in (0.0, 1.0):
        return ""
    return "a count of the rows" if bool(np.all(np.diff(labels) == 1.0)) else ""


def metadata_by_digits(labels: FloatArray) -> str:
    """What labels [r], NaN where missing, are if each reads as a date such as 20210503; empty otherwise."""
    known = labels[~np.isnan(labels)]
    if len(known) < _MIN_INDEX or np.any(known != np.round(known)):
        return ""
    year, month, day = known // 10_000, known // 100 % 100, known % 100
    dates = (year >= 1950) & (year <= 2099) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return "dates, year, month and day without a separator" if bool(dates.all()) else ""


def looks_like_an_identifier(labels: FloatArray) -> bool:
    """Whether labels [r], NaN where missing, are different whole numbers of six digits, as in a registry."""
    known = labels[~np.isnan(labels)]
    return (
        len(known) >= _MIN_INDEX
        and bool(np.all(known >= 100_000) and np.all(known == np.round(known)))
        and len(np.unique(known)) == len(known)
    )


@lru_cache(maxsize=100_000)
def words_of(name: str) -> str:
    """A name's words in lower case, one blank between them.

    >>> words_of("PUBCHEM_SID"), words_of("pIC50 (std.error)"), words_of("StandardValue")
    ('pubchem sid', 'pic50 std error', 'standard value')
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)
    return re.sub(r"[^a-z0-9#µ%+]+", " ", apart.lower()).strip()
