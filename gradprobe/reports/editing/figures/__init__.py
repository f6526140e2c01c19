"""The figures of an editing report, one a file: `draw` draws it, `describe` says in words what it shows."""
