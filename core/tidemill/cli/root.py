"""The `tidemill` command itself: its sub-commands by name, global options, and how
errors leave the process.

A sub-command's module is imported only when it is used. The texts that `tidemill
--help` shows stand here for that reason; a test holds them equal to the commands' own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, cast

import click

from tidemill._version import __version__
from tidemill.cli import console, exits
from tidemill.cli.suggest import did_you_mean
from tidemill.errors import TidemillError

COMMANDS: Final = {
    "validate": "Check .tide files and report every mistake.",
    "fmt": "Lay .tide files out in the one canonical way.",
    "run": "Run a pipeline on this machine.",
    "runs": "List recent runs.",
    "status": "Show a run and its tasks.",
    "why": "Say why a step ran, or did not.",
    "logs": "Show what steps printed.",
    "approve": "Approve a step that waits for it, or reject it.",
    "cancel": "Cancel a run.",
    "retry": "Run again what failed in a run, and what depends on it.",
    "plan": "Show what applying files would do.",
    "apply": "Make files' pipelines those of the fleet.",
    "pipelines": "List the pipelines that were applied.",
    "trigger": "Start a run of a pipeline that was applied.",
    "emit": "Send an event to the fleet.",
    "triggers": "Show the triggers of the fleet, or of a PIPELINE.",
    "schedules": "Show the schedules of a pipeline that was applied, or of all.",
    "pause": "Pause the schedules of a pipeline, or one schedule.",
    "resume": "Let the paused schedules of a pipeline, or one, go on.",
    "backfill": "Make the runs of a schedule for a time that has passed.",
    "workers": "Show the workers of the fleet, and cordon them.",
    "notify": "See to it that people are told.",
    "up": "Start a scheduler, a worker and a NATS server here.",
    "scheduler": "Schedule the fleet's runs.",
    "worker": "Carry out the steps of a pool.",
    "server": "Answer requests over HTTP: webhooks.",
    "db": "Look after the database.",
    "artifacts": "Look after files that steps have put out.",
    "graph": "Draw the graph of a pipeline.",
    "explain": "Explain a diagnostic code.",
    "secrets": "Say which provider has a secret, never its value.",
    "init": "Write what one starts from.",
    "plugins": "List plugins, and what they offer.",
    "doctor": "Check this machine and project for trouble.",
}
"""In the order in which a newcomer meets them."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"tidemill.cli.commands.{cmd_name}")
        return cast(click.Command, module.command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with:  tidemill validate release.tide && tidemill run release.tide",
)
@click.option("-C", "--project", metavar="DIR", help="Work as if started in DIR.")
@click.option("--local", is_flag=True, help="Look at this project's own runs, not at the fleet's.")
@click.option("--no-color", is_flag=True, help="No colour; the variable NO_COLOR does the same.")
@click.version_option(__version__, prog_name="tidemill", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, project: str | None, local: bool, no_color: bool) -> None:
    """Pipelines as code: checked before they run, the same on a laptop and on a fleet."""
    ctx.color = console.colour_allowed(no_color)
    console.enter(project, local=local)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, and turns every expected end of it into an exit code."""
    console.forgive_characters()
    try:
        result = root.main(arguments, prog_name="tidemill", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message(), err=True)
        return exits.USAGE
    except click.ClickException as error:
        console.complain(error.format_message(), _usage_hint(error))
        return exits.USAGE
    except TidemillError as error:
        console.report(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted", err=True)
        return exits.CANCELLED
    except BrokenPipeError:
        return _reader_gone()
    return result if isinstance(result, int) else exits.OK


def _usage_hint(error: click.ClickException) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.ctx.command_path} --help"
    return ""


def _reader_gone() -> int:
    """Whoever read our output has left (`tidemill runs | head -1`): end quietly, and
    keep the interpreter from complaining when it flushes at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.BROKEN_PIPE
