"""All metrics beside their peers: entities, BLEU, ROUGE; and their intervals. Each in a process of its own.

./run bench metrics
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run the parts one after another; stop at the first that fails."""
    for part in ("entities", "bleu", "rouge", "intervals"):
        print(f"\n## {part}\n", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).with_name(f"{part}.py"))], check=True)


if __name__ == "__main__":
    main()
