"""Make the gazetteer of administrative divisions that the registry ships.

Run `python -m demo.gazetteer --source DIR`. DIR holds `cn_province.parquet`, `cn_prefecture.parquet` and
`cn_county.parquet`; `registry/data` receives `divisions.csv`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# From the top down. A row is known by (level, code): 820000 is a province and a county.
LEVELS = ("nation", "province", "prefecture", "county")
EDGES = ("xmin", "ymin", "xmax", "ymax")
NATION, NATION_NAME = "100000", "全国"
TARGET = Path(__file__).parent.parent / "registry" / "data" / "divisions.csv"


def divisions(source: Path) -> pa.Table:
    """Return every division below and with the nation, ordered by code, then from the top level down.

    Returns:
        code, name, level, parent: string; xmin, ymin, xmax, ymax: double, degrees, lon/lat, EPSG:4490.

    Raises:
        FileNotFoundError: one of the three files is missing.
        ValueError: a (level, code) occurs twice.
    """
    below = pa.concat_tables([_level(source, level) for level in LEVELS[1:]])
    table = pa.concat_tables([_nation(below), below])
    table = table.append_column("rank", pc.index_in(table["level"], pa.array(LEVELS)))
    table = table.sort_by([("code", "ascending"), ("rank", "ascending")])
    if len(table.group_by(["level", "code"]).aggregate([])) != len(table):
        raise ValueError(f"{source}: the same level and code occur twice")
    return table.drop_columns("rank")


def _level(source: Path, level: str) -> pa.Table:
    """Return the rows of one level; the prefecture file also holds units of other levels."""
    table = pq.read_table(source / f"cn_{level}.parquet", columns=["adcode", "name", "level", "parent", "bbox"])
    table = table.filter(pc.equal(table["level"], level))
    texts = [table[name].cast(pa.string()) for name in ("adcode", "name", "level", "parent")]
    edges = [pc.struct_field(table["bbox"], edge) for edge in EDGES]
    return pa.table([*texts, *edges], names=["code", "name", "level", "parent", *EDGES])


def _nation(below: pa.Table) -> pa.Table:
    """Return the one row of the nation, with the bounds of all rows *below* it and no parent."""
    low = [pc.min(below[edge]).as_py() for edge in EDGES[:2]]
    high = [pc.max(below[edge]).as_py() for edge in EDGES[2:]]
    values = [NATION, NATION_NAME, LEVELS[0], "", *low, *high]
    return pa.table([[value] for value in values], schema=below.schema)


def write_csv(table: pa.Table, path: Path) -> None:
    """Write the divisions as UTF-8 CSV with a header, coordinates with six decimals (about 0.1 m).

    Raises:
        ValueError: a name holds a comma, a quote or a line break, which the file leaves unquoted.
    """
    if pc.any(pc.match_substring_regex(table["name"], '[,"\r\n]')).as_py():
        raise ValueError("column name: a comma, a quote or a line break; the gazetteer is written unquoted")
    columns = table.to_pydict()
    texts = zip(*(columns[name] for name in ("code", "name", "level", "parent")), strict=True)
    edges = zip(*(columns[name] for name in EDGES), strict=True)
    lines = [",".join([*text, *(f"{edge:.6f}" for edge in box)]) for text, box in zip(texts, edges, strict=True)]
    path.write_text("\n".join([",".join(table.column_names), *lines]) + "\n", encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, write the gazetteer and print its number of rows."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.gazetteer", description="生成行政区划名录 make the gazetteer of divisions"
    )
    parser.add_argument("--source", type=Path, required=True, help="源数据目录 folder of the national files")
    parser.add_argument("--target", type=Path, default=TARGET, help="输出文件 file to write")
    options = parser.parse_args(arguments)
    table = divisions(options.source)
    options.target.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table, options.target)
    print(f"{options.target.name}: {len(table)} 行 rows")


if __name__ == "__main__":
    main()
