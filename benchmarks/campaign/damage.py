"""Ways to damage bytes: what disks, transfers, editors and hostile senders do."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence

Damage = Callable[[bytes, random.Random], bytes]

# What parsers stumble over.
_TOKENS: Sequence[bytes] = (
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\n\n", b"PAR1", b"\x1f\x8b"),
    *(b'"', b"'", b'"""', b",", b";", b"\t", b"#", b"=", b"[" * 3000, b"]", b"{" * 500, b"}"),
    *(b"9" * 5000, b"-0.0", b"1e999", b"-1e-999", b"nan", b"inf", b"Infinity", b"null", b"true", b"0x10"),
    *(
        b"\x1b[31m",
        b"\x1b]0;x\x07",
        "\u202e".encode(),
        "\u0660".encode(),
        b"=cmd|' /C calc'!A0",
        b"1979-05-27",
    ),
    *(b"../../x", b"/etc/passwd", b"C" * 30000, b"C1" * 400),
)
_VALUES: Sequence[object] = (
    *(None, True, -1, 0, -0.5, 1e308, 10**400, "", "x", "\x1b[2J", "../..", "/", "9" * 50),
    *([], {}, [[]], {"a": {}}, ["a", 1]),
)
_NUMBER = re.compile(rb"\d")


def flip(content: bytes, draw: random.Random) -> bytes:
    """One to eight bits."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 8) if changed else 0):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(content: bytes, draw: random.Random) -> bytes:
    """The end, or a part in the middle."""
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:first] if draw.random() < 0.5 else content[:first] + content[last:]


def repeat(content: bytes, draw: random.Random) -> bytes:
    """A part, twice or many times."""
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    times = draw.choice((2, 2, 5, 100 if last - first < 1000 else 2))
    return content[:first] + content[first:last] * times + content[last:]


def insert(content: bytes, draw: random.Random) -> bytes:
    """What parsers stumble over, at one to three places."""
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(content) + 1)
        content = content[:place] + draw.choice(_TOKENS) + content[place:]
    return content


def zero(content: bytes, draw: random.Random) -> bytes:
    """A block of zeros in place of content, as after a crash of the file system."""
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + bytes(last - first) + content[last:]


def digit(content: bytes, draw: random.Random) -> bytes:
    """One digit for another: the damage that no parser sees."""
    places = [match.start() for match in _NUMBER.finditer(content)]
    if not places:
        return flip(content, draw)
    place = draw.choice(places)
    other = draw.choice([d for d in b"0123456789" if d != content[place]])
    return content[:place] + bytes([other]) + content[place + 1 :]


def value(content: bytes, draw: random.Random) -> bytes:
    """One value of a JSON document for another of any type; as `digit` for what is no JSON."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return digit(content, draw)
    holders = list(_holders(document))
    if not holders:
        return digit(content, draw)
    holder, key = draw.choice(holders)
    holder[key] = draw.choice(_VALUES)
    return json.dumps(document).encode()


def empty(content: bytes, draw: random.Random) -> bytes:
    """Nothing at all."""
    return b"" if draw.random() < 0.5 else content[:1]


DAMAGES: Sequence[Damage] = (flip, cut, repeat, insert, zero, digit, value, empty)


def _holders(document: object) -> list[tuple[dict[object, object] | list[object], object]]:
    """Every place of a JSON document, as its container and key."""
    if isinstance(document, dict):
        own = [(document, key) for key in document]
        return own + [place for entry in document.values() for place in _holders(entry)]
    if isinstance(document, list):
        own = [(document, index) for index in range(len(document))]
        return own + [place for entry in document for place in _holders(entry)]
    return []
