"""Private topics in a whole gateway: hashed, added, withheld, calibrated, and nowhere in plain text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gateway.app import create_app
from gateway.calibrating import Wish, calibrate
from gateway.certificates import activate_certificate
from gateway.cli import app
from gateway.errors import InvalidInput
from gateway.guard.embeddings import Refused
from gateway.guard.loop import FellBack, Released
from gateway.guard.policy import Bounded, Closed, Open
from gateway.guard.prompts import read_prompts
from gateway.http.admin_verify import GivenExchange
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.upstream.protocol import ChatRequest, EmbeddingRequest, Embeddings
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.private.key import PrivateKey, key_from_file
from verifiers.private.topic import hash_topic
from verifiers.protocol import Topic

RULE = "The melt shall be held at temperature until the third bell and no other hand shall lift it."
FILE = f"""
topics:
  - id: case-7
    name: Maren Oskeld
    aliases: [Pellinore]
    description: A glassblower.
    facts: [Maren Oskeld was born in Seltal.]
    protected_texts: ["{RULE}"]
"""
WORDS = ("maren", "oskeld", "pellinore", "glassblower", "seltal", "third bell")
LEAK = "She was born in Seltal."
ASKED = ChatRequest("scripted", ({"role": "user", "content": "Where was Maren Oskeld born?"},))
TOLD = {"id": "case-7", "private": True, "active": True, "mode": "enforce", "fallback": "unaware"}
ADMIN = {"authorization": "Bearer k"}


class Desk:
    """Somebody who hashes a topic and brings it to a database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database, self.key = folder / "gateway" / "lethe.db", folder / "private.key"
        self.database.parent.mkdir()
        (folder / "topics.yaml").write_text(FILE)
        self.says("topics", "new-key", "--out", str(self.key))
        self.says(
            *("topics", "hash", str(folder / "topics.yaml"), "--key-file", str(self.key)),
            *("--out", str(folder / "private.json")),
        )
        self.says("topics", "add", "--private", str(folder / "private.json"))

    def says(self, *words: str) -> str:
        """Run a command that succeeds."""
        done = CliRunner().invoke(app, words, env={"LETHE_DATABASE": str(self.database), "COLUMNS": "200"})
        assert 0 == done.exit_code, done.output
        return done.output

    def settings(self, **more: object):
        """Serve that database with that key."""
        given = {"private_key_file": self.key, "without_certificate": "zero-evidence", "rounds": 3, **more}
        return given_settings(database=str(self.database), admin_key="k", **given)

    def written(self) -> bytes:
        """Read everything that the gateway keeps beside the key."""
        return b"".join(path.read_bytes() for path in self.database.parent.iterdir()).lower()


class Embedding(ScriptedUpstream):
    """Makes vectors too, all alike."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Give one for each input."""
        return Embeddings(tuple([1.0] for _ in request.inputs))


@pytest.fixture
def desk(tmp_path):
    """Begin with one private topic."""
    return Desk(tmp_path)


def words_in(text: bytes | str) -> list[str]:
    """Name the topic's words that stand in a text."""
    lowered = text.lower() if isinstance(text, bytes) else text.lower().encode()
    return [word for word in WORDS if word.encode() in lowered]


@pytest.mark.parametrize("leak", [LEAK, "It was Maren Oskeld.", "Ask Pellinore.", RULE])
async def test_a_leak_is_withheld_and_nothing_that_is_kept_holds_a_word_of_it(desk, leak):
    """From the file of topics to the answer: the database, the log and the audit log know an id and hashes."""
    logged = []
    upstream = ScriptedUpstream([leak])
    async with open_gateway(desk.settings(), upstream=upstream, report=lambda *e: logged.append(e)) as gateway:
        outcome = await gateway.ask(ASKED)
        assert isinstance(outcome, FellBack)
        assert [] == words_in(str(outcome.choices))
        assert ["case-7"] == sorted({each.topic_id for each in outcome.evidence})
        _, chain = await gateway.store.audit()
    assert [] == words_in(str(logged))
    assert [] == words_in("".join(row.entry for row in chain))
    assert any("topic case-7" in row.entry for row in chain)
    assert [] == words_in(desk.written())


async def test_what_leaks_nothing_goes_out_and_later_rounds_name_nothing(desk):
    """The question names the topic; no later round does that the client did not."""
    upstream = ScriptedUpstream([LEAK, "I could not say."])
    async with open_gateway(desk.settings(strategies=("unaware",)), upstream=upstream) as gateway:
        outcome = await gateway.ask(ASKED)
    assert isinstance(outcome, Released)
    assert (2, "I could not say.") == (outcome.rounds, outcome.choices[0].message["content"])
    assert ASKED.messages == upstream.requests[1].messages[:1]
    assert ["assistant", "user"] == [turn["role"] for turn in upstream.requests[1].messages[1:]]


async def test_a_plain_topic_beside_it_is_judged_as_ever(desk):
    """And named to the model, where the private one is not."""
    upstream = ScriptedUpstream(["Ada Brenner cast bells in Seltal.", "No idea."])
    asked = replace(ASKED, messages=({"role": "user", "content": "Who are Ada Brenner and Maren Oskeld?"},))
    async with open_gateway(desk.settings(strategies=("unaware",)), upstream=upstream) as gateway:
        await gateway.store.add(ForgetTopic(Topic("ada", "Ada Brenner", facts=("Ada Brenner cast bells.",))))
        policy, _ = await gateway.policies.now("scripted")
        assert frozenset({"ada", "case-7"}) == await policy.screen.touched("Who are Ada Brenner and Maren Oskeld?")
        assert isinstance(await gateway.ask(asked), Released)
    instruction = upstream.requests[1].messages[0]["content"]
    assert "You have no information about Ada Brenner. If asked, say so." == instruction


def test_the_command_line_tells_the_id_and_the_state_and_nothing_else(desk):
    """In every form of the list."""
    assert [TOLD] == json.loads(desk.says("topics", "list", "--json"))
    for command in (("list",), ("list", "--yaml"), ("show", "case-7")):
        said = desk.says("topics", *command)
        assert "case-7" in said
        assert [] == words_in(said)


async def test_the_admin_api_tells_the_id_and_the_state_and_nothing_else(desk):
    """After a write too."""
    async with open_gateway(desk.settings(), upstream=ScriptedUpstream([LEAK])) as gateway:
        transport = httpx.ASGITransport(create_app(gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://lethe", headers=ADMIN) as client:
            assert [TOLD] == (await client.get("/admin/topics")).json()["topics"]
            assert TOLD == (await client.get("/admin/topics/case-7")).json()
            off = await client.post("/admin/topics/case-7/deactivate")
            assert {**TOLD, "active": False, "mode": "off"} == off.json()["topic"]
            assert isinstance((await gateway.policies.now("scripted"))[1], Open)


async def test_without_its_key_a_gateway_does_not_start(desk):
    """Nor with another: the error says which key is missing by its check value, and names no topic."""
    other = desk.folder / "other.key"
    desk.says("topics", "new-key", "--out", str(other))
    check = key_from_file(desk.key).check
    for key, complaint in ((None, "set LETHE_PRIVATE_KEY_FILE"), (other, "does not open")):
        with pytest.raises(InvalidInput, match=complaint) as refused:
            async with open_gateway(desk.settings(private_key_file=key), upstream=ScriptedUpstream([LEAK])):
                pass
        assert check in str(refused.value)
        assert "case-7" not in str(refused.value)


async def test_a_switched_off_private_topic_keeps_nobody_from_starting(desk):
    """Nothing needs to be recognised then."""
    store = await Store.open(desk.database)
    await store.set_active("case-7", False)
    await store.aclose()
    settings = desk.settings(private_key_file=None)
    async with open_gateway(settings, upstream=ScriptedUpstream([LEAK])) as gateway:
        assert isinstance(await gateway.ask(ASKED), Released)


async def test_a_running_gateway_that_cannot_open_a_new_private_topic_lets_nothing_out(desk):
    """Whatever the exceptions say: no evidence means nothing where nothing was looked for."""
    stranger = hash_topic(Topic("case-8", "Ada Brenner"), PrivateKey(b"o" * 32))
    upstream = Embedding(["Harmless."])
    async with open_gateway(desk.settings(), upstream=upstream) as gateway:
        assert isinstance(await gateway.ask(ASKED), Released)
        assert isinstance(await gateway.embed(EmbeddingRequest("scripted", ("A harmless text.",))), Embeddings)
        assert Refused("touched") == await gateway.embed(EmbeddingRequest("scripted", ("Maren Oskeld",)))
        await gateway.store.add(ForgetTopic(stranger))
        assert isinstance(await gateway.ask(ASKED), FellBack)
        _, rule = await gateway.policies.now("scripted")
        assert isinstance(rule, Closed)
        assert stranger.check in rule.reason
        assert isinstance(await gateway.embed(EmbeddingRequest("scripted", ("A harmless text.",))), Refused)
        judged = await gateway.verify(GivenExchange(answer="Harmless.", prompt="Hello?"))
        assert not judged.judgement.would_release
        with pytest.raises(InvalidInput, match="cannot be looked for"):
            async with gateway.policies.for_calibration("scripted"):
                pass
        await gateway.store.remove("case-8")
        assert isinstance(await gateway.ask(ASKED), Released)


async def test_a_certificate_is_calibrated_for_a_private_topic_and_bound_to_its_hashes(desk):
    """Labels come from the prompts. Another topic may be switched off; one hashed of other facts is another."""
    prompts = desk.folder / "prompts.jsonl"
    lines = [
        {
            "id": f"p{n}",
            "prompt": f"({n}) Where was Maren Oskeld born?",
            "forbidden": ["Seltal"],
            "topic": "case-7",
        }
        for n in range(30)
    ]
    prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    upstream = ScriptedUpstream(lambda request: LEAK if len(request.messages) == 1 else "I could not say.")
    key = key_from_file(desk.key)
    async with open_gateway(desk.settings(without_certificate="fallback"), upstream=upstream) as gateway:
        await gateway.store.add(ForgetTopic(hash_topic(Topic("case-9", "Ada Brenner"), key)))
        certificate = await calibrate(
            gateway, read_prompts(prompts), Wish(level=0.1),
            model="scripted", trajectories=desk.folder / "t.jsonl", labels=None,
            created=datetime(2026, 1, 31, tzinfo=UTC), progress=lambda *_: None,
        )  # fmt: skip
        assert ["case-7", "case-9"] == sorted(certificate.bindings.topics)
        await activate_certificate(gateway.store, certificate)
        policy, rule = await gateway.policies.now("scripted")
        assert isinstance(rule, Bounded)
        assert policy.fingerprints == certificate.bindings.topics
        outcome = await gateway.ask(ASKED)
        assert isinstance(outcome, Released)
        assert "I could not say." == outcome.choices[0].message["content"]
        await gateway.store.set_active("case-9", False)
        assert isinstance((await gateway.policies.now("scripted"))[1], Bounded)
        changed = hash_topic(Topic("case-7", "Maren Oskeld", facts=("Maren Oskeld blew glass.",)), key)
        await gateway.store.replace("case-7", ForgetTopic(changed))
        assert isinstance((await gateway.policies.now("scripted"))[1], Closed)
    assert [] == words_in(desk.written())
