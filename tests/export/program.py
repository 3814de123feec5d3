"""Pickles put together opcode by opcode."""

from __future__ import annotations

import io
import pickle
from typing import Any


class Program:
    """A pickle put together opcode by opcode, of protocol 4.

    Args:
        prefix: What comes first.
    """

    def __init__(self, prefix: bytes = pickle.PROTO + b"\x04") -> None:
        self.code = prefix

    def add(self, *parts: bytes) -> Program:
        """Append opcodes."""
        return Program(self.code + b"".join(parts))

    def name(self, module: str, name: str) -> Program:
        """Push an import."""
        return self.thing(module).thing(name).add(pickle.STACK_GLOBAL)

    def thing(self, value: Any) -> Program:
        """Push a value of Python's own types."""
        return self.add(opcodes(value))

    def call(self, *arguments: Any) -> Program:
        """Call what is on the stack."""
        program = self.add(pickle.MARK)
        for argument in arguments:
            program = program.thing(argument)
        return program.add(pickle.TUPLE, pickle.REDUCE)

    def stop(self) -> bytes:
        """Return the whole."""
        return self.code + pickle.STOP


def opcodes(value: Any) -> bytes:
    """The opcodes that push a value, without a pickle's head and end, and without its memo, which is the program's."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=4)
    pickler.fast = True
    pickler.dump(value)
    code = stream.getvalue()[2:-1]
    return code[9:] if code.startswith(pickle.FRAME) else code
