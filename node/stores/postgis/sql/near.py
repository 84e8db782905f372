"""Looking for features near of boxes: by the index over bounding boxes, a window at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guotu.model.hilbert import hilbert_index
from node.stores.postgis.sql.dialect import bbox_sql
from node.stores.sql.identifiers import ROWS
from node.stores.sql.parameters import Parameters

Floats = NDArray[np.float64]
_MOST_WINDOWS = 64
"""Windows of a statement; what the index finds for each is put together before any row is read."""


def near_condition(boxes: Floats, parameters: Parameters) -> str:
    """Return what is true of features near of boxes (degrees, shape (n, 4)), and perhaps of others."""
    meets = [_meets(window, parameters) for window in _windows(boxes)]
    return f"({' OR '.join(meets)})"


def _meets(window: list[float], parameters: Parameters) -> str:
    sides = ", ".join(parameters.bind(side, "double precision") for side in window)
    return f"{bbox_sql(ROWS)} && ST_MakeEnvelope({sides})"


def _windows(boxes: Floats) -> list[list[float]]:
    """Return boxes, or the boxes around neighbours of them, if they are many."""
    if len(boxes) > _MOST_WINDOWS:
        order = np.argsort(hilbert_index(*((boxes[:, :2] + boxes[:, 2:]) / 2).T), kind="stable")
        first = np.linspace(0, len(boxes), _MOST_WINDOWS, endpoint=False).astype(np.int64)
        low = np.minimum.reduceat(boxes[order, :2], first)
        high = np.maximum.reduceat(boxes[order, 2:], first)
        boxes = np.concatenate([low, high], axis=1)
    windows: list[list[float]] = boxes.tolist()
    return windows
