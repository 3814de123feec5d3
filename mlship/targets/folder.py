"""The folder of a bundle: written whole or not at all, and nothing is lost that somebody else put or changed there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mlship.errors import UsageError
from mlship.files import current_umask, sync_directory
from mlship.targets.render import is_script

MARK = "mlship-bundle.json"
"""The file that tells what a bundle holds, and by which a later export knows that it may replace the folder."""


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be replaced.

    Args:
        folder: The folder, which need not be there.
        overwrite: Whether what is there and not ours, or no longer, may be replaced.

    Raises:
        UsageError: It is the current folder or a file; or it is not ours, or somebody changed a file of it.
    """
    if not folder.parent.is_dir():
        raise UsageError(f"There is no folder '{folder.parent}'.", hint=f"mkdir -p '{folder.parent}'")
    if folder.resolve() == Path.cwd():
        raise UsageError("The current folder cannot be replaced by a bundle.", hint="Name a new folder with -o.")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{folder}' is a file; a bundle is a folder.", hint="Name a folder with -o.")
    if overwrite or not folder.is_dir() or not any(folder.iterdir()):
        return
    ours = _ours(folder)
    if not ours:
        raise UsageError(
            f"The folder '{folder}' holds something that mlship did not write.",
            hint="Name a new folder with -o, or replace it with --overwrite.",
            code="output_exists",
        )
    changed = [name for name, digest in ours.items() if _is_other(folder / name, digest)]
    if changed:
        raise UsageError(
            f"'{folder / changed[0]}' was changed after mlship wrote it.",
            hint="Name a new folder with -o, or replace the file with --overwrite.",
            code="output_exists",
        )


def check_names(folder: Path, files: Mapping[str, bytes]) -> None:
    """Refuse files whose names somebody else has taken in a folder of ours.

    Raises:
        UsageError: One is there that mlship did not write.
    """
    ours = _ours(folder)
    for name in files:
        if name != MARK and name not in ours and os.path.lexists(folder / name):
            raise UsageError(
                f"'{folder / name}' is there, and mlship did not write it.",
                hint="Name a new folder with -o, or replace the file with --overwrite.",
                code="output_exists",
            )


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new folder, and give it the name at the end; files that are not ours come along.

    Args:
        folder: The folder, whose parent is there.
        files: The content of each file, by its path below the folder; `MARK` among them, made by `mark`.

    Raises:
        OSError: The system refused.
    """
    folder = folder.resolve()
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        mask = current_umask()
        made.chmod(0o777 & ~mask)
        for name, data in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod((0o777 if is_script(name) else 0o666) & ~mask)
        if folder.is_dir():
            _take_along(folder, made, {MARK, *files, *_ours(folder)})
        _give_name(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def mark(told: Mapping[str, object], files: Mapping[str, bytes]) -> bytes:
    """Return the content of `MARK`: what is told of the bundle, and the sha256 of each of its files."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return (json.dumps({**told, "files": digests}, indent=2) + "\n").encode()


def _ours(folder: Path) -> dict[str, str]:
    """The sha256 of each file that we wrote into a folder, or nothing when it is no bundle."""
    try:
        files = json.loads((folder / MARK).read_bytes())["files"]
        return {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_other(path: Path, digest: str) -> bool:
    """Whether a file is there and another than it was."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() != digest
    except FileNotFoundError:
        return False
    except OSError:  # a folder, or one that we may not read
        return True


def _take_along(folder: Path, made: Path, ours: set[str]) -> None:
    """Have what others put into the old folder in the new one too, such as tokens or a wheelhouse."""
    gone = {parent for name in ours for parent in PurePosixPath(name).parents}  # unless there is something else in them
    modes: list[tuple[Path, int]] = []
    for path in folder.rglob("*"):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        to = made / name
        if path.is_dir() and not path.is_symlink():
            if name not in gone:
                to.mkdir(parents=True, exist_ok=True)
                modes.append((to, stat.S_IMODE(path.stat().st_mode)))
            continue
        if name.as_posix() in ours:
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, to, follow_symlinks=False)
        except OSError:  # a file system without links
            shutil.copy2(path, to, follow_symlinks=False)
    for to, mode in reversed(modes):  # a folder of secrets stays shut
        to.chmod(mode)


def _give_name(made: Path, folder: Path) -> None:
    """Rename, with what was there before moved aside, since a folder with files in it cannot be renamed over."""
    aside = made.with_name(f"{made.name}.old")
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, aside)  # noqa: PTH104  its errors name both
    try:
        os.rename(made, folder)  # noqa: PTH104
    except BaseException:  # Ctrl-C too: what was there must not stay aside
        with contextlib.suppress(FileNotFoundError):
            os.rename(aside, folder)  # noqa: PTH104
        raise
    sync_directory(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)
