"""Publishing a saved model: from a directory, by one commit."""

from __future__ import annotations

import logging
import shlex
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from evenweave.errors import HubError
from evenweave.hub.files import model_files
from evenweave.hub.uploader import Patience, Upload, Uploader

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

log = logging.getLogger("evenweave")


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
    if "README.md" not in files:
        log.warning("%s: has no README.md; the model goes up without a card", folder)
    log.info("uploading  %s", ", ".join(files))
    return wait_for(uploader, uploader.submit(Upload(message, files)), folder)


def wait_for(uploader: Uploader, future: Future[CommitInfo | None], folder: Path) -> CommitInfo:
    """Return the commit of an upload.

    Raises:
        HubError: it failed; says what to run later.
    """
    try:
        done = uploader.wait(future)
    except HubError as error:
        raise HubError(
            f"not published: {error}. The model is in {folder}; publish it later with: "
            f"{later(folder, uploader.repo_id)}"
        ) from error
    assert done is not None, "an upload with files makes a commit"
    return done


def finish_before_exit(uploader: Uploader, future: Future[CommitInfo | None], folder: Path) -> None:
    """Let the process end only when an upload that nobody waits for has, or patience."""

    def finish() -> None:
        if future.done():
            return
        log.info("hub: waiting for the upload to %s", uploader.repo_id)
        try:
            wait_for(uploader, future, folder)
        except HubError as error:
            log.warning("hub: %s", error)
        except KeyboardInterrupt:
            log.warning("hub: not published; publish with: %s", later(folder, uploader.repo_id))

    # Not atexit: by then the thread pools that the client uploads with take no more work.
    threading._register_atexit(finish)  # type: ignore[attr-defined]


def later(folder: str | Path, repo_id: str) -> str:
    """Return the command that publishes a saved model."""
    return f"evenweave push {shlex.quote(str(folder))} {shlex.quote(repo_id)}"
