"""A whole study, and what its sections must agree on."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from inversion.config.base import Name, OneOf, Seed, Strict, is_address, nearest
from inversion.config.datasets import (
    WORLD_TEMPLATE,
    AlpacaTemplate,
    ChatTemplate,
    Dataset,
    Template,
    TuluTemplate,
    WorldDataset,
)
from inversion.config.evaluation import Benchmark, Evaluation
from inversion.config.figures import FIGURES, described
from inversion.config.models import FolderModel, Model
from inversion.config.probes import PROBES, Probes
from inversion.config.recipes import (
    ContextOnlySelection,
    KindSelection,
    NoFactOverlapSelection,
    RandomSelection,
    Recipe,
    Selection,
)
from inversion.config.run import Run
from inversion.config.sets import ConflictSet
from inversion.config.tasks import TASKS
from inversion.config.theory import Theory
from inversion.config.training import Training
from inversion.config.world import World


class PrimaryAnalysis(Strict):
    """What the verdicts of an experiment rest on: p-values are corrected over the experiment's runs and sets by this
    scorer, prompt and stratum only. All others are sensitivity analyses."""

    scorer: str | None = None
    """A scorer, as in the tables; the main one where unset."""
    prompt: Name | None = None
    """A prompt; the study's first where unset."""
    stratum: Literal["all", "known"] = "all"
    """``known``: only the items whose fact the base model knows."""


class Experiment(Strict):
    """A set of runs (every combination of its lists) and the figures that show them."""

    models: tuple[Name, ...] = Field(min_length=1)
    datasets: tuple[Name, ...] = Field(min_length=1)
    recipes: tuple[Name, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(min_length=1)
    prompts: tuple[Name, ...] = ()
    """Prompts that its trade-offs compare; all where none is listed."""
    primary: PrimaryAnalysis = PrimaryAnalysis()
    figures: tuple[Annotated[str, OneOf(FIGURES)], ...] = Field(min_length=1, description=described(FIGURES))


class Config(Strict):
    """A whole study."""

    world: World | None = None
    """The invented world; needed where a model, dataset or set has ``source: world``."""
    models: dict[Name, Model] = Field(min_length=1)
    """Base models by name."""
    datasets: dict[Name, Dataset] = Field(min_length=1)
    """Instruction data by name."""
    training: Training = Training()
    """Hyperparameters of all runs, where a recipe does not change them."""
    recipes: dict[Name, Recipe] = Field(min_length=1)
    """Ways of finetuning by name."""
    sets: dict[Name, ConflictSet] = Field(min_length=1)
    """Conflict sets and their controls by name; every checkpoint answers all of them."""
    benchmarks: dict[Name, Benchmark] = Field(default={})
    """Benchmarks by name; their mean is the paper's ID accuracy. Prompts are lm-eval's, without the template."""
    evaluation: Evaluation = Evaluation()
    probes: Probes = Probes()
    """What is measured inside checkpoints."""
    mirror: str | None = None
    """A folder with copies of files that the study names by address: those whose checksum agrees are taken from
    there, under whatever name, and not fetched."""
    experiments: dict[Name, Experiment] = Field(min_length=1)
    """What to run and show. A run that two experiments share is made once."""
    theory: Theory = Theory()
    """The one-layer transformer behind the target ``theory``; nothing else depends on it."""

    @model_validator(mode="after")
    def _references(self) -> Config:
        for name, experiment in self.experiments.items():
            self._check_experiment(name, experiment)
        for name, recipe in self.recipes.items():
            self._check_recipe(name, recipe)
        for name, conflict_set in self.sets.items():
            self._check_set(name, conflict_set)
        self._check_world()
        self._check_probes()
        self._check_orders()
        return self

    def _check_experiment(self, name: str, experiment: Experiment) -> None:
        """Raises :class:`ValueError` where an experiment lists what is not there, or what does not go together."""
        where = f"experiments.{name}"
        for key, listed, known in (
            ("models", experiment.models, self.models),
            ("datasets", experiment.datasets, self.datasets),
            ("recipes", experiment.recipes, self.recipes),
            ("prompts", experiment.prompts, self.evaluation.prompts),
            ("primary.prompts", [prompt] if (prompt := experiment.primary.prompt) else [], self.evaluation.prompts),
        ):
            for item in listed:
                if item not in known:
                    raise ValueError(f"{where}.{key}: no {key[:-1]} is named {item!r}{nearest(item, known)}")
        twice = [run.path for run, n in Counter(self.experiment_runs(name)).items() if n > 1]
        if twice:
            raise ValueError(f"{where} lists the run {twice[0]} twice; remove the repeated name or seed")
        for recipe in experiment.recipes:
            for dataset in experiment.datasets:
                self._check_recipe_on(where, recipe, dataset)
        self._check_figures(where, experiment)

    def _check_set(self, name: str, conflict_set: ConflictSet) -> None:
        """Raises :class:`ValueError` where a set is named as a control, or names a set or dataset that is not there."""
        if "+" in name:
            raise ValueError(
                f"sets.{name}: '+' in a set's name stands before the kind of its controls; write a '-' instead"
            )
        others = [
            known
            for known, other in self.sets.items()
            if known != name and not other.from_world and other.question_data is None
        ]
        for other_name in conflict_set.excluded:
            if other_name not in others:
                raise ValueError(
                    f"sets.{name}.exclude: no other set is named {other_name!r}{nearest(other_name, others)}"
                )
        dataset = conflict_set.question_data
        if dataset is not None and dataset not in self.datasets:
            raise ValueError(f"sets.{name}.dataset: no dataset is named {dataset!r}{nearest(dataset, self.datasets)}")

    def _check_world(self) -> None:
        """Raises :class:`ValueError` where something is made from the world and there is none."""
        for key in ("models", "datasets", "sets") if self.world is None else ():
            for name, value in getattr(self, key).items():
                if value.from_world:
                    raise ValueError(f"{key}.{name} has `source: world`, but the key `world` is missing; add it")

    def _check_probes(self) -> None:
        """Raises :class:`ValueError` where a probe is in no figure, which says in which runs it is made."""
        for probe in PROBES:
            if getattr(self.probes, probe) is not None and not self.probed_runs(probe):
                raise ValueError(
                    f"probes.{probe} is set, but no experiment lists the figure {probe!r}, which says in which "
                    "runs; add it to the figures of one, or remove the probe"
                )

    def _check_figures(self, where: str, experiment: Experiment) -> None:
        """Raises :class:`ValueError` where a figure lacks the probe that it shows."""
        for figure, probe in PROBES.items():
            if figure not in experiment.figures:
                continue
            if getattr(self.probes, figure) is None:
                raise ValueError(
                    f"{where}.figures lists {figure!r}, which shows a probe that the study does not make; add "
                    f"`probes: {{{figure}: {{}}}}` or remove the figure"
                )
            for dataset in experiment.datasets if probe.needs_kinds else ():
                if not self.datasets[dataset].has_kinds:
                    raise ValueError(
                        f"{where}.figures lists {figure!r}, but examples of {dataset!r} know no kinds; only datasets "
                        "with `source: world` do"
                    )

    def _check_orders(self) -> None:
        """Raises :class:`ValueError` where a prompt changes an order that a dataset's template does not let change."""
        if all(prompt.order == "context_first" for prompt in self.evaluation.prompts.values()):
            return
        for name in self.datasets:
            template = self.template_of(name)
            if isinstance(template, ChatTemplate):
                try:
                    template.question_first()
                except ValueError as error:
                    raise ValueError(f"datasets.{name}.template: {error}") from None

    def _check_recipe(self, name: str, recipe: Recipe) -> None:
        """Raises :class:`ValueError` where a recipe names a set, recipe or dataset that is not there, or trains in no
        possible way."""
        where = f"recipes.{name}"
        try:
            self.training_of(name)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise ValueError(f"{where}.training: {fault['msg'].removeprefix('Value error, ')}") from None
        for number, selection in enumerate(recipe.select):
            if isinstance(selection, NoFactOverlapSelection):
                for conflict_set in selection.sets:
                    if conflict_set not in self.sets:
                        raise ValueError(
                            f"{where}.select.{number}.sets: no set is named {conflict_set!r}"
                            f"{nearest(conflict_set, self.sets)}"
                        )
            if isinstance(selection, RandomSelection) and selection.like is not None:
                others = [known for known, other in self.recipes.items() if known != name and other.fixes_its_size]
                if selection.like not in others:
                    raise ValueError(
                        f"{where}.select.{number}.like: no other recipe that selects by itself is named "
                        f"{selection.like!r}{nearest(selection.like, others)}"
                    )
        asked = {prompt.instruction for prompt in self.evaluation.prompts.values()}
        if recipe.indicator is not None and recipe.indicator.text not in asked:
            raise ValueError(
                f"{where}.indicator.text: no prompt under evaluation.prompts has the instruction "
                f"{recipe.indicator.text!r}, so that nothing would be asked with the marker; add one"
            )
        source = recipe.augment.dataset if recipe.augment else None
        if source is not None and (source not in self.datasets or self.datasets[source].from_world):
            others = [known for known, dataset in self.datasets.items() if not dataset.from_world]
            raise ValueError(
                f"{where}.augment.dataset: no dataset beside those of the world is named {source!r}"
                f"{nearest(source, others)}"
            )

    def _check_recipe_on(self, where: str, name: str, dataset: str) -> None:
        """Raises :class:`ValueError` where the recipe ``name`` asks for what ``dataset`` cannot have."""
        recipe, spec = self.recipes[name], self.datasets[dataset]
        if not spec.from_world:
            if recipe.augment and recipe.augment.dataset is None:
                raise ValueError(
                    f"{where}: recipe {name!r} adds counterfactual examples of the world, and {dataset!r} is not made "
                    "from it; name under augment.dataset the data to make them from, or use separate experiments"
                )
            if any(isinstance(selection, KindSelection) for selection in recipe.select):
                raise ValueError(
                    f"{where}: recipe {name!r} selects by kind, which datasets with `source: world` have, and "
                    f"{dataset!r} is none; list them in separate experiments"
                )
        if not spec.may_have_contexts and any(
            isinstance(selection, ContextOnlySelection) for selection in recipe.select
        ):
            raise ValueError(f"{where}: recipe {name!r} keeps examples with a context, and {dataset!r} has none")

    def local_files(self) -> dict[str, str]:
        """The files and folders on this machine that the runs need, by the key that names them; of a folder its
        ``config.json``."""
        runs = self.runs()
        augmented = {r.augment.dataset for r in self.recipes.values() if r.augment and r.augment.dataset}
        needed: dict[str, set[str]] = {
            "models": {run.model for run in runs},
            "datasets": {run.dataset for run in runs} | augmented,
            "sets": {*self.sets},
            "benchmarks": {*self.benchmarks},
        }
        found = {}
        for section, names in needed.items():
            for name, spec in getattr(self, section).items():
                path = getattr(spec, "path", None)
                if name in names and path is not None and not is_address(path):
                    found[f"{section}.{name}.path"] = f"{path}/config.json" if isinstance(spec, FolderModel) else path
                template = getattr(spec, "template", None)
                if name in names and isinstance(template, ChatTemplate) and template.file is not None:
                    found[f"{section}.{name}.template.file"] = template.file
        return found

    def matched_recipes(self, name: str) -> dict[str, Recipe]:
        """The recipes, by name, whose size a random selection of the recipe ``name`` copies."""
        likes = [selection.like for selection in self.recipes[name].select if isinstance(selection, RandomSelection)]
        return {like: self.recipes[like] for like in likes if like is not None}

    def selections_of(self, name: str) -> tuple[Selection, ...]:
        """The selections that decide what the recipe ``name`` keeps: its own and those whose size it copies."""
        recipes = [self.recipes[name], *self.matched_recipes(name).values()]
        return tuple(selection for recipe in recipes for selection in recipe.select)

    def runs(self) -> list[Run]:
        """All runs of all experiments, each once, in the order of the configuration."""
        return list(dict.fromkeys(run for name in self.experiments for run in self.experiment_runs(name)))

    def experiment_runs(self, name: str) -> list[Run]:
        """The runs of the experiment ``name``: the product of its lists, in their order."""
        e = self.experiments[name]
        return [
            Run(model, dataset, recipe, seed)
            for model in e.models
            for dataset in e.datasets
            for recipe in e.recipes
            for seed in e.seeds
        ]

    def probed_runs(self, probe: str) -> list[Run]:
        """The runs of the experiments that list the figure of a probe, each once."""
        names = [name for name, experiment in self.experiments.items() if probe in experiment.figures]
        return list(dict.fromkeys(run for name in names for run in self.experiment_runs(name)))

    def template_of(self, dataset: str) -> Template:
        """How the dataset's examples, and questions to models trained on it, are written."""
        spec = self.datasets[dataset]
        if isinstance(spec, WorldDataset):
            return WORLD_TEMPLATE
        return spec.template or (AlpacaTemplate() if spec.format in ("alpaca", "squad") else TuluTemplate())

    def templates_of(self, model: str) -> dict[str, Template]:
        """The templates that examples and questions of a model are written in, by dataset."""
        datasets = dict.fromkeys(run.dataset for run in self.runs() if run.model == model)
        return {dataset: self.template_of(dataset) for dataset in datasets}

    def compared_prompts(self, name: str) -> list[str]:
        """The prompts that the trade-offs of the experiment ``name`` compare."""
        return list(self.experiments[name].prompts or self.evaluation.prompts)

    def primary_analysis(self, name: str) -> tuple[list[Run], str | None, str, str]:
        """The runs, scorer (None: the main one), prompt and stratum of the primary analysis of the experiment
        ``name``."""
        primary = self.experiments[name].primary
        prompt = primary.prompt or next(iter(self.evaluation.prompts))
        return self.experiment_runs(name), primary.scorer, prompt, primary.stratum

    def reference_recipe(self) -> str | None:
        """The first recipe that changes nothing, which others are compared with; None where each changes something."""
        return next((name for name, recipe in self.recipes.items() if recipe == Recipe()), None)

    def id_benchmarks(self, dataset: str) -> list[str]:
        """The benchmarks whose mean is the ID accuracy of runs on a dataset: all but those that the paper omits for
        data of its format (:attr:`~inversion.config.tasks.BenchmarkTask.not_accuracy_of`)."""
        form = getattr(self.datasets[dataset], "format", None)
        omitted = {task for task, known in TASKS.items() if form in known.not_accuracy_of}
        return [name for name, spec in self.benchmarks.items() if spec.task not in omitted]

    def training_of(self, recipe: str) -> Training:
        """``training`` with what the recipe changes of it; its own ``epochs`` go before the study's ``max_steps``."""
        override = self.recipes[recipe].training
        changed = {key: value for key in override.model_fields_set if (value := getattr(override, key)) is not None}
        kept = self.training.model_dump()
        if "max_steps" in override.model_fields_set or "epochs" in changed:
            kept["max_steps"] = None
        return Training.model_validate(kept | changed)
