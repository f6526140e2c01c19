"""What a run leaves on disk: files that are whole or absent, and the record fields of each kind of study."""
