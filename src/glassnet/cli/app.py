"""The command `glassnet`: its subcommands, and their exit statuses.

In: the arguments of the process. Out: an exit status: 0 done, 1 failure, 2 wrong use or bad input,
130 interrupted. Each error is one line on standard error; `--debug` shows the traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from glassnet.cli.bench import bench
from glassnet.cli.check import check
from glassnet.cli.compare import compare
from glassnet.cli.data import data
from glassnet.cli.evaluate import evaluate
from glassnet.cli.explain import explain
from glassnet.cli.fit import fit
from glassnet.cli.look import look
from glassnet.cli.play import play
from glassnet.cli.predict import predict
from glassnet.cli.rerun import rerun
from glassnet.cli.resume import resume
from glassnet.cli.runs import runs
from glassnet.cli.show import show
from glassnet.cli.status import DONE, FAILED, INTERRUPTED, WRONG_USE
from glassnet.cli.step import step
from glassnet.cli.terminal import guarded
from glassnet.cli.wording import GIVEN, error_text
from glassnet.errors import GlassnetError, TrainingError
from glassnet.version import __version__
from glassnet.visible import make_visible

app = typer.Typer(
    name="glassnet",
    rich_markup_mode=None,  # importing rich's boxes takes longer than everything else
    help="Feed-forward neural networks: fit a table, predict, and see how good it is.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
COMMANDS = (
    look, fit, predict, evaluate, explain, step, resume, rerun, runs, compare, check, show, data,
    play, bench,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"glassnet {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (with any command).")
    ] = False,
) -> None:
    """Options of all commands; both are handled before a command runs."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process."""
    with guarded():
        _main(arguments)


def _main(arguments: Sequence[str] | None) -> NoReturn:
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    before, typed = signal.signal(signal.SIGTERM, _terminate), GIVEN.set(tuple(given))
    try:
        status = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        status = _forget_output(DONE)
    except (KeyboardInterrupt, typer.Abort):
        status = _say("interrupted", INTERRUPTED, debug)
    except GlassnetError as error:
        status = _say(
            error_text(error), FAILED if isinstance(error, TrainingError) else WRONG_USE, debug
        )
    except MemoryError:
        status = _say("there is not enough memory; use fewer rows or columns", FAILED, debug)
    except OSError as error:
        status = _forget_output(_say(_about_output(error), WRONG_USE, debug))
    except Exception as error:
        text = f"internal error, {type(error).__name__}: {error}; please report it with --debug"
        status = _say(text, FAILED, debug)
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
        GIVEN.reset(typed)
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    program: Any = typer.main.get_command(app)
    try:
        status = program.main(args=arguments, prog_name="glassnet", standalone_mode=False)
    except typer.Exit as done:
        status = done.exit_code
    except SystemExit as left:
        # The argument parser exits with 1 if the reader of its output has closed the pipe.
        if isinstance(left.__context__, BrokenPipeError):
            raise left.__context__ from None
        raise
    except Exception as error:
        # The argument parser's errors; their classes have moved between releases.
        if not hasattr(error, "format_message"):
            raise
        return _wrong_use(error)
    if status == INTERRUPTED:
        return _say("interrupted", INTERRUPTED, False)
    return status if isinstance(status, int) else DONE


def _wrong_use(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return WRONG_USE
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "glassnet"
    return _say(f"{error.format_message().rstrip('.')}; see {path} --help", WRONG_USE, False)


def _say(text: str, status: int, debug: bool) -> int:
    """Print one line on standard error, and return `status`."""
    if debug:
        sys.excepthook(*sys.exc_info())  # pyright: ignore[reportArgumentType]
    print(f"glassnet: {make_visible(' '.join(text.split()))}", file=sys.stderr, flush=True)
    return status


def _about_output(error: OSError) -> str:
    reason = error.strerror or error
    if error.filename is not None:
        return f"{error.filename}: {reason}; check that it exists and its permissions"
    return f"standard output cannot be written: {reason}; write to a file with -o"


def _forget_output(status: int) -> int:
    """Close standard output, else Python would report the broken pipe again at exit; return
    `status`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
