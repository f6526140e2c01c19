"""A study along the axes on which its options vary."""
