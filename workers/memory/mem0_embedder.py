"""An embedder as Mem0 takes it. Loading this loads LangChain, so only what loads Mem0 does."""

from langchain_core.embeddings import Embeddings

from workers.memory.embedders import Embedder


class Meanings(Embeddings):
    """An `Embedder` for Mem0."""

    def __init__(self, embedder: Embedder) -> None:
        """Wrap an embedder."""
        self._embedder = embedder

    def embed_query(self, text: str) -> list[float]:
        """Return the meaning of a text."""
        return list(self._embedder.embed(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the meanings of texts."""
        return [self.embed_query(text) for text in texts]
