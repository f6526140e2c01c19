"""All group gradients from one backward pass, for models that keep the rows of a batch apart."""

from gradprobe.gradients.rowwise.capture import RowwiseCapture
from gradprobe.gradients.rowwise.engine import RowwiseEngine

__all__ = ["RowwiseCapture", "RowwiseEngine"]
