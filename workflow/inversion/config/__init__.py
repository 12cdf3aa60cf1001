"""The configuration of a study as strict, frozen pydantic models, a module a section, and errors made for people.

Every key, default and help text of a study stands here once: the JSON schema, the commented
default configuration and the documentation are generated from it (:mod:`inversion.config.render`).
"""

from inversion.config.base import nearest
from inversion.config.datasets import (
    WORLD_TEMPLATE,
    AlpacaTemplate,
    ChatTemplate,
    Dataset,
    FileDataset,
    HubDataset,
    Passages,
    RowFormat,
    Template,
    TuluTemplate,
    WorldDataset,
    ZephyrTemplate,
)
from inversion.config.evaluation import (
    AdaptiveDecoding,
    Benchmark,
    ContextAwareDecoding,
    Decoding,
    Evaluation,
    KeepCheckpoints,
    Prompt,
)
from inversion.config.load import ConfigError, parse_config, read_config, revive
from inversion.config.models import Architecture, FolderModel, GgufModel, HubModel, Model, WorldModel
from inversion.config.probes import AttentionProbe, GradientProbe, Probes
from inversion.config.recipes import (
    ContextCriticalSelection,
    ContextOnlySelection,
    CounterfactualAugmentation,
    Indicator,
    KindSelection,
    NeedScore,
    NoFactOverlapSelection,
    RandomSelection,
    Recipe,
    Selection,
)
from inversion.config.sets import ConflictSet, Control, FactSet, FileSet, SubstitutionSet, WorldSet
from inversion.config.study import Config, Experiment, Figure, Run
from inversion.config.theory import Theory
from inversion.config.training import (
    AdapterTuning,
    FullTuning,
    LoraTuning,
    QloraTuning,
    ScheduleSegment,
    Training,
    Tuning,
)
from inversion.config.world import Documents, Pretraining, World

__all__ = [
    "WORLD_TEMPLATE",
    "AdapterTuning",
    "AdaptiveDecoding",
    "AlpacaTemplate",
    "Architecture",
    "AttentionProbe",
    "Benchmark",
    "ChatTemplate",
    "Config",
    "ConfigError",
    "ConflictSet",
    "ContextAwareDecoding",
    "ContextCriticalSelection",
    "ContextOnlySelection",
    "Control",
    "CounterfactualAugmentation",
    "Dataset",
    "Decoding",
    "Documents",
    "Evaluation",
    "Experiment",
    "FactSet",
    "Figure",
    "FileDataset",
    "FileSet",
    "FolderModel",
    "FullTuning",
    "GgufModel",
    "GradientProbe",
    "HubDataset",
    "HubModel",
    "Indicator",
    "KeepCheckpoints",
    "KindSelection",
    "LoraTuning",
    "Model",
    "NeedScore",
    "NoFactOverlapSelection",
    "Passages",
    "Pretraining",
    "Probes",
    "Prompt",
    "QloraTuning",
    "RandomSelection",
    "Recipe",
    "RowFormat",
    "Run",
    "ScheduleSegment",
    "Selection",
    "SubstitutionSet",
    "Template",
    "Theory",
    "Training",
    "TuluTemplate",
    "Tuning",
    "World",
    "WorldDataset",
    "WorldModel",
    "WorldSet",
    "ZephyrTemplate",
    "nearest",
    "parse_config",
    "read_config",
    "revive",
]
