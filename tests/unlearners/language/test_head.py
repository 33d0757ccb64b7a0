"""A chat model's head apart from its frozen backbone: the same logits, unit features, a checkpoint that serves."""

import copy
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.unlearners.language.test_checkpoint import CERTIFICATE  # noqa: E402
from unlearners.langevin.settings import LangevinSettings  # noqa: E402  # after the skips
from unlearners.langevin.unlearner import Langevin  # noqa: E402
from unlearners.language.checkpoint import load_language_model, save_language_model  # noqa: E402
from unlearners.language.dialogues import Dialogue, Message  # noqa: E402
from unlearners.language.head import OfUnit, bags_of, load_headed, read_units, with_head  # noqa: E402
from unlearners.language.head_run import forget_units, train_head  # noqa: E402
from unlearners.promise import Indistinguishable  # noqa: E402
from unlearners.protocol import ForgetRequest, Refused  # noqa: E402
from unlearners.verification import verify  # noqa: E402

LANGEVIN = {"sigma": 0.5, "batch": 1, "training_epochs": 3, "convexity": 0.05}
PCMU = {"variant": "sampled", "sigma": 1.0, "threshold": 0.01, "steps": 5, "rate": 0.1, "epsilon": 5.0}


@pytest.fixture(scope="module")
def headed(checkpoint):
    """Load the tiny chat model apart from its head."""
    return load_headed(checkpoint)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Write what twenty people said, two dialogues each."""
    lines = [
        {
            "prompt": f"What does {name}{number} make?",
            "answer": f"{name}{number} makes {thing}.",
            "unit": f"u{number}",
        }
        for number in range(20)
        for name, thing in (("Ada", "lamps"), ("Bo", "kites"))
    ]
    path = tmp_path_factory.mktemp("said") / "said.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


def logits(language, ids=(5, 40, 41, 60)):
    """Return what the model makes of some tokens."""
    with torch.inference_mode():
        return language.model(input_ids=torch.tensor([list(ids)])).logits[0].numpy()


def test_the_model_taken_apart_says_what_it_said(checkpoint, headed):
    """The norm's weights are in the head, which is no longer that of the embeddings."""
    whole = logits(load_language_model(checkpoint))
    assert whole == pytest.approx(logits(headed.language), abs=1e-4)
    assert not headed.language.model.config.tie_word_embeddings


def test_the_saved_configuration_says_that_the_head_is_its_own(checkpoint, headed, tmp_path):
    """A server that ties what the file says is tied would drop the private head."""
    save_language_model(headed.language, tmp_path / "own", CERTIFICATE)
    save_language_model(load_language_model(checkpoint), tmp_path / "as-it-was", CERTIFICATE)
    said = [
        json.loads((folder / "config.json").read_text()).get("tie_word_embeddings", True)
        for folder in (checkpoint, tmp_path / "as-it-was", tmp_path / "own")
    ]
    assert [True, True, False] == said


def test_features_have_norm_one_and_give_the_answers_logits(headed):
    """Features times head are the logits before each token of the answer."""
    bags = bags_of(headed, [one_of("u", "Ada")])
    norms = np.linalg.norm(bags.features, axis=1)
    assert norms == pytest.approx(1, abs=1e-3)
    assert norms.max() <= 1
    tokenizer = headed.language.tokenizer
    text = "<|user|>What does Ada make?<|end|><|assistant|>Ada makes lamps.<|end|>"
    ids = tokenizer.encode(text, add_special_tokens=False)
    answer = tokenizer.encode("Ada makes lamps.<|end|>", add_special_tokens=False)
    assert answer == bags.labels.tolist()
    expected = logits(headed.language, ids)[-len(answer) - 1 : -1]
    assert expected == pytest.approx(bags.features @ headed.public.T, abs=1e-4)


def one_of(unit, name, number=0):
    """Make one dialogue of a unit."""
    asked, said = Message("user", f"What does {name} make?"), Message("assistant", f"{name} makes lamps.")
    return OfUnit(unit, Dialogue((asked, said), f"{unit}{number}"))


def test_a_unit_depends_on_its_own_dialogues_alone(headed):
    """Bit by bit, whoever else is in the data; units are in the order of their first appearance."""
    alone = bags_of(headed, [one_of("a", "Ada")])
    beside = bags_of(headed, [one_of("b", "Bo"), one_of("a", "Ada"), one_of("b", "Cleo", 1)])
    assert ("b", "a") == beside.ids
    assert alone.features.tobytes() == beside.features[beside.units == 1].tobytes()


def test_units_are_named_on_every_line_or_on_none(tmp_path):
    """Where on none, a dialogue is its own; where on some, a person would go in part. A BOM is no text."""
    named, alone = '{"prompt": "a", "answer": "b", "unit": "x"}', '{"prompt": "c", "answer": "d", "id": "own"}'
    path = tmp_path / "d.jsonl"
    for lines, units in (((named, "", named), ["x", "x"]), ((alone, alone.replace("own", "o2")), ["own", "o2"])):
        path.write_text("\n".join(lines), encoding="utf-8-sig")
        assert units == [one.unit for one in read_units(path)]
    path.write_text("\n".join((named, "", alone)), encoding="utf-8")
    with pytest.raises(ValueError, match="line 3: no 'unit' is named, and other lines name one"):
        read_units(path)
    with pytest.raises(Refused, match="the data have none"):
        bags_of(None, [])


@pytest.mark.parametrize(("method", "settings"), [("langevin", LANGEVIN), ("pcmu", PCMU)])
def test_a_head_is_trained_forgets_and_is_saved_as_a_checkpoint(tmp_path, checkpoint, said, method, settings):
    """What a server loads has the head that was certified; what is secret stays outside of it."""
    train_head(method, checkpoint, said, tmp_path / "one", settings={**settings, "epsilon": 8.0}, seed=1)
    certificate = forget_units(tmp_path / "one", said, ["u3"], tmp_path / "two")
    assert isinstance(certificate.promise, Indistinguishable)
    assert (20, [(3,)]) == (certificate.data.rows, [served.rows for served in certificate.served])
    assert () == verify(certificate)
    assert any("a unit with all its tokens" in one for one in certificate.assumptions)
    served = load_language_model(tmp_path / "two" / "model")
    with np.load(tmp_path / "two" / "state.npz") as state:
        weights = state["weights"].reshape(served.model.lm_head.weight.shape)
    assert weights.astype(np.float32).tobytes() == served.model.lm_head.weight.detach().numpy().tobytes()
    assert "state.npz" not in {path.name for path in (tmp_path / "two" / "model").iterdir()}
    embedded, before = (
        load_language_model(where).model.get_input_embeddings().weight.detach().numpy().tobytes()
        for where in (tmp_path / "two" / "model", checkpoint)
    )
    assert embedded == before


def test_without_noise_the_head_learns_what_was_said(headed, said):
    """From the public head on, by the same steps."""
    bags = bags_of(headed, read_units(said))
    settings = LangevinSettings(1.0, 0.05, 1e-9, 1, 1e-5, 40, 300.0)
    learned = Langevin(bags, settings, centre=headed.public).train(seed=0).weights
    before, after = (nll(bags, weights) for weights in (headed.public, learned))
    assert after < 0.6 * before
    assert nll(bags, with_head(headed, learned).model.lm_head.weight.detach().double().numpy()) == pytest.approx(
        after, rel=1e-4
    )


def nll(bags, weights):
    """Return the mean cross-entropy of the tokens."""
    scores = torch.from_numpy(bags.features @ weights.T)
    return float(torch.nn.functional.cross_entropy(scores, torch.from_numpy(bags.labels)))


def test_another_backbone_or_directory_or_unit_is_refused(tmp_path, checkpoint, said):
    """With the assumption named, and nothing left behind."""
    train_head("langevin", checkpoint, said, tmp_path / "one", settings=LANGEVIN)
    other = load_language_model(checkpoint)
    other.model.lm_head.weight.data += 1
    other.model.save_pretrained(tmp_path / "other")
    other.tokenizer.save_pretrained(tmp_path / "other", save_jinja_files=False)
    with pytest.raises(Refused, match="is another"):
        forget_units(tmp_path / "one", said, ["u3"], tmp_path / "two", backbone=tmp_path / "other")
    with pytest.raises(Refused, match="no unit 'u99'"):
        forget_units(tmp_path / "one", said, ["u99"], tmp_path / "two")
    with pytest.raises(ValueError, match="'langevin' or 'pcmu'"):
        train_head("npo", checkpoint, said, tmp_path / "two", settings={})
    assert {"one", "other"} == {path.name for path in tmp_path.iterdir()}


def test_a_model_that_is_built_otherwise_is_refused(tmp_path, checkpoint):
    """Its features could not be made to have norm 1."""
    language = load_language_model(checkpoint)
    config = transformers.GPT2Config(vocab_size=330, n_embd=32, n_layer=1, n_head=2, n_positions=64)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    language.tokenizer.save_pretrained(tmp_path / "gpt2", save_jinja_files=False)
    with pytest.raises(Refused, match="no final norm"):
        load_headed(tmp_path / "gpt2")


@pytest.mark.parametrize("kind", ["Gemma", "Granite"])
def test_a_model_whose_logits_are_scaled_otherwise_is_refused(tmp_path, checkpoint, kind):
    """One adds 1 to the norm's weights, one divides the logits: what is trained would not be what is served."""
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    small |= {"vocab_size": 330, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    more = {"head_dim": 16} if kind == "Gemma" else {"logits_scaling": 4.0}
    config = getattr(transformers, f"{kind}Config")(**small, **more)
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(tmp_path / kind)
    load_language_model(checkpoint).tokenizer.save_pretrained(tmp_path / kind, save_jinja_files=False)
    with pytest.raises(Refused, match="logits would move"):
        load_headed(tmp_path / kind)


def test_training_starts_at_the_public_head_and_is_bound_to_it(headed, said):
    """Almost no noise and one gentle epoch leave it nearby; a model of another start is refused."""
    bags = bags_of(headed, read_units(said)[:8])
    settings = LangevinSettings(1.0, 0.05, 1e-9, 4, 0.01, 1, 300.0)
    one, other = (Langevin(bags, settings, centre=centre) for centre in (headed.public, 2 * headed.public))
    model = one.train(seed=0)
    assert np.linalg.norm(model.weights - headed.public) <= 2 * 2**0.5
    with pytest.raises(Refused, match="trained on others"):
        other.unlearn(model, [ForgetRequest((0,))])


def test_a_head_of_the_wrong_shape_cannot_be_the_centre(headed, said):
    """Before anything is run."""
    bags = bags_of(headed, read_units(said)[:4])
    with pytest.raises(ValueError, match="the centre has shape"):
        Langevin(bags, LangevinSettings(1, 0.1, 1.0, 1, 0.1, 1), centre=copy.copy(headed.public.T))
