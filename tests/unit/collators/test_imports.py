"""Collators bring in neither torch nor transformers before a tensor is asked for."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from evenweave.collators import DataCollatorWithPadding
from evenweave.data import Columns

class Tokenizer:
    model_input_names = ["input_ids", "attention_mask"]
    pad_token_id, pad_token_type_id, padding_side = 0, 0, "right"

rows = Columns([{"input_ids": [1, 2]}, {"input_ids": [3]}]).__getitems__([0, 1])
batch = DataCollatorWithPadding(Tokenizer(), return_tensors="np")(rows)
assert batch["input_ids"].tolist() == [[1, 2], [3, 0]]
assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
print(sorted({"torch", "transformers", "datasets", "accelerate"} & set(sys.modules)))
"""


def test_collating_to_numpy_imports_no_framework() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
