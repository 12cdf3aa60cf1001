"""Base models."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inversion.config.base import FUNCTION, PositiveFloat, PositiveInt, Source, Strict, commit, hub_id, local_path
from inversion.config.world import Pretraining

Family = Literal["gpt_neox", "llama", "mistral"]


class Architecture(Strict):
    """Family and sizes of a world model."""

    family: Family
    """The model class: Pythia's, Llama's or Mistral's."""
    layers: PositiveInt = 2
    hidden_size: PositiveInt = 128
    heads: PositiveInt = 4
    key_value_heads: PositiveInt | None = None
    """Number of key and value heads, which is below ``heads`` for grouped-query attention (as in Mistral-7B); by
    default the same number. GPT-NeoX does not support fewer."""
    intermediate_size: PositiveInt = 256
    max_positions: PositiveInt = 256
    """The context window, in tokens."""
    initializer_range: PositiveFloat = 0.1
    """Standard deviation of the initial weights. With the libraries' usual 0.02 a tiny model learns nothing in the
    available steps."""

    @model_validator(mode="after")
    def _head_size(self) -> Architecture:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of 2 x heads = {2 * self.heads}; "
                "every head needs an even size for rotary position embeddings"
            )
        if self.key_value_heads is not None:
            if self.family == "gpt_neox":
                raise ValueError("key_value_heads is set, but gpt_neox has as many as heads; remove the key")
            if self.heads % self.key_value_heads:
                raise ValueError(f"heads {self.heads} is not a multiple of key_value_heads {self.key_value_heads}")
        return self


class ModelSource(Source):
    """Where a base model comes from, and the properties that rules need."""

    @property
    def folder(self) -> str | None:
        """The user's folder with the model; all files in it are inputs."""
        return None


class WorldModel(ModelSource):
    """A base model that the pipeline itself pretrains on the invented world."""

    from_world: ClassVar[bool] = True
    source: Literal["world"]
    architecture: Architecture
    pretraining: Pretraining = Pretraining()


class FolderModel(ModelSource):
    """A base model in a local folder, as ``save_pretrained`` writes it (weights, config, tokenizer)."""

    source: Literal["folder"]
    path: Annotated[str, AfterValidator(local_path)]
    """The folder; relative paths start where snakemake runs."""

    @property
    def folder(self) -> str | None:
        """The folder under ``path``."""
        return self.path


class HubModel(ModelSource):
    """A base model on the Hugging Face Hub, downloaded into its usual cache. For gated models set the environment
    variable HF_TOKEN to a token."""

    fetched: ClassVar[bool] = True
    source: Literal["hub"]
    id: Annotated[str, AfterValidator(hub_id)]
    """The repository, as in ``EleutherAI/pythia-6.9b``."""
    revision: Annotated[str, AfterValidator(commit)]
    """The commit, all 40 hexadecimal digits: branches and tags move."""


class GgufModel(ModelSource):
    """A base model in a GGUF file; its weights are dequantised once, to float32."""

    source: Literal["gguf"]
    path: Annotated[str, AfterValidator(local_path)] | None = None
    """The file; relative paths start where snakemake runs."""
    provider: Annotated[str, StringConstraints(pattern=FUNCTION)] | None = None
    """Instead of ``path``: ``module:function`` of an installed package whose function, called without
    arguments, returns the file's path."""

    def files(self, folder: str) -> list[str]:
        """The file under ``path``; a provider's file is known only to its package."""
        return [self.path] if self.path else []

    @model_validator(mode="after")
    def _one_place(self) -> GgufModel:
        if (self.path is None) == (self.provider is None):
            raise ValueError("a GGUF model needs either `path` or `provider`; set one of them")
        return self


Model = Annotated[WorldModel | FolderModel | HubModel | GgufModel, Field(discriminator="source")]
