"""Every knob of the gateway, with its unit and meaning. docs/settings.md is made from this file.

``gateway.settings_reading`` reads them at the start; they are passed down from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.settings_upstreams import BadWords, HttpAddress, Seconds, UpstreamSettings

__all__ = ["HOT", "SERVER_SETTINGS", "Settings", "VerifierName", "given_settings", "revealed"]

_Strategy = Literal["revise", "unaware", "resample", "constrain"]
TokenAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]
VerifierName = Literal["lexical", "facts", "verbatim", "claims", "conversation", "semantic", "entailment", "judge"]


class Settings(BaseSettings):
    """One gateway process."""

    model_config = SettingsConfigDict(env_prefix="LETHE_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database: str = Field(
        "lethe.db",
        description="Where topics and certificates are kept: a file's path, `sqlite:///PATH`, or for replicas "
        "`postgresql://USER@HOST/DATABASE` (extra `postgres`).",
    )
    database_grace_s: float = Field(
        10.0,
        ge=1,
        le=3600,
        description="How many seconds a PostgreSQL server may be out of reach before nothing is answered any "
        "more; until then the last policy that it confirmed counts. A file is asked at every request.",
    )
    api_key: SecretStr | None = Field(
        None,
        min_length=1,
        description="Key that clients may send as a bearer token, beside those of `lethe keys`. Unset, and no key "
        "ever made: any client may ask.",
    )
    admin_key: SecretStr | None = Field(
        None, min_length=1, description="Key for /admin. Unset: the admin API is closed."
    )

    oidc_issuer: str | None = Field(
        None,
        min_length=1,
        description="Issuer (`iss`) of an identity provider whose bearer tokens count as keys (extra `oidc`): a "
        "token stands for the key of the same name, of `lethe keys` or `lethe admins`.",
    )
    oidc_audience: str | None = Field(
        None, min_length=1, description="Audience (`aud`) that its tokens must be for."
    )
    oidc_keys: str | None = Field(
        None, min_length=1, description="Its JSON Web Key Set: a file, or an https:// address."
    )
    oidc_algorithms: tuple[TokenAlgorithm, ...] = Field(
        ("RS256", "ES256"), min_length=1, description="How its tokens may be signed."
    )
    oidc_name_claim: str = Field(
        "sub", min_length=1, description="The claim of a token that is the name of the key that it stands for."
    )

    private_key_file: Path | None = Field(
        None,
        description="File with the key of private topics, as `lethe topics new-key` makes it. Keep it apart from "
        "the database and its backups.",
    )

    metrics_key: SecretStr | None = Field(
        None, min_length=1, description="Key for /metrics, as a bearer token. Unset: the metrics are closed."
    )
    otel: bool = Field(
        False,
        description="Send traces to where OTEL_EXPORTER_OTLP_… variables say (extra `otel`).",
    )

    upstream_url: HttpAddress | None = Field(
        None, description="Base URL of an OpenAI-compatible server, with the version path."
    )
    upstream_key: SecretStr | None = Field(None, description="Key that the gateway sends to that server.")
    upstream_bad_words: BadWords = Field(
        False,
        description="The server takes `bad_words` (vLLM does), so the strategy `constrain` can ban words. "
        "`every_spelling`: it has Lethe's logits processor, too (docs/vllm.md).",
    )
    upstream_several_choices: bool = Field(True, description="The server takes `n` above 1.")
    upstreams: tuple[UpstreamSettings, ...] = Field(
        (),
        description="Several servers, in the order in which they are asked: see below. As an alternative to "
        "LETHE_UPSTREAM_URL.",
    )
    upstream_connections: int = Field(
        100, ge=1, description="Most requests that one server works on at once; further ones wait."
    )
    upstream_waiting: int = Field(
        1000, ge=0, description="Most requests that wait for one server; further ones are refused (503)."
    )
    upstream_retries: int = Field(
        2,
        ge=0,
        le=10,
        description="How often a request is tried again after 429, 502, 503, 504 or a broken connection, "
        "as long as nothing of an answer has come.",
    )
    upstream_retry_after_s: Seconds = Field(
        10.0,
        description="Longest pause before trying again; a server that asks for a longer one is left alone, "
        "seconds.",
    )
    breaker_failures: int = Field(
        5,
        ge=1,
        description="A server is not asked for a while after failing this often without an answer between.",
    )
    breaker_pause_s: Seconds = Field(
        15.0, description="How long it is not asked; then one request tries it, seconds."
    )
    connect_timeout_s: Seconds = Field(5.0, description="Longest wait for a connection to the server, seconds.")
    read_timeout_s: Seconds | None = Field(
        None,
        description="Longest wait for the server's answer, seconds; shorter than the deadline, or a server that "
        "hangs is never left alone. Unset: half of the deadline.",
    )
    write_timeout_s: Seconds = Field(30.0, description="Longest wait for the server to take a request, seconds.")
    pool_timeout_s: Seconds = Field(10.0, description="Longest wait in a server's queue, seconds; then 503.")
    max_answer_bytes: int = Field(
        50_000_000,
        ge=1_000,
        description="Largest answer of a server that is read, bytes, streamed or not; a larger one is withheld.",
    )
    model_dir: Path | None = Field(
        None, description="Hugging Face checkpoint to run inside the gateway, instead of a server."
    )
    model_name: str | None = Field(
        None, description="Name of that checkpoint's model for clients. Unset: the directory's name."
    )
    model_threads: int = Field(1, ge=1, description="CPU threads for the model inside the gateway.")
    max_batch: int = Field(32, ge=1, description="Most chats that the model inside generates for at once.")

    verifiers: tuple[VerifierName, ...] = Field(
        ("lexical", "facts", "verbatim"), min_length=1, description="Verifiers that judge every answer."
    )
    screened_verifiers: tuple[VerifierName, ...] = Field(
        ("claims", "conversation"),
        description="Verifiers that judge only where the conversation touches a topic.",
    )
    doubted_verifiers: tuple[VerifierName, ...] = Field(
        (), description="Verifiers that judge only where the others' score lies in the band of doubt."
    )
    monitored_verifiers: tuple[VerifierName, ...] = Field(
        (),
        description="Verifiers that judge answers after they have gone out, and only count what they would have "
        "withheld. See docs/modes.md.",
    )
    doubt: tuple[float, float] = Field(
        (0.05, 0.9), description="The band of doubt: from the first score up to below the second."
    )
    learned_model: Path | None = Field(
        None, description="Model that turns the verifiers' scores into one, where a topic is touched."
    )
    embedding_model: Path | None = Field(
        None, description="Directory of the sentence-embedding model of the verifier `semantic`."
    )
    embedding_engine: Literal["onnx", "torch"] = Field("onnx", description="What runs that model.")
    embedding_threads: int = Field(1, ge=1, description="CPU threads of that model.")
    embedding_batch: int = Field(32, ge=1, description="Most texts that it reads at once.")
    embedding_cache: Path | None = Field(
        None, description="Directory for its ONNX export, where the model's directory has none."
    )
    nli_model: Path | None = Field(
        None, description="Directory of the cross-encoder of the verifier `entailment`."
    )
    nli_threads: int = Field(1, ge=1, description="CPU threads of that model.")
    judge_url: HttpAddress | None = Field(
        None, description="Base URL of the server of the verifier `judge`. It sees facts and answers."
    )
    judge_model: str | None = Field(None, description="Name of the judging model there.")
    judge_key: SecretStr | None = Field(None, description="Key that the gateway sends to that server.")
    judge_timeout_s: Seconds = Field(4.0, description="Longest wait for one judgement, seconds.")
    judge_concurrency: int = Field(4, ge=1, description="Most judgements asked for at once.")
    judge_structured: bool = Field(True, description="That server takes a JSON schema for its answer.")
    judge_logprobs: bool = Field(True, description="That server gives the probabilities of its words.")
    verify_timeout_s: Seconds = Field(
        5.0, description="Longest that judging one candidate may take, seconds; then it counts as a leak."
    )
    rounds: int = Field(5, ge=1, le=50, description="Most rounds of generation for one request (T).")
    strategies: tuple[_Strategy, ...] = Field(
        ("revise", "unaware", "constrain", "revise"),
        min_length=1,
        description="How rounds 2, 3, … ask; the last one serves all further rounds.",
    )
    candidates_per_round: int = Field(
        1, ge=1, le=16, description="Answers drawn in each refinement round, where the upstream takes `n`."
    )
    decoding: dict[str, Any] = Field(
        {"temperature": 0.0},
        description="How conversations that touch a topic are generated, whatever the client asks for.",
    )
    deadline_s: Seconds = Field(120.0, description="Longest that one request's loop may take, seconds.")

    without_certificate: Literal["fallback", "zero-evidence"] = Field(
        "fallback",
        description="Where topics are active and no certificate applies: `fallback` lets nothing out; "
        "`zero-evidence` lets out answers in which no verifier found anything, with no promise.",
    )
    strictest_threshold: float | None = Field(
        None, gt=0, le=1, description="Tightens the certificate's threshold; always valid, answers less."
    )
    drift_delta: float = Field(
        0.01, gt=0, lt=1, description="Highest probability that a monitor of drift ever rings without need."
    )
    drift_file: Path | None = Field(
        None,
        description="Where this process keeps the monitors' state. Unset: beside the database's file, or "
        "lethe.drift.json in the working directory where the database is a server's.",
    )
    drift_on_scores: Literal["warn", "tighten", "fall_back"] = Field(
        "warn",
        description="When scores drift: `tighten` halves the threshold, `fall_back` lets nothing out, until "
        "another certificate is in force.",
    )
    drift_on_audits: Literal["warn", "fall_back"] = Field(
        "fall_back", description="The same when audited answers leak more often than the certificate promises."
    )
    audit_file: Path | None = Field(
        None,
        description="Keep conversations that touch a topic in this file, drawn at random, for people to label. "
        "Holds their content.",
    )
    audit_probability: float = Field(
        0.01,
        gt=0,
        le=1,
        description="With which probability one is drawn; a lower one counts from the next certificate on.",
    )
    fallback: Literal["unaware", "refuse", "custom"] = Field(
        "unaware", description="Style of the fallback where no topic's own applies."
    )
    fallback_text: str | None = Field(None, description="The text of the style `custom`.")
    fallback_finish_reason: Literal["stop", "content_filter"] = Field(
        "stop",
        description="How the fallback ends: `stop` as any answer; `content_filter` as a refusal, so that clients "
        "can tell that an answer was withheld, and so which questions are about a topic.",
    )
    embeddings: Literal["refuse", "allow"] = Field(
        "refuse",
        description="What /v1/embeddings does with texts that touch an active topic. `refuse` also refuses inputs "
        "of tokens while a topic is active, since they cannot be read.",
    )
    logprobs: Literal["remove", "verify"] = Field(
        "remove",
        description="What becomes of the logprobs of an answer while a topic is active. `verify` lets them out "
        "where the conversation touches no topic and nothing is found in any word that they hold; a client that "
        "asks for them can tell by that which conversations touch one.",
    )
    disclose: bool = Field(
        False,
        description="Tell clients in the field `lethe` what the loop did, and so what is forgotten.",
    )

    streaming: Literal["whole", "segment"] = Field(
        "whole",
        description="How streamed answers go out: `whole` verifies all before the first word; `segment` lets a "
        "sentence go once all up to it passed, where a certificate made with `--streamed` is active.",
    )
    max_prompt_chars: int = Field(
        200_000, ge=1_000, description="Longest conversation accepted while a topic is active, characters."
    )
    max_body_bytes: int = Field(10_000_000, ge=1_000, description="Largest request body accepted, bytes.")
    body_timeout_s: Seconds = Field(
        30.0,
        description="Longest wait for the next part of a request's body, and how far all of it may fall behind "
        "500 bytes a second, seconds; then 408.",
    )
    client_timeout_s: Seconds = Field(
        30.0,
        description="Longest that a client may need for the head of a request, or take nothing of what it is "
        "sent, seconds; then its connection is closed.",
    )
    keep_alive_s: Seconds = Field(
        5.0, description="A stream that waits for the loop carries a comment this often, seconds."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.upstream_url is not None and self.model_dir is not None:
            raise ValueError("set LETHE_UPSTREAM_URL or LETHE_MODEL_DIR, not both")
        if self.upstreams and (self.upstream_url is not None or self.model_dir is not None):
            raise ValueError("set LETHE_UPSTREAMS, or LETHE_UPSTREAM_URL, or LETHE_MODEL_DIR: one of them")
        if name := _twice(upstream.name for upstream in self.upstreams):
            raise ValueError(f"LETHE_UPSTREAMS: the name {name} is given twice")
        if weights := _mixed(self.upstreams):
            raise ValueError(f"LETHE_UPSTREAMS: those of the weights {weights} must name the same models")
        if (self.fallback == "custom") != (self.fallback_text is not None):
            raise ValueError("LETHE_FALLBACK_TEXT belongs to LETHE_FALLBACK=custom, and only to it")
        if twice := set(self.doubted_verifiers) & {*self.verifiers, *self.screened_verifiers}:
            raise ValueError(f"LETHE_DOUBTED_VERIFIERS: {', '.join(sorted(twice))} judges already")
        judging = {*self.verifiers, *self.screened_verifiers, *self.doubted_verifiers}
        if twice := set(self.monitored_verifiers) & judging:
            raise ValueError(f"LETHE_MONITORED_VERIFIERS: {', '.join(sorted(twice))} judges already")
        if len({value is None for value in (self.oidc_issuer, self.oidc_audience, self.oidc_keys)}) > 1:
            raise ValueError("LETHE_OIDC_ISSUER, LETHE_OIDC_AUDIENCE and LETHE_OIDC_KEYS belong together")
        if not 0 <= self.doubt[0] < self.doubt[1] <= 1:
            raise ValueError("LETHE_DOUBT is two numbers in [0, 1], the lower first, such as [0.05, 0.9]")
        return self

    @model_validator(mode="after")
    def _hanging_is_noticed(self) -> Settings:
        if late := next(self._later_than_the_deadline(), None):
            raise ValueError(
                f"{late} must be shorter than LETHE_DEADLINE_S={self.deadline_s:g}: what the deadline cuts off is "
                "not held against a server, so one that hangs would never be left alone"
            )
        return self

    def _later_than_the_deadline(self) -> Iterator[str]:
        """Name the waits for an answer that the deadline cuts off first."""
        if self.read_timeout_s is not None and self.read_timeout_s >= self.deadline_s:
            yield f"LETHE_READ_TIMEOUT_S={self.read_timeout_s:g}"
        for one in self.upstreams:
            if one.read_timeout_s is not None and one.read_timeout_s >= self.deadline_s:
                yield f"LETHE_UPSTREAMS: read_timeout_s={one.read_timeout_s:g} of {one.name}"

    @property
    def longest_read_s(self) -> float:
        """The longest wait for an answer of a server that has none of its own."""
        return self.deadline_s / 2 if self.read_timeout_s is None else self.read_timeout_s


SERVER_SETTINGS: Final = frozenset(
    "upstream_url upstream_key upstreams upstream_connections upstream_waiting upstream_retries "
    "upstream_retry_after_s upstream_bad_words upstream_several_choices breaker_failures breaker_pause_s "
    "connect_timeout_s read_timeout_s write_timeout_s pool_timeout_s max_answer_bytes".split()
)
"""What the configured servers are made of."""

HOT: Final = SERVER_SETTINGS | frozenset(
    "api_key admin_key metrics_key verify_timeout_s rounds strategies candidates_per_round decoding deadline_s "
    "without_certificate strictest_threshold fallback fallback_text fallback_finish_reason embeddings logprobs "
    "disclose max_body_bytes body_timeout_s keep_alive_s".split()
)
"""What takes effect in a running gateway (``gateway.reloading``); everything else needs a restart."""


class _GivenAlone(Settings):
    """Settings that nothing in the environment can change."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what the caller gives, and nothing else."""
        return (init_settings,)


def revealed(value: SecretStr | None) -> str | None:
    """Take the secret out of its wrapping, where there is one. Not for logs."""
    return None if value is None else value.get_secret_value()


def given_settings(**given: Any) -> Settings:
    """Make settings of ``given`` and the defaults alone, whatever the environment says."""
    return _GivenAlone(**given)


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _mixed(upstreams: Iterable[UpstreamSettings]) -> str | None:
    """Find weights under which clients could ask for a model that only some of the servers have."""
    models: dict[str, frozenset[str]] = {}
    for one in upstreams:
        if one.weights is not None and models.setdefault(one.weights, frozenset(one.models)) != one.models.keys():
            return one.weights
    return None
