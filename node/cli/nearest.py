"""`guotu nearest`: the features that are nearest to a place."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.asking_more import AskedNearest
from node.cli.examples import examples
from node.cli.feature_form import deliver_features, feature_form_options, wanted_form
from node.cli.json_option import json_option, pass_session
from node.cli.more_options import nearest_options
from node.cli.session import Session


@click.command(
    short_help="最近要素 the nearest features",
    epilog=examples(
        "guotu nearest dzzhd 104.06 30.67",
        "guotu nearest dltb 104.06 30.67 --k 5 --where \"DLBM LIKE '01%'\" --fields BSM,DLMC",
        "guotu nearest yjjbntbhtb 'LINESTRING(104.1 30.6, 104.3 30.7)' --max-distance 500 -o near.gpkg",
        "guotu nearest 510100/dltb site.geojson --k 1 --json",
    ),
)
@nearest_options
@feature_form_options
@json_option
@pass_session
def nearest(session: Session, asked: AskedNearest, form: str | None, output: Path | None, as_json: bool) -> int:
    """离某处最近的要素 the features that are nearest to a place, the nearest first.

    地点为经度 纬度（EPSG:4490 度）、WKT 或图层文件。首列 distance_m 为 CGCS2000 椭球面上的距离（米），相交为 0。

    The place is longitude and latitude (EPSG:4490, degrees), a WKT text, or a file of shapes. The first column,
    distance_m, is the distance on the ellipsoid of CGCS2000 in metres, 0 where feature and place meet.
    """
    chosen = wanted_form(form, output, as_json)
    with session.client() as mesh:
        question = asked.question()
        with session.answer(mesh, question) as answer:
            return deliver_features(answer, chosen, output, as_json)
