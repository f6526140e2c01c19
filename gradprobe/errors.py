"""The exceptions a caller would catch.

Every message names the argument, what was expected, what came, and the remedy.
"""


class GradprobeError(Exception):
    """Base of every error that gradprobe raises on purpose."""


class InputError(GradprobeError, ValueError):
    """An argument, a table, a path or an option that cannot be used as given."""


class MeasurementError(GradprobeError, RuntimeError):
    """A measurement that cannot be made on this model or these losses."""


class TraceError(GradprobeError, ValueError):
    """A stored trace that cannot be read: truncated, foreign, or from a later version."""


class TrainingError(GradprobeError, RuntimeError):
    """A training run that cannot continue, such as one whose loss is no longer finite."""


class MissingExtraError(GradprobeError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """The error to raise when an optional package is absent.

    >>> str(missing_extra("rdkit", "molecules"))
    "rdkit is not installed; install it with: pip install 'gradprobe[molecules]'"
    """
    return MissingExtraError(f"{package} is not installed; install it with: pip install 'gradprobe[{extra}]'")


def reason_for(error: Exception) -> str:
    """An exception as a record keeps it: our own sentences alone, others with the name of their kind.

    >>> reason_for(InputError("jobs: expected a number")), reason_for(KeyError("x"))
    ('jobs: expected a number', "KeyError: 'x'")
    """
    return str(error) if isinstance(error, GradprobeError) else f"{type(error).__name__}: {error}"


def quoted(error: Exception) -> str:
    r"""What a library complains of, in one line that a terminal can show: some quote the bytes of a file.

    >>> quoted(ValueError("type:\n \x1b[2J")), quoted(EOFError())
    ('type: ?[2J', 'EOFError')
    """
    words = " ".join(str(error).split()) or type(error).__name__
    return "".join(sign if sign.isprintable() else "?" for sign in words)
