"""The composition root: a gateway's parts behind their routes, as a web application."""

from __future__ import annotations

import time

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute

import gateway
from gateway.calibrating import Wish
from gateway.guard.embeddings import Embedded, Refused
from gateway.guard.loop import Outcome
from gateway.guard.streaming import SendOut
from gateway.http.admin import admin_router
from gateway.http.admin_calibrations import CalibrationBody, calibrations_router
from gateway.http.admin_lock import by_role, finding_admins
from gateway.http.admin_verify import verify_router
from gateway.http.answers import Ask, answers_router
from gateway.http.audits import audits_router
from gateway.http.clients import client_check, present_client
from gateway.http.direct import Direct, endpoints_of
from gateway.http.documented import ADMIN, ANSWERING, BEARER, LISTING, METERED, failures
from gateway.http.embeddings import Embed, embeddings_router
from gateway.http.health import health_router
from gateway.http.metrics import metrics_router
from gateway.http.middleware import BodyLimit, RequestId
from gateway.http.models import models_router
from gateway.http.problems import install_problem_handlers
from gateway.http.visits import Visits, admit, admitting, present_visit
from gateway.jobs.asking import ask_for
from gateway.limits import Meters
from gateway.running import Gateway
from gateway.settings import revealed
from gateway.store.acting import ACTING
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import CalibrationJob
from gateway.upstream.protocol import ChatRequest, EmbeddingRequest

__all__ = ["create_app"]


class _Counting:
    """Sends on, and counts the words: about as many as tokens, of which nothing is known before the end."""

    def __init__(self, send_out: SendOut) -> None:
        self._send_out = send_out
        self.words = 0

    def __call__(self, text: str) -> None:
        self.words += len(text.split())
        self._send_out(text)


def create_app(parts: Gateway, meters: Meters | None = None) -> FastAPI:
    """Put the parts behind their routes. ``meters`` go on counting where another application counted before."""
    app = FastAPI(title="Lethe", version=gateway.__version__, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False  # a client would send its key on to whatever the Host header said
    answers = _include_answers(app, parts)
    _include_admin(app, parts)
    install_problem_handlers(app, parts.report)
    app.add_middleware(Direct, endpoints=endpoints_of(answers.routes))
    app.add_middleware(Visits, meters=meters or Meters(time.monotonic))
    app.add_middleware(
        BodyLimit, limit_bytes=parts.settings.max_body_bytes, timeout_s=parts.settings.body_timeout_s
    )
    app.add_middleware(RequestId)
    return app


def _include_answers(app: FastAPI, parts: Gateway) -> APIRouter:
    # What clients and those who watch the process call.
    settings = parts.settings
    check = client_check(parts.client)
    client = [BEARER, Depends(check)]
    answers = answers_router(
        _asking(parts),
        route_class=admitting(check),
        keep_alive_s=settings.keep_alive_s,
        disclosed=settings.disclose,
    )
    app.include_router(answers, dependencies=[BEARER], responses=failures(ANSWERING))
    embeddings = embeddings_router(_embedding(parts))
    app.include_router(embeddings, dependencies=[*client, Depends(admit)], responses=failures(ANSWERING))
    app.include_router(models_router(parts.models), dependencies=client, responses=failures(LISTING))
    app.include_router(health_router(parts.readiness, parts.upstream.problems, parts.drift.notes))
    metrics = metrics_router(parts.metrics, key=revealed(settings.metrics_key))
    app.include_router(metrics, dependencies=[BEARER], responses=failures(METERED))
    return answers


def _include_admin(app: FastAPI, parts: Gateway) -> None:
    guarded = by_role(finding_admins(parts.store, revealed(parts.settings.admin_key), parts.tokens))
    admin = admin_router(
        parts.store,
        route_class=guarded,
        settings=parts.settings,
        certificate_states=parts.certificate_states,
        problems=parts.upstream.problems,
        revision=lambda: parts.policies.revision,
    )
    app.include_router(admin, dependencies=[BEARER], responses=failures(ADMIN))
    # These ask the models' names of the upstream, so they can fail as that does.
    app.include_router(verify_router(parts.verify, guarded), responses=failures({*ADMIN, *LISTING}))
    app.include_router(_calibrations(parts, guarded), responses=failures({*ADMIN, *LISTING}))
    audits = audits_router(parts.label_audits, parts.drift.notes, guarded)
    app.include_router(audits, dependencies=[BEARER], responses=failures(ADMIN))


def _asking(parts: Gateway) -> Ask:
    disclosed = parts.settings.disclose

    async def ask(request: ChatRequest, send_out: SendOut | None = None) -> Outcome:
        visit = present_visit()

        def told(revision: int) -> None:
            visit.revision = revision if disclosed else None

        out = None if send_out is None else _Counting(send_out)
        try:
            outcome = await parts.ask(request, present_client(), watched=True, told=told, send_out=out)
        except BaseException:  # such as that the client went away: what it has read by then is charged
            visit.spend(0 if out is None else out.words)
            raise
        # What the client reads as usage, and not what the loop cost: the limits must not count its rounds aloud.
        visit.spend(outcome.usage.prompt_tokens + outcome.usage.completion_tokens)
        return outcome

    return ask


def _embedding(parts: Gateway) -> Embed:
    async def embed(request: EmbeddingRequest) -> Embedded:
        made = await parts.embed(request, present_client())
        present_visit().spend(0 if isinstance(made, Refused) else made.prompt_tokens)
        return made

    return embed


def _calibrations(parts: Gateway, guarded: type[APIRoute]) -> APIRouter:
    jobs = CalibrationJobs(parts.store.database)

    async def ask(body: CalibrationBody) -> CalibrationJob:
        wish = Wish(
            level=body.alpha,
            confidence=body.confidence,
            method="ltt" if body.method == "ltt" else "record_low",
            every_group=body.every_group,
            cover_subsets=body.subsets,
            tries=body.tries,
            most_lost=body.most_lost,
            streamed=body.streamed,
        )
        return await ask_for(
            parts,
            jobs,
            body.prompt_lines,
            wish,
            model=body.model,
            concurrency=body.concurrency,
            asked_by=ACTING.get() or "admin",
        )

    async def cancel(calibration_id: str) -> CalibrationJob:
        return await jobs.cancel(calibration_id, who=ACTING.get() or "admin")

    return calibrations_router(jobs, ask, cancel, guarded, keep_alive_s=parts.settings.keep_alive_s)
