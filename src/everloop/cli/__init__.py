"""The command line: one file per verb, imported only when its verb is called."""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import sys
from typing import Any, NoReturn

import click
import msgspec

from everloop.errors import EverloopError, Unavailable, did_you_mean
from everloop.memory import importing
from everloop.verbs import VERBS as VERBS

# Not to be written, or full: of the folder, not of the program.
_OF_THE_PLACE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)


def command_of(verb: str) -> click.Command:
    """The command of a verb; the file of one that Python has as a word ends in ``_``."""
    name = verb + "_" if keyword.iskeyword(verb) else verb
    with importing():
        command: click.Command = importlib.import_module(f"everloop.cli.{name}").command
    return command


class Verbs(click.Group):
    """Finds a verb's module by the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        return command_of(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            hint = did_you_mean(args[0], VERBS) or ""
            raise click.UsageError(f'No verb "{args[0]}". {hint}'.rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(section for _, section in VERBS.values()):
            with formatter.section(section):
                formatter.write_dl([(v, text) for v, (text, s) in VERBS.items() if s == section])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="everloop", message="everloop %(version)s")
def everloop() -> None:
    """Keeps a model in production good, by itself: train, test, deploy, monitor, update.

    Begin with: everloop demo
    """


def main() -> None:
    """Entry point: a mistake of the caller's is one sentence and exit code 2."""
    try:
        everloop(standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        _refuse_usage(error)
        sys.exit(2)
    except EverloopError as error:
        _say(error)
        sys.exit(2)
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("Stopped.", err=True)
        sys.stdout.flush()
        os._exit(130)
    except BrokenPipeError:
        os._exit(141)
    except OSError as error:
        if error.errno not in _OF_THE_PLACE or not error.filename:
            _raise_on(error)
        _say(
            Unavailable(
                f"{os.fsdecode(error.filename)}: {error.strerror}.",
                code="file_unavailable",
                fix="A project writes below its folder; --dir names another one.",
            )
        )
        sys.exit(2)
    except Exception as error:
        _raise_on(error)


def _raise_on(error: Exception) -> NoReturn:
    """A mistake of ours: Python shows where it was made."""
    if _wants_json():
        said = f"everloop failed: {error!r}; the traceback is on standard error."
        _print_error({"code": "internal_error", "message": said})
    raise error


def _wants_json() -> bool:
    return "--json" in sys.argv


def _print_error(parts: dict[str, Any]) -> None:
    click.echo(msgspec.json.encode({"error": parts}).decode())


def _refuse_usage(error: click.ClickException) -> None:
    """A mistake in the options themselves; asking for nothing at all is answered with help."""
    fix = _way_out(error)
    if _wants_json() and not isinstance(error, click.exceptions.NoArgsIsHelpError):
        parts = {"code": "usage", "message": error.format_message()}
        _print_error(parts | ({"fix": fix} if fix else {}))
        return
    error.show()
    if fix:
        click.echo(f"  {fix}", err=True)


def _way_out(error: click.ClickException) -> str:
    """What mends a mistake that is made with a project's folder; "" for others."""
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return ""
    if isinstance(error, click.NoSuchOption) and ctx.command is everloop:
        return f"Options stand after the verb: everloop VERB {error.option_name} …"
    if isinstance(error, click.BadParameter) and error.param and error.param.name == "folder":
        return "Name the folder in which everloop.toml lies."
    takes_folder = any(param.name == "folder" for param in ctx.command.params)
    if takes_folder and "unexpected extra argument" in error.message:
        return "Another folder than this is named by --dir FOLDER."
    return ""


def _say(error: EverloopError) -> None:
    if _wants_json():
        _print_error(error.to_dict())
        return
    click.secho("error: ", fg="red", nl=False, err=True)
    click.echo(error.message, err=True)
    if error.fix and error.fix not in error.message:
        click.echo(f"  {error.fix}", err=True)
