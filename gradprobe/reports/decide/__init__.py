"""The report of a decision: what to do about the auxiliaries, and what that rests on."""
