"""A trained tagger on plain text: `pipeline("token-classification", model=...)(text)`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast, final, overload

import numpy as np

from evenweave.errors import ArgumentError
from evenweave.inference import decode
from evenweave.inference.encode import Encoded, encode_texts, encode_words
from evenweave.inference.forward import score_tokens
from evenweave.inference.load import label_names, load_tagger, longest_sequence, pick_device, pick_dtype
from evenweave.ragged import shown
from evenweave.settings import check_whole

Entity = dict[str, Any]

TASKS = ("token-classification", "ner")
# Texts tokenised, sorted by length and scored at a time: enough to fill batches of equal length, and the
# bound on memory. A chunk also ends at so many characters, for texts that are books.
_CHUNK_TEXTS = 1024
_CHUNK_CHARACTERS = 500_000


@dataclass(frozen=True)
class PipelineSettings:
    """How a tagger is run.

    Args:
        aggregation_strategy: none (one dict a token), simple (runs of one type), first, average or max (the
            same over whole words).
        batch_size: sequences (windows) a forward pass takes.
        ignore_labels: labels (for "none") or entity types left out of the result.
        stride: tokens that neighbouring windows of a long text share at least; default a quarter of a window.
        max_length: tokens of a window, special ones included; default the most the model takes.
        constrained: choose the best sequence of labels that is legal (no I-X after O) instead of the best
            label for each token.
    """

    aggregation_strategy: decode.Strategy = "none"
    batch_size: int = 32
    ignore_labels: tuple[str, ...] = ("O",)
    stride: int | None = None
    max_length: int | None = None
    constrained: bool = False

    def __post_init__(self) -> None:
        if self.aggregation_strategy not in decode.STRATEGIES:
            raise ArgumentError(
                f"aggregation_strategy: {self.aggregation_strategy!r}; one of {', '.join(decode.STRATEGIES)}"
            )
        check_whole("batch_size", self.batch_size, least=1)
        if self.stride is not None:
            check_whole("stride", self.stride, least=0)
        if self.max_length is not None:
            check_whole("max_length", self.max_length, least=1)
        labels = self.ignore_labels
        if isinstance(labels, Iterable) and not isinstance(labels, str | tuple):
            labels = tuple(labels)
        if not isinstance(labels, tuple) or not all(isinstance(label, str) for label in labels):
            raise ArgumentError(f"ignore_labels: {shown(labels)}; give a list of labels")
        object.__setattr__(self, "ignore_labels", labels)


@final
class TokenClassificationPipeline:
    """Tags text with a token classifier; made by `pipeline`.

    Args:
        model: a transformers token classifier; it is put into evaluation mode and moved to `device`.
        tokenizer: its fast tokenizer.
        settings: see `PipelineSettings`.
        device: where the model runs; None is a GPU if there is one.
        dtype: what it computes in; None leaves its weights as they are.
    """

    def __init__(
        self, *, model: Any, tokenizer: Any, settings: PipelineSettings, device: Any = None, dtype: Any = None
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ArgumentError("tokenizer: a fast tokenizer (tokenizer.json) is needed, for its offsets")
        if not hasattr(model, "config") or not hasattr(model, "get_input_embeddings"):
            raise ArgumentError(
                f"model: {type(model).__name__} is no model of transformers; give one, or a path or a name"
            )
        self.device = pick_device(device)
        self.model = model.to(device=self.device, dtype=pick_dtype(dtype)).eval()
        self.tokenizer = tokenizer
        self.settings = settings
        self.labels = decode.read_labels(label_names(model))
        self.longest = longest_sequence(model, tokenizer)
        if settings.constrained:
            decode.transitions(self.labels)

    @overload
    def __call__(self, inputs: str, **changes: Any) -> list[Entity]: ...
    @overload
    def __call__(self, inputs: Sequence[str], **changes: Any) -> list[list[Entity]]: ...
    @overload
    def __call__(self, inputs: Iterable[Any], **changes: Any) -> Iterator[list[Entity]]: ...

    def __call__(
        self,
        inputs: Any,
        *,
        is_split_into_words: bool = False,
        delimiter: str = " ",
        **changes: Any,
    ) -> Any:
        """Return the entities of one text, of each text of a list, or of a stream of texts as a stream.

        A long text is never truncated. An entity is a dict: with "none" `entity`, `score`, `index` (of the
        token, special ones counted), `word` (the token), `start`, `end`; else `entity_group`, `score` (mean
        probability, 0 to 1), `word` (exactly `text[start:end]`), `start`, `end` (characters). A stream keeps
        the order of its texts and holds a bounded number of them.

        Args:
            inputs: a string, a list or tuple of strings, or any iterator of strings.
            is_split_into_words: a text is a list of words; positions count in them joined by `delimiter`.
            delimiter: see above.
            changes: any of `PipelineSettings`, for this call.

        Raises:
            ArgumentError: an argument has a value it cannot have.
            DataError: a row is not text; names the row.
        """
        settings = self._changed(changes)
        if isinstance(inputs, str) and not is_split_into_words:
            return next(self._stream([inputs], settings, None))
        _check_rows(inputs, "inputs: {}; give a string or a list of strings")
        if not isinstance(delimiter, str):
            raise ArgumentError(f"delimiter: {shown(delimiter)}; give the string that joins words")
        if is_split_into_words and isinstance(inputs, list | tuple) and inputs and isinstance(inputs[0], str):
            return next(self._stream([inputs], settings, delimiter))
        results = self._stream(inputs, settings, delimiter if is_split_into_words else None)
        return list(results) if isinstance(inputs, Sequence) else results

    def tag(self, rows: Any, **changes: Any) -> Any:
        """Return one label for each word of a row of words, or of each row of a list or stream of rows.

        The label is that of the word's tokens by the strategy ("first" unless the pipeline's is "average" or
        "max"). A word of which the tokenizer leaves nothing is O.

        Raises:
            DataError: a row is not a list of words; names the row.
        """
        settings = self._changed(changes)
        if isinstance(rows, str):
            raise ArgumentError("rows: a string; give a list of words, or call the pipeline on the text")
        if isinstance(rows, list | tuple) and (not rows or isinstance(rows[0], str)):
            return next(self._tag_stream([rows], settings)) if rows else []
        _check_rows(rows, "rows: {}; give a list of words, or a list of such lists")
        results = self._tag_stream(rows, settings)
        return list(results) if isinstance(rows, Sequence) else results

    def _changed(self, changes: dict[str, Any]) -> PipelineSettings:
        if not changes:
            return self.settings
        known = PipelineSettings.__dataclass_fields__
        for name in changes:
            if name not in known:
                raise ArgumentError(f"{name}: not a setting of the pipeline; one of {', '.join(known)}")
        return replace(self.settings, **changes)

    def _stream(
        self, inputs: Iterable[Any], settings: PipelineSettings, delimiter: str | None
    ) -> Iterator[list[Entity]]:
        row = 0
        for chunk in _chunks(inputs):
            if delimiter is None:
                encoded = encode_texts(self.tokenizer, chunk, first_row=row)
            else:
                encoded = encode_words(self.tokenizer, chunk, delimiter=delimiter, first_row=row)
            yield from self._entities(encoded, settings)
            row += len(chunk)

    def _tag_stream(self, rows: Iterable[Any], settings: PipelineSettings) -> Iterator[list[str]]:
        strategy = settings.aggregation_strategy
        settings = replace(
            settings, aggregation_strategy="first" if strategy in ("none", "simple") else strategy
        )
        row = 0
        for chunk in _chunks(rows):
            encoded = encode_words(self.tokenizer, chunk, first_row=row)
            first, label, _, offsets = self._units(encoded, settings)
            word = encoded.word[encoded.body][first]
            for index, words in enumerate(chunk):
                here = slice(offsets[index], offsets[index + 1])
                tags = ["O"] * len(words)
                for position, chosen in zip(word[here].tolist(), label[here].tolist(), strict=True):
                    tags[position] = self.labels.names[chosen]
                yield tags
            row += len(chunk)

    def _units(self, encoded: Encoded, settings: PipelineSettings) -> tuple[Any, Any, Any, Any]:
        """Return (first token, label, score, row offsets) of what is labelled: tokens or words."""
        scores = decode.softmax(score_tokens(self.model, self.tokenizer, encoded, settings, self.longest))
        offsets = encoded.body_offsets
        first = np.arange(len(scores))
        if settings.aggregation_strategy not in ("none", "simple"):
            first = decode.first_of_word(encoded.word[encoded.body], offsets)
            scores = decode.pool_words(scores, first, strategy=settings.aggregation_strategy)
            offsets = np.searchsorted(first, offsets)
        rules = decode.transitions(self.labels) if settings.constrained else None
        label, score = decode.choose(scores, offsets, rules=rules)
        return first, label, score, offsets

    def _entities(self, encoded: Encoded, settings: PipelineSettings) -> Iterator[list[Entity]]:
        first, label, score, offsets = self._units(encoded, settings)
        body = np.flatnonzero(encoded.body)
        last = np.append(first[1:], len(body)) - 1
        if settings.aggregation_strategy == "none":
            yield from self._token_dicts(encoded, settings, body, label, score, offsets)
            return
        groups = decode.group_spans(label, offsets, labels=self.labels)
        kinds = self.labels.kind[label[groups]]
        means = decode.group_scores(score, groups)
        starts = encoded.start[body[first[groups]]]
        ends = encoded.end[body[last[np.append(groups[1:], len(label)) - 1]]] if len(groups) else starts
        shown = ~np.isin(
            kinds, [i for i, kind in enumerate(self.labels.kinds) if kind in settings.ignore_labels]
        )
        bounds = np.searchsorted(groups, offsets)
        for row, text in enumerate(encoded.texts):
            found = []
            here = bounds[row] + np.flatnonzero(shown[bounds[row] : bounds[row + 1]])
            for kind, mean, a, b in zip(
                kinds[here].tolist(),
                means[here].tolist(),
                starts[here].tolist(),
                ends[here].tolist(),
                strict=True,
            ):
                start, end = visible_span(text, a, b)
                if start < end:
                    group = {"entity_group": self.labels.kinds[kind], "score": mean, "word": text[start:end]}
                    found.append({**group, "start": start, "end": end})
            yield found

    def _token_dicts(
        self, encoded: Encoded, settings: PipelineSettings, body: Any, label: Any, score: Any, offsets: Any
    ) -> Iterator[list[Entity]]:
        names = self.labels.names
        shown = ~np.isin(label, [i for i, name in enumerate(names) if name in settings.ignore_labels])
        for row, text in enumerate(encoded.texts):
            here = offsets[row] + np.flatnonzero(shown[offsets[row] : offsets[row + 1]])
            if not text.strip():
                here = here[:0]
            at = body[here]
            ids = encoded.ids[at]
            words = self.tokenizer.convert_ids_to_tokens(ids.tolist())
            starts, ends = encoded.start[at].tolist(), encoded.end[at].tolist()
            index = at - encoded.offsets[row]
            yield [
                {
                    "entity": names[chosen],
                    "score": probability,
                    "index": position,
                    "word": text[a:b] if unknown else word,
                    "start": a,
                    "end": b,
                }
                for chosen, probability, position, unknown, word, a, b in zip(
                    label[here].tolist(),
                    score[here].tolist(),
                    index.tolist(),
                    (ids == self.tokenizer.unk_token_id).tolist(),
                    words,
                    starts,
                    ends,
                    strict=True,
                )
            ]


def visible_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without white space at its ends, and with the combining marks that follow it.

    Tokenizers that fold accents away leave a trailing mark outside the token: the e of a decomposed é.

    >>> visible_span("a  Jose\\u0301 ", 2, 7)
    (3, 8)
    """
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return start, end


def _chunks(inputs: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(inputs)
    while chunk := list(islice(rows, 1)):
        size = _size(chunk[0])
        for row in islice(rows, _CHUNK_TEXTS - 1):
            chunk.append(row)
            size += _size(row)
            if size >= _CHUNK_CHARACTERS:
                break
        yield chunk


def _check_rows(inputs: Any, said: str) -> None:
    no_rows = isinstance(inputs, bytes | bytearray | Mapping) or not isinstance(inputs, Iterable)
    if no_rows or getattr(inputs, "ndim", 1) == 0:
        raise ArgumentError(said.format(type(inputs).__name__))


def _size(row: Any) -> int:
    return len(row) if isinstance(row, str | list | tuple) else 1


def pipeline(
    task: str,
    model: Any = None,
    tokenizer: Any = None,
    *,
    aggregation_strategy: decode.Strategy = "none",
    batch_size: int = 32,
    device: Any = None,
    dtype: Any = None,
    ignore_labels: Sequence[str] = ("O",),
    stride: int | None = None,
    max_length: int | None = None,
    constrained: bool = False,
) -> TokenClassificationPipeline:
    """Return a tagger to be called on text.

    Args:
        task: "token-classification" or "ner".
        model: a directory, a Hub name or a transformers model. Only safetensors are read; no code is run.
        tokenizer: a tokenizer, or where to load it from; default from where the model comes.
        device: "cpu", "cuda", "cuda:1", an index, -1 for the CPU; default a GPU if there is one.
        dtype: "float32", "bfloat16", "float16" or a torch dtype; default that of the weights. bfloat16 is two
            to three times as fast on processors that have it, and moves scores by 0.001 on average.
        aggregation_strategy, batch_size, ignore_labels, stride: see `PipelineSettings`.
        max_length, constrained: see `PipelineSettings`.

    Raises:
        NotFoundError: there is no such model, or a file of it is missing; names the file.
        CheckpointError: the files do not make a token classifier.
        ArgumentError: an argument has a value it cannot have.
    """
    if task not in TASKS:
        raise ArgumentError(f"task: {task!r}; one of {', '.join(TASKS)}")
    if model is None:
        raise ArgumentError("model: none given; give a directory, a Hub name or a model")
    settings = PipelineSettings(
        aggregation_strategy=aggregation_strategy,
        batch_size=batch_size,
        ignore_labels=cast("tuple[str, ...]", ignore_labels),
        stride=stride,
        max_length=max_length,
        constrained=constrained,
    )
    if isinstance(model, str | Path):
        model, tokenizer = load_tagger(model, tokenizer=tokenizer)
    elif tokenizer is None:
        raise ArgumentError("tokenizer: none given; a model object does not bring its own")
    elif isinstance(tokenizer, str | Path):
        from evenweave.inference.load import load_tokenizer

        tokenizer = load_tokenizer(tokenizer)
    return TokenClassificationPipeline(
        model=model, tokenizer=tokenizer, settings=settings, device=device, dtype=dtype
    )
