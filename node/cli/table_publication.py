"""One publish from a table, from the operator's side."""

from __future__ import annotations

from guotu.model.collection import Collection
from guotu.model.records import Change
from node.cli.background import in_background
from node.cli.console import say
from node.cli.publication import Publication, Sending
from node.cli.publish_progress import PublishProgressBars
from node.cli.table_order import TableOrder, database_url, table_options
from node.cli.table_sources import TableSources
from node.data_directory import DataDirectory
from node.fingerprints.book import Book
from node.ingest.report import ImportReport
from node.stores.postgis.tables.table import LiveTable


def publish_table(sending: Sending, table: TableOrder, collection: Collection) -> Publication:
    """Publish a table, and keep the fingerprints of its rows for the next time.

    Raises: as `node.cli.publication.run_publication`, and
        InvalidQuestion: no database is named, or its URL cannot be read.
        InvalidTable: there is no such table, or it may not be read.
        DatabaseUnavailable: the database is out of reach.
        InvalidFilter, UnknownField: the filter does not suit the table.
    """
    order, config = sending.order, sending.config
    live = LiveTable(database_url(table.database, config), table.table)
    book = Book(DataDirectory(config.node.data_dir).tables, collection.id)
    with TableSources(live, book, table_options(table), collection, order.force_bounds) as sources:
        _, own = sending.admin.status()
        head = next((record for record in own if record.dataset == sending.dataset), None)
        with PublishProgressBars() as bars:
            tolerance = config.ingest.bounds_tolerance_deg
            for frame in in_background(lambda: sources.prepare(head, tolerance, order.new_series)):
                bars.update(frame)
        if sources.unchanged:
            report = ImportReport(collection.id, sources.describe, sources.rows).joined(sources.findings)
            return Publication(
                sending.dataset, head, False, order.dry_run, report, dict(sources.seconds), change=Change()
            )
        publication = sending.run(sources)
        publication.seconds.update(sources.seconds)
        told = sending.told
        if told is not None and told.dataset is not None and publication.report.ok and not order.dry_run:
            try:
                sources.keep(told.dataset)
            except OSError as failure:
                say(
                    f"指纹未能保存，下次将读取全部 fingerprints were not kept, the next run reads everything: "
                    f"{failure.strerror}",
                    "yellow",
                )
        return publication
