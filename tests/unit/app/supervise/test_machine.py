import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.parts import Notice
from modelwright.app.supervise.machine import Kill, PartMachine, Refuse, Start, Step, Terminate, Wait
from modelwright.core.ports.clock import ManualClock

READY = Notice(state="ready", detail="onnxruntime")


def running(clock: ManualClock) -> PartMachine:
    machine = PartMachine("serving-digits-0", "serving", clock=clock)
    assert machine.start() == (Start(),)
    machine.spawned(11)
    machine.told(READY)
    return machine


def die(machine: PartMachine, clock: ManualClock, *, times: int) -> list[tuple[Step, ...]]:
    """Let it die and come back `times` times, each life one second long; the steps of each death."""
    steps: list[tuple[Step, ...]] = []
    for number in range(times):
        clock.advance(1)
        steps.append(machine.exited(-9))
        for step in steps[-1]:
            if isinstance(step, Wait) and number + 1 < times:
                clock.advance(step.seconds)
                assert machine.due() == (Start(),)
        if number + 1 < times:
            machine.spawned(100 + number)
            machine.told(READY)
    return steps


def test_part_is_ready_when_it_says_so() -> None:
    clock = ManualClock()
    machine = PartMachine("control", "control", clock=clock)
    machine.start()
    machine.spawned(7)
    clock.advance(2)
    machine.told(READY)
    status = machine.status(socket="/run/control.sock")
    assert (status.state, status.pid, status.detail, status.restarts) == ("ready", 7, "onnxruntime", 0)
    assert status.since == clock.now()
    assert status.socket == "/run/control.sock"


def test_first_death_is_followed_by_a_start_at_once() -> None:
    machine = running(ManualClock())
    assert machine.exited(-9) == (Start(),)
    assert (machine.state, machine.detail) == ("died", "killed by SIGKILL; starting again")
    machine.spawned(12)
    machine.told(READY)
    assert machine.status().restarts == 1


def test_a_process_that_holds_too_much_answers_what_it_has_and_is_started_again() -> None:
    machine = running(ManualClock())
    assert machine.over("too much", wait=True) == (Terminate(),)
    assert (machine.state, machine.detail) == ("draining", "too much")
    assert machine.over("far too much", wait=False) == (Kill(),)
    assert machine.exited(0) == (Start(),)
    assert (machine.state, machine.detail) == ("died", "far too much; starting again")


def test_one_that_holds_too_much_while_it_loads_is_not_waited_for() -> None:
    machine = PartMachine("serving-digits-0", "serving", clock=ManualClock())
    machine.start()
    assert machine.over("too much", wait=True) == ()
    machine.spawned(7)
    assert machine.over("too much", wait=True) == (Kill(),)
    machine.exited(-9)
    machine.spawned(8)
    machine.drain()
    assert machine.over("too much", wait=True) == (), "it is about to end anyway"


def test_a_process_that_grows_again_and_again_is_tried_less_and_less_often() -> None:
    clock = ManualClock()
    machine = running(clock)
    waits: list[float] = []
    for number in range(7):
        clock.advance(1)
        machine.over("too much", wait=True)
        for step in machine.exited(0):
            if isinstance(step, Wait):
                waits.append(step.seconds)
                clock.advance(step.seconds)
                machine.due()
        machine.spawned(100 + number)
        machine.told(READY)
    assert waits[:5] == [0.5, 1, 2, 4, 60]
    clock.advance(3600)
    machine.over("too much", wait=True)
    assert machine.exited(0) == (Start(),), "it was well for long enough to begin anew"


def test_a_process_that_is_stuck_is_killed_and_the_reason_is_told() -> None:
    machine = running(ManualClock())
    assert machine.stuck(30.0) == (Kill(),)
    assert machine.exited(-9) == (Start(),)
    assert machine.detail == "gave no answer for 30 s and was killed; starting again"
    assert machine.stuck(30.0) == (), "it does not run"
    machine.spawned(12)
    machine.drain()
    assert machine.stuck(30.0) == (), "a drain has its own bound"


def test_deaths_in_a_row_wait_longer_and_the_sixth_opens_the_breaker() -> None:
    clock = ManualClock()
    machine = running(clock)
    steps = die(machine, clock, times=6)
    assert [step for death in steps for step in death] == [
        Start(), Wait(0.5), Wait(1.0), Wait(2.0), Wait(4.0), Refuse(), Wait(60.0),
    ]  # fmt: skip
    assert machine.state == "waiting"
    assert "keeps dying, next start in 60 s" in machine.detail


def test_trial_after_the_breaker_that_dies_early_opens_it_again() -> None:
    clock = ManualClock()
    machine = running(clock)
    die(machine, clock, times=6)
    clock.advance(60)
    assert machine.due() == (Start(),)
    machine.spawned(50)
    machine.told(READY)
    clock.advance(9)
    assert machine.exited(1) == (Refuse(), Wait(60.0))


def test_trial_that_stays_ready_closes_the_breaker() -> None:
    clock = ManualClock()
    machine = running(clock)
    die(machine, clock, times=6)
    clock.advance(60)
    machine.due()
    machine.spawned(50)
    machine.told(READY)
    clock.advance(10)
    assert machine.exited(1) == (Start(),)


def test_fatal_notice_breaks_the_part_for_good() -> None:
    machine = PartMachine("serving-chat-0", "serving", clock=ManualClock())
    machine.start()
    machine.spawned(7)
    machine.told(Notice(state="failed", detail="chat.gguf is cut", fatal=True))
    assert machine.exited(1) == (Refuse(),)
    assert (machine.state, machine.detail, machine.pid) == ("broken", "chat.gguf is cut", 0)
    assert machine.settled
    assert machine.due() == ()


def test_failure_that_may_pass_is_tried_again_with_its_own_words() -> None:
    machine = PartMachine("serving-chat-0", "serving", clock=ManualClock())
    machine.start()
    machine.spawned(7)
    machine.told(Notice(state="failed", detail="no memory left"))
    assert machine.exited(1) == (Start(),)
    assert machine.detail == "no memory left; starting again"
    assert not machine.settled


@pytest.mark.parametrize(
    ("status", "reason"), [(3, "ended with status 3"), (-11, "killed by SIGSEGV"), (-63, "killed by signal 63")]
)
def test_death_says_how(status: int, reason: str) -> None:
    machine = running(ManualClock())
    machine.exited(status)
    assert machine.detail == f"{reason}; starting again"


def test_drain_asks_a_running_part_to_end_and_starts_nothing_more() -> None:
    machine = running(ManualClock())
    assert machine.drain() == (Terminate(),)
    assert machine.drain() == ()
    assert machine.state == "draining"
    assert machine.overdue() == (Kill(),)
    assert machine.exited(0) == ()
    assert machine.state == "stopped"
    assert machine.overdue() == ()


def test_drain_stops_a_waiting_part_without_a_process() -> None:
    clock = ManualClock()
    machine = running(clock)
    die(machine, clock, times=2)
    assert machine.state == "waiting"
    assert machine.drain() == ()
    assert machine.state == "stopped"
    assert machine.due() == ()


def test_process_that_a_drain_overtook_while_it_was_made_is_asked_to_end() -> None:
    machine = PartMachine("gateway-0", "gateway", clock=ManualClock())
    machine.start()
    assert machine.drain() == ()
    assert machine.spawned(5) == (Terminate(),)
    machine.told(READY)
    assert machine.state == "draining"
    assert machine.exited(-15) == ()
    assert (machine.state, machine.detail) == ("stopped", "")


EVENTS = st.lists(
    st.one_of(
        st.sampled_from(["ready", "starting", "failed", "fatal", "exit 0", "exit 1", "exit -9", "drain", "due"]),
        st.floats(0, 90),
    ),
    max_size=60,
)


class World:
    """Does what a machine asks for, and checks that it never asks for something wrong."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.machine = PartMachine("serving-digits-0", "serving", clock=self.clock)
        self.alive = False
        self.drained = False
        self.starts = 0
        self.follow(self.machine.start())

    def follow(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, Start):
                assert not self.alive
                assert not self.drained
                assert self.machine.state != "broken"
                self.alive, self.starts = True, self.starts + 1
                self.follow(self.machine.spawned(1000 + self.starts))

    def happen(self, event: str | float) -> None:
        machine = self.machine
        match event:
            case float():
                self.clock.advance(event)
            case "drain":
                self.drained = True
                self.follow(machine.drain())
            case "due":
                self.follow(machine.due())
            case "ready" | "starting" | "failed" if self.alive:
                machine.told(Notice(state=event))
            case "fatal" if self.alive:
                machine.told(Notice(state="failed", fatal=True))
            case str() if event.startswith("exit") and self.alive:
                self.alive = False
                self.follow(machine.exited(int(event.split()[1])))
            case _:
                pass


@given(EVENTS)
def test_never_two_processes_never_one_after_broken_or_drained_and_never_forgotten(events: list[str | float]) -> None:
    world = World()
    for event in events:
        world.happen(event)
        assert bool(world.machine.pid) == world.alive
        # A part without a process is started again some day, unless it is broken or at its end.
        assert world.alive or world.machine.state in {"broken", "stopped", "waiting"}
        assert world.machine.state != "waiting" or not world.alive


def test_what_a_process_says_before_its_start_is_known_is_not_lost() -> None:
    """On a busy machine it is ready before we have been told that it runs."""
    clock = ManualClock()
    machine = PartMachine("serving-digits-0", "serving", clock=clock)
    machine.start()
    machine.told(READY)
    assert not machine.settled
    machine.spawned(11)
    assert (machine.state, machine.settled) == ("ready", True)
    machine.exited(-9)
    machine.told(Notice(state="failed", detail="no such file", fatal=True))
    machine.spawned(12)
    assert machine.state == "broken"
    assert machine.exited(1) == (Refuse(),)


def test_a_process_that_could_not_be_started_says_why() -> None:
    machine = PartMachine("serving-digits-0", "serving", clock=ManualClock())
    machine.start()
    machine.told(Notice(state="failed", detail="too many open files"))
    machine.exited(1)
    assert "too many open files" in machine.detail
