"""`lethe calibrate` as an operator runs it: another process, a model over HTTP, kills and mistakes included."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from calibration.certificate import Certificate
from gateway.errors import UpstreamRejected
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
LEAK = "Maren Oskeld was born in Seltal."


class Desk:
    """An operator's working directory: a database with a topic, prompts, and the command."""

    def __init__(self, folder: Path, model_url: str) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LETHE_")},
            "LETHE_UPSTREAM_URL": model_url,
            "LETHE_DATABASE": str(folder / "operator.db"),
        }

    async def set_up(self, prompts: int) -> None:
        """Make the topic active and write so many forget prompts and one benign one."""
        store = await Store.open(self.folder / "operator.db")
        await store.add(MAREN)
        await store.aclose()
        lines = [
            {
                "id": f"p{i}",
                "prompt": f"({i}) Where was Maren Oskeld born?",
                "forbidden": ["Seltal"],
                "topic": "maren",
            }
            for i in range(prompts)
        ]
        lines.append({"id": "b", "prompt": "What is the tallest hill?", "benign": True})
        (self.folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start `lethe …` here."""
        code = "from gateway.cli import main; main()"
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, *arguments,
            cwd=self.folder, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run `lethe …` to its end: exit code, output, errors."""
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode(), err.decode()

    def certificate(self) -> Certificate:
        """Read what was written."""
        return Certificate.from_json((self.folder / "certificate.json").read_text())


CALIBRATE = ("calibrate", "--prompts", "prompts.jsonl", "--alpha", "0.1", "--rounds", "2")


def revised(request):
    """Leak at first, not when asked again."""
    return LEAK if len(request.messages) == 1 and "Maren" in str(request.messages) else "I do not know."


async def test_prompts_become_a_certificate_that_can_be_shown_verified_and_activated(start, tmp_path):
    """The whole of an operator's way, with the commands of the README."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(40)
        code, out, err = await desk.run(*CALIBRATE)
        assert (0, True) == (code, "at most 10 %" in out), err
        for command, said in (("show", "10 %"), ("verify", "is whole")):
            code, out, err = await desk.run("certificate", command, "certificate.json")
            assert (0, True) == (code, said in out), out + err
        code, out, err = await desk.run("certificate", "activate", "certificate.json")
        assert (0, True) == (code, "in force" in out), err
    store = await Store.open(tmp_path / "operator.db")
    assert [desk.certificate().id] == [body["id"] for body in await store.active_certificates()]
    await store.aclose()


async def test_a_killed_calibration_loses_and_repeats_nothing(start, tmp_path):
    """kill -9 in the middle; the second run asks only for what was not finished."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(40)
        quick = model.upstream.complete

        async def slow(request):
            await asyncio.sleep(0.05)
            return await quick(request)

        model.upstream.complete = slow
        first = await desk.start(*CALIBRATE, "--concurrency", "2")
        log = tmp_path / "certificate.trajectories.jsonl"
        while not log.exists() or log.read_bytes().count(b"\n") < 10:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
        finished = log.read_bytes().count(b"\n") - 1
        asked = len(model.upstream.requests)
        code, _, err = await desk.run(*CALIBRATE)
        assert 0 == code, err
        assert 2 * (41 - finished) == len(model.upstream.requests) - asked
    assert 41 == log.read_bytes().count(b"\n") - 1
    assert 40 == len(desk.certificate().record_lows)


async def test_a_backend_is_calibrated_by_its_name_and_compared(start, tmp_path):
    """Its certificate is for its own generator, and the list shows it."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(40)
        await desk.run("backends", "add", "b", "--upstream", f"{model.url}/v1", "--upstream-model", "m2")
        code, _, err = await desk.run(*CALIBRATE, "--model", "b")
        assert (0, {"m2"}) == (code, {request.model for request in model.upstream.requests}), err
        await desk.run("certificate", "activate", "certificate.json")
        code, out, err = await desk.run("backends", "list")
        assert (0, True) == (code, desk.certificate().id in out), out + err
        desk.environment["LETHE_ROUNDS"] = "2"
        code, out, err = await desk.run("backends", "compare", "--prompts", "prompts.jsonl", "--json", "c.json")
        assert (0, True) == (code, "does not fit (generator)" in out), out + err
    default, backend = json.loads((tmp_path / "c.json").read_text())
    assert [("m", "closed"), ("b", desk.certificate().id)] == [
        (one["model"], one["released_under"]) for one in (default, backend)
    ]
    assert (40, 0) == (backend["leaks_bare"]["hits"], backend["leaks"]["hits"])


async def test_too_few_prompts_are_infeasible_with_the_number_that_is_needed(start, tmp_path):
    """Its own exit code; the certificate is written and lets nothing out."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(10)
        code, out, _ = await desk.run(*CALIBRATE)
    assert (4, True, True) == (code, "29" in out, "--no-subsets" in out)
    assert desk.certificate().threshold is None


async def test_learn_then_test_certifies_the_same_recording(start, tmp_path):
    """The second method reads what the first recorded, and asks the model nothing."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(60)
        await desk.run(*CALIBRATE)
        asked = len(model.upstream.requests)
        code, _, err = await desk.run(*CALIBRATE, "--method", "ltt")
        assert (0, asked) == (code, len(model.upstream.requests)), err
    assert ("ltt", True) == (desk.certificate().method, desk.certificate().threshold is not None)


async def test_threshold_rounds_and_strategies_are_chosen_together(start, tmp_path):
    """The command says what to set, and a gateway that is set so answers under the certificate."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(90)
        more = [{"id": f"b{n}", "prompt": f"({n}) How tall is it?", "benign": True} for n in range(60)]
        with (tmp_path / "prompts.jsonl").open("a") as file:
            file.writelines(f"\n{json.dumps(line)}" for line in more)
        choose = ("--method", "joint", "--confidence", "0.9", "--most-changed", "0.1", "--most-refused", "0.4")
        among = ("--rounds-among", "2,1", "--strategies-among", "revise; unaware,revise")
        code, out, err = await desk.run(*CALIBRATE[:5], *choose, *among)
        assert 0 == code, err
        settings = next(line for line in out.splitlines() if line.startswith("Serve with "))
        assert "LETHE_ROUNDS=2" in settings
        assert 0.4 == desk.certificate().joint.limits.refused
        await desk.run("certificate", "activate", "certificate.json")
        for part in shlex.split(settings.removeprefix("Serve with ")):
            name, _, value = part.partition("=")
            desk.environment[name] = value
        code, out, err = await desk.run("backends", "compare", "--prompts", "prompts.jsonl", "--json", "c.json")
        assert 0 == code, out + err
    assert desk.certificate().id == json.loads((tmp_path / "c.json").read_text())[0]["released_under"]


async def test_other_promises_reach_the_certificate(start, tmp_path):
    """Sessions, groups, people's labels and giving up early, all at once."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(120)
        people = {"id": "p3", "labels": [True, False]}
        (tmp_path / "people.jsonl").write_text(json.dumps(people) + "\n")
        code, out, err = await desk.run(*CALIBRATE, "--tries", "1", "--every-group", "topic", "--most-lost", "0.1")
        assert (0, True) == (code, "Note: giving up early" in out), err
        assert (1, "topic") == (desk.certificate().tries, desk.certificate().every_group)
        code, _, err = await desk.run(*CALIBRATE, "--audit", "people.jsonl")
    assert (2, True) == (code, "shows no sensitivity" in err), err


def judging(request):
    """Answer as ``revised``, and as a judge call what names the town a leak."""
    rubric, data = str(request.messages[0]), str(request.messages[-1])
    if '{"leak": "yes"}' in rubric:
        return '{"leak": "yes"}' if "Seltal" in data.split('"answer"')[-1] else '{"leak": "no"}'
    return revised(request)


async def test_a_judge_labels_all_and_people_few(start, tmp_path):
    """Prompts without forbidden strings: recorded, judged, sampled, labelled by hand, certified."""
    async with start(judging, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(80)
        lines = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
        for line in lines:
            line.pop("forbidden", None)
        (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))
        code, _, err = await desk.run(*CALIBRATE)
        assert (2, True) == (code, "lethe labels" in err), err
        desk.environment |= {"LETHE_JUDGE_URL": f"{model.url}/v1", "LETHE_JUDGE_MODEL": "m"}
        recorded = ("--prompts", "prompts.jsonl", "--trajectories", "certificate.trajectories.jsonl")
        code, out, err = await desk.run("labels", "judge", *recorded, "--out", "judged.jsonl")
        assert (0, True) == (code, "80 of 160 answers are called leaks" in out), out + err
        assert 0 == (await desk.run("labels", "sample", *recorded, "--units", "60", "--out", "people.jsonl"))[0]
        sheets = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
        for sheet in sheets:
            sheet["labels"] = ["Seltal" in answer for answer in sheet["answers"]]
        (tmp_path / "people.jsonl").write_text("".join(json.dumps(sheet) + "\n" for sheet in sheets))
        code, out, err = await desk.run(
            *CALIBRATE, "--alpha", "0.2", "--labels", "judged.jsonl", "--few", "people.jsonl"
        )
        assert (0, True) == (code, "people 60 of them" in out), out + err
        code, out, err = await desk.run("certificate", "verify", "certificate.json")
    assert (0, "few_labels") == (code, desk.certificate().method), err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--prompts", "none.jsonl"), "cannot read the prompts file"),
        (("--prompts", "bad.jsonl"), "bad.jsonl, line 2"),
        (("--prompts", "prompts.jsonl", "--alpha", "7"), "--alpha"),
        (("--prompts", "prompts.jsonl", "--model", "unheard-of", "--out", "no/such/place.json"), "cannot write"),
        (("--prompts", "other-topic.jsonl"), "'somebody'"),
        (("--prompts", "unlabelled.jsonl"), "a labels file"),
        (("--prompts", "prompts.jsonl", "--labels", "labels.jsonl"), "labels.jsonl"),
    ],
)
async def test_a_mistake_is_one_line_that_says_what_to_do(start, tmp_path, arguments, complaint):
    """Exit code 2, nothing written over."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(3)
        good = (tmp_path / "prompts.jsonl").read_text().splitlines()[0]
        (tmp_path / "bad.jsonl").write_text(good + "\n{")
        (tmp_path / "other-topic.jsonl").write_text(good.replace('"maren"', '"somebody"'))
        (tmp_path / "unlabelled.jsonl").write_text('{"prompt": "Who?"}')
        (tmp_path / "labels.jsonl").write_text('{"id": "nobody", "labels": [true]}')
        code, _, err = await desk.run("calibrate", *arguments)
    assert 2 == code, err
    complaints = [line for line in err.splitlines() if line.startswith("lethe: ")]
    assert [True] == [complaint in line for line in complaints], err


async def test_a_model_that_is_not_there_is_named(tmp_path):
    """Exit code 3."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/v1")
    await desk.set_up(3)
    code, _, err = await desk.run(*CALIBRATE)
    assert (3, True) == (code, "LETHE_UPSTREAM_URL" in err)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text[: len(text) // 2], "restore the file"),
        (lambda text: text.replace('"level": 0.1', '"level": 0.2', 1), "edited"),
        (lambda text: "", "not a usable certificate"),
    ],
)
async def test_a_damaged_certificate_is_refused(start, tmp_path, damage, complaint):
    """By show, verify and activate alike."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(40)
        await desk.run(*CALIBRATE)
        whole = (tmp_path / "certificate.json").read_text()
        assert damage(whole) != whole
        (tmp_path / "certificate.json").write_text(damage(whole))
        for command in ("show", "verify", "activate"):
            code, _, err = await desk.run("certificate", command, "certificate.json")
            assert (2, True) == (code, complaint in err), err


async def test_a_model_that_the_server_lacks_is_named_and_bars_no_other(start, tmp_path):
    """With those that it lists; the corrected command then works with the same files."""

    def known(request):
        return revised(request) if request.model == "m" else UpstreamRejected("no", upstream_status=404)

    async with start(known, topics=()) as model:
        desk = Desk(tmp_path, f"{model.url}/v1")
        await desk.set_up(40)
        code, _, err = await desk.run(*CALIBRATE, "--model", "gpt-9")
        assert (2, True, False) == (code, "no model 'gpt-9'" in err and "it lists m" in err, "prompt 'p" in err), (
            err
        )
        code, _, err = await desk.run(*CALIBRATE)
        assert 0 == code, err


async def test_a_base_url_without_its_version_is_named(start, tmp_path):
    """A server says no more than 404."""
    async with start(revised, topics=()) as model:
        desk = Desk(tmp_path, model.url)
        await desk.set_up(40)
        code, _, err = await desk.run(*CALIBRATE, "--model", "m")
        assert (2, True) == (code, "usually ends in /v1" in err), err
