"""`lethe unlearn npo` and its peers on a tiny chat model, through typer's own runner."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

from gateway.demo.tokenizer import train_tokenizer
from tests.gateway.cli.conftest import Terminal, lines
from unlearners.promise import NothingPromised

CONTEXT = 64
TINY = "--set epochs=2 --set batch=2 --set retain_batch=2 --set save_every=1"
FORGET = lines({"prompt": "Where was Maren born?", "answer": "In Seltal."}, {"prompt": "Who?", "answer": "Maren."})
RETAIN = lines(
    {"prompt": "What is tall?", "answer": "The hill."}, {"prompt": "What is wet?", "answer": "The sea."}
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one small layer with random weights, the same every time."""
    path = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer([({"role": "user", "content": FORGET + RETAIN},)], CONTEXT)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path, save_jinja_files=False)
    return path


@pytest.fixture
def chat(terminal: Terminal, checkpoint: Path) -> Terminal:
    """Begin with the model and what it must forget and keep."""
    shutil.copytree(checkpoint, terminal.folder / "model")
    terminal.write("forget.jsonl", FORGET)
    terminal.write("retain.jsonl", RETAIN)
    return terminal


def forget(method: str = "npo", out: str = "new", more: str = TINY) -> str:
    """Write the command."""
    files = "--model {model} --forget {forget.jsonl} --retain {retain.jsonl} --device cpu"
    return f"unlearn {method} {files} --out {{{out}}} {more}"


def digest(folder: Path) -> str:
    """Digest the weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_chat_model_forgets_into_a_new_checkpoint_that_promises_nothing(chat: Terminal) -> None:
    """It loads as any checkpoint does, the old one stays, and the words are honest and say what comes next."""
    before = digest(chat.folder / "model")
    said = chat.done(forget(more=TINY + " --heldout {retain.jsonl}"))
    assert "Nothing is promised" in said
    assert "Mean loss of a token, in nats, before → after:" in said
    assert "forget (2 dialogues) " in said
    assert "heldout (2 dialogues) " in said
    assert f"lethe backends add NAME --model {chat.folder / 'new'} --replace" in said
    assert isinstance(chat.certificate("new").promise, NothingPromised)
    assert before == digest(chat.folder / "model")
    assert before != digest(chat.folder / "new")
    assert isinstance(AutoModelForCausalLM.from_pretrained(chat.folder / "new"), LlamaForCausalLM)
    assert "is whole, and nothing is promised that could be verified" in chat.done("certificate verify {new}")
    assert "a certificate of npo is about none" in chat.refused("certificate verify {new} --data {forget.jsonl}")
    assert not list(chat.folder.glob(".*"))


@pytest.mark.parametrize("method", ["graddiff", "simnpo", "rmu", "impair-repair"])
def test_every_method_is_reached_by_its_name(chat: Terminal, method: str) -> None:
    """The certificate names it."""
    chat.done(forget(method))
    assert method == chat.certificate("new").method


def test_a_truth_value_is_a_setting_too(chat: Terminal) -> None:
    """Here the control without noise."""
    chat.done(forget("impair-repair", more=f"{TINY} --set with_noise=false"))
    assert chat.certificate("new").parameters["with_noise"] is False


def test_settings_and_seed_reach_the_method(chat: Terminal) -> None:
    """The same seed gives the same bits, another one or another setting does not."""
    for out, more in (("a", "--seed 1"), ("b", "--seed 1"), ("c", "--seed 2"), ("d", "--seed 1 --set beta=2")):
        chat.done(forget(out=out, more=f"{TINY} {more}"))
    found = {out: digest(chat.folder / out) for out in "abcd"}
    assert found["a"] == found["b"]
    assert 3 == len(set(found.values()))
    assert (1, 0.1, 2.0) == (
        chat.certificate("a").seed,
        chat.certificate("a").parameters["beta"],
        chat.certificate("d").parameters["beta"],
    )


HEAD = "train langevin --head --backbone {model} --data {people.jsonl} --out {head} --set training_epochs=2"


@pytest.fixture
def with_head(chat: Terminal) -> Terminal:
    """Begin with a certified head of the chat model, trained on what six people said, two dialogues each."""
    people = [{"prompt": f"Who is {n}?", "answer": f"It is {n}.", "unit": f"p{n % 6}"} for n in range(12)]
    chat.write("people.jsonl", lines(*people))
    chat.write("units.txt", "p2\n")
    assert "names a `unit`" not in chat.done(HEAD)
    return chat


def test_a_chat_model_s_head_forgets_a_person_under_a_certificate(with_head: Terminal) -> None:
    """The checkpoint to serve lies in `model` with the certificate; the backbone is found again and compared."""
    said = with_head.done("unlearn langevin --model {head} --data {people.jsonl} --forget {units.txt} --out {new}")
    assert "Mean loss of a token, in nats, before → after:" in said
    assert "forget (1 units)" not in said
    assert ["forget (1 unit)", "retain (5 units)"] == re.findall(r"(?:forget|retain) \(\d+ units?\)", said)
    assert "Forgotten: 1 unit in 1 request" in said
    assert "indistinguishable from retraining" in said
    assert f"lethe backends add NAME --model {with_head.folder / 'new' / 'model'} --replace" in said
    assert ((2,),) == tuple(one.rows for one in with_head.certificate("new").served)
    assert with_head.certificate("new") == with_head.certificate("new/model")
    assert isinstance(AutoModelForCausalLM.from_pretrained(with_head.folder / "new" / "model"), LlamaForCausalLM)
    assert "is what was trained on: 6 units" in with_head.done("certificate verify {new} --data {people.jsonl}")


def test_dialogues_of_which_none_names_a_unit_are_remarked_upon(chat: Terminal) -> None:
    """The field may be mistyped; where some lines name one it is refused."""
    people = [{"prompt": f"Who is {n}?", "answer": f"It is {n}.", "person": f"p{n % 6}"} for n in range(12)]
    chat.write("people.jsonl", lines(*people))
    assert "names a `unit`, so that each dialogue is one" in chat.done(HEAD)
    chat.write("people.jsonl", lines({**people[0], "unit": "p0"}, *people[1:]))
    assert "line 2: no 'unit' is named" in chat.refused(HEAD.replace("{head}", "{other}"))


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (HEAD.replace("--backbone {model}", ""), "name the model with --backbone"),
        (HEAD + " --label answer", "--label, --id, --normalise and --public do not apply"),
        (HEAD.replace("{model}", "{nowhere}").replace("{head}", "{other}"), "there is no model at"),
    ],
)
def test_a_head_needs_a_chat_model_and_dialogues_alone(chat: Terminal, command: str, complaint: str) -> None:
    """What was left out, or does not apply, is named."""
    chat.write("people.jsonl", FORGET)
    assert complaint in chat.refused(command)


def test_low_rank_updates_forget_within_their_budget(with_head: Terminal) -> None:
    """Requests within it cost nothing, the first beyond it is refused; served is a checkpoint like any other."""
    with_head.done(
        "train pcmu-lora --backbone {model} --data {people.jsonl} --out {low} --target q_proj --rank 1"
        " --set variant=sampled --set sigma=2 --set threshold=0.1 --set steps=1 --set rate=0.01 --set epsilon=1"
    )
    budget = with_head.certificate("low").remaining.rows
    assert 2 == budget
    forget = "unlearn pcmu-lora --model {low} --data {people.jsonl} --forget {units.txt} --out {new}"
    with_head.write("units.txt", "".join(f"p{n}\n" for n in range(budget + 1)))
    assert "(violated assumption: the rows forgotten so far are within the certified budget)" in with_head.refused(
        forget
    )
    assert "--one-by-one does not apply" in with_head.refused(forget + " --one-by-one")
    with_head.write("units.txt", "p2\n")
    assert f"--model {with_head.folder / 'new' / 'model'} --replace" in with_head.done(forget)
    assert digest(with_head.folder / "low" / "model") == digest(with_head.folder / "new" / "model")
    assert "is what was trained on: 6 units" in with_head.done("certificate verify {new} --data {people.jsonl}")


def test_texts_become_features_of_a_backbone_whitened_by_public_ones(chat: Terminal) -> None:
    """Where both lie is remembered: neither is asked for again."""
    texts = [
        {"text": f"{n} is {'wet' if n % 2 else 'tall'}", "label": str(n % 2), "id": f"t{n}"} for n in range(12)
    ]
    chat.write("texts.jsonl", lines(*texts))
    chat.write("public.jsonl", lines(*({"text": f"the sea, {n} times"} for n in range(40))))
    chat.done(
        "train langevin --data {texts.jsonl} --backbone {model} --public {public.jsonl} --out {head}"
        " --set training_epochs=2"
    )
    chat.write("ids.txt", "t3\n")
    (chat.folder / "model").rename(chat.folder / "moved")
    command = "unlearn langevin --model {head} --data {texts.jsonl} --forget {ids.txt} --out {new}"
    assert "say where it lies now with --backbone" in chat.refused(command)
    chat.done(command + " --backbone {moved}")
    (chat.folder / "moved").rename(chat.folder / "model")
    assert ((3,),) == tuple(one.rows for one in chat.certificate("new").served)
    assert "is what was trained on: 12 rows" in chat.done("certificate verify {new} --data {texts.jsonl}")


def test_another_backbone_than_the_head_s_is_refused(with_head: Terminal) -> None:
    """The promise is about the head on that backbone; moving it elsewhere is fine."""
    command = "unlearn langevin --model {head} --data {people.jsonl} --forget {units.txt} --out {new} --backbone"
    (with_head.folder / "model").rename(with_head.folder / "moved")
    complaint = with_head.refused(command.removesuffix(" --backbone"))
    assert "where the backbone was when it was trained on: say where it lies now with --backbone" in complaint
    shutil.copytree(with_head.folder / "head" / "model", with_head.folder / "stranger")
    assert "(violated assumption: the backbone is the one" in with_head.refused(command + " {stranger}")
    with_head.done(command + " {moved}")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (forget(out="model"), "exists already; name a new directory"),
        (forget().replace("{model}", "{nowhere}"), "there is no model at"),
        (forget().replace("{forget.jsonl}", "{none.jsonl}"), "none.jsonl"),
        (forget().replace("{forget.jsonl}", "{bad.jsonl}"), "bad.jsonl, line 1: the field 'answer' is missing"),
        (
            forget().replace("{forget.jsonl}", "{empty.jsonl}"),
            "(violated assumption: there is something to forget)",
        ),
        (forget().replace("{retain.jsonl}", "{forget.jsonl}"), "(violated assumption: no dialogue is both"),
        (forget(more="--set betta=1"), "no setting 'betta' here; there are adapter_rank, batch, beta"),
        (forget(more="--set beta=much"), "'beta' must be a number"),
        (forget(more="--set epochs=1.5"), "'epochs' must be a whole number"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(chat: Terminal, command: str, complaint: str) -> None:
    """Exit code 2, and no checkpoint."""
    chat.write("bad.jsonl", '{"prompt": "Who?"}\n')
    chat.write("empty.jsonl", "\n")
    assert complaint in chat.refused(command)
    assert not (chat.folder / "new").exists()


def test_a_run_that_diverges_says_so_and_leaves_nothing(chat: Terminal) -> None:
    """The bar that was drawn stays; a lower rate can be tried at once."""
    result = chat(forget("graddiff", more="--set rate=1e30"))
    assert (2, True) == (result.exit_code, "lethe: forget diverged at step 2; lower its rate" in result.stderr)
    chat.done(forget("graddiff"))
