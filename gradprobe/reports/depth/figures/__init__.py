"""The figures of a depth report, one a file: `draw` draws it and `describe` says in words what it shows."""
