"""Which files of a directory make a model, where its card says it is, and saves held fast for an upload."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from evenweave.errors import NotFoundError

# What transformers and Evenweave write for a model. A list, not "everything there": an output directory may
# hold the user's data, reports that quote it, and checkpoints.
MODEL_FILES = (
    "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json",
    "adapter_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "*.model", "chat_template.jinja",
    "preprocessor_config.json", "processor_config.json", "README.md", "training_curve.svg",
    # of single families: Marian, FSMT, PhoBERT, LUKE, Whisper and others
    "*.spm", "target_vocab.json", "vocab-src.json", "vocab-tgt.json", "bpe.codes", "dict.txt", "emoji.json",
    "entity_vocab.json", "normalizer.json", "byte_maps.json", "word_shape.json", "word_pronunciation.json",
)  # fmt: skip
_TRAINING_ONLY = ("optimizer.safetensors", "rng-*.safetensors")
STAGED = ".upload-"
# The call that our own cards show; a card of somebody else's is left as it is.
_USE = re.compile(r'(## How to use it\n\n```python\n[^`]*?pipeline\("[\w-]+", model=)"(?:[^"\\]|\\.)*"')


def model_files(folder: Path, *, need_model: bool = True) -> dict[str, Path]:
    """Return the files of the model saved in `folder`, by name.

    Raises:
        NotFoundError: no such directory, or no model in it.
    """
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such directory; give the one that a model was saved to")
    found = {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and any(fnmatch(path.name, pattern) for pattern in MODEL_FILES)
        and not any(fnmatch(path.name, pattern) for pattern in _TRAINING_ONLY)
    }
    if need_model and not any(name.endswith(".safetensors") for name in found):
        raise NotFoundError(f"{folder}: has no model.safetensors; give the directory a model was saved to")
    return found


def name_repository(card: Path, repo_id: str) -> None:
    """Let the call that a card of ours shows load the model from where it is published."""
    text = card.read_bytes().decode("utf-8", "surrogateescape")
    named = _USE.sub(lambda found: found[1] + json.dumps(repo_id), text)
    if named != text:
        card.write_bytes(named.encode("utf-8", "surrogateescape"))


def stage(checkpoint: Path) -> Path:
    """Return a directory beside `checkpoint` with links to its files, which outlive its deletion."""
    staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=checkpoint.parent))
    for path in checkpoint.iterdir():
        try:
            os.link(path, staged / path.name)
        except OSError:  # a file system without hard links
            shutil.copy2(path, staged / path.name)
    return staged


def clear_staged(output_dir: Path) -> None:
    """Remove what a killed run had staged."""
    for leftover in output_dir.glob(f"{STAGED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
