"""Descriptions that are exported for Compose, for tests."""

from modelwright.core.deploying.workloads import Desired, Gate, Mount, Route, Tls, Workload

REDIS = Workload(
    name="redis",
    kind="service",
    image="redis:7",
    mounts=(Mount(path="/data", volume="redis", writable=True),),
    port=6379,
    memory=256 << 20,
)
API = Workload(
    name="api",
    kind="app",
    image="python:3.11-slim",
    command=("python3", "-m", "http.server", "8080", "--directory", "/site"),
    env={"PRICE": "5 $ a month", "TOKEN_FILE": "/run/secrets/env/TOKEN"},
    mounts=(
        Mount(path="/run/secrets/env/TOKEN", digest="sha256:token", secret=True),
        Mount(path="/site/index.html", digest="sha256:page"),
        Mount(path="/srv/weights/1", volume="weights-1", digest="sha256:weights"),
    ),
    port=8080,
    gate=Gate(path="/index.html", deadline=60.0),
    cpu=0.5,
    before=("python3", "-c", "open('/run/secrets/env/TOKEN').read()"),
    after=("redis",),
    grace=3.0,
)
EDGE = Workload(
    name="edge",
    kind="edge",
    image="haproxy:3.2",
    command=("haproxy", "-W", "-db", "-f", "/edge/haproxy.cfg"),
    mounts=(Mount(path="/edge", volume="edge", writable=True),),
    port=8080,
    publish=("127.0.0.1:8080>8080",),
    grace=3.0,
)
GRAFANA = Workload(name="grafana", kind="service", image="grafana:1", port=3000, after=("redis",))
ROUTES = (Route(name="all", workload="api"),)
WHOLE = Desired(project="shop", environment="test", workloads=(API, EDGE, REDIS), routes=ROUTES)
WATCHED = Desired(project="shop", environment="test", workloads=(API, EDGE, GRAFANA, REDIS), routes=ROUTES)
ASKING = Desired(
    project="shop",
    environment="test",
    workloads=(API, EDGE, REDIS),
    routes=(Route(name="all", workload="api", host="a.example.com", tls=Tls(acme="ops@example.com")),),
)
