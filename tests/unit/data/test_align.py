from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.helpers.tiny_tagger import LABELS, bert_tokenizer, roberta_tokenizer

from evenweave import Dataset, DatasetDict, align_labels_with_tokens, tokenize_and_align
from evenweave.data.features import ClassLabel, Sequence
from evenweave.data.stream import RowStream
from evenweave.data.words import continuations
from evenweave.errors import ArgumentError, DataError

LAMB = ["eu", "rejects", "german", "call", "to", "boycott", "british", "lamb", "."]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return bert_tokenizer()


def rows(*tokens: list[str], tags: list[list[int]] | None = None) -> Dataset:
    columns: dict[str, Any] = {"tokens": list(tokens)}
    if tags is not None:
        columns["ner_tags"] = tags
    return Dataset.from_dict(columns, features={"ner_tags": Sequence(ClassLabel(LABELS))} if tags else None)


def test_the_row_of_the_course() -> None:
    labels = [3, 0, 7, 0, 0, 0, 7, 0, 0]
    word_ids = [None, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, None]
    assert align_labels_with_tokens(labels, word_ids) == [-100, 3, 0, 7, 0, 0, 0, 7, 0, 0, 0, -100]


def test_further_pieces_get_the_inside_label_or_none() -> None:
    word_ids = [None, 0, 0, 0, 1, 1, None]
    assert align_labels_with_tokens([1, 2], word_ids) == [-100, 1, 2, 2, 2, 2, -100]
    names = ["O", "I-A", "B-A"]
    assert align_labels_with_tokens([2, 1], word_ids, label_names=names) == [-100, 2, 1, 1, 1, 1, -100]
    assert align_labels_with_tokens([1, 2], word_ids, label_all_tokens=False) == [
        -100, 1, -100, -100, 2, -100, -100,
    ]  # fmt: skip


def test_a_word_without_a_label_is_an_error() -> None:
    with pytest.raises(DataError, match="labels: 1 of them, and a token of word 1"):
        align_labels_with_tokens([0], [None, 0, 1])


def test_a_label_that_is_no_id_is_an_error() -> None:
    for label, said in [(1.7, "1.7"), (True, "True"), ("1", "'1'"), (None, "None"), (2**70, "1180")]:
        with pytest.raises(DataError, match=f"labels: {said}.* of word 1 is no id; give whole numbers"):
            align_labels_with_tokens([0, label], [0, 1, 1])
    assert align_labels_with_tokens([np.int8(1), np.uint64(3)], [0, 0, 1]) == [1, 2, 3]


def test_one_row_is_aligned_as_a_data_set_is(tokenizer: Any) -> None:
    # An id below 0 is no label, so it has no I- either; -1 % 2 is 1.
    assert align_labels_with_tokens([-1, -100, 1], [0, 0, 1, 1, 2, 2]) == [-1, -1, -100, -100, 1, 2]
    assert align_labels_with_tokens([-100], [0, 0], label_names=["O", "B-A"]) == [-100, -100]
    for label in (5, -1):
        with pytest.raises(DataError, match=f"label id {label} of word 0; the names give ids 0 to 2"):
            align_labels_with_tokens([label], [0, 0], label_names=["O", "B-A", "I-A"])
    word = ["blackburns"]
    for labels in ([-1], [-100], [3], [0]):
        encoded = tokenize_and_align({"tokens": [word], "ner_tags": [labels]}, tokenizer)
        one = align_labels_with_tokens(labels, encoded.word_ids[0].tolist())
        assert encoded.columns["labels"][0].tolist() == one
        assert len(one) > 3
    assert set(tokenize_and_align(rows(word, tags=[[-100]]), tokenizer).columns["labels"][0]) == {-100}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([[0], [0.5, 1.9]], r"row 1, column 'ner_tags': \[0.5, 1.9\] are ids that are not integers"),
        ([[], [float("nan"), 1]], r"row 1, column 'ner_tags': \[nan, 1.0\] are ids that are not integers"),
        ([[True], [False, True]], r"row 0, column 'ner_tags': \[True\] are ids that are not integers"),
        (
            pa.array([[0], [1, 2**64 - 1]], pa.list_(pa.uint64())),
            "row 1, column 'ner_tags': label id 18446744073709551615; ids are below",
        ),
    ],
)
def test_ids_are_integers(tokenizer: Any, labels: Any, said: str) -> None:
    sizes = [len(row) for row in labels]
    with pytest.raises(DataError, match=said):
        tokenize_and_align({"tokens": [["a"] * size for size in sizes], "ner_tags": labels}, tokenizer)


def test_what_goes_on_inside_a_word() -> None:
    assert continuations(["O", "B-A", "I-A", "E-A", "S-A"]).tolist() == [0, 2, 2, -100, -100]
    assert continuations(["O", "A-B", "A-I"]).tolist() == [0, 2, 2]
    assert continuations(["O", "B-A"]).tolist() == [0, 1]
    assert continuations(["NN", "VB"]).tolist() == [0, 1]
    assert continuations(["O", "B", "I"]).tolist() == [0, 2, 2]
    assert continuations(["O", "B-A", "M-A", "E-A"]).tolist() == [0, 2, 2, -100]


def test_columns_of_a_row(tokenizer: Any) -> None:
    encoded = tokenize_and_align(rows(["sampurn", "works"], ["gfg"], tags=[[1, 0], [3]]), tokenizer)
    own = tokenizer(["sampurn", "works"], is_split_into_words=True)
    assert encoded.columns["input_ids"][0].tolist() == own["input_ids"]
    assert encoded.columns["token_type_ids"][0].tolist() == own["token_type_ids"]
    assert encoded.word_ids[0].tolist() == [-1 if w is None else w for w in own.word_ids()]
    aligned = align_labels_with_tokens([1, 0], own.word_ids())
    assert encoded.columns["labels"][0].tolist() == aligned
    assert encoded.word_ids.dtype == np.int32
    assert encoded.source.tolist() == [0, 1]
    assert encoded.core.tolist() == [[1, len(own["input_ids"]) - 1], [1, 1 + encoded.lengths[1] - 2]]
    assert [row["labels"].tolist() for row in encoded.__getitems__([1, 0])][1] == aligned
    assert repr(encoded) == "Encoded(2 rows in 2 windows, ['input_ids', 'token_type_ids', 'labels'])"
    assert pickle.loads(pickle.dumps(encoded)).columns == encoded.columns


def test_data_without_labels_is_encoded_without(tokenizer: Any) -> None:
    assert list(tokenize_and_align({"tokens": [LAMB]}, tokenizer).columns) == ["input_ids", "token_type_ids"]


@pytest.mark.parametrize("kind", ["dict", "list", "table", "sliced", "chunked", "large", "datasets"])
def test_any_kind_of_rows(tokenizer: Any, kind: str) -> None:
    tokens, tags = [["my", "name"], ["gfg"], LAMB], [[0, 0], [1], [0] * 9]
    table = pa.table({"tokens": tokens, "ner_tags": tags})
    given: Any = {
        "dict": lambda: {"tokens": tokens, "ner_tags": tags},
        "list": lambda: table.to_pylist(),
        "table": lambda: table,
        "sliced": lambda: Dataset(pa.concat_tables([table, table])).select(range(3, 6)),
        "chunked": lambda: Dataset(pa.concat_tables([table.slice(0, 1), table.slice(1)])),
        "large": lambda: pa.table(
            {
                "tokens": pa.array(tokens, pa.large_list(pa.large_string())),
                "ner_tags": pa.array(tags, pa.large_list(pa.int8())),
            }
        ),
        "datasets": lambda: (
            pytest.importorskip("datasets").Dataset(pa.concat_tables([table, table])).select([3, 4, 5])
        ),
    }[kind]()
    encoded = tokenize_and_align(given, tokenizer)
    assert encoded.columns == tokenize_and_align(rows(*tokens, tags=tags), tokenizer).columns


def test_labels_of_some_rows_alone_are_an_error(tokenizer: Any) -> None:
    labelled, bare = {"tokens": ["a"], "ner_tags": [1]}, {"tokens": ["a"]}
    for given, row in [([bare, labelled], 0), ([labelled, bare], 1)]:
        with pytest.raises(DataError, match=f"row {row}, column 'ner_tags': null; fill or drop the row"):
            tokenize_and_align(given, tokenizer)


def test_what_is_not_there_to_be_read_is_refused(tokenizer: Any) -> None:
    pytest.importorskip("datasets")
    there = rows(["a"], tags=[[1]]).to_datasets()
    with pytest.raises(ArgumentError, match="has a transform, which would be passed over"):
        tokenize_and_align(there.with_transform(lambda part: part), tokenizer)
    with pytest.raises(ArgumentError, match="IterableDataset is a stream of rows; take some"):
        tokenize_and_align(there.to_iterable_dataset(), tokenizer)
    with pytest.raises(ArgumentError, match="RowStream is a stream of rows; take some"):
        tokenize_and_align(RowStream([]), tokenizer)
    with pytest.raises(DataError, match="row 1, column 'tokens': its values share no type: 'b' after list"):
        tokenize_and_align([{"tokens": ["a"]}, {"tokens": "b"}], tokenizer)


def test_rows_without_words_stay_in_place(tokenizer: Any) -> None:
    encoded = tokenize_and_align(rows([], ["gfg"], [], tags=[[], [1], []]), tokenizer)
    assert encoded.source.tolist() == [0, 1, 2]
    assert encoded.columns["labels"][0].tolist() == [-100, -100]
    assert len(tokenize_and_align(rows([], tags=[[]]).select([]), tokenizer)) == 0
    assert len(tokenize_and_align({"tokens": [[]]}, tokenizer)) == 1


def test_a_word_the_tokenizer_makes_nothing_of_keeps_its_place(tokenizer: Any) -> None:
    odd = ["\u200b", "gfg", "\x00", "", "\u00ad"]
    encoded = tokenize_and_align(rows(odd, tags=[[1, 2, 0, 3, 5]]), tokenizer)
    words = encoded.word_ids[0]
    assert sorted(set(words[words >= 0].tolist())) == [0, 1, 2, 3, 4]
    firsts = [encoded.columns["labels"][0][np.flatnonzero(words == w)[0]] for w in range(5)]
    assert firsts == [1, 2, 0, 3, 5]
    assert encoded.columns["input_ids"][0][1] == tokenizer.unk_token_id


def test_the_tokenizer_is_left_as_it_was() -> None:
    tokenizer = bert_tokenizer()
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(4, stride=1)
    backend.enable_padding(length=9, pad_id=3)
    before = backend.truncation, backend.padding
    encoded = tokenize_and_align(rows(LAMB), tokenizer)
    assert (backend.truncation, backend.padding) == before
    assert encoded.columns == tokenize_and_align(rows(LAMB), bert_tokenizer()).columns
    with pytest.raises(DataError):
        tokenize_and_align(rows(LAMB, tags=[[0]]), tokenizer)
    assert (backend.truncation, backend.padding) == before


def test_byte_level_words_get_their_space_with_or_without_the_option() -> None:
    asked, plain = roberta_tokenizer(add_prefix_space=True), roberta_tokenizer()
    own = asked([LAMB], is_split_into_words=True)
    for tokenizer in (asked, plain):
        encoded = tokenize_and_align(rows(LAMB), tokenizer)
        assert encoded.columns["input_ids"].to_lists() == own["input_ids"]
        assert encoded.word_ids[0].tolist() == [-1 if w is None else w for w in own.word_ids(0)]
        assert "token_type_ids" not in encoded.columns


def test_odd_words_get_their_space_as_with_the_option() -> None:
    odd = ["\u00a0", "\u3000x", "\u2028", "\x85a", "\ta", "\n", " a", "  a", "a b", "\u200b", "\u0120a"]
    odd += ["<mask>", "</s>", "a<mask>", "<mask>a", "a<mask>b", " <mask>"]
    asked, plain = roberta_tokenizer(add_prefix_space=True), roberta_tokenizer()
    before = plain.backend_tokenizer.to_str()
    given = {"tokens": [["eu", word, "to"] for word in odd]}
    own = asked(given["tokens"], is_split_into_words=True)["input_ids"]
    for tokenizer in (asked, plain):
        assert tokenize_and_align(given, tokenizer).columns["input_ids"].to_lists() == own
    assert plain.backend_tokenizer.to_str() == before
    given["tokens"].append(["", "eu"])
    both = [tokenize_and_align(given, tokenizer).columns for tokenizer in (asked, plain)]
    assert both[0] == both[1]


def test_other_tokenizers_that_glue_words_get_a_space_too() -> None:
    from tokenizers import Regex, pre_tokenizers

    asked, plain = roberta_tokenizer(add_prefix_space=True), roberta_tokenizer()
    plain.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[^\s]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    both = [tokenize_and_align({"tokens": [LAMB]}, t).columns["input_ids"] for t in (asked, plain)]
    assert both[0] == both[1]


def test_special_tokens_are_the_tokenizers_own() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = {"[UNK]": 0, "a": 1, "b": 2, "<s>": 3, "</s>": 4}
    backend = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    bare = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    assert tokenize_and_align({"tokens": [["a", "b"], []]}, bare).columns["input_ids"].to_lists() == [[1, 2]]
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s> </s>", special_tokens=[("<s>", 3), ("</s>", 4)]
    )
    framed = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    encoded = tokenize_and_align({"tokens": [["a", "b"], []]}, framed)
    assert encoded.columns["input_ids"].to_lists() == [[3, 1, 2, 4, 4], [3, 4, 4]]


def test_long_rows_become_windows(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    long = rows(["gfg"] * 100, ["eu"], tags=[[1] + [2] * 99, [3]])
    encoded = tokenize_and_align(long, tokenizer, max_length=32)
    assert encoded.lengths.max() <= 32
    assert encoded.source.tolist() == sorted(encoded.source.tolist())
    assert (encoded.source == 0).sum() > 3
    assert (encoded.source == 1).sum() == 1
    with caplog.at_level(logging.WARNING, "evenweave"):
        cut = tokenize_and_align(rows(["x" * 70], tags=[[1]]), tokenizer, max_length=16)
    assert "1 words are longer than 14 sub-tokens and cut inside" in caplog.text
    assert [label for row in cut.columns["labels"] for label in row if label >= 0] == [1] + [2] * 69


def test_the_models_own_limit_is_the_default(tokenizer: Any) -> None:
    assert tokenizer.model_max_length == 128
    assert tokenize_and_align(rows(["gfg"] * 300), tokenizer).lengths.max() == 128
    unlimited = bert_tokenizer()
    unlimited.model_max_length = int(1e30)
    assert len(tokenize_and_align(rows(["gfg"] * 300), unlimited)) == 1


def test_mistakes_name_row_and_remedy(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="row 1, column 'ner_tags': 1 labels for 2 words"):
        tokenize_and_align(rows(["a"], ["b", "c"], tags=[[0], [1]]), tokenizer)
    with pytest.raises(DataError, match="row 1, column 'ner_tags': label id 7; the names give ids 0 to 6"):
        tokenize_and_align(rows(["a"], ["b"], tags=[[-100], [7]]), tokenizer)
    with pytest.raises(DataError, match="column 'words': not there"):
        tokenize_and_align(rows(["a"]), tokenizer, text_column="words")
    with pytest.raises(DataError, match="row 1, column 'tokens': null"):
        tokenize_and_align({"tokens": [["a"], None]}, tokenizer)
    with pytest.raises(DataError, match="row 1, column 'tokens': holds a null"):
        tokenize_and_align({"tokens": [["a", "b"], [None]]}, tokenizer)
    with pytest.raises(DataError, match="column 'tokens': string, not lists of words"):
        tokenize_and_align({"tokens": ["a b"]}, tokenizer)
    with pytest.raises(DataError, match="column 'tokens': lists of int64"):
        tokenize_and_align({"tokens": [[1]]}, tokenizer)
    with pytest.raises(DataError, match="column 'ner_tags': label names"):
        tokenize_and_align({"tokens": [["a"]], "ner_tags": [["O"]]}, tokenizer)
    with pytest.raises(ArgumentError, match="dataset: has the splits train"):
        tokenize_and_align(DatasetDict(train=rows(["a"])), tokenizer)
    with pytest.raises(ArgumentError, match="dataset: int is no data set"):
        tokenize_and_align(3, tokenizer)
    with pytest.raises(ArgumentError, match="tokenizer: str does not tell which word"):
        tokenize_and_align(rows(["a"]), "bert")
    with pytest.raises(ArgumentError, match="max_length: 2 leaves no room beside 2 special tokens"):
        tokenize_and_align(rows(["a"]), tokenizer, max_length=2)
    for name, value in [("max_length", "8"), ("max_length", 8.0), ("stride", "1"), ("stride", True)]:
        with pytest.raises(ArgumentError, match=f"{name}: {value!r}; give a whole number"):
            tokenize_and_align(rows(["a"]), tokenizer, **{"max_length": 16, name: value})
    assert len(tokenize_and_align(rows(["a"]), tokenizer, max_length=np.int64(16), stride=np.int8(1))) == 1
    with pytest.raises(ArgumentError, match="stride: 7 on each side of a window of 14; give 0 to 6"):
        tokenize_and_align(rows(["a"]), tokenizer, max_length=16, stride=7)


@pytest.mark.parametrize("word_ids", [[0.0], ["0"], [[0]], 0])
def test_words_of_tokens_are_numbers(word_ids: Any) -> None:
    with pytest.raises(DataError, match=r"^word_ids: .*; give the number of each token's word"):
        align_labels_with_tokens([1], word_ids)
