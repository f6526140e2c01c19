"""The report of methods on graphs with labelled nodes."""
