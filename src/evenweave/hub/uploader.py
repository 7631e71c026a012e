"""Uploads to one repository of the Hub, one after the other, from a thread that nobody waits for."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evenweave.data.hub_token import checked_token
from evenweave.errors import HubError, missing
from evenweave.hub.explain import explain
from evenweave.hub.files import name_repository

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

log = logging.getLogger("evenweave")


@dataclass(frozen=True)
class Patience:
    """How long to bear with a network.

    Attributes:
        attempts: tries of one upload, on top of the client's own.
        first_wait: seconds before the second try; doubled each time, up to `longest_wait`.
        answer: seconds that a request may go without a byte.
        end: seconds to wait at the end of a training for uploads that make progress.
        trouble: the same for a Hub that does not answer or fails.
    """

    attempts: int = 5
    first_wait: float = 2.0
    longest_wait: float = 60.0
    answer: float = 60.0
    end: float = 3600.0
    trouble: float = 120.0


@dataclass
class Upload:
    """One commit: local files by their path in the repository.

    Attributes:
        passing: a newer passing upload takes the place of one that has not begun.
        staged: a directory to remove afterwards.
        done: gives the CommitInfo (None for one without files, which opens the repository) or `HubError`.
    """

    message: str
    files: Mapping[str, Path]
    revision: str | None = None
    passing: bool = False
    staged: Path | None = None
    done: Future[CommitInfo | None] = field(default_factory=Future)


class Uploader:
    """Creates a repository and uploads to it; never raises into the thread that trains.

    Args:
        repo_id: `name` or `namespace/name`; the namespace is the token's own by default.
        token: default: the one of `login()` or HF_TOKEN.
        private: for a repository that is created; None leaves it to the account's settings.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
    """

    def __init__(
        self, repo_id: str, *, token: str | None = None, private: bool | None = None, patience: Patience
    ) -> None:
        if importlib.util.find_spec("huggingface_hub") is None:
            raise missing("huggingface_hub", extra="train")
        self.repo_id = repo_id
        self.patience = patience
        self.refused: HubError | None = None
        self._token, self._private = token, private
        self._opened = False
        self._failing = False
        self._waiting: list[Upload] = []
        self._uploading = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, upload: Upload) -> Future[CommitInfo | None]:
        """Queue an upload and return at once."""
        with self._changed:
            if upload.passing:
                for older in [waiting for waiting in self._waiting if waiting.passing]:
                    self._waiting.remove(older)
                    log.info(
                        "hub: %r was not uploaded yet; %r goes up instead", older.message, upload.message
                    )
                    _clear(older)
                    older.done.cancel()
            self._waiting.append(upload)
            if self._thread is None:
                # A daemon: a Hub that never answers must not keep the process from ending.
                self._thread = threading.Thread(target=self._work, name="evenweave-upload", daemon=True)
                self._thread.start()
            self._changed.notify()
        return upload.done

    @property
    def busy(self) -> bool:
        """Whether there is anything not uploaded yet."""
        return self._uploading or bool(self._waiting)

    def wait(self, future: Future[CommitInfo | None]) -> CommitInfo | None:
        """Return an upload's result; waits as long as the patience says.

        Raises:
            HubError: it failed, or took too long.
        """
        began = time.monotonic()
        while True:
            try:
                return future.result(timeout=0.2)
            except StillRunning:
                waited = time.monotonic() - began
                bound = self.patience.trouble if self._failing or not self._opened else self.patience.end
                if waited > bound:
                    raise HubError(f"the Hub did not take it within {waited:.0f} s") from None

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                upload = self._waiting.pop(0)
                self._uploading = True
            settled: CommitInfo | HubError | None
            try:
                settled = self._persist(upload)
            except HubError as error:
                settled = error
            self._uploading = False
            _clear(upload)
            if isinstance(settled, HubError):
                upload.done.set_exception(settled)
            else:
                upload.done.set_result(settled)

    def _persist(self, upload: Upload) -> CommitInfo | None:
        wait = self.patience.first_wait
        for attempt in range(1, self.patience.attempts + 1):
            try:
                result = self._attempt(upload)
            except Exception as error:
                self._failing = True
                reason, final, least = explain(error)
                if final:
                    self.refused = HubError(reason)
                    raise self.refused from error
                if attempt == self.patience.attempts:
                    raise HubError(reason) from error
                pause = min(max(wait, least), self.patience.longest_wait)
                log.warning("hub: %r: %s; trying again in %.3g s", upload.message, reason, pause)
                time.sleep(pause)
                wait *= 2
            else:
                self._failing, self.refused = False, None
                return result
        raise AssertionError("a loop that returns or raises")

    def _attempt(self, upload: Upload) -> CommitInfo | None:
        api = hub_api(self._token, answer=self.patience.answer)
        if not self._opened:
            made = api.create_repo(self.repo_id, private=self._private, exist_ok=True)
            self.repo_id, self._opened = made.repo_id, True
        if not upload.files:
            return None
        if "README.md" in upload.files:
            name_repository(upload.files["README.md"], self.repo_id)
        if upload.revision is not None:
            api.create_branch(self.repo_id, branch=upload.revision, exist_ok=True)
        from huggingface_hub import CommitOperationAdd

        operations = [CommitOperationAdd(name, str(path)) for name, path in upload.files.items()]
        with _without_bars():
            committed: CommitInfo = api.create_commit(
                self.repo_id, operations, commit_message=upload.message, revision=upload.revision
            )
        return committed


@contextmanager
def _without_bars() -> Iterator[None]:
    """Hold back the client's progress bars, which would be drawn across the table of epochs."""
    from huggingface_hub import constants, utils

    bars: Any = utils
    shown = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not bars.are_progress_bars_disabled()
    if shown:
        bars.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bars()


def hub_api(token: str | None = None, *, answer: float) -> Any:
    """Return the Hub's client, which waits `answer` seconds for a silent server instead of for ever."""
    from huggingface_hub import HfApi, utils

    session = cast(Any, utils).get_session()
    if session.timeout.read is None:
        session.timeout = answer
    return HfApi(token=checked_token(token), library_name="evenweave")


def _clear(upload: Upload) -> None:
    if upload.staged is not None:
        shutil.rmtree(upload.staged, ignore_errors=True)
