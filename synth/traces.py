"""Calls to the model as MLflow traces: which of them are kept, and what is stored of one.

MLflow's own ways to trace go through state of the process: one provider, one experiment, one run.
Runs of a sweep go on side by side, so spans are made here and given to the store of one run.
"""

import json
import random
from typing import Any

from synth.records import Call

_PREVIEW_CHARS = 1000  # what MLflow's own stores cut previews to


class Sample:
    """Some of a run's chunks, the same ones for the same seed; their calls are kept.

    Nobody knows yet how many chunks there will be. So the first ones are in it up to half its
    size, then half as many of twice as many chunks, and so on: ever thinner, but to the end.
    """

    def __init__(self, size: int, seed: int) -> None:
        """Draw at most ``size`` positions."""
        draws = random.Random(seed)  # noqa: S311  (to be repeated)
        n_drawn = (size + 1) // 2
        self._positions = set(range(n_drawn))
        begin, end = n_drawn, 3 * n_drawn
        while n_drawn := min((n_drawn + 1) // 2, size - len(self._positions)):
            self._positions.update(draws.sample(range(begin, end), n_drawn))
            begin, end = end, end + 2 * (end - begin)

    def has(self, position: int) -> bool:
        """Return whether the calls for the chunk at a position are kept."""
        return position in self._positions


def write_call(uri: str, experiment_id: str, run_id: str, call: Call, number: str) -> None:
    """Store a call as a trace of one span, with the times of the call.

    Args:
        uri: of the store.
        experiment_id: of the run.
        run_id: on whose page MLflow shows it.
        call: it.
        number: of the trace, 32 hexadecimal digits; one that is there already stays one.
    """
    from mlflow.entities import Span
    from mlflow.tracing.client import TracingClient

    client = TracingClient(uri)
    client.start_trace(_describe_trace(f"tr-{number}", experiment_id, run_id, call))
    client.log_spans(experiment_id, [Span.from_dict(_describe_span(f"tr-{number}", call))])


def _describe_trace(trace_id: str, experiment_id: str, run_id: str, call: Call) -> Any:
    from mlflow.entities import TraceInfo, TraceLocation, TraceState
    from mlflow.tracing.constant import TraceMetadataKey, TraceTagKey

    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=round(call.began_s * 1e3),
        execution_duration=round(call.latency_s * 1e3),
        state=TraceState.ERROR if call.error else TraceState.OK,
        request_preview=str(call.messages[-1]["content"])[:_PREVIEW_CHARS],
        response_preview=(call.reply or call.error or "")[:_PREVIEW_CHARS],
        trace_metadata={
            TraceMetadataKey.SOURCE_RUN: run_id,
            TraceMetadataKey.TOKEN_USAGE: json.dumps(_count_tokens(call)),
        },
        tags={TraceTagKey.TRACE_NAME: "generate", "synth.chunk_id": call.chunk_id},
    )


def _describe_span(trace_id: str, call: Call) -> dict[str, Any]:
    from mlflow.entities import SpanType
    from mlflow.tracing.constant import SpanAttributeKey

    answer = {"role": "assistant", "content": call.reply}
    attributes = {
        SpanAttributeKey.REQUEST_ID: trace_id,
        SpanAttributeKey.SPAN_TYPE: SpanType.CHAT_MODEL,
        SpanAttributeKey.MESSAGE_FORMAT: "openai",  # shown as a conversation
        SpanAttributeKey.INPUTS: {"messages": list(call.messages), **call.parameters},
        SpanAttributeKey.OUTPUTS: {
            "choices": [{"message": answer, "finish_reason": call.finish_reason}]
        },
        SpanAttributeKey.CHAT_USAGE: _count_tokens(call),
        "synth.chunk_id": call.chunk_id,
    }
    status = {"code": "STATUS_CODE_ERROR", "message": call.error}
    return {
        "name": "generate",
        "trace_id": trace_id,
        "span_id": trace_id[-16:],
        "parent_span_id": None,
        "start_time_unix_nano": round(call.began_s * 1e9),
        "end_time_unix_nano": round((call.began_s + call.latency_s) * 1e9),
        "status": status if call.error else {"code": "STATUS_CODE_OK"},
        "attributes": {
            key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()
        },
    }


def _count_tokens(call: Call) -> dict[str, int]:
    from mlflow.tracing.constant import TokenUsageKey

    usage = call.usage
    return {
        TokenUsageKey.INPUT_TOKENS: usage.prompt_tokens,
        TokenUsageKey.OUTPUT_TOKENS: usage.output_tokens,
        TokenUsageKey.TOTAL_TOKENS: usage.prompt_tokens + usage.output_tokens,
        TokenUsageKey.CACHE_READ_INPUT_TOKENS: usage.cached_tokens,
    }
