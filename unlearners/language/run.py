"""`lethe unlearn` on a language model: files in, a checkpoint with its certificate out. Knows no command line."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from unlearners.certificate import DataSeen, Served, UnlearningCertificate, Unlimited, keyed_digest, sealed
from unlearners.explanation import DIALOGUE, UNIT
from unlearners.language.checkpoint import (
    CERTIFICATE_FILE,
    fingerprint_of,
    load_language_model,
    read_certificate,
    save_language_model,
)
from unlearners.language.dialogues import Dialogue, digest_of, read_dialogues
from unlearners.language.encoding import encode_dialogue
from unlearners.language.measuring import figures_of, token_losses
from unlearners.language.methods import Outcome, Prepared, Work, forget_in_memory, prepare
from unlearners.language.pending import Pending, pending_request, working_directory
from unlearners.language.processes import Device, accelerator_on, begun_beside, begun_together, by_main
from unlearners.language.settings import (
    FineTuning,
    GradDiffSettings,
    NoiseSettings,
    NpoSettings,
    RmuSettings,
    Setting,
    SimNpoSettings,
    overridden,
    suited,
)
from unlearners.language.sharding import asks_for_sharding
from unlearners.measured import FORGET
from unlearners.promise import NothingPromised
from unlearners.protocol import Progress, Refused, silent
from unlearners.workplace import cleared, locked, work_beside

__all__ = ["METHODS", "default_settings", "forget_dialogues", "pending_request"]

DEFAULTS: Mapping[str, FineTuning] = {
    "graddiff": GradDiffSettings(),
    "npo": NpoSettings(),
    "simnpo": SimNpoSettings(),
    "rmu": RmuSettings(),
    "impair-repair": NoiseSettings(),
}
METHODS: tuple[str, ...] = tuple(DEFAULTS)

REASON = (
    "{method} on a language model is a heuristic. That the forgotten answers no longer come does not show that "
    "they are gone: weigh it against other phrasings, relearning, a membership attack and quantisation"
)


def default_settings(method: str) -> FineTuning:
    """Return a method's settings. Raises ``ValueError`` for a method that there is not."""
    if method not in DEFAULTS:
        raise ValueError(f"there is no method {method!r} for dialogues; there are {', '.join(METHODS)}")
    return DEFAULTS[method]


def forget_dialogues(
    method: str,
    model: Path,
    forget: Path,
    retain: Path,
    out: Path,
    *,
    settings: Mapping[str, Setting] | None = None,
    heldout: Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
    device: Device = "auto",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Make the checkpoint at ``model`` forget the dialogues of one file and keep those of another, as ``out``.

    ``out`` appears only when it is whole, with its certificate. Until then the request is pending in
    ``.NAME.work`` beside it, and after a crash the same call goes on to the same bits. Under ``accelerate
    launch`` the processes share each batch, and the weights too where it is configured for FSDP. The certificate's
    features are the longest dialogue's tokens; it carries on the requests of the one beside ``model``.
    ``measured.json`` has the mean loss of a token on both sets, and on ``heldout``, before and after. Settings
    that are left out are ``suited`` to model and data.
    Raises ``ValueError`` (``Refused`` for data) before anything is written, and ``Diverged``.
    """
    given, defaults = settings or {}, default_settings(method)
    overridden(defaults, given)  # which raises before a large model is loaded
    gone, kept = read_dialogues(forget), read_dialogues(retain)
    unseen = () if heldout is None else read_dialogues(heldout)
    check_sets(gone, kept)
    before = _parent(model)
    if out.exists() and pending_request(out) is None:
        raise ValueError(f"{out} exists already; name a new directory")
    accelerator = accelerator_on(device)
    sharding = asks_for_sharding(os.environ, accelerator)
    language = load_language_model(model, "cpu" if sharding else accelerator.device)
    weights = language.model.num_parameters()
    chosen = suited(defaults, given, weights=weights, dialogues=len(gone))
    request = Pending(method, fingerprint_of(model), digest_of(gone), digest_of(kept), chosen.parameters(), seed)
    if out.exists():
        return by_main(accelerator, partial(_finished, out, request))
    prepared = prepare(language, chosen, gone, kept, seed, accelerator)
    told = progress if accelerator.is_main_process else silent
    work = Work(accelerator, told, work_beside(out), request.key, sharding)
    if not accelerator.is_main_process:
        return _followed(prepared, work, out)
    sets = {FORGET: prepared.forget.encoded, "retain": prepared.retain.encoded}
    if unseen:
        sets["heldout"] = [encode_dialogue(language.tokenizer, one, language.context) for one in unseen]
    with begun_together(accelerator, working_directory(out, request)):
        losses = token_losses(language.model, sets)
        outcome = forget_in_memory(prepared, work)
        certificate = _certified(request, prepared, outcome, now(), before)
        measured = figures_of(losses, token_losses(outcome.model, sets), sets)
        changed = replace(language, model=outcome.model)
        certificate = save_language_model(changed, out, certificate, work=work_beside(out), measured=measured)
    accelerator.wait_for_everyone()
    return certificate


def _parent(model: Path) -> UnlearningCertificate | None:
    """Read the certificate of the model to change. Raises ``ValueError`` where it is about other weights."""
    if not (model / CERTIFICATE_FILE).exists():
        return None
    try:
        return read_certificate(model)
    except ValueError as error:
        raise ValueError(f"{error}; restore {model}, or take its {CERTIFICATE_FILE} away to begin anew") from None


def check_sets(forget: Sequence[Dialogue], retain: Sequence[Dialogue]) -> None:
    """Raise ``Refused`` unless there is something to forget and something else to keep."""
    if not forget:
        raise Refused("there is something to forget", "the forget file holds no dialogue")
    if not retain:
        raise Refused("there is something to keep", "the retain file holds no dialogue")
    kept = {dialogue.messages: dialogue.id for dialogue in retain}
    for dialogue in forget:
        if dialogue.messages in kept:
            found = f"{dialogue.id!r} to forget is {kept[dialogue.messages]!r} to keep; take it out of one file"
            raise Refused("no dialogue is both forgotten and kept", found)


def _followed(prepared: Prepared, work: Work, out: Path) -> UnlearningCertificate:
    """Do a further process's share of the work, and read the certificate that the main process writes."""
    begun_beside(work.accelerator)
    forget_in_memory(prepared, work)
    work.accelerator.wait_for_everyone()
    return read_certificate(out)


def _finished(out: Path, request: Pending) -> UnlearningCertificate:
    """Tidy up where a crash came after the checkpoint was whole; anything else that exists is refused."""
    if pending_request(out) != request:
        raise ValueError(f"{out} exists already; name a new directory")
    with locked(work_beside(out)):
        certificate = read_certificate(out)
        cleared(work_beside(out))
    return certificate


def _certified(
    request: Pending,
    prepared: Prepared,
    outcome: Outcome,
    created: datetime,
    before: UnlearningCertificate | None,
) -> UnlearningCertificate:
    """Say what was done, and that nothing is promised. The rows are the forget set's, then the retain set's.

    Those of ``before``, the certificate of the model that was changed, come first, with its requests and its cost.

    The key of the data's digest is kept nowhere: nothing confirms a guess at what was forgotten.
    """
    forget, retain = prepared.forget.encoded, prepared.retain.encoded
    rows = len(forget) + len(retain)
    digest = hashlib.sha256(f"{request.forget} {request.retain}".encode()).hexdigest()
    longest = max(len(one.ids) for one in (*forget, *retain))
    earlier = 0 if before is None else before.data.rows
    served = Served(tuple(range(earlier, earlier + len(forget))), outcome.gradients / rows)
    parameters = {**request.settings, "model": request.model, UNIT: DIALOGUE}
    if before is not None:
        parameters["parent"] = before.id
        digest = hashlib.sha256(f"{before.data.sha256} {digest}".encode()).hexdigest()
        longest = max(longest, before.data.features)
    return sealed(
        UnlearningCertificate(
            id="",
            created=created.isoformat(),
            method=request.method,
            promise=NothingPromised(_reason(request.method, before)),
            data=DataSeen(keyed_digest(secrets.token_hex(32), digest), earlier + rows, longest),
            parameters=parameters,
            assumptions=(),
            served=(*(() if before is None else before.served), served),
            remaining=Unlimited("each trains the model further"),
            gradients_spent=outcome.gradients + (0 if before is None else before.gradients_spent),
            training_gradients=0 if before is None else before.training_gradients,
            seed=request.seed,
        )
    )


def _reason(method: str, before: UnlearningCertificate | None) -> str:
    """Say why nothing is promised, any more."""
    reason = REASON.format(method=method)
    if before is None or isinstance(before.promise, NothingPromised):
        return reason
    return f"{reason}. What {before.method} promised of the weights before ended with this change"
