"""Files of many formats to columns of cells, before anything is understood."""

from gradprobe.data.formats.open import ENDINGS, read_cells, stem_of
from gradprobe.data.formats.raw import RawTable

__all__ = ["ENDINGS", "RawTable", "read_cells", "stem_of"]
