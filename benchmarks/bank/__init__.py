"""A bank of synthetic multi-task problems whose best action is known, and what values policies on it."""
