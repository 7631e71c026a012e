"""A process with the stock huggingface_hub client set up for the local server.

The client reads HF_ENDPOINT when it is imported, so what talks to the server runs in a process of its own;
one process takes many calls, for importing torch and transformers takes seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]


class Client:
    """Calls functions of `tests.hub.road` in the process."""

    def __init__(self, url: str, home: Path, token: str) -> None:
        self.environment = {
            **os.environ,
            "HF_ENDPOINT": url,
            "HF_HOME": str(home),
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'src'}",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPO,
            env=self.environment,
        )

    def __call__(self, function: str, **arguments: Any) -> Any:
        """Return what the function returned; raises what it printed if it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([function, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the client process ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(timeout=20)


def serve() -> None:
    """Take calls as lines of JSON until the input ends."""
    import traceback

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints goes to stderr
    from tests.hub import road

    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"value": getattr(road, name)(**arguments)}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
