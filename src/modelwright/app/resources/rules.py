"""What must be true of what models want of a machine: it means something to them, and this machine has it."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.rules.operations import running
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.plugins import PIPELINE, PYTHON, EngineRow, engine_row
from modelwright.app.resources.wants import wants_of
from modelwright.core.quantities import told_size
from modelwright.core.resources.gpus import choose_gpus
from modelwright.core.resources.machine import Machine
from modelwright.core.resources.wants import Given, Holding, Wants

CUDA = "cuda"


def _gpus_mean_something(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, model in case.manifest.models.items():
        wants, engine = wants_of(model.resources), case.engine(name)
        if not wants.any_gpu:
            continue
        here = _place(name, "gpu_memory" if wants.gpu_memory else "gpu")
        if wants.gpus and wants.gpu_memory:
            problem = "stands beside `gpu`: a model has whole GPUs, or a part of one"
            yield Finding(here, problem, "remove one of them", on_key=True)
        elif model.placement.group:
            problem = f"models of a group share a process, and {name} is in {model.placement.group!r}"
            yield Finding(here, problem, "remove it, or `placement`: it has its own process then", on_key=True)
        elif engine == PIPELINE:
            yield from _of_steps(case, model, here)
        elif engine:
            yield from _of_an_engine(model, engine_row(engine), name=name, here=here)


def _of_an_engine(model: ModelSection, row: EngineRow, *, name: str, here: Path) -> Iterator[Finding]:
    device, stated = model.engine.device, "device" in model.engine.model_fields_set
    if CUDA not in row.devices:
        remedy = "remove it, and write `engine.device: gpu:0`" if "gpu" in row.devices else "remove it"
        yield Finding(here, f"{row.kind} computes on no NVIDIA GPU", remedy, on_key=True)
    elif stated and not device.startswith(CUDA):
        problem = f"is {device!r}, and `resources` asks for a GPU"
        yield Finding(("models", name, "engine", "device"), problem, "remove one of them")
    elif stated and int(device.partition(":")[2] or 0) >= max(1, model.resources.gpu):
        problem = f"is {device!r}, and the GPUs that it gets are counted from cuda:0"
        yield Finding(("models", name, "engine", "device"), problem, "remove it, or write cuda:0")
    if model.resources.gpu > 1 and not (row.server or row.kind.startswith(PYTHON)):
        problem = f"{row.kind} computes on one GPU, and {model.resources.gpu} are asked for"
        yield Finding(here, problem, "write 1; more processes (`scale.min`) use more GPUs")


def _of_steps(case: Case, model: ModelSection, here: Path) -> Iterator[Finding]:
    steps = model.pipeline.steps.values() if model.pipeline else ()
    models = [case.manifest.models[step.model] for step in steps if step.model in case.manifest.models]
    if not any(one.engine.device.startswith(CUDA) for one in models):
        remedy = "write `engine.device: cuda:0` at the model of a step, or remove it"
        yield Finding(here, "no step of it computes on a GPU", remedy, on_key=True)


def _threads_fit(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        most, threads = wants_of(model.resources).threads, model.engine.threads
        if most and threads > most:
            problem = f"{threads} threads on {most} processor{'s' if most > 1 else ''} wait for each other"
            remedy = f"remove it (it is {most} by `resources.cpu`), or raise that"
            yield Finding(("models", name, "engine", "threads"), problem, remedy)


def _groups_agree(case: Case) -> Iterator[Finding]:
    """A group's process gets the sum, which means something only when all of its models say theirs."""
    groups: dict[str, dict[str, ModelSection]] = {}
    for name, model in case.manifest.models.items():
        if model.placement.group:
            groups.setdefault(model.placement.group, {})[name] = model
    for group, members in groups.items():
        for key in ("cpu", "memory"):
            silent = [name for name, model in members.items() if not getattr(model.resources, key)]
            for name in members.keys() - {*silent} if silent else ():
                problem = f"models of the group {group!r} share a process, and {silent[0]} says no `{key}`"
                yield Finding(_place(name, key), problem, f"say it at all of them, or at none; {silent[0]} lacks it")


def _machine_has_it(case: Case) -> Iterator[Finding]:
    """Of one process; what all of them want together is a matter of warnings, GPUs aside."""
    if case.machine is None:
        return
    machine = case.machine
    for name, model in case.manifest.models.items():
        wants = wants_of(model.resources)
        if wants.cpu > machine.cores:
            problem = f"{wants.cpu:g} processors are wanted, and this machine lets us use {machine.cores:g}"
            yield Finding(_place(name, "cpu"), problem, "lower it, or run on a larger machine")
        if wants.memory and not machine.tells_memory:
            problem = "this system does not say how much memory a process holds"
            yield Finding(_place(name, "memory"), problem, "remove it, and bound the process by your system's means")
        elif wants.memory > machine.memory > 0:
            problem = f"{told_size(wants.memory)} are wanted, and this machine lets us use {told_size(machine.memory)}"
            yield Finding(_place(name, "memory"), problem, "lower it, or run on a larger machine")
        yield from _lacks(name, wants, machine)


def _lacks(name: str, wants: Wants, machine: Machine) -> Iterator[Finding]:
    count, largest = len(machine.gpus), max((gpu.memory for gpu in machine.gpus), default=0)
    had = f"this machine has {count} GPU{'' if count == 1 else 's'}"
    if wants.gpus > count:
        remedy = "remove `resources.gpu`, or run on a machine with " + ("one" if wants.gpus == 1 else f"{wants.gpus}")
        yield Finding(_place(name, "gpu"), f"{had}, and {name} wants {wants.gpus}", remedy)
    elif wants.gpu_memory > largest:
        problem = f"{had}, and {name} wants {told_size(wants.gpu_memory)} of one"
        if largest:
            problem += f", of which the largest has {told_size(largest)}"
        remedy = "lower it, or run on a larger one" if largest else "take a whole one (`gpu: 1`)" if count else ""
        remedy = remedy or "remove `resources.gpu_memory`, or run on a machine with a GPU"
        yield Finding(_place(name, "gpu_memory"), problem, remedy)


def _gpus_are_enough(case: Case) -> Iterator[Finding]:
    """For all replicas that there are from the start."""
    if case.machine is None:
        return
    for name, wants in _without_a_gpu(case, case.machine, most=False):
        what = f"{told_size(wants.gpu_memory)} of one" if wants.gpu_memory else f"{wants.gpus}"
        count = len(case.machine.gpus)
        problem = f"{name} wants {what}, and the models before it leave too little of this machine's {count} GPUs"
        yield Finding(
            _place(name, "gpu_memory" if wants.gpu_memory else "gpu"),
            problem,
            "lower `scale.min` or what another model gets, or run on a machine with more GPUs",
        )


def _without_a_gpu(case: Case, machine: Machine, *, most: bool) -> Iterator[tuple[str, Wants]]:
    """Models for whose replicas there is not enough, each once; one that no machine like this could run aside."""
    held: list[Holding] = []
    for label, model in running(case.manifest).items():
        name, wants = label.partition("@")[0], wants_of(model.resources)
        if not wants.any_gpu or choose_gpus(wants, machine.gpus, held=()) is None:
            continue
        for _ in range(_replicas(model) if most else model.scale.min):
            found = choose_gpus(wants, machine.gpus, held=held)
            if found is None:
                yield name, wants
                break
            held.append(Holding(wants=wants, given=Given(gpus=found)))


def warnings(case: Case) -> Iterator[Finding]:
    """All processes together may want more than there is: they share it, and that is slow, or ends them."""
    machine = case.machine
    if machine is None:
        return
    models = {label: model for label, model in running(case.manifest).items() if model.model_fields_set & {"resources"}}
    each = {label: (_replicas(model), wants_of(model.resources)) for label, model in models.items()}
    each = {label: one for label, one in each.items() if _has_room(one[1], machine)}
    cpus = sum(count * wants.cpu for count, wants in each.values())
    if cpus > machine.cores:
        last = next(label for label in reversed(each) if each[label][1].cpu)
        problem = f"all models together want {cpus:g} processors, and {machine.cores:g} are there: they will share"
        yield Finding(_place(last.partition("@")[0], "cpu"), problem, "lower it, or how many replicas there may be")
    memory = sum(count * wants.memory for count, wants in each.values())
    if memory > machine.memory > 0:
        last = next(label for label in reversed(each) if each[label][1].memory)
        problem = f"all models together may hold {told_size(memory)}, and {told_size(machine.memory)} are there"
        yield Finding(_place(last.partition("@")[0], "memory"), problem, "lower it, or how many replicas there may be")
    for name, _ in _without_a_gpu(case, machine, most=True):
        problem = f"there are not enough GPUs for as many replicas as {name} may have; those that lack one wait"
        yield Finding(("models", name, "resources"), problem, "lower `scale.max`")
    yield from _by_hand(case)


def _by_hand(case: Case) -> Iterator[Finding]:
    models = {label: model for label, model in running(case.manifest).items() if "@" not in label}
    given = [name for name, model in models.items() if wants_of(model.resources).any_gpu]
    for name, model in models.items() if given else ():
        if model.engine.device.startswith(CUDA) and name not in given:
            problem = f"takes a GPU by hand, which {given[0]} may be given, too"
            yield Finding(("models", name, "engine", "device"), problem, "write `resources: {gpu: 1}` instead")


def _has_room(wants: Wants, machine: Machine) -> bool:
    """One such process fits; another one is a fault already."""
    return wants.cpu <= machine.cores and wants.memory <= (machine.memory or wants.memory)


def _replicas(model: ModelSection) -> int:
    return max(model.scale.min, model.scale.max, 1)


def _place(name: str, key: str) -> Path:
    return ("models", name, "resources", key)


RULES: Rules = (
    _gpus_mean_something,
    _threads_fit,
    _groups_agree,
    _machine_has_it,
    _gpus_are_enough,
)
