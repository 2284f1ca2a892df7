"""What a source is called, and which of a repository's files are its own: the loader's answers, which `check` gives, too."""

from pathlib import PurePosixPath

from diffzero.config import Archive, Digits, Hub, Source, Webdataset


def where(source: Source) -> str:
    """A source in a few words: what a message, a log and the record of the selection call it."""
    match source:
        case Digits():
            return "scikit-learn's digits"
        case Hub() | Webdataset():
            return f"{source.repo} at {source.revision[:12]}, {source.split}"
        case Archive():
            return ", ".join(file.url for file in source.files)
    return source.path


def is_of(source: Hub | Webdataset, name: str) -> bool:
    """Whether a repository's file holds something of the split.

    Parquet: `{config}/{split}-00000-of-00001.parquet`, or `{config}/{split}/0000.parquet`.
    """
    if isinstance(source, Webdataset):
        return name.startswith(f"{source.split}/") or (name == "classnames.txt" and not source.names)
    path = PurePosixPath(name)
    folders = path.parts[:-1]
    of_split = path.stem == source.split or path.stem.startswith(f"{source.split}-") or source.split in folders
    return path.suffix == ".parquet" and of_split and (source.config is None or source.config in folders)
