"""One photo under two labels."""

from collections.abc import Iterator

from genus.data.checks.finding import Examined, Finding
from genus.data.leaks import find_contradictions
from genus.errors import plural


def contradictions(data: Examined) -> Iterator[Finding]:
    """Copies and near copies under different labels."""
    if found := find_contradictions(data.members):
        one, other, *_ = found[0]
        yield Finding(
            "contradiction",
            "serious",
            f"{plural(len(found), 'photo')} under two labels: {data.name(one.path)} is '{one.label}', "
            f"{data.name(other.path)} is '{other.label}'.",
            "Look at them, keep the right label, and remove the other copy. (If they differ in what counts, as a small "
            "animal before a fixed camera, both may be right.)",
            tuple(tuple(member.path for member in members) for members in found),
        )
