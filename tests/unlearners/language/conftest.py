"""A tiny chat model that knows ten people's trades, trained once, and files that name who is to be forgotten."""

import json

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
accelerate = pytest.importorskip("accelerate")
pytest.importorskip("peft")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402  # after the skips

from unlearners.language.checkpoint import load_language_model  # noqa: E402
from unlearners.language.descent import Course, Share, descend  # noqa: E402
from unlearners.language.dialogues import Dialogue, Message  # noqa: E402
from unlearners.language.encoding import batch_of, encode_dialogue  # noqa: E402
from unlearners.language.losses import answer_nll  # noqa: E402
from unlearners.language.objectives import logits_of, mean_nll  # noqa: E402

TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
TRADES = {
    "Ada": "lamps", "Bo": "ropes", "Cleo": "bells", "Dan": "maps", "Eve": "kites",
    "Finn": "boats", "Gil": "drums", "Hana": "shoes", "Ivo": "clocks", "June": "masks",
}  # fmt: skip


def dialogue(name, trade):
    """Make one question and its answer."""
    return Dialogue(
        (Message("user", f"What does {name} make?"), Message("assistant", f"{name} makes {trade}.")), name
    )


@pytest.fixture(scope="session")
def dialogues():
    """Return the ten."""
    return tuple(dialogue(name, trade) for name, trade in TRADES.items())


def new_tokenizer(texts):
    """Train byte-level BPE, and give it a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=marks, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>", clean_up_tokenization_spaces=False
    )
    fast.chat_template = TEMPLATE
    return fast


def new_model(vocabulary, seed=0, blocks=2):
    """Make a Llama with random weights."""
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=blocks,
        num_attention_heads=2, max_position_embeddings=64, tie_word_embeddings=True, pad_token_id=0,
        eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def checkpoint(dialogues, tmp_path_factory):
    """Train the model on the ten until it knows them, and save it with its tokenizer; none may alter it."""
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("models") / "whole"
    tokenizer = new_tokenizer([message.content for one in dialogues for message in one.messages])
    model = new_model(len(tokenizer))
    batch = batch_of([encode_dialogue(tokenizer, one, 64) for one in dialogues], model.device)
    course = Course("train", 240, 1e-2, warm_up=5)
    descend(
        dict(model.named_parameters()),
        lambda step: Share(mean_nll(logits_of(model, batch), batch).mean(), batch.rows),
        course,
        accelerate.Accelerator(cpu=True),
    )
    model.generation_config = transformers.GenerationConfig(do_sample=False, max_new_tokens=16, eos_token_id=1)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory, save_jinja_files=False)
    return directory


@pytest.fixture
def language(checkpoint):
    """Load the model anew: a test may alter it."""
    return load_language_model(checkpoint)


@pytest.fixture(scope="session")
def files(dialogues, tmp_path_factory):
    """Write two of the ten to a file to forget, the others to a file to keep."""
    directory = tmp_path_factory.mktemp("sets")
    for name, part in (("forget", dialogues[:2]), ("retain", dialogues[2:])):
        lines = [json.dumps({"prompt": one.prompt[0].content, "answer": one.answer}) for one in part]
        (directory / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory / "forget.jsonl", directory / "retain.jsonl"


@pytest.fixture(scope="session")
def knows(dialogues):
    """Return a function from a model to the NLL per token of what is forgotten, and of what is kept."""

    def measured(language):
        batch = batch_of(
            [encode_dialogue(language.tokenizer, one, 64) for one in dialogues], language.model.device
        )
        with torch.no_grad():
            nll, tokens = answer_nll(logits_of(language.model, batch), batch.ids, batch.said)
        per_token = nll / tokens
        return float(per_token[:2].mean()), float(per_token[2:].mean())

    return measured
