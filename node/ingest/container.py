"""Where a layer's files are: a plain file, a directory, or one of these inside a zip archive."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_SINGLE = (".shp", ".gpkg", ".geojson", ".json", ".fgb", ".parquet", ".geoparquet", ".csv")
_READ_DIRECTLY = (".parquet", ".geoparquet", ".csv")


@dataclass(frozen=True, slots=True)
class Container:
    """One source of layers."""

    path: Path
    """The file or directory given; the archive, where there is one."""
    inner: str = ""
    """Path inside the archive; empty for the archive's top or where there is no archive."""
    zipped: bool = False

    @property
    def name(self) -> str:
        """Name for reports: of the file, and of what is inside an archive."""
        return f"{self.path.name}/{self.inner}" if self.inner else self.path.name

    @property
    def suffix(self) -> str:
        """Suffix of the innermost name, lower case."""
        return PurePosixPath(self.inner or self.path.name).suffix.lower()

    @property
    def gdal_path(self) -> str:
        """Path as GDAL wants it."""
        if not self.zipped:
            return str(self.path)
        return "/vsizip/{" + str(self.path.resolve()) + "}" + (f"/{self.inner}" if self.inner else "")

    def head(self, name: str, most: int) -> bytes | None:
        """Return the first bytes of a file beside the layer's (or inside its directory); None if there is none.

        `name` is compared without case, because archives made on Windows mix .DBF and .dbf.
        """
        return self._head_zipped(name, most) if self.zipped else self._head_plain(name, most)

    def _head_plain(self, name: str, most: int) -> bytes | None:
        folder = self.path if self.path.is_dir() else self.path.parent
        found = next((item for item in folder.iterdir() if item.name.casefold() == name.casefold()), None)
        if found is None:
            return None
        with found.open("rb") as stream:
            return stream.read(most)

    def _head_zipped(self, name: str, most: int) -> bytes | None:
        inner = PurePosixPath(self.inner)
        folder = inner.parent if inner.suffix else inner
        wanted = str(folder / name).casefold()
        with zipfile.ZipFile(self.path) as archive:
            found = next((item for item in archive.namelist() if item.casefold() == wanted), None)
            if found is None:
                return None
            with archive.open(found) as stream:
                return stream.read(most)


def find_container(path: Path) -> Container:
    """Return what to open for a path.

    Raises:
        ValueError: there is no such file, or an archive holds nothing (or too many things) that can be read; the
            text says which.
    """
    if not path.exists():
        raise ValueError(f"no such file: {path.name}")
    if path.suffix.lower() != ".zip":
        return Container(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if "__MACOSX" not in name]
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a zip archive: {path.name}") from error
    return Container(path, _inside(names), zipped=True)


def _inside(names: Sequence[str]) -> str:
    """Return what to open inside an archive with those entries."""
    geodatabases = {_up_to_gdb(name) for name in names} - {""}
    if geodatabases:
        return _only(sorted(geodatabases))
    files = [name for name in names if name.lower().endswith(_SINGLE)]
    shapes = [name for name in files if name.lower().endswith(".shp")]
    folders = {str(PurePosixPath(name).parent) for name in shapes}
    if len(shapes) > 1 and len(shapes) == len(files) and len(folders) == 1:
        return folders.pop().removeprefix(".")
    inner = _only(files)
    if inner.lower().endswith(_READ_DIRECTLY):
        raise ValueError(f"{inner} cannot be read inside an archive: unpack it first")
    return inner


def _only(found: Sequence[str]) -> str:
    if len(found) != 1:
        raise ValueError(f"the archive holds {', '.join(found) or 'no layer'}: unpack it and name one file")
    return found[0]


def _up_to_gdb(name: str) -> str:
    parts = PurePosixPath(name).parts
    at = next((index for index, part in enumerate(parts) if part.lower().endswith(".gdb")), None)
    return "" if at is None else "/".join(parts[: at + 1])
