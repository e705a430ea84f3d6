"""One network at one batch size, ours and PyTorch's in turn.

case = measure_case("cnn", 32, settings)
case.samples["ours train"]                         # seconds per step, one for each round
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax

from benchmarks import ours, pytorch
from benchmarks.command_line import say
from benchmarks.operations import forward_multiply_adds, training_multiply_adds
from benchmarks.step_records import Case
from benchmarks.timing import Run, Task, affordable_repeats, time_alternately, units_for, warm_up
from wbc_jax.cores import num_cores
from wbc_jax.models.describe import list_layers

LEAST_SAMPLE_SECONDS = 0.3
MOST_SECONDS_PER_CASE = 75
_NUM_IMAGES = 1987  # the paper's training part
_LEAST_BATCHES = 16


@dataclass(frozen=True)
class Settings:
    """What is the same for every case.

    Attributes:
        device: "cpu" or "gpu".
        dtype: of the computation, "float32" or "bfloat16".
        repeats: rounds of one sample each; slow cases take fewer, at least 3.
        torch_modes: some of `pytorch.MODES`.
        matmuls: a matrix product per framework, by name, to be timed in the same rounds.
    """

    device: str
    dtype: str
    repeats: int
    torch_modes: Sequence[str]
    matmuls: Mapping[str, Task]


def measure_case(model: str, batch_size: int, settings: Settings) -> Case:
    """Builds both, warms them up and times them in turn.

    Raises:
        RuntimeError: the networks differ in their number of parameters, or a loss is no number.
    """
    config = ours.load_config(model, batch_size=batch_size, dtype=settings.dtype)
    count = max(_NUM_IMAGES, _LEAST_BATCHES * batch_size)
    built = ours.build(config, ours.random_examples(config, count=count))
    steps = built.compile()
    say(f"{model}, batch {batch_size}: compiled our step in {steps.compile_seconds:.1f} s")
    num_params = ours.num_params(steps.state)
    optimizer = pytorch.OptimizerFields(
        config.optim.name, config.optim.learning_rate, config.optim.momentum
    )
    twins = {
        mode: pytorch.TorchNetwork(
            model,
            batch_size=batch_size,
            optimizer=optimizer,
            device=settings.device,
            dtype=settings.dtype,
            mode=mode,
            num_classes=config.data.num_classes,
            side=config.data.image_size,
        )
        for mode in settings.torch_modes
    }
    for mode, twin in twins.items():
        if twin.num_params != num_params:
            raise RuntimeError(
                f"{model} has {num_params:,} parameters and its twin ({mode}) "
                f"{twin.num_params:,}: they are not the same network"
            )
    runs: dict[str, Run] = {"ours train": steps.run}
    runs |= {f"torch {mode} train": twin.train for mode, twin in twins.items()}
    runs |= {"ours predict": built.predictor(steps)}
    runs |= {f"torch {mode} predict": twin.predict for mode, twin in twins.items()}
    num_threads = _use_fastest_threads(runs, settings.device)
    tasks = _plan(runs) | dict(settings.matmuls)
    samples = _time(tasks, settings.repeats)
    steps.require_finite()
    for twin in twins.values():
        twin.require_finite()
    layers = list_layers(built.model, image_shape=built.image_shape)
    case = Case(
        model=model,
        batch_size=batch_size,
        num_params=num_params,
        native_kernels=steps.native_kernels(),
        train_multiply_adds=training_multiply_adds(layers),
        predict_multiply_adds=forward_multiply_adds(layers),
        num_threads=num_threads,
        counts={name: task.count for name, task in tasks.items()},
        samples=samples,
    )
    del steps, twins, runs, tasks, built
    gc.collect()
    jax.clear_caches()  # of programs that no later case can use
    return case


def _use_fastest_threads(runs: dict[str, Run], device: str) -> dict[str, int]:
    """Limits each of PyTorch's runs to its fastest number of threads; returns the numbers."""
    if device != "cpu":
        return {}
    chosen = {}
    candidates = pytorch.thread_counts(num_cores())
    for name, run in runs.items():
        if name.startswith("torch"):
            chosen[name] = pytorch.fastest_num_threads(run, candidates)
            runs[name] = pytorch.using_threads(run, chosen[name])
    said = ", ".join(f"{name} {count}" for name, count in chosen.items())
    say(f"  fastest number of threads out of {candidates}: {said}")
    return chosen


def _plan(runs: Mapping[str, Run]) -> dict[str, Task]:
    """Warms everything up; gives both sides the same number of steps, and of batches."""
    seconds = {name: warm_up(run) for name, run in runs.items()}
    tasks = {}
    for name, run in runs.items():
        kind = name.split()[-1]
        fastest = min(took for other, took in seconds.items() if other.endswith(kind))
        count = units_for(fastest, LEAST_SAMPLE_SECONDS)
        if kind == "predict":  # ours comes in whole calls
            count += -count % ours.BATCHES_PER_PREDICTION
        tasks[name] = Task(run, count)
    return tasks


def _time(tasks: Mapping[str, Task], repeats: int) -> dict[str, list[float]]:
    """Times one round to see what it costs, then as many as can be afforded."""
    first = time_alternately(tasks, repeats=1)
    round_seconds = sum(first[name][0] * task.count for name, task in tasks.items())
    affordable = affordable_repeats(repeats, round_seconds, MOST_SECONDS_PER_CASE)
    said = ", ".join(f"{name} {task.count}" for name, task in tasks.items())
    say(f"  {affordable} rounds of {round_seconds:.1f} s; units per sample: {said}")
    rest = time_alternately(tasks, repeats=affordable - 1)
    return {name: values + rest[name] for name, values in first.items()}
