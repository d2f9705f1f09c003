"""What files and folders are: by their names, and of a file more surely by its first bytes."""

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from genus.errors import PictureError

HEADER_BYTES = 4096
"""First bytes that ``sniff`` needs; 64 do for every picture that genus reads."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".heic", ".heif", ".hif", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".pfm"}
)
"""How the names of pictures end that genus reads."""

UNREADABLE = {
    suffix: name
    for name, suffixes in {
        "camera raw": ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .gpr .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf "
        ".raw .rw2 .rwl .sr2 .srf .srw .x3f",
        "Photoshop": ".psd .psb",
        "drawing": ".svg .svgz .eps .ai .emf .wmf .cdr",
        "JPEG XL": ".jxl",
        "JPEG XR": ".jxr .wdp .hdp",
        "icon": ".ico .icns .cur",
        "GIMP": ".xcf",
        "Krita": ".kra .ora",
        "medical": ".dcm .dicom .nii .nii.gz .nrrd .mha .mhd",
        "microscope": ".czi .lif .lsm .nd2 .oib .oif .vsi .svs .ndpi .scn .mrxs .bif",
        "astronomy": ".fits .fit .fts",
        "high dynamic range": ".exr .hdr",
        "old bitmap": ".tga .pcx .sgi .rgb .ras .xbm .xpm .pict .pct .iff .lbm .jng .mng .dds .cin .dpx .pcd .wbmp",
        "PAM": ".pam",
        "new bitmap": ".qoi .flif .bpg .jls",
        "DjVu": ".djvu .djv",
    }.items()
    for suffix in suffixes.split()
}
"""Of pictures that genus cannot read: the kind, as messages call it."""

ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar"})
TABLES = frozenset({".csv", ".tsv", ".tab", ".txt"})
OTHER_TABLES = frozenset({".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet", ".feather", ".h5", ".sqlite", ".db"})

FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG 2000, PNM"

Role = Literal["read", "picture", "other"]


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is. ``role`` is ``read`` for a picture that genus reads, ``picture`` for one that it cannot read,
    and ``other`` for everything else."""

    name: str
    role: Role

    @property
    def noun(self) -> str:
        """``Photoshop file`` of ``A Photoshop file``."""
        return re.sub("^(an?|the) ", "", self.name, flags=re.IGNORECASE)

    @property
    def refusal(self) -> str:
        """Why a file of this kind is not read, and what to do."""
        if self.role == "picture":
            return f"{self.name} is not supported; save it as one of {FORMATS}"
        return f"looks like {self.name}, not an image"


_READ = (
    ("JPEG", rb"\xff\xd8\xff(?!\xf7)"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("WebP", rb"RIFF.{4}WEBP"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"),  # the length of a header that exists
    ("TIFF", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    ("JPEG 2000", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    ("PNM", rb"P[1-6f]\s+(#[^\n]*\n\s*)*\d+\s"),
)
_BRANDS = {
    "HEIC": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"},
    "AVIF": {b"avif", b"avis"},
}
_MARKUP = rb"[\xef\xbb\xbf\s]*(?=<).*<"
_RAW = "The raw data of a camera"
_PICTURES = (
    (_RAW, rb".{4}ftypcrx |II(U\0|RO|RS)|FUJIFILMCCD-RAW|FOVb|\0MRM"),
    ("A Photoshop file", rb"8BP[SB]"),
    ("A GIMP file", rb"gimp xcf"),
    ("An SVG drawing", _MARKUP + rb"svg\b"),
    ("A PostScript drawing", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("A Windows metafile", rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF"),
    ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("JPEG XR", rb"II\xbc"),
    ("JPEG-LS", rb"\xff\xd8\xff\xf7"),
    ("An icon", rb"\0\0[\x01\x02]\0[^\0]\0|icns"),
    ("DICOM", rb".{128}DICM"),
    ("FITS", rb"SIMPLE  ="),
    ("NIfTI", rb".{344}n[+i]1\0"),
    ("OpenEXR", rb"\x76\x2f\x31\x01"),
    ("Radiance HDR", rb"#\?R"),
    ("DirectDraw", rb"DDS "),
    ("DjVu", rb"AT&TFORM"),
    ("PAM", rb"P7\n"),
    ("A colour PFM", rb"PF\s+\d"),
    ("A microscope's own format (CZI, ND2, LIF)", rb"ZISRAWFILE|\xda\xce\xbe\x0a|\x70\0\0\0.{4}\x2a"),
)
_OTHERS = (
    ("HTML", _MARKUP + rb"(!doctype html|html|head|body)\b"),
    ("a PDF", rb"%PDF"),
    ("a zip archive", rb"PK(\x03\x04|\x05\x06)"),
    ("an archive", rb"\x1f\x8b|Rar!|7z\xbc\xaf|\xfd7zXZ|BZh[1-9]|\x28\xb5\x2f\xfd|.{257}ustar"),
    ("a Python pickle", rb"\x80[\x02-\x05]"),
    ("an array or a table of data", rb"\x93NUMPY|\x89HDF|PAR1|SQLite format 3"),
    ("an Office document", rb"\xd0\xcf\x11\xe0"),
    ("a program", rb"\x7fELF|MZ.{58}|\xfe\xed\xfa|\xcf\xfa\xed\xfe"),
    ("a companion file of macOS", rb"\0\x05\x16[\0\x07]"),
    ("a sound file", rb"ID3[\x02-\x04]|\xff[\xe2-\xe7\xf1-\xf7\xf9-\xfd]|RIFF.{4}WAVE|fLaC|MThd|FORM.{4}AIF|#!AMR"),
    ("a sound file", rb".{4}ftypM4[AB]|OggS.{24}(\x01vorbis|OpusHead|Speex|\x7fFLAC)|\.snd"),
    ("a video", rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xb3\xba]|OggS|FLV\x01|\x30\x26\xb2\x75"),
    ("a video", rb".{4}(moov|mdat|wide|skip)|G.{187}G.{187}G"),
)
_ROLES: dict[Role, tuple[tuple[str, bytes], ...]] = {"read": _READ, "picture": _PICTURES, "other": _OTHERS}
_TABLE = tuple((FileKind(name, role), pattern) for role, rows in _ROLES.items() for name, pattern in rows)
_NOTHING = (
    ("only the Git LFS pointer of a picture; run `git lfs pull`", rb"version https://git-lfs"),
    ("holds nothing but zero bytes", rb"\0+\Z"),
    ("looks like text, not an image", rb"[^\0-\x08\x0e-\x1a\x1c-\x1f\x7f]+\Z"),
)


def sniff(head: bytes) -> FileKind | None:
    """What the first bytes of a file (``HEADER_BYTES`` of them, or all there are) say that it is; None where they say
    nothing, as those of a text do. A file that is or claims to be a picture has the role ``read`` or ``picture``."""
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4]), 64)
        brands = {head[i : i + 4] for i in (8, *range(16, end, 4))}
        for name, known in _BRANDS.items():
            if brands & known:
                return FileKind(name, "read")
    if _is_raw_tiff(head):
        return FileKind(_RAW, "picture")
    for kind, pattern in _TABLE:
        if _compiled(pattern).match(head):
            return kind
    return None


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL | (re.IGNORECASE if pattern.startswith(_MARKUP) else 0))


def refusal(head: bytes) -> str:
    """Why a file that begins like this is no picture that genus reads."""
    if not head:
        return "empty file"
    if kind := sniff(head):
        return kind.refusal
    for reason, pattern in _NOTHING:
        if _compiled(pattern).match(head):
            return reason
    return f"not one of the formats {FORMATS}"


def require_picture(head: bytes) -> FileKind:
    """What the first bytes of a file say, where that is a picture that genus reads. Raises PictureError elsewhere."""
    kind = sniff(head)
    if kind is None or kind.role != "read":
        raise PictureError(refusal(head))
    return kind


def _is_raw_tiff(head: bytes) -> bool:
    """Raw data in a TIFF (CR2, DNG, NEF, ARW), the first picture of which is a thumbnail, or not developed."""
    if head[:4] not in (b"II*\0", b"MM\0*"):
        return False
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(head[at : at + size], order)

    start = number(4, 4)
    fields = {
        number(at, 2): number(at + 8, 2 if number(at + 2, 2) == 3 else 4)
        for at in range(start + 2, min(start + 2 + 12 * number(start, 2), len(head) - 11), 12)
    }
    new_subfile_type, photometric, sub_ifds, dng_version = 254, 262, 330, 50706
    thumbnail_first = fields.get(new_subfile_type, 0) & 1 and sub_ifds in fields
    return (
        head[8:10] == b"CR"
        or bool(thumbnail_first)
        or dng_version in fields
        or fields.get(photometric) in (32803, 34892)
    )


_BEGUN_RUN = ("split.json", "metrics.jsonl", "bad_files.csv", "checkpoint.safetensors", "best.safetensors")
_DEPTH = 4  # of folders in folders, as in cache/features/files/<table>
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"})


def suffix_of(name: str) -> str:
    """``.jpg`` of ``Rose.JPG``: in lower case, without blanks; empty where there is no dot. ``.nii.gz`` is one."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path for each of a million names takes seconds)
    suffix = suffix.strip().lower()
    return ".nii.gz" if suffix == ".gz" and stem.lower().endswith(".nii") else suffix


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
    if _holds(folder, "metrics.json", "confusion.csv") or _holds(folder, "check.json", "check.html"):
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
