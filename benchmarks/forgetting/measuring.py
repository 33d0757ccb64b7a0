"""All probes on one checkpoint, put together as a finding. Knows no method."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import cast

import numpy as np
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from evaluation.unlearning.findings import Cost, Finding, Likelihoods, Reply, answers_of
from evaluation.unlearning.membership import matched_area_under_curve
from evaluation.unlearning.overlap import rouge_l_recall
from evaluation.unlearning.quantisation import Rounding
from forgetting.asking import ask_bare, ask_behind
from forgetting.checkpoints import answer_losses, save_rounded
from forgetting.material import Material
from forgetting.relearning import Teaching, taught_again
from gateway.demo.questions import Question
from gateway.demo.story import Wanted
from gateway.demo.training import exact_share
from unlearners.language.checkpoint import LanguageModel, load_language_model

__all__ = ["ROUNDING", "TEACHING", "found"]

ROUNDING, TEACHING = Rounding(), Teaching()


def found(
    method: str,
    checkpoint: Path,
    cost: Cost,
    material: Material,
    *,
    rounding: Rounding = ROUNDING,
    teaching: Teaching = TEACHING,
    wanted: Wanted | None = None,
    seed: int = 0,
) -> Finding:
    """Probe a checkpoint; behind the gateway as well where ``wanted`` says what to promise there."""
    probes = (*material.measured, *material.kept)
    language = load_language_model(checkpoint)
    replies, seconds = asyncio.run(ask_bare(checkpoint, probes))
    with tempfile.TemporaryDirectory(prefix="forgetting-") as name:
        folder = Path(name)
        save_rounded(checkpoint, folder / "rounded", rounding)
        rounded, _ = asyncio.run(ask_bare(folder / "rounded", probes))
        behind = None
        if wanted is not None:
            behind = asyncio.run(ask_behind(checkpoint, material, folder, wanted, seconds))
    return Finding(
        method=method,
        person=material.person.id,
        answers=answers_of(replies),
        quantised=answers_of(rounded),
        likelihoods=_likelihoods(language, material, replies),
        relearned=taught_again(language, material.taught, _exam(material.exam), teaching, seed=seed),
        untaught=taught_again(language, material.taught_two, _exam(material.exam_others), teaching, seed=seed),
        cost=cost,
        behind=behind,
    )


def _likelihoods(language: LanguageModel, material: Material, replies: Sequence[Reply]) -> Likelihoods:
    own = answer_losses(language, material.own)
    strangers = np.stack([answer_losses(language, asked) for asked in material.strangers], axis=1)
    forget = [reply for reply in replies if reply.forbidden]
    retain = [reply for reply in replies if not reply.forbidden]
    return Likelihoods(
        forget_nll=float(own.mean()),
        retain_nll=float(answer_losses(language, material.retain).mean()),
        forget_rouge=fmean(rouge_l_recall(reply.expected, reply.text) for reply in forget),
        retain_rouge=fmean(rouge_l_recall(reply.expected, reply.text) for reply in retain),
        membership=matched_area_under_curve(own[:, None], strangers),
    )


def _exam(questions: Sequence[Question]) -> Callable[[LanguageModel], float]:
    def exam(language: LanguageModel) -> float:
        model, tokenizer = (
            cast(LlamaForCausalLM, language.model),
            cast(PreTrainedTokenizerFast, language.tokenizer),
        )
        return exact_share(model, tokenizer, questions)

    return exam
