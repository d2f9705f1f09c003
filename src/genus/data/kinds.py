"""What files and folders are by their names: pictures, other files, and what genus itself has written."""

import os
from pathlib import Path

from genus.data.formats import SUFFIXES

UNREADABLE = {
    suffix: name
    for name, suffixes in {
        "camera raw": ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 "
        ".rwl .sr2 .srf .srw .x3f",
        "Photoshop": ".psd .psb",
        "drawing": ".svg .svgz .eps .ai .emf .wmf .cdr",
        "JPEG XL": ".jxl",
        "JPEG XR": ".jxr .wdp .hdp",
        "icon": ".ico .icns .cur",
        "GIMP": ".xcf",
        "Krita": ".kra .ora",
        "medical": ".dcm .dicom .nii .nrrd .mha .mhd",
        "microscope": ".czi .lif .lsm .nd2 .oib .oif .vsi .svs .ndpi .scn .mrxs .bif",
        "astronomy": ".fits .fit .fts",
        "high dynamic range": ".exr .hdr",
        "old bitmap": ".tga .pcx .sgi .ras .xbm .xpm .pict .pct .iff .lbm .jng .mng .dds .cin .dpx",
        "new bitmap": ".qoi .flif .bpg .jls",
        "DjVu": ".djvu .djv",
    }.items()
    for suffix in suffixes.split()
}
"""Of pictures that genus cannot read: the kind, as messages call it."""

ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar"})
TABLES = frozenset({".csv", ".tsv", ".tab", ".txt"})
OTHER_TABLES = frozenset({".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet", ".feather", ".h5", ".sqlite", ".db"})

_BEGUN_RUN = ("split.json", "metrics.jsonl", "bad_files.csv", "checkpoint.safetensors", "best.safetensors")
_DEPTH = 4  # of folders in folders, as in cache/features/files/<table>
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"})


def suffix_of(name: str) -> str:
    """``.jpg`` of ``Rose.JPG``: in lower case, without blanks; empty where there is no dot."""
    return os.path.splitext(name)[1].strip().lower()  # noqa: PTH122 (a Path for each of a million names takes seconds)


def is_hidden(name: str) -> bool:
    """Does a file or folder of this name belong to the system, or is it hidden?"""
    return name.startswith(".") or name.lower() in _SYSTEM


def may_be_picture(name: str) -> bool:
    """By its suffix; a name without any may be a picture, too."""
    return suffix_of(name) in SUFFIXES or "." not in name


def is_output(folder: str | Path, depth: int = _DEPTH) -> bool:
    """Is ``folder`` a run (finished, or begun), explanations, an evaluation, a table of features, what ``genus demo``
    left, or a folder of nothing but these?"""
    if is_written(folder) or (_holds(folder, "run", "flowers") and is_written(Path(folder) / "run")):
        return True
    inner = inner_folders(folder)
    if inner is None:
        return False
    if not inner:
        return _holds(folder, "config.toml")  # a run that ended before its first result
    filled = [name for name in inner if any(not is_hidden(entry) for entry in os.listdir(name))]  # noqa: PTH208
    return depth > 0 and bool(filled) and all(is_output(name, depth - 1) for name in filled)


def is_written(folder: str | Path) -> bool:
    """Does ``folder`` itself hold the files that genus writes?"""
    if _holds(folder, "genus.json") or _holds(folder, "explanations.csv"):
        return True
    if _holds(folder, "metrics.json", "confusion.csv"):
        return True
    if _holds(folder, "about.json"):
        return any(Path(folder).glob("*.keys"))
    return _holds(folder, "config.toml") and any(_holds(folder, name) for name in _BEGUN_RUN)


def _holds(folder: str | Path, *names: str) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in names)  # noqa: PTH110, PTH118 (a million folders)


def inner_folders(folder: str | Path) -> list[str] | None:
    """The folders in ``folder``; None where it also holds what may be a picture, or cannot be read."""
    inner = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    inner.append(entry.path)
                elif may_be_picture(entry.name):
                    return None
    except OSError:
        return None
    return inner
