"""ONNX Runtime as the engine of embeddings: no torch at serving time. Knows no text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from verifiers.embedding.layout import digest_of
from verifiers.embedding.pooling import Floats, Ints

__all__ = ["OnnxEngine"]

_HIDDEN = ("last_hidden_state", "token_embeddings")


class OnnxEngine:
    """An exported encoder, on the CPU with ``threads`` threads.

    Raises ``ValueError`` for a file that cannot be loaded, wants inputs other than ids, mask and types, or gives
    no hidden states. The fingerprint is of the file: a quantised model is another model.
    """

    def __init__(self, file: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves other work
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors have no common base but Exception
            raise ValueError(f"the ONNX model {file} cannot be loaded: {error}") from error
        self._inputs = frozenset(each.name for each in self._session.get_inputs())
        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or not {"input_ids", "attention_mask"} <= self._inputs:
            raise ValueError(f"the ONNX model {file} has the inputs {sorted(self._inputs)}; export an encoder")
        outputs = self._session.get_outputs()
        named = [each.name for each in outputs if each.name in _HIDDEN]
        self._output = named[0] if named else outputs[0].name
        self.fingerprint = f"onnx-{digest_of(_with_weights(file))[:32]}"

    def run(self, ids: Ints, mask: Ints, types: Ints) -> Floats:
        """See `Engine`."""
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        hidden = self._session.run([self._output], {name: given[name] for name in self._inputs})[0]
        if not isinstance(hidden, np.ndarray) or hidden.ndim != 3:
            raise ValueError("the ONNX model gives no hidden states of shape (texts, tokens, width)")
        return hidden.astype(np.float32, copy=False)


def _with_weights(file: Path) -> tuple[Path, ...]:
    """Name the file, and the weights beside it where the exporter put them there."""
    return (file, *sorted(file.parent.glob(f"{file.name}?data")))
