"""A saved tagger from a directory or the Hub: safetensors only, and no code but ours and transformers'."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, CheckpointError, EvenweaveError, NotFoundError, missing
from evenweave.ragged import shown

log = logging.getLogger(__name__)

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "tokenizer.model")


def load_tagger(source: str | Path, *, tokenizer: Any = None) -> tuple[Any, Any]:
    """Return (model, tokenizer) saved under `source`, a directory or a Hub name.

    Weights are read from safetensors only, and code that comes with a model never runs. `tokenizer` is a
    tokenizer, or a directory or name to load it from instead.

    Raises:
        NotFoundError: there is no such directory or Hub model, or a needed file is not in it; names the file.
        CheckpointError: the files do not make a token classifier (an encoder without a head, a damaged file).
        MissingDependencyError: transformers is not installed.
    """
    _transformers()
    is_local = check_directory(source, tokenizer=tokenizer is None)
    from transformers import AutoModelForTokenClassification

    name = str(source)
    with explained(name, is_local), quiet_loading():
        model, info = AutoModelForTokenClassification.from_pretrained(
            name,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            local_files_only=is_local,
        )
    unset = sorted(info["missing_keys"])
    if unset:
        raise CheckpointError(
            f"{name}: has no weights for {unset[0]} ({len(unset)} in all), so it is no trained tagger; "
            "fine-tune it first, e.g. with: evenweave train DATA --model " + name
        )
    if tokenizer is None or isinstance(tokenizer, str | Path):
        tokenizer = load_tokenizer(source if tokenizer is None else tokenizer)
    return model, tokenizer


def load_tokenizer(source: str | Path) -> Any:
    """Return the tokenizer saved under `source`, a directory or a Hub name.

    Raises:
        NotFoundError: there is none.
        CheckpointError: its files are damaged.
    """
    _transformers()
    is_local = check_directory(source, weights=False)
    from transformers import AutoTokenizer

    with explained(str(source), is_local), quiet_loading():
        return AutoTokenizer.from_pretrained(str(source), trust_remote_code=False, local_files_only=is_local)


def check_directory(source: str | Path, *, weights: bool = True, tokenizer: bool = True) -> bool:
    """Return whether `source` is a directory that holds all of a model's files; false if it is a Hub name.

    Raises:
        NotFoundError: it looks like a path and is not there, or a file is missing.
    """
    path = Path(source)
    if not path.is_dir():
        parts = path.parts
        if path.exists():
            raise NotFoundError(f"{source}: is a file; give the directory that a model was saved to")
        if path.is_absolute() or str(source).startswith((".", "~")) or len(parts) > 2 or not parts:
            raise NotFoundError(f"{source}: no such model directory")
        return False
    names = {entry.name for entry in path.iterdir()}
    if weights and "config.json" not in names:
        raise NotFoundError(f"{source}: has no config.json; give the directory that a model was saved to")
    if weights and not names & set(_WEIGHTS):
        pickled = sorted(name for name in names if name.endswith((".bin", ".pt", ".pth")))
        hint = f"; {pickled[0]} is a pickle and is not loaded, save it as safetensors" if pickled else ""
        raise NotFoundError(f"{source}: has no model.safetensors{hint}")
    if tokenizer and not names & set(_TOKENIZER):
        raise NotFoundError(f"{source}: has no tokenizer.json; save the tokenizer beside the model")
    return True


def label_names(model: Any) -> list[str]:
    """Return the model's label names by id; a log line says so when they are only LABEL_0, LABEL_1, ..."""
    given: Any = getattr(getattr(model, "config", None), "id2label", None)
    try:
        names = {int(key): str(name) for key, name in dict(given).items()}
    except (TypeError, ValueError):
        raise CheckpointError(
            f"config.json: id2label is {shown(given)}; give the name of each label id, such as {{0: 'O'}}"
        ) from None
    if sorted(names) != list(range(len(names))):
        raise CheckpointError(f"config.json: id2label has the ids {sorted(names)}; they must run from 0")
    if names and all(name == f"LABEL_{key}" for key, name in names.items()):
        log.warning("the model's labels have no names (LABEL_0, ...); set id2label in its config.json")
    return [names[key] for key in range(len(names))]


def longest_sequence(model: Any, tokenizer: Any) -> int:
    """Return the tokens, special ones included, that the model takes at once."""
    longest = min(int(tokenizer.model_max_length), positions_of(model) or 10**6)
    # Tokenizers without a bound state 1e30; attention over a whole book at once would be quadratic.
    return longest if longest < 10**6 else 512


def positions_of(model: Any) -> int | None:
    """Return how many tokens of a row the model has positions for; None where it does not say."""
    limits = positions(model)
    stated = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if not limits and isinstance(stated, int) and stated > 0:
        limits = [stated]
    return min(limits, default=None)


def positions(model: Any) -> list[int]:
    """Return how many positions each table of them in the model has; none where they are computed."""
    from torch import nn

    found = []
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and its kin count positions from padding_idx + 1.
            taken = 0 if module.padding_idx is None else module.padding_idx + 1
            found.append(module.num_embeddings - taken)
    return found


def check_ids(model: Any, tokenizer: Any, ids: NDArray[np.int64]) -> None:
    """Raise ArgumentError if a token id `[N]` is none of the model's: the tokenizer is another's."""
    size = getattr(model.get_input_embeddings(), "num_embeddings", None)
    most = int(ids.max(initial=0))
    if size is not None and most >= size:
        raise ArgumentError(
            f"tokenizer: gives the id {most} ({tokenizer.convert_ids_to_tokens(most)!r}), and the model has "
            f"0 to {size - 1}; give the model's own, or model.resize_token_embeddings(len(tokenizer))"
        )


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise missing("transformers", extra="train") from error
    return transformers


@contextmanager
def explained(name: str, is_local: bool) -> Iterator[None]:
    """Turn what transformers raises on a bad model into one line of ours."""
    try:
        yield
    except EvenweaveError:
        raise
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, TypeError) as error:
        said = " ".join(str(error).split())
        if not is_local:
            raise NotFoundError(
                f"{name}: no such directory here, and the Hub did not give a safetensors model of that name "
                f"({said[:200]})"
            ) from error
        raise CheckpointError(f"{name}: cannot be loaded as a token classifier: {said[:300]}") from error
    except Exception as error:
        # safetensors and tokenizers raise types of their own for damaged files.
        if type(error).__module__.split(".")[0] not in ("safetensors_rust", "safetensors", "builtins"):
            raise
        raise CheckpointError(f"{name}: a file is damaged: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hold back transformers' progress bars and load reports: what is wrong becomes an error of ours."""
    from transformers.utils import logging as levels

    before, bars = levels.get_verbosity(), levels.is_progress_bar_enabled()
    levels.set_verbosity_error()  # type: ignore[no-untyped-call]
    levels.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        levels.set_verbosity(before)
        if bars:
            levels.enable_progress_bar()  # type: ignore[no-untyped-call]


def pick_dtype(dtype: Any) -> Any:
    """Return a torch dtype from its name or itself; None stays None.

    Raises:
        ArgumentError: it is not a type that a model can compute in.
    """
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    chosen = known.get(dtype, dtype) if isinstance(dtype, str) else dtype
    if chosen is not None and chosen not in known.values():
        raise ArgumentError(f"dtype: {dtype!r}; one of {', '.join(known)}")
    return chosen


def pick_device(device: Any) -> Any:
    """Return a torch device from None (a GPU if there is one), a name, an index or a torch device.

    Raises:
        ArgumentError: there is no such device here.
    """
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device("cpu" if device == -1 else device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise ArgumentError(f"device: {device!r} is not usable here ({said}); try 'cpu'") from error
    return chosen
