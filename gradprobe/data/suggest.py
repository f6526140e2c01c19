"""Names for error messages: what there is, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

_SHOWN = 12


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A clause that names the nearest known name, or nothing where none is near.

    >>> did_you_mean("pec50", ["smiles", "pEC50"])
    "; did you mean 'pEC50'?"
    >>> did_you_mean("melting point", ["smiles", "pEC50"])
    ''
    """
    by_lower = {other.lower(): other for other in reversed(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def listed(names: Sequence[str]) -> str:
    """The names, quoted; of a long list the first dozen and the number of the others.

    >>> listed(["smiles", "pEC50"])
    "'smiles', 'pEC50'"
    """
    text = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"{text} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else text
