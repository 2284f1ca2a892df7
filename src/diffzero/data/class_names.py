"""Compare class names: exactly after Unicode normalisation. Near names are only suggested, never matched."""

import difflib
import json
import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator

SHOWN = 40  # as many names as a message shows


def nfc(name: str) -> str:
    """Return a name in Unicode's normal form C: macOS stores `é` in file names as two characters."""
    return unicodedata.normalize("NFC", name)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that a user may have meant by `name`, for a message; None if none is near."""
    folded = _fold(name)
    equal = [other for other in known if folded and _fold(other) == folded]
    by_lower_case = {other.casefold(): other for other in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), by_lower_case, n=1, cutoff=0.8)
    return equal[0] if equal else by_lower_case[close[0]] if close else None


def _fold(name: str) -> str:
    """Return a name without case, spaces, underscores and punctuation."""
    text = unicodedata.normalize(
        "NFKC", name
    ).casefold()  # with compatibility: fullwidth letters and ligatures are near, too
    return "".join(letter for letter in text if letter.isalnum() or unicodedata.category(letter) == "So")  # So: emoji


def source_classnames_to_write(found: Sequence[str], known: Sequence[str]) -> str:
    """Return the key `source_classnames` that a data set needs for a source with the names `found`.

    Parameters
    ----------
    found : sequence of str
        The names in the source, in its order.
    known : sequence of str
        The names that the data set expects, in the order of its labels.

    Returns
    -------
    str
        The key as YAML: per class the source's name, or `?` where none is equal or near.
    """
    rest = [name for name in found if nfc(name) not in set(map(nfc, known))]
    names = []
    for name in known:
        equal = [other for other in found if nfc(other) == nfc(name)]
        near = nearest(name, rest)
        names.append(equal[0] if equal else near or "?")
        rest = [other for other in rest if other != names[-1]]
    if set(names) == {"?"} and len(found) == len(known):
        names = list(found)
    shown = [json.dumps(name, ensure_ascii=False) for name in names[:SHOWN]] + ["..."] * (len(names) > SHOWN)
    return f"source_classnames: [{', '.join(shown)}]"


def check_names(names: list[str], kind: str = "name") -> list[str]:
    """Return the names, or templates.

    Raises ValueError for one that does not read as it is written (blank, with invisible characters or outer spaces), and for two that
    differ but are equal after normalisation. Equal ones are allowed: ImageNet has them.
    """
    for number, name in enumerate(names, start=1):
        if defect := _defect(name):
            advice = "Write it without" if name.strip() else "Write its text or remove it"
            raise ValueError(f"found {kind} {number}, {name!r}, with {defect}. {advice}.")
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(nfc(name), name)
        if other != name:
            raise ValueError(
                f"found the {kind}s {ascii(other)} and {ascii(name)}, which look the same: they are equal after Unicode "
                "normalisation (NFC). Remove one, or write both alike if two classes share the name."
            )
    return names


def _defect(name: str) -> str:
    """Return what is wrong with a name; an empty string if nothing is."""
    if not name.strip():
        return "only spaces" if name else "no text"
    hidden = [letter for k, letter in enumerate(name) if _is_invisible(letter, name[:k])]
    if hidden:
        title = unicodedata.name(hidden[0], "control character")
        return f"an invisible character, U+{ord(hidden[0]):04X} ({title.lower()})"
    return "a space before or after it" if name != name.strip() else ""


def _is_invisible(letter: str, before: str) -> bool:
    """Return whether a character is a control, has no width, or is a space other than the usual and the ideographic one."""
    category = unicodedata.category(letter)
    if "VARIATION SELECTOR" in unicodedata.name(letter, ""):
        return not before or unicodedata.category(before[-1]) not in {
            "So",
            "Sm",
            "Sk",
            "Po",
            "Nd",
            "Lo",
        }  # of emoji and Han
    is_other_space = category == "Zs" and letter not in " \u3000"
    return (
        category in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        or is_other_space
        or letter in "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    )


ClassNames = Annotated[list[str], AfterValidator(check_names)]
