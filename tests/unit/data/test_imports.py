from __future__ import annotations

import subprocess
import sys


def test_reading_and_aligning_load_no_torch_and_no_transformers() -> None:
    code = (
        "import importlib, pkgutil, sys, evenweave.data as d;"
        "[importlib.import_module('evenweave.data.' + m.name) for m in pkgutil.iter_modules(d.__path__)];"
        "[getattr(d, name) for name in d.__all__];"
        "heavy = {'torch', 'transformers', 'tokenizers', 'datasets', 'huggingface_hub'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
