"""The figures of a comparison: each function gives one, or None where there is nothing to draw."""
