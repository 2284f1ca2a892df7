"""Result files in Parquet, JSON and safetensors that carry digests, which are compared whenever they are read.

A changed bit anywhere in a file is an error that names the file. Other programs read these files as usual, because the digests are in
the metadata of the format. `diffzero.utils.row_files` has the same for arrays with one row per image.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffzero.utils.io import write_atomically
from diffzero.utils.parquet_digests import open_parquet, parquet_provenance, to_parquet
from diffzero.utils.provenance import (
    KEY,
    NO_DIGEST,
    Provenance,
    ResultFileError,
    Settings,
    Sources,
    damaged,
    dump,
    link_sources,
    require_place,
    require_signature,
    sha256,
    sign,
)
from diffzero.utils.row_files import RowFile

if TYPE_CHECKING:
    import pandas as pd


def write_parquet(
    frame: "pd.DataFrame", path: Path, sources: Sources | None = None, settings: Settings | None = None
) -> None:
    """Write a data frame as Parquet, without its index. `link_sources` describes the other parameters."""
    write_atomically(path, to_parquet(frame, link_sources(path, sources, settings)))


def read_parquet(path: Path | str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read a Parquet file, or some columns of it without reading the others.

    Raises
    ------
    DamagedFileError
        If the file is not what `write_parquet` wrote.
    """
    import pandas as pd

    with open_parquet(Path(path), columns) as file:
        return pd.read_parquet(file, columns=None if columns is None else list(columns))


def write_record(
    value: Mapping[str, Any],
    path: Path,
    sources: Sources | None = None,
    settings: Settings | None = None,
    digest: str | None = None,
) -> None:
    """Write a JSON object.

    Parameters
    ----------
    value
        The object.
    path
        The file.
    sources, settings
        See `link_sources`.
    digest
        What identifies the object for files that are made from it; default: the digest of the whole object.
    """
    provenance = link_sources(path, sources, settings, digest or sha256(dump(dict(value)).encode()))
    content = {**value, KEY: provenance.to_json()}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, sign(f"{text}\n".encode()))


def read_record(path: Path | str) -> Any:
    """Read a JSON object.

    Raises
    ------
    DamagedFileError
        If the file is not what `write_record` wrote.
    """
    content = _read_json(Path(path))
    del content[KEY]
    return content


def _read_json(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    require_signature(data, path)
    content: dict[str, Any] = json.loads(data)
    require_place(path, Provenance.from_json(content[KEY]))
    return content


def write_arrays(
    arrays: Mapping[str, NDArray[Any]], path: Path, sources: Sources | None = None, settings: Settings | None = None
) -> None:
    """Write named arrays as safetensors. `link_sources` describes the other parameters."""
    from safetensors.numpy import save  # not at the top: rendering scenes needs no safetensors

    tensors = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    provenance = link_sources(path, sources, settings, sha256(save(tensors)))
    write_atomically(path, sign(save(tensors, {KEY: dump(provenance.to_json())})))


def read_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read named arrays.

    Raises
    ------
    DamagedFileError
        If the file is not what `write_arrays` wrote.
    """
    from safetensors.numpy import load

    data = Path(path).read_bytes()
    require_signature(data, Path(path))
    require_place(Path(path), _arrays_provenance(Path(path)))
    arrays: dict[str, NDArray[Any]] = load(data)
    return arrays


def _arrays_provenance(path: Path) -> Provenance:
    with path.open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
    return Provenance.from_json(json.loads(json.loads(header)["__metadata__"][KEY]))


def _record_provenance(path: Path) -> Provenance:
    return Provenance.from_json(_read_json(path)[KEY])


def _rows_provenance(path: Path) -> Provenance:
    return RowFile(path).provenance


def _page_provenance(path: Path) -> Provenance:
    data = path.read_bytes()
    require_signature(data, path)
    text = data.decode().rpartition(f'id="{KEY}">')[2].rpartition("</script>")[0]
    return Provenance.from_json(json.loads(text))


READERS = {
    ".html": _page_provenance,
    ".json": _record_provenance,
    ".npy": _rows_provenance,
    ".parquet": parquet_provenance,
    ".safetensors": _arrays_provenance,
}


def read_provenance(path: Path) -> Provenance:
    """Return the provenance of a result file without reading its values.

    Raises
    ------
    DamagedFileError
        If there is none.
    StaleFileError
        If the file was written to another place of a run.
    """
    try:
        provenance = READERS[path.suffix](path)
    except ResultFileError:
        raise
    except (ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise damaged(path, NO_DIGEST) from error
    require_place(path, provenance)
    return provenance


def is_made_from(path: Path, sources: Sources) -> bool:
    """Return whether a result file exists that was made from sources with these digests."""
    try:
        return read_provenance(path).made_from == link_sources(path, sources, None).made_from
    except (OSError, ResultFileError):
        return False


def digests_of(paths: Iterable[Path | str]) -> dict[Path, str]:
    """Return the digests of the values of result files by path, as `sources` of a file that is made from them."""
    return {Path(path): digest_of(Path(path)) for path in paths}


def digest_of(path: Path) -> str:
    """Return the digest of the values of a result file, as it states it."""
    return read_provenance(path).digest
