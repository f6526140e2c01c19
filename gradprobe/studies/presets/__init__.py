"""Presets: studies of one question each, as options of a comparison and the claims to test.

Each is a TOML file beside this one; `read_preset` reads it.
"""

from gradprobe.studies.presets.preset import Preset, list_presets, read_preset
from gradprobe.studies.presets.resolve import claims_of

__all__ = ["Preset", "claims_of", "list_presets", "read_preset"]
