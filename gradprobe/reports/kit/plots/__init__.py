"""The few plots that reports of all kinds draw, each described by its values before it is drawn."""
