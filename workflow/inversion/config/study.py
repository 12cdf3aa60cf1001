"""A whole study, and the checks across its sections."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from inversion.config.base import Name, OneOf, Seed, Strict, is_address, local_path, names_differing_in_case, nearest
from inversion.config.datasets import (
    WORLD_TEMPLATE,
    AlpacaTemplate,
    ChatTemplate,
    Dataset,
    Template,
    TuluTemplate,
    WorldDataset,
)
from inversion.config.evaluation import CONTRAST_CHECK, Benchmark, Evaluation
from inversion.config.figures import FIGURES, describe_figures
from inversion.config.models import FolderModel, Model, WorldModel
from inversion.config.probes import PROBES, Probe, Probes
from inversion.config.recipes import (
    ContextOnlySelection,
    KindSelection,
    NoFactOverlapSelection,
    RandomSelection,
    Recipe,
    Selection,
)
from inversion.config.run import Run
from inversion.config.scorers import SCORERS
from inversion.config.series import EXTERNAL, FolderSeries, Series, labels_of
from inversion.config.sets import ConflictSet
from inversion.config.tasks import TASKS
from inversion.config.theory import Theory
from inversion.config.training import Training, Tuning
from inversion.config.world import World


class PrimaryAnalysis(Strict):
    """The analysis on which the verdicts of an experiment rest: p-values are corrected over the experiment's runs and
    sets for this scorer, prompt and stratum only. All other rows are sensitivity analyses."""

    scorer: str | None = None
    """A scorer, as named in the tables; by default the main scorer."""
    prompt: Name | None = None
    """A prompt; by default the study's first."""
    stratum: Literal["all", "known"] = "all"
    """``known``: only the items whose fact the base model knows."""


class Experiment(Strict):
    """A set of runs (every combination of its lists), a list of series, or both, and the figures that show them."""

    models: tuple[Name, ...] = ()
    datasets: tuple[Name, ...] = ()
    recipes: tuple[Name, ...] = ()
    seeds: tuple[Seed, ...] = ()
    series: tuple[Name, ...] = ()
    """Checkpoints trained elsewhere, by their names under ``series``."""
    prompts: tuple[Name, ...] = ()
    """Prompts that its trade-offs compare; by default all."""
    primary: PrimaryAnalysis = PrimaryAnalysis()
    figures: tuple[Annotated[str, OneOf(FIGURES)], ...] = Field(min_length=1, description=describe_figures(FIGURES))


_OR_SERIES = "; an experiment needs models, datasets, recipes and seeds, or series"


def _absent(section: Strict, key: str, where: str = "") -> str:
    """The error message for a required key that is missing or empty."""
    name = f"{where}.{key}" if where else key
    found = "[]" if isinstance(getattr(section, key), tuple) else "{}"
    return f"`{name}` is {found}: list at least one" if key in section.model_fields_set else f"missing key `{name}`"


class Config(Strict):
    """A whole study."""

    world: World | None = None
    """The invented world; required if a model, dataset or set has ``source: world``."""
    models: dict[Name, Model] = Field(default={})
    """Base models by name."""
    datasets: dict[Name, Dataset] = Field(default={})
    """Instruction data by name."""
    training: Training = Training()
    """Hyperparameters of all runs, unless a recipe overrides them."""
    recipes: dict[Name, Recipe] = Field(default={})
    """Finetuning recipes by name."""
    series: dict[Name, Series] = Field(default={})
    """Checkpoints trained elsewhere, by name; nothing is trained for them."""
    sets: dict[Name, ConflictSet] = Field(min_length=1)
    """Conflict sets and their controls by name; every checkpoint answers all of them."""
    benchmarks: dict[Name, Benchmark] = Field(default={})
    """Benchmarks by name; their mean is the paper's ID accuracy. They use lm-eval's prompts, not the template."""
    evaluation: Evaluation = Evaluation()
    probes: Probes = Probes()
    """Measurements inside checkpoints."""
    mirror: Annotated[str, AfterValidator(local_path)] | None = None
    """A folder with copies of files that the study names by URL: files with the right checksum, whatever their name,
    are copied from there instead of being downloaded."""
    experiments: dict[Name, Experiment] = Field(min_length=1)
    """What to run and show. A run that two experiments share is trained once."""
    theory: Theory = Theory()
    """The one-layer transformer of the target ``theory``; nothing else depends on it."""

    @model_validator(mode="after")
    def _references(self) -> Config:
        for key in ("models", "datasets", "recipes"):
            if not getattr(self, key) and any(getattr(experiment, key) for experiment in self.experiments.values()):
                raise ValueError(_absent(self, key))
        for name, experiment in self.experiments.items():
            self._check_experiment(name, experiment)
        for name, recipe in self.recipes.items():
            self._check_recipe(name, recipe)
        for name, series in self.series.items():
            self._check_series(name, series)
        for name, conflict_set in self.sets.items():
            self._check_set(name, conflict_set)
        self._check_case()
        self._check_world()
        self._check_probes()
        self._check_orders()
        return self

    def _check_experiment(self, name: str, experiment: Experiment) -> None:
        """Raises :class:`ValueError` if an experiment lists unknown names, or names that cannot be combined."""
        where = f"experiments.{name}"
        for key, listed, known in (
            ("models", experiment.models, self.models),
            ("datasets", experiment.datasets, self.datasets),
            ("recipes", experiment.recipes, self.recipes),
            ("series", experiment.series, self.series),
            ("prompts", experiment.prompts, self.evaluation.prompts),
            ("primary.prompt", [prompt] if (prompt := experiment.primary.prompt) else [], self.evaluation.prompts),
            ("primary.scorer", [scorer] if (scorer := experiment.primary.scorer) else [], SCORERS),
        ):
            for item in listed:
                if item not in known:
                    kind = key if key == "series" else key.removeprefix("primary.").removesuffix("s")
                    raise ValueError(f"{where}.{key}: no {kind} is named {item!r}{nearest(item, known)}")
        axes = {key: getattr(experiment, key) for key in ("models", "datasets", "recipes", "seeds")}
        lacking = [key for key, listed in axes.items() if not listed]
        if lacking and (len(lacking) < len(axes) or not experiment.series):
            raise ValueError(_absent(experiment, lacking[0], where) + ("" if len(lacking) < len(axes) else _OR_SERIES))
        twice = [run.path for run, n in Counter(self.experiment_runs(name)).items() if n > 1]
        if twice:
            raise ValueError(f"{where} lists the run {twice[0]} twice; remove the repeated name or seed")
        for recipe in experiment.recipes:
            for dataset in experiment.datasets:
                self._check_recipe_on(where, recipe, dataset)
        self._check_figures(where, experiment)

    def _check_series(self, name: str, series: Series) -> None:
        """Raises :class:`ValueError` if a series names an unknown model, or a name is ambiguous."""
        if series.model is not None and series.model not in self.models:
            raise ValueError(
                f"series.{name}.model: no model is named {series.model!r}{nearest(series.model, self.models)}"
            )
        if name in self.datasets:
            raise ValueError(f"series.{name}: a dataset has this name too; rename one of the two")
        if series.model is None and name in self.models:
            raise ValueError(
                f"series.{name}: a model has this name too; set `model: {name}` if training started from it, or "
                "rename the series"
            )
        if EXTERNAL in self.recipes:
            raise ValueError(f"recipes.{EXTERNAL}: in tables this is the recipe of every series; rename the recipe")

    def _check_set(self, name: str, conflict_set: ConflictSet) -> None:
        """Raises :class:`ValueError` if a set has the name of a control, or names an unknown set or dataset."""
        if "+" in name:
            raise ValueError(f"sets.{name}: '+' in a set's name is reserved for controls; write '-' instead")
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

    def _check_case(self) -> None:
        """Raises :class:`ValueError` if two names that become folders or files differ in case only."""
        starts = [name for name, series in self.series.items() if series.model is None]
        for key, names in {
            "models": [*self.models, *starts],
            "datasets": [*self.datasets, *self.series],
            "recipes": [*self.recipes, *([EXTERNAL] if self.series else [])],
            "sets": self.sets,
            "benchmarks": self.benchmarks,
            "evaluation.prompts": self.evaluation.prompts,
            "experiments": self.experiments,
        }.items():
            if pair := names_differing_in_case(names):
                raise ValueError(
                    f"{key}: {pair[0]!r} and {pair[1]!r} differ in case only, and file systems that ignore case "
                    "(macOS) would keep them in one folder; rename one of the two"
                )

    def _check_world(self) -> None:
        """Raises :class:`ValueError` if something is made from the world but the study has no world."""
        for key in ("models", "datasets", "sets") if self.world is None else ():
            for name, value in getattr(self, key).items():
                if value.from_world:
                    raise ValueError(f"{key}.{name} has `source: world`, but the key `world` is missing; add it")

    def _check_probes(self) -> None:
        """Raises :class:`ValueError` if no experiment lists a probe's figure, which selects the probed runs, or if a
        probe does not fit a model of the world. Other models are checked when they are prepared."""
        for probe in PROBES:
            if getattr(self.probes, probe) is not None and not self.probed_runs(probe):
                raise ValueError(
                    f"probes.{probe} is set, but no experiment lists the figure {probe!r}, which selects the runs to "
                    "probe; add it to the figures of an experiment, or remove the probe"
                )
        for name, model in self.models.items():
            if isinstance(model, WorldModel):
                for probe in self._probes_of(name):
                    size = model.architecture
                    if (reason := getattr(self.probes, probe).misfit(size.layers, size.heads)) is not None:
                        raise ValueError(f"models.{name}: {reason}")

    def _check_figures(self, where: str, experiment: Experiment) -> None:
        """Raises :class:`ValueError` if a figure lacks the probe that it shows, or the data that the probe needs."""
        for figure, probe in PROBES.items():
            if figure not in experiment.figures:
                continue
            if experiment.series and probe.takes_gradients:
                raise ValueError(
                    f"{where}.figures lists {figure!r}, which needs the training data of a run, but a series has none; "
                    "list the series in another experiment"
                )
            if getattr(self.probes, figure) is None:
                raise ValueError(
                    f"{where}.figures lists {figure!r}, which shows a probe that the study does not have; add "
                    f"`probes: {{{figure}: {{}}}}` or remove the figure"
                )
            for dataset in experiment.datasets if probe.needs_kinds else ():
                if not self.datasets[dataset].has_kinds:
                    raise ValueError(
                        f"{where}.figures lists {figure!r}, but the examples of {dataset!r} have no kinds; use a "
                        "dataset with `source: world`"
                    )

    def _check_orders(self) -> None:
        """Raises :class:`ValueError` if a prompt changes the order but a dataset's template does not allow it."""
        if all(prompt.order == "context_first" for prompt in self.evaluation.prompts.values()):
            return
        for name in (*self.datasets, *self.series):
            template = self.template_of(name)
            if isinstance(template, ChatTemplate):
                try:
                    template.question_first()
                except ValueError as error:
                    section = "series" if name in self.series else "datasets"
                    raise ValueError(f"{section}.{name}.template: {error}") from None

    def _check_recipe(self, name: str, recipe: Recipe) -> None:
        """Raises :class:`ValueError` if a recipe names an unknown set, recipe or dataset, or has invalid training."""
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
        instructions = {prompt.instruction for prompt in self.evaluation.prompts.values()}
        if recipe.indicator is not None and recipe.indicator.text not in instructions:
            raise ValueError(
                f"{where}.indicator.text: no prompt under evaluation.prompts has the instruction "
                f"{recipe.indicator.text!r}, so no question would have the marker; add such a prompt"
            )
        source = recipe.augment.dataset if recipe.augment else None
        if source is not None and (source not in self.datasets or self.datasets[source].from_world):
            others = [known for known, dataset in self.datasets.items() if not dataset.from_world]
            raise ValueError(
                f"{where}.augment.dataset: no dataset (other than those with `source: world`) is named {source!r}"
                f"{nearest(source, others)}"
            )

    def _check_recipe_on(self, where: str, name: str, dataset: str) -> None:
        """Raises :class:`ValueError` if the recipe ``name`` needs something that ``dataset`` cannot have."""
        recipe, spec = self.recipes[name], self.datasets[dataset]
        if not spec.from_world:
            if recipe.augment and recipe.augment.dataset is None:
                raise ValueError(
                    f"{where}: recipe {name!r} adds counterfactual examples of the world, but {dataset!r} is not made "
                    "from it; set augment.dataset to the data to make them from, or use separate experiments"
                )
            if any(isinstance(selection, KindSelection) for selection in recipe.select):
                raise ValueError(
                    f"{where}: recipe {name!r} selects by kind, but {dataset!r} has no kinds (only datasets with "
                    "`source: world` do); list them in separate experiments"
                )
        if not spec.may_have_contexts and any(
            isinstance(selection, ContextOnlySelection) for selection in recipe.select
        ):
            raise ValueError(
                f"{where}: recipe {name!r} keeps examples with a context, but {dataset!r} has none; list "
                "them in separate experiments"
            )

    def local_folders(self) -> dict[str, str]:
        """The local folders that the runs need, by the key that names them."""
        runs = self.runs()
        models, series = {run.model for run in runs}, {run.dataset for run in runs}
        found = {
            f"models.{name}.path": spec.path
            for name, spec in self.models.items()
            if isinstance(spec, FolderModel) and name in models
        }
        found |= {
            f"series.{name}.path": spec.path
            for name, spec in self.series.items()
            if isinstance(spec, FolderSeries) and name in series
        }
        return found | ({"mirror": self.mirror} if self.mirror is not None else {})

    def local_files(self) -> dict[str, str]:
        """The local files that the runs need, by the key that names them; for a model folder its ``config.json``."""
        runs = self.runs()
        augmented = {r.augment.dataset for r in self.recipes.values() if r.augment and r.augment.dataset}
        needed: dict[str, set[str]] = {
            "models": {run.model for run in runs},
            "datasets": {run.dataset for run in runs} | augmented,
            "series": {run.dataset for run in runs},
            "sets": {*self.sets},
            "benchmarks": {*self.benchmarks},
        }
        found: dict[str, str] = {}
        for section, names in needed.items():
            for name, spec in getattr(self, section).items():
                path = getattr(spec, "path", None)
                if name in names and path is not None and not is_address(path) and not isinstance(spec, FolderSeries):
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
        """The selections that determine what the recipe ``name`` keeps: its own and those whose size it copies."""
        recipes = [self.recipes[name], *self.matched_recipes(name).values()]
        return tuple(selection for recipe in recipes for selection in recipe.select)

    def runs(self) -> list[Run]:
        """All runs and series of all experiments, each once, in the order of the configuration."""
        return list(dict.fromkeys(run for name in self.experiments for run in self.experiment_runs(name)))

    def trained_runs(self) -> list[Run]:
        """The runs that are trained here: all but the series."""
        return [run for run in self.runs() if run.recipe != EXTERNAL or run.dataset not in self.series]

    def series_run(self, name: str) -> Run:
        """The values of a series in the columns of a run; a series without a base is its own model."""
        series = self.series[name]
        return Run(series.model or name, name, EXTERNAL, series.seed)

    def labels_of(self, run: Run) -> dict[int, str]:
        """The names of a run's steps in figures; empty if they have none."""
        return labels_of(self.series[run.dataset]) if run.dataset in self.series else {}

    def experiment_runs(self, name: str) -> list[Run]:
        """The runs of the experiment ``name``: the product of its lists, in order, then its series."""
        e = self.experiments[name]
        trained = [
            Run(model, dataset, recipe, seed)
            for model in e.models
            for dataset in e.datasets
            for recipe in e.recipes
            for seed in e.seeds
        ]
        return [*trained, *map(self.series_run, e.series)]

    def probed_runs(self, probe: str) -> list[Run]:
        """The runs of the experiments that list the figure of a probe, each once."""
        names = [name for name, experiment in self.experiments.items() if probe in experiment.figures]
        return list(dict.fromkeys(run for name in names for run in self.experiment_runs(name)))

    def template_of(self, dataset: str) -> Template:
        """The template for the examples of a dataset or series and for questions to models trained on it."""
        if dataset in self.series:
            return self.series[dataset].template
        spec = self.datasets[dataset]
        if isinstance(spec, WorldDataset):
            return WORLD_TEMPLATE
        return spec.template or (AlpacaTemplate() if spec.format in ("alpaca", "squad") else TuluTemplate())

    def templates_of(self, model: str) -> dict[str, Template]:
        """The templates of a model's examples and questions, by dataset."""
        datasets = dict.fromkeys(run.dataset for run in self.runs() if run.model == model)
        return {dataset: self.template_of(dataset) for dataset in datasets}

    def tunings_of(self, model: str) -> list[Tuning]:
        """The tuning methods with which a model is trained, each once."""
        recipes = dict.fromkeys(run.recipe for run in self.trained_runs() if run.model == model)
        tunings = (self.training_of(recipe).tuning for recipe in recipes)
        return list({tuning.model_dump_json(): tuning for tuning in tunings}.values())

    def checks_of(self, model: str) -> list[str]:
        """References of the functions that check a model for the probes of its runs and for the study's decoding."""
        contrasted = any(prompt.decoding for prompt in self.evaluation.prompts.values())
        return [
            *(check for name in self._probes_of(model) if (check := PROBES[name].check) is not None),
            *([CONTRAST_CHECK] if contrasted else []),
        ]

    def sized_probes_of(self, model: str) -> dict[str, Probe]:
        """The probes of a model's runs by name, with only the settings that must fit its number of layers and heads.
        Probes in which these have their defaults are omitted."""
        sized = {
            name: PROBES[name].model_validate(getattr(self.probes, name).model_dump(include=PROBES[name].sizes))
            for name in self._probes_of(model)
        }
        return {name: probe for name, probe in sized.items() if probe != PROBES[name]()}

    def _probes_of(self, model: str) -> list[str]:
        """The names of the probes of a model's runs."""
        return [name for name in PROBES if any(run.model == model for run in self.probed_runs(name))]

    def compared_prompts(self, name: str) -> list[str]:
        """The prompts that the trade-offs of the experiment ``name`` compare."""
        return list(self.experiments[name].prompts or self.evaluation.prompts)

    def primary_analysis(self, name: str) -> tuple[list[Run], str | None, str, str]:
        """The runs, scorer (None for the main one), prompt and stratum of the primary analysis of the experiment
        ``name``."""
        primary = self.experiments[name].primary
        prompt = primary.prompt or next(iter(self.evaluation.prompts))
        return self.experiment_runs(name), primary.scorer, prompt, primary.stratum

    def reference_recipe(self) -> str | None:
        """The first recipe that changes nothing, with which others are compared; None if there is none."""
        return next((name for name, recipe in self.recipes.items() if recipe == Recipe()), None)

    def id_benchmarks(self, dataset: str) -> list[str]:
        """The benchmarks whose mean is the ID accuracy of runs on a dataset: all but those that the paper omits for
        data of its format (:attr:`~inversion.config.tasks.BenchmarkTask.not_accuracy_of`)."""
        form = getattr(self.datasets.get(dataset), "format", None)
        omitted = {task for task, known in TASKS.items() if form in known.not_accuracy_of}
        return [name for name, spec in self.benchmarks.items() if spec.task not in omitted]

    def training_of(self, recipe: str) -> Training:
        """``training`` with the recipe's changes, whose ``epochs`` override the study's ``max_steps``. For a series,
        which is not trained here, ``training`` itself."""
        if recipe == EXTERNAL and recipe not in self.recipes:
            return self.training
        override = self.recipes[recipe].training
        changed = {key: value for key in override.model_fields_set if (value := getattr(override, key)) is not None}
        kept = self.training.model_dump()
        if "max_steps" in override.model_fields_set or "epochs" in changed:
            kept["max_steps"] = None
        return Training.model_validate(kept | changed)
