"""What runs by a release is none of what somebody has made by hand, and the other way round."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.observed import Instance, Observed
from modelwright.deploy.standing.strays import strays
from tests.unit.deploy.test_planning import deployed, site, site_of

VERSIONS = st.dictionaries(st.sampled_from(["web", "api", "gateway", "db"]), st.sampled_from("123"))


@given(st.lists(VERSIONS, min_size=1, max_size=4))
def test_nothing_that_a_deploy_has_started_is_one(versions: list[dict[str, str]]) -> None:
    seen = Observed()
    for number, one in enumerate(versions):
        seen = deployed(site_of(one), seen, release=f"r{number + 1}").observed
    assert list(strays(seen)) == []


def test_each_is_named_with_what_is_wrong() -> None:
    seen = deployed(site()).observed
    api = next(one for one in seen.instances if one.workload == "api")
    images = {"web": "web:1", "api": "api:1", "gateway": "gateway:1", "db": "db:1"}
    running = [msgspec.structs.replace(one, image=images[one.workload]) for one in seen.instances]
    made = (
        Instance(name="toy", workload="toy", release="r1", digest="", state="ready"),
        Instance(name="copy", workload="api", release="r1", digest="sha256:other", state="ready"),
        msgspec.structs.replace(api, name="changed", image="api:by-hand"),
    )
    found = strays(msgspec.structs.replace(seen, instances=(*running, *made)))
    assert [(one.name, one.problem) for one in found] == [
        ("toy", "no release has a workload toy"),
        ("copy", "no release describes api so"),
        ("changed", "it runs from api:by-hand, and its release from api:1"),
    ]
