"""Compare class names: exactly after Unicode normalisation. Near names are only suggested, never matched."""

import difflib
import json
import unicodedata
from collections.abc import Sequence

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
    return "".join(letter for letter in nfc(name).casefold() if letter.isalnum())


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
