"""Evenweave fine-tunes text models and measures them: labelled text in, a trained, scored, served model out.

Public names load when first used: `import evenweave` itself brings in nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import Any

from evenweave._version import __version__

# Public name -> module that defines it.
_HOME = {
    "Ragged": "evenweave.ragged",
    "EvenweaveError": "evenweave.errors",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'evenweave' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
