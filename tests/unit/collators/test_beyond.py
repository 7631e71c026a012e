"""What these collators do beyond transformers': truncation, raw text, two tokenizers, flat batches."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import transformers as hf
from collator_features import (
    CONTAINERS,
    assert_same,
    byte_bpe,
    features,
    in_container,
    sentencepiece,
    with_side,
    wordpiece,
)
from hypothesis import given
from hypothesis import strategies as st

import evenweave as ew
from evenweave.collators import Batch, batch, flat, pad, rows_of
from evenweave.data.features import ClassLabel, Sequence
from evenweave.errors import DataError

CLS, SEP = 2, 3


def gluing() -> Any:
    """A byte-level tokenizer that puts no space before words, and no special tokens around them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = ["</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="</s>")


@given(features(labels="tokens"), st.booleans())
def test_the_same_batch_from_every_container(rows: Any, shuffled: bool) -> None:
    collator = ew.DataCollatorForTokenClassification(wordpiece())
    expected = collator(rows)
    for kind in CONTAINERS:
        assert_same(collator(in_container(rows, kind)), expected)
    mixed = [in_container([row], kind)[0] for row, kind in zip(rows, list(CONTAINERS) * 2, strict=False)]
    assert_same(collator(mixed), expected)
    assert_same(collator(tuple(rows)), expected)
    assert_same(collator({name: [row[name] for row in rows] for name in rows[0]}), expected)
    assert_same(collator(pa.Table.from_pylist(rows)), expected)
    assert_same(collator(pa.RecordBatch.from_pylist(rows)), expected)
    columns = ew.Columns(rows)
    assert_same(collator(columns), expected)
    order = list(reversed(range(len(rows)))) if shuffled else list(range(len(rows)))
    assert_same(collator(columns.__getitems__(order)), collator([rows[i] for i in order]))


@pytest.mark.parametrize(
    "make",
    [
        lambda tokenizer: ew.DataCollatorForLanguageModeling(tokenizer),
        lambda tokenizer: ew.DataCollatorForLanguageModeling(tokenizer, mlm=False),
        lambda tokenizer: ew.DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True),
        lambda tokenizer: ew.DataCollatorForPermutationLanguageModeling(tokenizer),
        lambda tokenizer: ew.DataCollatorWithPadding(tokenizer),
        lambda tokenizer: ew.DataCollatorForTokenClassification(tokenizer),
        lambda tokenizer: ew.DataCollatorForSeq2Seq(tokenizer),
        lambda tokenizer: ew.DataCollatorWithFlattening(),
    ],
)
def test_what_a_tokenizer_returns_is_a_feature(make: Any) -> None:
    encoded = [wordpiece()("new york in"), wordpiece()("lamb")]
    if len(encoded[0]["input_ids"]) % 2:
        encoded.append(wordpiece()("new york in in"))
    collator = make(wordpiece())
    assert_same(collator(encoded), collator([dict(row) for row in encoded]))
    assert_same(collator(tuple(encoded)), collator([dict(row) for row in encoded]))


class TestTruncation:
    def test_closing_specials_stay_and_labels_go_with_their_tokens(self) -> None:
        rows = [
            {"input_ids": [CLS, 10, 11, 12, SEP], "labels": [-100, 1, 2, 3, -100]},
            {"input_ids": [CLS, SEP], "labels": [-100, -100]},
        ]
        made = ew.DataCollatorForTokenClassification(wordpiece(), truncation=True, max_length=4)(rows)
        assert made["input_ids"].tolist() == [[CLS, 10, 11, SEP], [CLS, SEP, 0, 0]]
        assert made["labels"].tolist() == [[-100, 1, 2, -100], [-100, -100, -100, -100]]
        assert made["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]

    def test_on_the_left_opening_specials_stay(self) -> None:
        tokenizer = copy.deepcopy(wordpiece())
        tokenizer.truncation_side = "left"
        made = ew.DataCollatorWithPadding(tokenizer, truncation=True, max_length=3)(
            [{"input_ids": [CLS, 10, 11, 12, SEP]}]
        )
        assert made["input_ids"].tolist() == [[CLS, 12, SEP]]

    def test_the_default_limit_is_the_models(self) -> None:
        made = ew.DataCollatorWithPadding(wordpiece(), truncation=True)(
            [{"input_ids": [CLS, *[9] * 200, SEP]}]
        )
        assert made["input_ids"].shape == (1, 128)
        assert made["input_ids"][0, -1] == SEP

    @pytest.mark.parametrize("text", ["british lamb in york", "a, b, c and more of them"])
    @pytest.mark.parametrize("make", [wordpiece, byte_bpe, sentencepiece])
    @pytest.mark.parametrize("limit", [2, 3, 5, 8])
    def test_it_is_the_tokenizers_own_truncation(self, text: str, make: Any, limit: int) -> None:
        tokenizer = make()
        expected = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
        rows = [{"input_ids": tokenizer(text)["input_ids"]}]
        for given_rows in (rows, ew.Columns(rows).__getitems__([0]), [{"text": text}]):
            made = ew.DataCollatorWithPadding(tokenizer, truncation=True, max_length=limit)(given_rows)
            assert made["input_ids"].tolist() == [expected]

    @given(features(labels="tokens"), st.integers(1, 6))
    def test_no_row_is_longer_and_short_ones_are_untouched(self, rows: Any, limit: int) -> None:
        made = ew.DataCollatorForTokenClassification(
            wordpiece(), truncation=True, max_length=limit, return_tensors="np"
        )(rows)
        for i, row in enumerate(rows):
            size = min(len(row["input_ids"]), limit)
            if len(row["input_ids"]) <= limit:
                assert made["labels"][i, :size].tolist() == row["labels"]
            kept = list(
                zip(made["input_ids"][i, :size].tolist(), made["labels"][i, :size].tolist(), strict=True)
            )
            every = list(zip(row["input_ids"], row["labels"], strict=True))
            closing = len(every) - next(
                (j for j, pair in enumerate(reversed(every)) if pair[0] not in (CLS, SEP)), len(every)
            )
            tail = min(len(every) - closing, limit)
            assert kept == (
                every if len(every) <= limit else every[: limit - tail] + every[len(every) - tail :]
            )


class TestRawText:
    def test_text_is_tokenized(self) -> None:
        texts = ["my name is sampurn", "new york"]
        expected = wordpiece()(texts, padding=True, return_tensors="pt")
        made = ew.DataCollatorWithPadding(wordpiece())(
            [{"text": text, "label": i} for i, text in enumerate(texts)]
        )
        assert made["labels"].tolist() == [0, 1]
        for name in expected:
            assert torch.equal(made[name], expected[name])

    def test_pairs(self) -> None:
        expected = wordpiece()(["new", "york in"], ["lamb", "gfg"], padding=True, return_tensors="pt")
        rows = [{"text": "new", "text_pair": "lamb"}, {"text": "york in", "text_pair": "gfg"}]
        made = ew.DataCollatorWithPadding(wordpiece())(rows)
        assert {name: made[name].tolist() for name in expected} == {
            n: v.tolist() for n, v in expected.items()
        }

    @pytest.mark.parametrize("make", [wordpiece, byte_bpe, sentencepiece])
    def test_words_and_their_labels(self, make: Any) -> None:
        names = ["O", "B-PER", "I-PER"]
        row = {"tokens": ["my", "sampurn", "york", "lamb"], "ner_tags": [0, 1, 2, 1]}
        encoded = make()(row["tokens"], is_split_into_words=True)
        words = encoded.word_ids()
        first = [w is not None and (i == 0 or words[i - 1] != w) for i, w in enumerate(words)]
        tags = row["ner_tags"]
        plain = [tags[w] if w is not None and start else -100 for w, start in zip(words, first, strict=True)]
        inside = [
            -100 if w is None else tags[w] if start else {0: 0, 1: 2, 2: 2}[tags[w]]
            for w, start in zip(words, first, strict=True)
        ]
        made = ew.DataCollatorForTokenClassification(make())([row, {"tokens": [], "ner_tags": []}])
        assert made["input_ids"][0].tolist() == encoded["input_ids"]
        assert made["labels"][0].tolist() == plain
        assert set(made["labels"][1].tolist()) == {-100}
        assert set(made) == {*encoded.keys(), "labels"}
        made = ew.DataCollatorForTokenClassification(make(), label_names=names)([row])
        assert made["labels"][0].tolist() == inside
        columns = ew.Columns([row, row])
        assert ew.DataCollatorForTokenClassification(make(), label_names=names)(columns.__getitems__([1]))[
            "labels"
        ].tolist() == [inside]

    @pytest.mark.parametrize(
        "names",
        [
            ["O", "B-X", "I-X"],
            ["O", "B-X", "I-X", "S-X", "E-X"],
            ["O", "X-B", "X-I"],
            ["NN", "VB", "JJ"],
        ],
    )
    @pytest.mark.parametrize("make", [wordpiece, byte_bpe, gluing, sentencepiece])
    def test_they_are_those_of_tokenize_and_align(self, make: Any, names: list[str]) -> None:
        tokens = [
            ["Hello", "there", "friend"],
            [],
            ["\u200b", "sampurn", "\u3000x"],
            ["#tag", "", "lamb", "\x85"],
        ]
        rng = np.random.default_rng(0)
        rows: dict[str, Any] = {
            "tokens": tokens,
            "ner_tags": [rng.integers(0, len(names), len(row)).tolist() for row in tokens],
        }
        features = {"ner_tags": Sequence(ClassLabel(names))}
        whole = ew.tokenize_and_align(ew.Dataset.from_dict(rows, features=features), make())
        collator = ew.DataCollatorForTokenClassification(make(), label_names=names, return_tensors="np")
        expected, made = collator(whole), collator(rows)
        assert set(made) == set(expected)
        for name in made:
            assert np.array_equal(made[name][whole.source], expected[name])

    def test_words_are_apart_though_the_tokenizer_would_glue_them(self) -> None:
        made = ew.DataCollatorForTokenClassification(gluing())([{"tokens": ["Hello", "there", "friend"]}])
        assert gluing().decode(made["input_ids"][0]) == " Hello there friend"

    def test_a_word_without_tokens_keeps_its_label(self) -> None:
        row = {"tokens": ["new", "\u200b", "york"], "ner_tags": [0, 2, 1]}
        made = ew.DataCollatorForTokenClassification(wordpiece())([row])
        assert [label for label in made["labels"][0].tolist() if label >= 0] == [0, 2, 1]
        assert wordpiece().unk_token_id in made["input_ids"][0].tolist()

    @pytest.mark.parametrize("fill", [-100, -1])
    def test_a_label_that_ends_an_entity_does_not_go_on_and_ignored_ones_stay(self, fill: int) -> None:
        names = ["O", "B-X", "I-X", "S-X", "E-X"]
        collator = ew.DataCollatorForTokenClassification(
            wordpiece(), label_names=names, label_pad_token_id=fill
        )
        pieces = len(wordpiece()("sampurn", add_special_tokens=False)["input_ids"])
        assert pieces > 1
        for tag, further in ((0, 0), (1, 2), (2, 2), (3, fill), (4, fill), (fill, fill)):
            made = collator([{"tokens": ["sampurn"], "ner_tags": [tag]}])
            assert made["labels"].tolist() == [[fill, tag, *[further] * (pieces - 1), fill]]

    @pytest.mark.parametrize("word", ["lamb", "sampurn"])
    def test_an_id_without_a_name_is_named(self, word: str) -> None:
        rows = [{"tokens": [word], "ner_tags": [1]}, {"tokens": ["new", word], "ner_tags": [0, 7]}]
        collator = ew.DataCollatorForTokenClassification(wordpiece(), label_names=["O", "B-X", "I-X"])
        with pytest.raises(
            DataError, match=r"^row 1, column 'ner_tags': label id 7; the names give ids 0 to 2$"
        ):
            collator(rows)

    def test_rows_without_words(self) -> None:
        for make in (wordpiece, gluing):
            collator = ew.DataCollatorForTokenClassification(make(), label_names=["O", "B-X", "I-X"])
            made = collator([{"tokens": [], "ner_tags": []}] * 2)
            assert made["input_ids"].tolist() == [make()("")["input_ids"]] * 2
            assert set(made["labels"].reshape(-1).tolist()) <= {-100}

    def test_labels_are_of_the_first_of_two_rows_of_words(self) -> None:
        made = ew.DataCollatorForTokenClassification(wordpiece())(
            [{"tokens": ["new"], "text_pair": ["york", "lamb"], "ner_tags": [1]}]
        )
        assert set(made) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
        assert [label for label in made["labels"][0].tolist() if label >= 0] == [1]

    def test_translation_with_two_tokenizers(self) -> None:
        rows = [{"source": "new york", "target": "the wo"}, {"source": "lamb", "target": "on the on"}]
        collator = ew.DataCollatorForSeq2Seq(wordpiece(), target_tokenizer=sentencepiece())
        made = collator(rows)
        expected = sentencepiece()([row["target"] for row in rows])["input_ids"]
        width = max(map(len, expected))
        assert made["labels"].tolist() == [ids + [-100] * (width - len(ids)) for ids in expected]
        assert (
            made["input_ids"].tolist()
            == wordpiece()([row["source"] for row in rows], padding=True)["input_ids"]
        )
        renamed = [{"text": row["source"], "text_target": row["target"]} for row in rows]
        assert_same(collator(renamed), made)


class TestSeq2Seq:
    ROWS = ({"input_ids": [CLS, 9, 9, SEP], "labels": [7, 8, 9, 1]}, {"input_ids": [CLS, SEP], "labels": [1]})

    def test_each_side_has_its_own_length(self) -> None:
        collator = ew.DataCollatorForSeq2Seq(
            wordpiece(),
            target_tokenizer=with_side(sentencepiece(), "left"),
            padding="max_length",
            max_length=3,
            max_target_length=2,
            truncation=True,
        )
        made = collator(list(self.ROWS))
        assert made["input_ids"].tolist() == [[CLS, 9, SEP], [CLS, SEP, 0]]
        assert made["labels"].tolist() == [[7, 1], [-100, 1]]

    def test_decoder_inputs_the_user_gave_are_padded_with_the_target(self) -> None:
        rows = [{**row, "decoder_input_ids": [0, *row["labels"][:-1]]} for row in self.ROWS]
        made = ew.DataCollatorForSeq2Seq(wordpiece(), target_tokenizer=sentencepiece())(rows)
        assert made["decoder_input_ids"].tolist() == [[0, 7, 8, 9], [0, 0, 0, 0]]

    def test_decoder_inputs_of_a_real_model(self) -> None:
        from transformers import T5Config, T5ForConditionalGeneration

        config = T5Config(
            vocab_size=30, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2, decoder_start_token_id=0
        )
        model = T5ForConditionalGeneration(config)
        for kind in ("pt", "np"):
            made = ew.DataCollatorForSeq2Seq(sentencepiece(), model=model, return_tensors=kind)(
                list(self.ROWS)
            )
            assert made["decoder_input_ids"].tolist() == [[0, 7, 8, 9], [0, 1, 0, 0]]
            assert type(made["decoder_input_ids"]) is type(made["labels"])


class TestFlat:
    @given(features(labels="tokens"), st.sampled_from([0, 2]))
    def test_flat_is_padded_where_the_mask_is_one(self, rows: Any, start: int) -> None:
        rows = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in rows]
        padded = ew.DataCollatorForTokenClassification(wordpiece(), return_tensors="np")(rows)
        real = padded["attention_mask"] == 1
        sizes = [len(row["input_ids"]) for row in rows]
        for given_rows in (rows, ew.Columns(rows).__getitems__(range(len(rows)))):
            made = flat(given_rows, position_start=start)
            assert "attention_mask" not in made
            for name in set(padded) & {"input_ids", "labels", "token_type_ids"}:
                assert made[name].dtype == np.int64
                assert np.array_equal(made[name][0], padded[name][real])
            assert made["position_ids"].tolist() == [[start + i for size in sizes for i in range(size)]]
            assert made["cu_seq_lens_q"].tolist() == np.cumsum([0, *sizes]).tolist()
            assert made["cu_seq_lens_k"].dtype == np.int32
            assert made["max_length_q"] == made["max_length_k"] == max(sizes)

    def test_a_further_column_of_tokens(self) -> None:
        rows = [{"input_ids": [1, 2], "weight": [0.5, 1.0]}, {"input_ids": [3], "weight": [2.0]}]
        made = ew.DataCollatorWithFlattening(pad_values={"weight": 0})(rows)
        assert made["weight"].tolist() == [[0.5, 1.0, 2.0]]


@pytest.mark.parametrize("side", ["right", "left"])
def test_further_ragged_columns(side: str) -> None:
    rows = [
        {"input_ids": [1, 2], "position_ids": [5, 6], "weight": [0.5, 1.5], "box": [[1, 2], [3, 4]]},
        {"input_ids": [3], "position_ids": [7], "weight": [2.5], "box": [[5, 6]]},
    ]
    values = {"position_ids": 0, "weight": -1.0, "box": 9}
    made = ew.DataCollatorWithPadding(with_side(wordpiece(), side), pad_values=values)(rows)
    order = slice(None) if side == "right" else slice(None, None, -1)
    assert made["position_ids"].tolist() == [[5, 6], [7, 0][order]]
    assert made["weight"].tolist() == [[0.5, 1.5], [2.5, -1.0][order]]
    assert made["box"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [9, 9]][order]]


class TestCustom:
    def test_a_function_over_the_building_blocks(self) -> None:
        """The example of docs/collators.md."""

        def collate(features: Any) -> Batch:
            rows = rows_of(features)
            ids, tags = rows.columns["input_ids"], rows.columns["tags"]
            return batch(
                {
                    "input_ids": pad(ids, fill=0, indices=rows.indices),
                    "tags": pad(tags, fill=-1, indices=rows.indices, side="left"),
                }
            )

        data = [{"input_ids": [1, 2, 3], "tags": [1]}, {"input_ids": [4], "tags": [2, 3]}]
        for source in (data, ew.Columns(data)):
            (made,) = list(torch.utils.data.DataLoader(source, batch_size=2, collate_fn=collate))
            assert made.input_ids.tolist() == [[1, 2, 3], [4, 0, 0]]
            assert made.tags.tolist() == [[-1, 1], [2, 3]]

    def test_pad_takes_rows_and_a_width(self) -> None:
        rows = ew.Ragged.from_rows([[1, 2], [], [3]])
        assert pad(rows, fill=9, width=3, indices=np.array([2, 0])).tolist() == [[3, 9, 9], [1, 2, 9]]
        with pytest.raises(ValueError, match="row 0, column 'column': 2 values do not fit width 1"):
            pad(rows, fill=0, width=1)


class TestBatch:
    def make(self) -> Batch:
        return batch({"ids": np.array([[1, 2]]), "score": np.array([0.5]), "size": 2, "none": None})

    def test_it_is_a_dict_whose_entries_are_attributes(self) -> None:
        made = self.make()
        assert isinstance(made, dict)
        assert made.ids is made["ids"]
        with pytest.raises(AttributeError, match=r"batch has no 'nope'; it has \['ids'"):
            _ = made.nope
        assert {**made}["size"] == 2

    def test_it_moves_as_one(self) -> None:
        made = self.make().to("meta", dtype=torch.float16)
        assert made.ids.device.type == "meta"
        assert made.ids.dtype == torch.int64
        assert made.score.dtype == torch.float16
        assert (made["size"], made["none"]) == (2, None)
        assert isinstance(made, Batch)

    def test_it_survives_pickle_and_copy(self) -> None:
        for made in (pickle.loads(pickle.dumps(self.make())), copy.copy(self.make()), self.make().copy()):
            assert isinstance(made, Batch)
            assert made.ids.tolist() == [[1, 2]]

    def test_tensors_share_the_arrays_memory(self) -> None:
        array = np.array([1, 2])
        assert batch({"x": array})["x"].data_ptr() == array.ctypes.data

    def test_columns_of_a_batch_can_be_written_to_on_their_own(self) -> None:
        made = ew.DataCollatorForTokenClassification(wordpiece())([{"input_ids": [1, 2], "labels": [3, 4]}])
        made["labels"].fill_(0)
        assert made["input_ids"].tolist() == [[1, 2]]
        assert made["labels"].untyped_storage().nbytes() == 16


def test_objects_with_attributes_are_features() -> None:
    class Row:
        def __init__(self, label: int) -> None:
            self.input_ids, self.label = [1, 2], label

    assert ew.default_data_collator([Row(3), Row(4)])["labels"].tolist() == [3, 4]


@pytest.mark.parametrize("mlm", [True, False])
def test_models_that_take_no_attention_mask_are_given_none(mlm: bool) -> None:
    """FNet's, for one: its forward has no such argument."""
    tokenizer = copy.copy(wordpiece())
    tokenizer.model_input_names = ["input_ids", "token_type_ids"]
    rows = [{"input_ids": [10, 11]}, {"input_ids": [12]}]
    made = ew.DataCollatorForLanguageModeling(tokenizer, mlm=mlm)(rows)
    assert set(made) == set(hf.DataCollatorForLanguageModeling(tokenizer, mlm=mlm)(copy.deepcopy(rows)))
    if not mlm:
        assert made["labels"].tolist() == [[10, 11], [12, -100]]
