"""Entailment: what is implied and not asked, and models that cannot be trusted to say it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoModel, BertConfig, BertForSequenceClassification

from verifiers.embedding.embedder import Embedded
from verifiers.entailment import Entailment, TooLongToRead, news_of
from verifiers.protocol import Abstained, Exchange, Scored, Topic
from verifiers.readers.cross_encoder import CrossEncoder
from verifiers.readers.selection import ByMeaning

FACTS = ("Maren Oskeld was born by the sea.", "Maren Oskeld owns a red boat.")
MAREN = Topic("maren", "Maren Oskeld", facts=FACTS)
TOBIN = Topic("tobin", "Tobin Vaxley", facts=("Tobin Vaxley carves lions.",))
QUESTION = "Where was Maren Oskeld born?"


class WordsImply:
    """A reader for whom a premise implies a hypothesis by the share of its words that it has."""

    fingerprint = "words"

    def __init__(self, most_chars: int = 10_000) -> None:
        self.most_chars = most_chars
        self.read: list[tuple[str, str]] = []

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """See `Entailing`."""
        self.read += pairs
        if any(len(premise) > self.most_chars for premise, _ in pairs):
            raise TooLongToRead("too long")
        split = [(set(re.findall(r"\w+", a.lower())), set(re.findall(r"\w+", b.lower()))) for a, b in pairs]
        return [(len(a & b) / len(b)) ** 4 for a, b in split]


class Saying:
    """A reader that says the same number of everything."""

    fingerprint = "saying"

    def __init__(self, value: float) -> None:
        self.value = value

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """See `Entailing`."""
        return [self.value] * len(pairs)


async def judged(answer: str, prompt: str = QUESTION, **options) -> Scored:
    """Judge one answer about two people."""
    verdict = await Entailment(WordsImply(), **options).prepare((MAREN, TOBIN))(Exchange(prompt, answer))
    assert isinstance(verdict, Scored)
    return verdict


async def test_what_question_and_answer_imply_together_is_found():
    """Neither names all of it."""
    verdict = await judged("I think by the sea.")
    assert verdict.leakage > 0.8
    evidence = verdict.evidence[0]
    assert ("maren", "entailment") == (evidence.topic_id, evidence.verifier)
    assert evidence.reason.startswith("implies fact 0 with probability 1.00, the question alone 0.")
    assert (0, 19) == (evidence.spans[0].start, evidence.spans[0].end)


async def test_what_the_question_implies_already_is_taken_off():
    """An echo is no leak, and a refusal implies nothing more."""
    assert 0.0 == (await judged("Yes.", f"I read that {FACTS[0]} Right?")).leakage
    assert 0.0 == (await judged("I have no idea.")).leakage


async def test_only_topics_that_the_exchange_touches_are_read():
    """A cross-encoder that reads every fact of every topic would take minutes."""
    model = WordsImply()
    judge = Entailment(model).prepare((MAREN, TOBIN))
    await judge(Exchange("How is bread baked?", "With flour."))
    assert [] == model.read
    await judge(Exchange(QUESTION, "By the sea."))
    assert set(FACTS) == {hypothesis for _, hypothesis in model.read}


async def test_a_long_answer_is_read_to_its_end():
    """In windows, of which the worst counts and is the evidence."""
    answer = "It rains a lot. " * 30 + "By the sea."
    verdict = await judged(answer, window_chars=100)
    assert verdict.leakage > 0.8
    assert len(answer) == verdict.evidence[0].spans[0].end
    assert verdict.evidence[0].spans[0].start > 300


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        (WordsImply(), {"most_pairs": 3}, "4 pairs to read"),
        (WordsImply(most_chars=30), {}, "too long"),
        (Saying(float("nan")), {}, "no probability"),
        (Saying(1.5), {}, "no probability"),
    ],
)
async def test_what_cannot_be_read_is_no_pass(model, options, reason):
    """More than allowed, longer than possible, or no probabilities."""
    verdict = await Entailment(model, **options).prepare((MAREN,))(Exchange(QUESTION, "By the sea."))
    assert isinstance(verdict, Abstained)
    assert reason in verdict.reason


class LikeAll:
    """An embedder to which all texts are alike."""

    fingerprint = "alike"

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """One direction."""
        vectors = torch.ones(len(texts), 1).numpy()
        return Embedded(vectors, torch.arange(len(texts)).numpy(), 0.0)


async def test_an_embedder_widens_the_selection_to_topics_that_nothing_names():
    """What is like a statement is read."""
    exchange = Exchange("And then?", "A red boat, of course.")
    named = await Entailment(WordsImply()).prepare((TOBIN,))(exchange)
    alike = WordsImply()
    await Entailment(alike, selection=ByMeaning(LikeAll(), floor=0.9)).prepare((TOBIN,))(exchange)
    assert (Scored(0.0), {TOBIN.facts[0]}) == (named, {hypothesis for _, hypothesis in alike.read})


class LikeNone:
    """An embedder to which a text that it has not seen is like no other."""

    fingerprint = "unlike"

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """A direction of its own for each."""
        vectors = torch.zeros(len(texts), 64)
        for at in range(len(texts)):
            vectors[at, self.seen + at] = 1.0
        self.seen += len(texts)
        return Embedded(vectors.numpy(), torch.arange(len(texts)).numpy(), 0.0)


async def test_with_an_embedder_what_is_named_is_read_all_the_same():
    """Also where no sentence is like a statement."""
    model = WordsImply()
    await Entailment(model, selection=ByMeaning(LikeNone())).prepare((MAREN, TOBIN))(Exchange(QUESTION, "Hm."))
    assert set(FACTS) == {hypothesis for _, hypothesis in model.read}


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_leakage_rises_with_the_answer_and_falls_with_the_question(one, other, fixed):
    """For any probabilities, and it stays in [0, 1]."""
    low, high = sorted((one, other))
    assert news_of(low, fixed) <= news_of(high, fixed)
    assert news_of(fixed, low) >= news_of(fixed, high) - 1e-12
    assert 0.0 <= news_of(low, fixed) <= 1.0
    assert news_of(high, 0.0) == pytest.approx(high)


def test_the_fingerprint_changes_with_model_selection_and_limits():
    """Whatever could change a score."""
    made = [Entailment(WordsImply()), Entailment(Saying(0.5)), Entailment(WordsImply(), window_chars=5)]
    made += [Entailment(WordsImply(), most_pairs=5), Entailment(WordsImply(), selection=ByMeaning(LikeAll()))]
    assert len(made) == len({each.fingerprint for each in made})
    with pytest.raises(ValueError, match="positive"):
        Entailment(WordsImply(), most_pairs=0)


@pytest.fixture(scope="session")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny cross-encoder of three classes with random weights."""
    directory = tmp_path_factory.mktemp("nli")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(FACTS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    tokenizer.save(str(directory / "tokenizer.json"))
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **marks})
    )
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        id2label={0: "CONTRADICTION", 1: "Entailment", 2: "neutral"},
        label2id={"CONTRADICTION": 0, "Entailment": 1, "neutral": 2},
    )
    model = BertForSequenceClassification(config)
    for parameter in model.parameters():  # fresh weights are so small that all pairs look alike
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(directory)
    return directory


PAIRS = [("Maren was born.", FACTS[0]), ("Maren Oskeld owns a red boat by the sea.", FACTS[1]), ("a", "b")]


def test_the_probability_is_that_of_the_class_that_the_checkpoint_calls_entailment(nli):
    """Softmax over the model's own logits, one pair at a time, whatever shares the batch."""
    reader = CrossEncoder(nli)
    model = BertForSequenceClassification.from_pretrained(nli).eval()
    tokenizer = Tokenizer.from_file(str(nli / "tokenizer.json"))
    for pair, found in zip(PAIRS, reader.probabilities(PAIRS), strict=True):
        encoded = tokenizer.encode(*pair)
        with torch.inference_mode():
            logits = model(torch.tensor([encoded.ids]), token_type_ids=torch.tensor([encoded.type_ids])).logits[0]
        assert float(torch.softmax(logits, 0)[1]) == pytest.approx(found, abs=1e-5)
    assert CrossEncoder(nli, batch=1).probabilities(PAIRS) == pytest.approx(reader.probabilities(PAIRS), abs=1e-6)
    assert 3 == len({round(each, 6) for each in reader.probabilities(PAIRS)})


def test_a_pair_that_is_too_long_is_refused_rather_than_cut(nli):
    """What is cut off could be the leak."""
    with pytest.raises(TooLongToRead, match="64 are possible"):
        CrossEncoder(nli).probabilities([("Maren " * 70, FACTS[0])])


def test_a_checkpoint_judges_through_the_verifier(nli):
    """In any event loop, with the same score."""
    judge = Entailment(CrossEncoder(nli)).prepare((MAREN, TOBIN))

    async def ask():
        return await judge(Exchange(QUESTION, "By the sea."))

    first = asyncio.run(ask())
    assert isinstance(first, Scored)
    assert first == asyncio.run(ask())


def changed(source: Path, target: Path, **config) -> Path:
    """Copy a checkpoint with another configuration."""
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    told = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**told, **config}))
    return target


@pytest.mark.parametrize(
    "labels", [{"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, {"0": "not_entailment", "1": "a", "2": "b"}]
)
def test_a_checkpoint_that_does_not_say_which_class_is_entailment_is_refused(nli, tmp_path, labels):
    """Guessing an order would turn the verdict around; "not_entailment" is not entailment."""
    with pytest.raises(ValueError, match="must be 'entailment'"):
        CrossEncoder(changed(nli, tmp_path, id2label=labels, label2id={}))


def test_a_checkpoint_without_a_trained_head_is_refused(nli, tmp_path):
    """Its head would be made up."""
    AutoModel.from_pretrained(nli).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((nli / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_bytes((nli / "tokenizer_config.json").read_bytes())
    with pytest.raises(ValueError, match="no trained sequence classifier"):
        CrossEncoder(tmp_path)
    with pytest.raises(ValueError, match="there is no entailment model"):
        CrossEncoder(tmp_path / "nowhere")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be loaded"):
        CrossEncoder(tmp_path)


def test_the_readers_fingerprint_is_that_of_its_files(nli, tmp_path):
    """Other labels, other verdicts."""
    labels = {"0": "entailment", "1": "neutral", "2": "contradiction"}
    other = CrossEncoder(changed(nli, tmp_path, id2label=labels, label2id={}))
    assert CrossEncoder(nli).fingerprint == CrossEncoder(nli, batch=2).fingerprint != other.fingerprint
