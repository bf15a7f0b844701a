"""How engines with a server of their own are started: commands and environments as data."""

import msgspec

from modelwright.adapters.engines.external import llama_server, ollama, tgi, vllm
from modelwright.core.ports.engines import EngineConfig
from modelwright.core.ports.external.servers import ServerPlace

PLACE = ServerPlace(port=4711, key="k3y", folder="/state/engines/serving-m-0", grace=30.0)
CONFIG = EngineConfig(model="m", path="/models/m", threads=2, options={"max_sequences": 4, "queue_rows": 9})


def _told(**options: object) -> EngineConfig:
    return msgspec.structs.replace(CONFIG, options=CONFIG.options | options)


def test_llama_server_divides_its_context_or_shares_it() -> None:
    plan = llama_server(_told(context=2048, arguments=["--mlock"]), PLACE)
    assert " ".join(plan.command) == (
        "llama-server --model /models/m --alias m --host 127.0.0.1 --port 4711 --parallel 4 --ctx-size 8192 "
        "--threads 2 --metrics --mlock"
    )
    assert plan.env == {"LLAMA_API_KEY": "k3y"}
    assert "--ctx-size 0 --kv-unified" in " ".join(llama_server(CONFIG, PLACE).command)


def test_vllm_is_told_to_finish_what_runs() -> None:
    plan = vllm(_told(context=4096, precision="bf16"), PLACE)
    assert " ".join(plan.command) == (
        "vllm serve /models/m --served-model-name m --host 127.0.0.1 --port 4711 --max-num-seqs 4 "
        "--shutdown-timeout 30 --max-model-len 4096 --dtype bfloat16"
    )
    assert plan.env["VLLM_API_KEY"] == "k3y"
    assert plan.names.cache == "vllm:kv_cache_usage_perc"
    assert not {"--dtype", "--max-model-len"} & set(vllm(CONFIG, PLACE).command), "the engine knows better"


def test_tgi_is_bounded_as_we_are() -> None:
    plan = tgi(_told(context=512), PLACE)
    assert " ".join(plan.command) == (
        "text-generation-launcher --model-id /models/m --hostname 127.0.0.1 --port 4711 --max-concurrent-requests 13 "
        "--max-batch-size 4 --max-total-tokens 512 --max-input-tokens 511"
    )
    assert (plan.alive, plan.key) == ("/health", "k3y")


def test_ollama_is_told_by_its_environment_and_makes_the_model_first() -> None:
    plan = ollama(_told(context=2048, load_timeout=60.0, command=["/opt/ollama"]), PLACE)
    assert plan.command == ("/opt/ollama", "serve")
    assert plan.env == {
        "OLLAMA_HOST": "127.0.0.1:4711",
        "OLLAMA_MODELS": "/state/engines/serving-m-0/ollama",
        "OLLAMA_NUM_PARALLEL": "4",
        "OLLAMA_MAX_QUEUE": "9",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_KEEP_ALIVE": "-1",
        "OLLAMA_LOAD_TIMEOUT": "60s",
        "OLLAMA_CONTEXT_LENGTH": "2048",
    }
    assert plan.prepare == (("/opt/ollama", "create", "m", "-f", "/state/engines/serving-m-0/Modelfile"),)
    assert plan.files == {"Modelfile": "FROM /models/m\n"}


def test_a_device_is_the_only_one_that_the_engine_sees() -> None:
    for plan in (llama_server, vllm, tgi, ollama):
        told = plan(msgspec.structs.replace(CONFIG, device="cuda:1"), PLACE)
        assert told.env["CUDA_VISIBLE_DEVICES"] == "1"
        assert "CUDA_VISIBLE_DEVICES" not in plan(CONFIG, PLACE).env


def test_gpus_that_were_given_are_all_that_the_engine_sees_and_uses() -> None:
    """Written by each project's documentation; not tried on GPUs."""
    given = msgspec.structs.replace(CONFIG, device="cuda:0", gpus=("GPU-a", "GPU-b"))
    told = {plan: plan(given, PLACE) for plan in (llama_server, vllm, tgi, ollama)}
    assert {plan.env["CUDA_VISIBLE_DEVICES"] for plan in told.values()} == {"GPU-a,GPU-b"}
    assert " --tensor-parallel-size 2" in " ".join(told[vllm].command)
    assert " --num-shard 2" in " ".join(told[tgi].command)
    assert told[ollama].env["OLLAMA_SCHED_SPREAD"] == "1"


def test_of_a_gpu_that_is_shared_the_engine_takes_its_part() -> None:
    part = msgspec.structs.replace(CONFIG, device="cuda:0", gpus=("GPU-a",), gpu_memory=1 << 30, gpu_share=0.25)
    assert " --gpu-memory-utilization 0.250" in " ".join(vllm(part, PLACE).command)
    assert " --cuda-memory-fraction 0.250" in " ".join(tgi(part, PLACE).command)
    assert "--tensor-parallel-size" not in vllm(part, PLACE).command
