"""Attacks on what gradprobe promises: a slow campaign, whose figures stand in docs/reliability.md."""
