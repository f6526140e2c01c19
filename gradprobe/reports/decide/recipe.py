"""recipe.toml: the recommended action beside averaging, as `gradprobe compare --config` runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gradprobe.records.decide import AVERAGE, DecideManifest
from gradprobe.records.decision import Decision

_NOT_OF_COMPARE = ("decide",)


def recipe(manifest: DecideManifest, decision: Decision) -> str:
    """The options of a comparison that trains the recommended action beside averaging."""
    options: dict[str, Any] = {
        name: value for name, value in manifest.options.items() if name not in _NOT_OF_COMPARE
    }
    auxiliaries = [task.name for task in manifest.tasks[1:]]
    options |= {
        "aux": auxiliaries,
        "encoders": [manifest.encoder],
        "combiners": [AVERAGE],
        "single_task": False,
    }
    action = next((each for each in manifest.actions if each.name == decision.recommended), None)
    if action is not None:
        kept = [task for task in auxiliaries if task not in action.dropped]
        if not kept:
            options["single_task"] = True
        elif action.dropped:
            options["aux"] = kept
        elif action.focal_share is not None:
            options["combiners"] = [AVERAGE, "weighted"]
            own = options.get("combiner_options", {})
            options["combiner_options"] = {**own, "weighted": {"focal_share": action.focal_share}}
        else:
            options["combiners"] = [AVERAGE, action.combiner]
    used = {AVERAGE, *options["combiners"]}
    with_options = options.pop("combiner_options", {})
    tables = {
        "encoder_options": options.pop("encoder_options", {}),
        "combiner_options": {name: own for name, own in with_options.items() if name in used},
    }
    lines = [f"# {line}" for line in decision.sentence.splitlines()]
    lines += [
        f"{_key(name)} = {_value(value)}" for name, value in options.items() if value not in (None, [], {})
    ]
    for table, entries in tables.items():
        for name, own in entries.items():
            lines += ["", f"[{_key(table)}.{_key(name)}]"]
            lines += [f"{_key(each)} = {_value(value)}" for each, value in own.items() if value is not None]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _value(name)


def _value(value: object) -> str:
    """A value as TOML has it: JSON's texts, numbers, truth and lists are TOML's too."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(own)}" for name, own in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
