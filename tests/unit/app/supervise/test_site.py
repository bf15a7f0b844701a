from modelwright.app.supervise.site import is_hopeless, is_ready, judge_start
from modelwright.core.status import PartStatus


def part(name: str, state: str, *, kind: str = "", detail: str = "") -> PartStatus:
    return PartStatus(name=name, kind=kind or name.split("-", maxsplit=1)[0], state=state, detail=detail)


def test_site_is_ready_when_all_that_is_on_is_ready() -> None:
    assert is_ready([part("gateway-0", "ready"), part("openai", "off", kind="provider")])
    assert not is_ready([part("gateway-0", "ready"), part("control", "starting")])


def test_one_broken_model_does_not_end_the_start() -> None:
    models = [part("serving-a-0", "ready"), part("serving-b-0", "broken")]
    parts = [part("gateway-0", "ready"), *models, part("control", "ready")]
    assert judge_start(parts, remote=False) is None


def test_start_ends_when_no_model_can_be_served() -> None:
    parts = [
        part("gateway-0", "ready"),
        part("serving-a-0", "broken", detail="a.onnx is cut"),
        part("control", "ready"),
    ]
    verdict = judge_start(parts, remote=False)
    assert verdict is not None
    assert verdict.code == "bad_model_file"
    assert verdict.reason == "no model can be served; serving-a-0: a.onnx is cut"


def test_a_provider_that_is_on_is_worth_running_for() -> None:
    parts = [part("gateway-0", "ready"), part("serving-a-0", "broken"), part("control", "ready")]
    assert judge_start(parts, remote=True) is None


def test_nobody_waits_for_gateways_that_wait_for_a_broken_control() -> None:
    parts = [part("gateway-0", "starting"), part("control", "broken", detail="the database refuses")]
    assert is_hopeless(parts)
    assert not is_hopeless([part("gateway-0", "broken"), part("control", "starting")])
    verdict = judge_start(parts, remote=True)
    assert verdict is not None
    assert verdict.reason == "control: the database refuses"


def test_start_ends_when_no_gateway_can_run() -> None:
    parts = [part("gateway-0", "broken", detail="no uvloop"), part("serving-a-0", "ready"), part("control", "ready")]
    verdict = judge_start(parts, remote=True)
    assert verdict is not None
    assert (verdict.code, verdict.reason) == ("start_failed", "gateway-0: no uvloop")


def test_a_model_in_a_crash_loop_may_come_back() -> None:
    parts = [part("gateway-0", "ready"), part("serving-a-0", "waiting"), part("control", "ready")]
    assert judge_start(parts, remote=False) is None
