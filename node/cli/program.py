"""The command `guotu`: global options, and one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from gc import set_threshold
from pathlib import Path
from typing import Any, NoReturn

import click

from guotu.model.errors import GuotuError
from node.cli import exit_codes
from node.cli.audit import audit
from node.cli.catalogue import catalogue
from node.cli.collections import collections
from node.cli.count import count
from node.cli.datasets import datasets
from node.cli.dematerialize import dematerialize
from node.cli.diff import diff
from node.cli.distinct import distinct
from node.cli.examples import examples
from node.cli.explain import explain
from node.cli.failure import report, report_os_error
from node.cli.gc import gc
from node.cli.help_form import HelpContext, with_help
from node.cli.histogram import histogram
from node.cli.materialize import materialize
from node.cli.materialized import materialized
from node.cli.nearest import nearest
from node.cli.node import node
from node.cli.nodes import nodes
from node.cli.overlay import overlay
from node.cli.package import package
from node.cli.pin import pin, unpin
from node.cli.publish import publish
from node.cli.quantiles import quantiles
from node.cli.query import query
from node.cli.receipt import receipt
from node.cli.replicas import replicas
from node.cli.session import Session
from node.cli.stats import stats
from node.cli.stop_signal import StopSignal
from node.cli.store import store
from node.cli.subscribe import subscribe
from node.cli.unsubscribe import unsubscribe
from node.cli.usage import in_both_languages
from node.cli.verify import verify
from node.cli.versions import versions
from node.without import without_pandas

_RARELY = 50_000
"""Objects made before the first look for garbage: loading libraries makes many, hardly any of them garbage, and takes
an eighth less time."""
_FILE = click.Path(dir_okay=False, path_type=Path)


class Program(click.Group):
    """Runs commands; what they return is the exit code, what they raise is shown once, here."""

    context_class = HelpContext

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as wrong:
            raise in_both_languages(wrong) from wrong

    def invoke(self, ctx: click.Context) -> NoReturn:
        """Run the command and end with its exit code."""
        try:
            code = super().invoke(ctx)
        except GuotuError as error:
            code = report(error, _wants_json(ctx))
        except click.UsageError as wrong:
            raise in_both_languages(wrong) from wrong
        except BrokenPipeError:  # whoever read our output has enough of it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = exit_codes.BROKEN_PIPE
        except OSError as failure:
            code = report_os_error(failure, _wants_json(ctx))
        except (KeyboardInterrupt, click.Abort):
            click.echo("已中断 interrupted", err=True)
            code = exit_codes.INTERRUPTED
        ctx.exit(code or exit_codes.OK)


def _wants_json(context: click.Context) -> bool:
    return isinstance(context.obj, Session) and context.obj.json


def _print_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"guotu {version('guotu')}")
        context.exit()


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples(
        "guotu nodes",
        'guotu query landcover --where "igbp = 13" --within 510100 -o urban.parquet',
        "guotu stats landcover --group-by igbp --sum area_m2",
    ),
)
@click.option(
    "--node",
    envvar="GUOTU_NODE",
    default="127.0.0.1:7083",
    show_default=True,
    metavar="HOST:PORT",
    help="所问的节点 the node to ask [env GUOTU_NODE]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="时限，秒 deadline in seconds",
)
@click.option("--tls-cert", type=_FILE, help="客户端证书 client certificate, PEM")
@click.option("--tls-key", type=_FILE, help="证书私钥 its private key, PEM")
@click.option("--tls-ca", type=_FILE, help="信任的根证书 trusted certificates, PEM")
@click.option(
    "--config",
    "config_path",
    envvar="GUOTU_CONFIG",
    type=_FILE,
    default=Path("guotu.toml"),
    show_default=True,
    help="节点配置（运维命令用） the node's configuration, for an operator's commands [env GUOTU_CONFIG]",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="版本 show the version"
)
@click.pass_context
def program(context: click.Context, /, **given: Any) -> None:
    """国土 guotu: 分工维护、统一服务 a federated mesh of spatial data nodes."""
    context.obj = Session(**given)


for _command in (
    node, nodes, collections, datasets, versions, diff, query, nearest, count, stats, distinct, histogram,
    quantiles, overlay, explain, receipt, publish, audit, catalogue, subscribe, unsubscribe, replicas, package, verify,
    pin, unpin, gc, materialize, materialized, dematerialize, store,
):  # fmt: skip
    program.add_command(with_help(_command))


def main() -> NoReturn:
    """Run the command line; entry point of the script `guotu`."""
    StopSignal().install()
    without_pandas()
    set_threshold(_RARELY)
    try:
        program(prog_name="guotu")
        code: int | str | None = exit_codes.OK
    except SystemExit as ended:
        code = ended.code
    _leave(code if isinstance(code, int) else exit_codes.OK if code is None else exit_codes.INTERNAL)


def _leave(code: int) -> NoReturn:
    """End the process without taking the interpreter down.

    A thread of gRPC or Arrow that still tidies up while Python ends is broken off inside C++, which aborts the process:
    seen once in some thousand runs, after the work was done.
    """
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)
