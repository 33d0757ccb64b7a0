"""Client libraries and programs, unmodified, against a really started gateway with an active topic."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.guard.fallback import UNAWARE

HERE = Path(__file__).parent
HILL = {"name": "Mount Ell", "metres": 2100}
ANSWER = "It is Mount Ell."


async def test_langchain_reads_every_kind_of_answer(gate):
    """Whole, streamed, in batches, tools, structured output, the responses API, and embeddings."""
    async with gate() as gateway:
        found = json.loads(await gateway.run(str(HERE / "clients" / "langchain_client.py"), gateway.url))
    assert found.pop("tokens") > 0
    assert {
        "invoke": ANSWER,
        "stream": ANSWER,
        "batch": [ANSWER, UNAWARE],
        "tools": [["look_up", {"what": "hills"}]],
        "structured": HILL,
        "responses": ANSWER,
        "responses_stream": ANSWER,
        "embeddings": [[1.0, 1.0], [3.0, 1.0]],
    } == found


async def test_instructor_gets_its_objects_in_each_of_its_modes(gate):
    """By a tool call, by JSON and by a schema."""
    async with gate() as gateway:
        found = json.loads(await gateway.run(str(HERE / "clients" / "instructor_client.py"), gateway.url))
    assert {"TOOLS": HILL, "JSON": HILL, "JSON_SCHEMA": HILL} == found


async def test_clients_that_require_a_call_or_a_shape_meet_openais_own_refusal(gate):
    """Each library has its own way to say so; none gets a call or a value that somebody made up."""
    async with gate() as gateway:
        found = json.loads(await gateway.run(str(HERE / "clients" / "refused_client.py"), gateway.url))
    unknown = {"name": None, "year": None}
    assert {
        "required": UNAWARE,
        "required, streamed": [],
        "schema": ["OpenAIRefusalError", True],
        "schema, if known": unknown,
        "function": None,
        "instructor TOOLS": ["InstructorRetryException", True],
        "instructor JSON_SCHEMA": "InstructorRetryException",
        "instructor JSON_SCHEMA, if known": unknown,
    } == found


async def test_the_llm_command_answers_whole_and_streamed(gate, tmp_path):
    """With a model of its own file of extra models, and the fallback for what is forgotten."""
    async with gate() as gateway:
        model = {"model_id": "lethe", "model_name": "m", "api_base": gateway.url, "api_key_name": "lethe"}
        (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]))
        home = {"LLM_USER_PATH": str(tmp_path)}
        ask = ("-m", "llm", "-m", "lethe", "--key", "any", "--no-log")
        said = [
            await gateway.run(*ask, "--no-stream", "Which hill?", environment=home),
            await gateway.run(*ask, "Which hill?", environment=home),
            await gateway.run(*ask, "Where was Maren Oskeld born?", environment=home),
        ]
    assert [ANSWER, ANSWER, UNAWARE] == [text.strip() for text in said]


async def test_lm_eval_scores_answers_and_forgotten_ones_as_wrong(gate, tmp_path):
    """With `local-chat-completions` and a task of our own: one of two questions is about a topic."""
    rows = [
        {"question": "Which hill?", "answer": ANSWER},
        {"question": "Where was Maren Oskeld born?", "answer": "Maren Oskeld was born in Seltal."},
    ]
    data = tmp_path / "hills.json"
    data.write_text("\n".join(json.dumps(row) for row in rows))
    task = (HERE / "tasks" / "hills.yaml").read_text().replace("HILLS", json.dumps(str(data)))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "hills.yaml").write_text(task)
    async with gate() as gateway:
        where = f"model=m,base_url={gateway.url}/chat/completions,tokenizer_backend=None,num_concurrent=1"
        await gateway.run(
            *("-m", "lm_eval", "--model", "local-chat-completions", "--model_args", where),
            *("--tasks", "hills", "--include_path", str(tmp_path / "tasks"), "--apply_chat_template"),
            *("--output_path", str(tmp_path / "out")),
        )
    (report,) = (tmp_path / "out").rglob("results_*.json")
    assert 0.5 == json.loads(report.read_text())["results"]["hills"]["exact_match,none"]
