"""`python -m customhouse`."""

from customhouse.cli.main import run

if __name__ == "__main__":
    run()
