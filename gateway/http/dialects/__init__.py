"""The dialects of the OpenAI surface: each a way to ask, to answer and to stream. Hold no logic of the guard."""
