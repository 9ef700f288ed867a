"""`python -m customhouse`, and the command itself: a small module, so that Ctrl-C is heard from the first moment."""

import signal
import sys

INTERRUPTED = 128 + signal.SIGINT
"""As shells expect of a program that was interrupted."""


def run() -> None:
    """Load the command line and run it. An interrupt that no command answers for itself is no error of anyone."""
    try:
        from customhouse.cli.main import run as run_command  # here, because loading takes a while

        run_command()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
