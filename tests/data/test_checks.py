import numpy as np
import pytest

from gradprobe.data import MIN_LABELS, check_tasks
from gradprobe.errors import InputError
from tests.data._tables import chains, table_of

N = 30
RISING = list(np.linspace(0.0, 1.0, N))
SOME = [*RISING[:MIN_LABELS], *[np.nan] * (N - MIN_LABELS)]


def test_usable_tasks_pass() -> None:
    check_tasks(table_of(chains(N), a=RISING, b=SOME, c=[0.0, 1.0] * (N // 2)), "b")


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (
            {"solubility": RISING, "b": RISING},
            "focal: expected one of the tasks 'solubility', 'b', got 'Solubilty'",
        ),
        ({"Solubilty": RISING}, "at least two, got only 'Solubilty'"),
        (
            {"Solubilty": [np.nan, *SOME[: MIN_LABELS - 1], *SOME[MIN_LABELS:]], "b": RISING},
            "got 19; leave it out",
        ),
        ({"Solubilty": RISING, "b": [2.5] * N}, "different labels of 'b', got 2.5 in all"),
        ({"Solubilty": RISING, "b": [0.3, 0.1 + 0.2] * (N // 2)}, "different labels of 'b', got 0.3 in all"),
        ({"Solubilty": RISING, "b": [1.0] * N}, "different labels of 'b', got 1 in all"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(tasks: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_tasks(table_of(chains(N), **tasks), "Solubilty")
