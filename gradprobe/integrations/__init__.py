"""Thin adapters to the libraries people already train with; each is imported by name, when it is used."""
