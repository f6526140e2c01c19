"""The tables of a comparison, each made from its summary."""
