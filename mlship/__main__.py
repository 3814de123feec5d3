"""Runs the command line as `python -m mlship`."""

from mlship.cli.main import main

if __name__ == "__main__":
    main()
