"""``--freeze-layers`` as the tutorial family writes it: alone, or with True or False behind it."""

from genus.errors import UsageError

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def with_explicit_truth(arguments: list[str]) -> list[str]:
    """A bare ``--freeze-layers`` gets its ``True``, so that a folder behind it is not taken for its value."""
    result: list[str] = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1].lower() if place + 1 < len(arguments) else ""
        result.append(argument)
        if argument == "--freeze-layers" and following not in _WORDS:
            result.append("True")
    return result


def truth(word: str) -> bool:
    """``False`` means false. Raises UsageError for anything but true, false, yes, no, 1 and 0."""
    if word.lower() not in _WORDS:
        raise UsageError(f"--freeze-layers cannot be '{word}'. Choose True or False.")
    return _WORDS[word.lower()]
