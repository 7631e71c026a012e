"""Publishing a saved model: from a directory, by one commit."""

from __future__ import annotations

import logging
import re
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from evenweave.errors import HubError
from evenweave.hub.files import model_files
from evenweave.hub.uploader import Patience, Upload, Uploader

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

log = logging.getLogger("evenweave")

# The call in our own cards, which must name where the model is to be had.
_USE = re.compile(r'(pipeline\("[\w-]+", model=")[^"]+(")')


def push_folder(
    folder: Path, repo_id: str, *, message: str, token: str | None = None, private: bool | None = None
) -> CommitInfo:
    """Upload the model saved in `folder`; `evenweave push` is this.

    Raises:
        NotFoundError: no model there.
        HubError: not published; says why.
    """
    files = model_files(folder)
    uploader = Uploader(repo_id, token=token, private=private, patience=Patience())
    open_repository(uploader, folder)
    card = files.get("README.md")
    if card is None:
        log.warning("%s: has no README.md; the model goes up without a card", folder)
    else:
        name_repository(card, uploader.repo_id)
    log.info("uploading  %s", ", ".join(files))
    return wait_for(uploader, uploader.submit(Upload(message, files)), folder)


def name_repository(card: Path, repo_id: str) -> None:
    """Let the call that a card of ours shows load the model from where it is published."""
    text = card.read_text(encoding="utf-8")
    named = _USE.sub(rf"\g<1>{repo_id}\g<2>", text)
    if named != text:
        card.write_text(named, encoding="utf-8")


def open_repository(uploader: Uploader, folder: Path) -> None:
    """Create the repository if need be; from then on `uploader.repo_id` has its namespace.

    Raises:
        HubError: it cannot be opened; says what to run later.
    """
    _settled(uploader, uploader.submit(Upload("opening the repository", {})), folder)


def wait_for(uploader: Uploader, future: Future[CommitInfo | None], folder: Path) -> CommitInfo:
    """Return the commit of an upload.

    Raises:
        HubError: it failed; says what to run later.
    """
    done = _settled(uploader, future, folder)
    assert done is not None, "an upload with files makes a commit"
    return done


def _settled(uploader: Uploader, future: Future[CommitInfo | None], folder: Path) -> CommitInfo | None:
    try:
        return uploader.wait(future)
    except HubError as error:
        raise HubError(
            f"not published: {error}. The model is in {folder}; publish it later with: "
            f"{later(folder, uploader.repo_id)}"
        ) from error


def later(folder: str | Path, repo_id: str) -> str:
    """Return the command that publishes a saved model."""
    return f"evenweave push {folder} {repo_id}"
