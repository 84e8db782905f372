"""What a saved answer has to tell besides its account, so that its rows can be read back and proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from node.cli.formats.columns import columns_document
from node.cli.formats.losses import Losses
from node.cli.formats.row_order import RowOrder

if TYPE_CHECKING:
    from node.cli.formats import Format


class Kept:
    """Notes of one answer that is being written."""

    def __init__(self, form: Format, schema: pa.Schema) -> None:
        self.order: RowOrder | None = None
        """Set by forms that do not keep the rows in their order."""
        self._form, self._schema = form.name, schema
        self._losses = None if form.exact else Losses(form.heights)

    def update(self, batch: pa.RecordBatch) -> None:
        """Take note of more rows."""
        if self._losses is not None:
            self._losses.update(batch)
        if self.order is not None:
            self.order.update(batch)

    def document(self) -> dict[str, Any]:
        """Return the notes: form, columns with their types, cells that the form does not keep, the rows' order."""
        lost = {} if self._losses is None else self._losses.cells
        order = {} if self.order is None else {"order": self.order.text()}
        return {
            "form": self._form,
            "columns": columns_document(self._schema),
            **({"lost": lost} if lost else {}),
            **order,
        }
