"""Runs the command line as `python -m mlship`."""

import os  # and not pathlib, which may not be loaded yet and would be looked for in the current folder
import sys


def _leave_folder() -> None:
    """Take the current folder, which `-m` puts first, out of where Python looks for modules.

    A file there that is called as a library, beside the model that someone sent, would be run in the library's place.
    Where mlship itself lies in that folder, it stays in the last place.
    """
    if sys.flags.safe_path or not sys.path or sys.path[0] not in ("", os.getcwd()):  # noqa: PTH109
        return
    folder = sys.path.pop(0) or os.getcwd()  # noqa: PTH109
    if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == folder:  # noqa: PTH100, PTH120
        sys.path.append(folder)


if __name__ == "__main__":
    _leave_folder()
    from mlship.cli.main import main

    main()
