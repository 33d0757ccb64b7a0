"""Opens embedding models: a directory and an engine's name in, an embedder out. Loads torch only if asked."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

from verifiers.embedding.embedder import Engine, SentenceEmbedder, check_company
from verifiers.embedding.layout import Layout, digest_of, read_layout
from verifiers.embedding.onnx_engine import OnnxEngine

__all__ = ["EngineName", "open_embedder"]

EngineName: TypeAlias = Literal["onnx", "torch"]
_EXPORT_VERSION: Final = "1"  # raise it whenever the export could write something else


def open_embedder(
    directory: Path, *, engine: EngineName = "onnx", threads: int = 1, batch: int = 32, cache: Path | None = None
) -> SentenceEmbedder:
    """Open a sentence-embedding checkpoint.

    With ``onnx`` it takes the directory's own ``model.onnx`` (or ``onnx/model.onnx``); where there is none, it
    exports one into ``cache``, once, which needs torch and onnxscript then and never again. Raises ``ValueError``
    saying what to do.
    """
    layout = read_layout(directory)
    runner = _torch_engine(layout, threads) if engine == "torch" else _onnx_engine(layout, cache, threads)
    embedder = SentenceEmbedder(layout, runner, batch=batch)
    check_company(embedder)
    return embedder


def _torch_engine(layout: Layout, threads: int) -> Engine:
    # torch is an optional extra, and serving with ONNX must not load it.
    try:
        from verifiers.embedding.torch_engine import TorchEngine
    except ImportError as error:
        raise ValueError(
            f"the torch engine needs torch and transformers ({error}); "
            "in the checkout: pip install -c constraints.txt '.[local]'"
        ) from error
    return TorchEngine(layout.transformer, threads=threads)


def _onnx_engine(layout: Layout, cache: Path | None, threads: int) -> Engine:
    return OnnxEngine(_onnx_file(layout) or _exported(layout, cache, threads), threads=threads)


def _onnx_file(layout: Layout) -> Path | None:
    places = ("model.onnx", "onnx/model.onnx")
    found = [folder / place for folder in (layout.transformer, layout.directory) for place in places]
    return next((file for file in found if file.is_file()), None)


def _exported(layout: Layout, cache: Path | None, threads: int) -> Path:
    """Give the cached export of these weights, made now if there is none."""
    weights = tuple(sorted((*layout.transformer.glob("*.safetensors"), *layout.transformer.glob("*.bin"))))
    if cache is None or not weights:
        raise ValueError(
            f"{layout.directory} has no model.onnx; write one with "
            f"`python -m verifiers.embedding.export DIR DIR/model.onnx`, or name a folder to keep it in"
        )
    digest = digest_of((layout.transformer / "config.json", *weights))[:16]
    file = cache / f"embedding-{digest}-{_EXPORT_VERSION}.onnx"
    if not file.is_file():
        # Only the first start with these weights exports, and only it needs torch.
        try:
            from verifiers.embedding.export import export_onnx
        except ImportError as error:
            raise ValueError(
                f"exporting {layout.directory} to ONNX needs torch, transformers and onnxscript ({error}): "
                "install them once, or export elsewhere and copy model.onnx into the directory"
            ) from error
        export_onnx(layout.directory, file, threads=threads)
    return file
