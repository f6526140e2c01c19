"""The live view of a trace that is being written."""
