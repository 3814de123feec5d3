"""Opening a graph in onnxruntime, always in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlship.errors import ModelRefused

if TYPE_CHECKING:
    import onnxruntime


def open_runtime(data: bytes, source: str) -> onnxruntime.InferenceSession:
    """Open a serialized model: one thread, no spinning.

    Args:
        data: The model's bytes.
        source: Where it came from, for messages.

    Raises:
        ModelRefused: The runtime does not take it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Left to itself it takes bytes that bear another mark for its own format, which nobody has looked into.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4
    try:
        # With its fallback a failure is printed to stdout, where only --json may write, and then tried again.
        return onnxruntime.InferenceSession(
            data,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,
            # It takes a factor for 1 that differs from it by a billionth, also in double precision.
            disabled_optimizers=["NoopElimination"],
        )
    except Exception as error:  # the runtime's own exception types are not public
        raise ModelRefused(f"{source} cannot be opened by onnxruntime: {first_line(error)}", code="no_load") from error


def first_line(error: Exception) -> str:
    """Return what an error of the runtime says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
