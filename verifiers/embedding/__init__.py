"""Sentence embeddings of any checkpoint, on ONNX Runtime or torch. Knows no topics and no scores."""
