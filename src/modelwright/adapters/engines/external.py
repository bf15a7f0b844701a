"""Engines with a server of their own: the command, the environment and the routes of each; nothing is started here.

Facts by each project's documentation: vLLM's server arguments and metrics, TGI's launcher arguments (in maintenance
mode since December 2025), llama.cpp's tools/server, Ollama's environment variables.
"""

from __future__ import annotations

from modelwright.core.ports.engines import EngineConfig
from modelwright.core.ports.external.servers import MetricNames, ServerPlace, ServerPlan

HOST = "127.0.0.1"
_DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def llama_server(config: EngineConfig, place: ServerPlace) -> ServerPlan:
    """llama.cpp's server; its context is divided among the answers that run, or shared when nobody says how long."""
    parallel, context = _parallel(config), _context(config)
    room = ("--ctx-size", str(context * parallel)) if context else ("--ctx-size", "0", "--kv-unified")
    return ServerPlan(
        command=(
            *_program(config, "llama-server"),
            *("--model", config.path, "--alias", config.model),
            *("--host", HOST, "--port", str(place.port)),
            *("--parallel", str(parallel), *room),
            *("--threads", str(config.threads), "--metrics"),
            *_arguments(config),
        ),
        env=_device(config) | {"LLAMA_API_KEY": place.key},
        alive="/health",
        model=config.model,
        metrics="/metrics",
        names=MetricNames(
            running="llamacpp:requests_processing",
            waiting="llamacpp:requests_deferred",
            cache="llamacpp:kv_cache_usage_ratio",
            tokens_in="llamacpp:prompt_tokens_total",
            tokens_out="llamacpp:tokens_predicted_total",
        ),
        key=place.key,
    )


def vllm(config: EngineConfig, place: ServerPlace) -> ServerPlan:
    """vLLM; without a timeout for its shutdown it would break off what runs when it is told to end."""
    context = _context(config)
    return ServerPlan(
        command=(
            *_program(config, "vllm", "serve"),
            *(config.path, "--served-model-name", config.model),
            *("--host", HOST, "--port", str(place.port)),
            *("--max-num-seqs", str(_parallel(config))),
            *("--shutdown-timeout", str(max(1, int(place.grace)))),
            *(("--max-model-len", str(context)) if context else ()),
            *_dtype(config),
            *(("--tensor-parallel-size", str(len(config.gpus))) if len(config.gpus) > 1 else ()),
            *(("--gpu-memory-utilization", f"{config.gpu_share:.3f}") if config.gpu_share else ()),
            *_arguments(config),
        ),
        env=_device(config) | {"VLLM_API_KEY": place.key, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
        alive="/health",
        model=config.model,
        metrics="/metrics",
        names=MetricNames(
            running="vllm:num_requests_running",
            waiting="vllm:num_requests_waiting",
            cache="vllm:kv_cache_usage_perc",
            tokens_in="vllm:prompt_tokens_total",
            tokens_out="vllm:generation_tokens_total",
        ),
        key=place.key,
    )


def tgi(config: EngineConfig, place: ServerPlace) -> ServerPlan:
    """Hugging Face's text-generation-inference."""
    context = _context(config)
    most = _parallel(config) + int(config.options.get("queue_rows") or 0)
    return ServerPlan(
        command=(
            *_program(config, "text-generation-launcher"),
            *("--model-id", config.path, "--hostname", HOST, "--port", str(place.port)),
            *("--max-concurrent-requests", str(most), "--max-batch-size", str(_parallel(config))),
            *(("--max-total-tokens", str(context), "--max-input-tokens", str(context - 1)) if context else ()),
            *_dtype(config),
            *(("--num-shard", str(len(config.gpus))) if len(config.gpus) > 1 else ()),
            *(("--cuda-memory-fraction", f"{config.gpu_share:.3f}") if config.gpu_share else ()),
            *_arguments(config),
        ),
        env=_device(config) | {"API_KEY": place.key, "HF_HUB_OFFLINE": "1", "USAGE_STATS": "off"},
        alive="/health",
        model=config.model,
        metrics="/metrics",
        names=MetricNames(
            running="tgi_batch_current_size",
            waiting="tgi_queue_size",
            tokens_in="tgi_request_input_length_sum",
            tokens_out="tgi_request_generated_tokens_sum",
        ),
        key=place.key,
    )


def ollama(config: EngineConfig, place: ServerPlace) -> ServerPlan:
    """Ollama, which runs one answer at a time unless it is told more, unloads what is idle, and asks for no key."""
    program = _program(config, "ollama")
    context = _context(config)
    return ServerPlan(
        command=(*program, "serve", *_arguments(config)),
        env=_device(config)
        | {
            "OLLAMA_HOST": f"{HOST}:{place.port}",
            "OLLAMA_MODELS": f"{place.folder}/ollama",
            "OLLAMA_NUM_PARALLEL": str(_parallel(config)),
            "OLLAMA_MAX_QUEUE": str(max(1, int(config.options.get("queue_rows") or 0))),
            "OLLAMA_MAX_LOADED_MODELS": "1",
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_LOAD_TIMEOUT": f"{int(config.options.get('load_timeout') or 600)}s",
        }
        | ({"OLLAMA_CONTEXT_LENGTH": str(context)} if context else {})
        | ({"OLLAMA_SCHED_SPREAD": "1"} if len(config.gpus) > 1 else {}),
        prepare=((*program, "create", config.model, "-f", f"{place.folder}/Modelfile"),),
        files={"Modelfile": f"FROM {config.path}\n"},
        folder=place.folder,
        alive="/api/version",
        model=config.model,
    )


def _program(config: EngineConfig, *default: str) -> tuple[str, ...]:
    return tuple(config.options.get("command") or default)


def _arguments(config: EngineConfig) -> tuple[str, ...]:
    return tuple(config.options.get("arguments") or ())


def _parallel(config: EngineConfig) -> int:
    return int(config.options.get("max_sequences") or 1)


def _context(config: EngineConfig) -> int:
    """Tokens of one answer and its prompt; 0: the model's own."""
    return int(config.options.get("context") or 0)


def _dtype(config: EngineConfig) -> tuple[str, ...]:
    """Only when the manifest says one: otherwise the engine takes the model's own."""
    precision = config.options.get("precision")
    return ("--dtype", _DTYPES[str(precision)]) if precision else ()


def _device(config: EngineConfig) -> dict[str, str]:
    """`cuda:1`: that GPU is the only one that the engine sees, unless it was given others."""
    if config.gpus:
        return {"CUDA_VISIBLE_DEVICES": ",".join(config.gpus)}
    name, _, number = config.device.partition(":")
    return {"CUDA_VISIBLE_DEVICES": number or "0"} if name == "cuda" else {}
