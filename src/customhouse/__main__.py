"""`python -m customhouse`, and the command itself: a small module, so that Ctrl-C is heard from the first moment."""

import signal
import sys

INTERRUPTED = 128 + signal.SIGINT
"""As shells expect of a program that was interrupted."""


def run() -> None:
    """Load the command line and run it. An interrupt while it loads is no error of anyone."""
    try:
        from customhouse.cli.main import run as run_command  # here, because loading takes a while
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted while starting; nothing was left behind\n")
        sys.exit(INTERRUPTED)
    run_command()


if __name__ == "__main__":
    run()
