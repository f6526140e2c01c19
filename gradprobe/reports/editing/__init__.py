"""The report of an editing study."""
