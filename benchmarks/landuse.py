"""Land classes of the third national land survey (三调) and how often each is met, for synthetic parcels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LandClass:
    """One 地类: code, name, and what of the other fields follows from it."""

    code: str
    name: str
    share: float
    """Relative number of parcels, hilly south-west of China, before a county's own mix."""
    state: float = 0.05
    """Share of parcels under state ownership (国有)."""
    settled: bool = False
    """Whether 城镇村属性码 CZCSXM applies."""
    width: float = 0.0
    """Typical width in metres of a linear class (线状地物宽度), else 0."""


LAND_CLASSES = (
    LandClass("0101", "水田", 12.0),
    LandClass("0102", "水浇地", 1.0),
    LandClass("0103", "旱地", 16.0),
    LandClass("0201", "果园", 5.0),
    LandClass("0201K", "可调整果园", 0.3),
    LandClass("0202", "茶园", 1.5),
    LandClass("0204", "其他园地", 3.0),
    LandClass("0204K", "可调整其他园地", 0.2),
    LandClass("0301", "乔木林地", 15.0, 0.15),
    LandClass("0302", "竹林地", 3.0),
    LandClass("0305", "灌木林地", 6.5, 0.1),
    LandClass("0307", "其他林地", 5.0),
    LandClass("0307K", "可调整其他林地", 0.2),
    LandClass("0401", "天然牧草地", 0.8, 0.3),
    LandClass("0403", "人工牧草地", 0.1),
    LandClass("0404", "其他草地", 3.5),
    LandClass("05H1", "商业服务业设施用地", 1.0, 0.6, True),
    LandClass("0508", "物流仓储用地", 0.3, 0.6, True),
    LandClass("0601", "工业用地", 1.2, 0.6, True),
    LandClass("0602", "采矿用地", 0.4, 0.3, True),
    LandClass("0701", "城镇住宅用地", 0.8, 0.8, True),
    LandClass("0702", "农村宅基地", 10.0, 0.0, True),
    LandClass("08H1", "机关团体新闻出版用地", 0.5, 0.7, True),
    LandClass("08H2", "科教文卫用地", 0.6, 0.8, True),
    LandClass("0809", "公用设施用地", 0.4, 0.7, True),
    LandClass("0810", "公园与绿地", 0.2, 0.8, True),
    LandClass("09", "特殊用地", 0.4, 0.7, True),
    LandClass("1001", "铁路用地", 0.1, 1.0, False, 20.0),
    LandClass("1003", "公路用地", 1.2, 0.7, False, 8.5),
    LandClass("1004", "城镇村道路用地", 1.2, 0.6, True, 7.0),
    LandClass("1005", "交通服务场站用地", 0.2, 0.8, True),
    LandClass("1006", "农村道路", 5.0, 0.0, False, 4.0),
    LandClass("1101", "河流水面", 1.2, 0.9, False, 30.0),
    LandClass("1103", "水库水面", 0.4, 0.5),
    LandClass("1104", "坑塘水面", 3.0),
    LandClass("1104A", "养殖坑塘", 0.3),
    LandClass("1104K", "可调整养殖坑塘", 0.1),
    LandClass("1106", "内陆滩涂", 0.3, 0.8),
    LandClass("1107", "沟渠", 1.0, 0.2, False, 3.0),
    LandClass("1109", "水工建筑用地", 0.2, 0.8),
    LandClass("1201", "空闲地", 0.2, 0.3, True),
    LandClass("1202", "设施农用地", 0.8),
    LandClass("1206", "裸土地", 0.3, 0.4),
    LandClass("1207", "裸岩石砾地", 0.4, 0.5),
)

# 田坎系数 by slope grade 1..5 and 耕地类型 (PD 坡地, TT 梯田): flat land has none. Values of the usual size.
RIDGE_SHARE = np.array([[0.0, 0.0], [0.0612, 0.0838], [0.0987, 0.1243], [0.1325, 0.1682], [0.1701, 0.2094]])


def draw_classes(place: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Index into `LAND_CLASSES` per parcel; `place` is its village, which leans its own way.

    The county's mix spreads around the shares above, and every village's around the county's, so that
    classes cluster in space as they do on the ground.
    """
    share = np.array([land.share for land in LAND_CLASSES])
    county = share * rng.lognormal(0.0, 0.6, len(share))
    village = county * rng.lognormal(0.0, 0.5, (int(place.max()) + 1, len(share)))
    below = np.cumsum(village, axis=1) / village.sum(axis=1, keepdims=True)
    below[:, -1] = 1.0
    index: NDArray[np.int64] = (rng.random(len(place))[:, None] >= below[place]).sum(axis=1)
    return index
