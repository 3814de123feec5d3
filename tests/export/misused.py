"""Hostile files that misuse what a model file may hold, each with what must be told of it.

Where there is a way, they hold `touch`, which is let in for the tests as a function that may be held, and which would
leave a mark if it were called.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from tests.export.program import Program, opcodes

MARKING = "tests.export.marking"
PLAIN = ("sklearn.metrics._scorer", "_Scorer")
EMPTY = pickle.EMPTY_TUPLE + pickle.NEWOBJ


def name(module: str, own: str) -> bytes:
    """Return the opcodes of an import."""
    return Program(b"").name(module, own).code


TOUCH = name(MARKING, "touch")
MODEL = name(*PLAIN) + EMPTY


def several(*things: bytes) -> bytes:
    """Return the opcodes of a tuple of things that are opcodes themselves."""
    return pickle.MARK + b"".join(things) + pickle.TUPLE


def items(**things: bytes) -> bytes:
    """Return the opcodes of a dictionary of things that are opcodes themselves."""
    pairs = b"".join(opcodes(key) + value for key, value in things.items())
    return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS


def called(module: str, own: str, *arguments: bytes) -> bytes:
    """Return the opcodes of a call."""
    return name(module, own) + several(*arguments) + pickle.REDUCE


def file(*parts: bytes) -> bytes:
    """Return a whole pickle."""
    return pickle.PROTO + b"\x04" + b"".join(parts) + pickle.STOP


def forged_dtype(**state: Any) -> bytes:
    """Return a pickle of a dtype whose state is not what it is."""
    made = {"kind": "O8", "names": None, "fields": None, "size": -1, "flags": 0, **state}
    fields = (3, "|", None, made["names"], made["fields"], made["size"], -1, made["flags"])
    return Program().name("numpy", "dtype").call(made["kind"], False, True).thing(fields).add(pickle.BUILD).stop()


def forged() -> dict[str, tuple[bytes, str]]:
    """Return files that make Python objects, or memory, of the file's bytes."""
    array, dtype = name("numpy", "ndarray"), called("numpy", "dtype", *map(opcodes, ("O8", False, True)))
    whole = called("numpy", "dtype", *map(opcodes, ("i8", False, True)))
    empty = called("numpy._core.multiarray", "_reconstruct", array, opcodes((0,)), opcodes(b"b"))
    state = several(opcodes(1), opcodes((1,)), whole, opcodes(False), opcodes(b"\x00" * 8))
    masked, huge = name("numpy.ma", "MaskedArray"), opcodes((2**40,))
    core, numeric = "numpy._core.multiarray", "numpy._core.numeric"
    field = {"a": (np.dtype("O"), 0)}
    return {
        "array over bytes": (file(called("numpy", "ndarray", *map(opcodes, ((1,), "O", b"\x00" * 8)))), "call 'numpy."),
        "array over bytes, made new": (
            file(array, opcodes(((1,), "O", b"\x00" * 8)), pickle.NEWOBJ),
            "call 'numpy.ndarray'",
        ),
        "dtype that hides objects": (forged_dtype(), "forge 'numpy.dtype"),
        "field that hides objects": (
            forged_dtype(kind="V8", names=("a",), fields=field, size=8, flags=0),
            "forge 'numpy.dtype",
        ),
        "field outside": (
            forged_dtype(kind="V8", names=("a",), fields={"a": (np.dtype("f8"), 4000)}, size=8),
            "forge 'numpy.dtype",
        ),
        "number that owns objects": (forged_dtype(kind="V8", size=8, flags=63), "forge 'numpy.dtype"),
        "dtype that is shared": (file(called("numpy", "dtype", opcodes("O8"))), "call 'numpy.dtype'"),
        "scalar of objects": (file(called(core, "scalar", dtype, opcodes(b"\x00" * 8))), "call 'numpy._core."),
        "memory of an array": (
            file(called(numeric, "_frombuffer", empty, whole, opcodes((0,)), opcodes("C"))),
            "call 'numpy._core.numeric._frombuffer'",
        ),
        "array that is changed": (
            file(empty, pickle.BINPUT, b"\x07", state, pickle.BUILD, state, pickle.BUILD),
            "change 'numpy.ndarray'",
        ),
        "array longer than its bytes": (
            file(empty, several(opcodes(1), opcodes((2**40,)), whole, opcodes(False), opcodes(b"")), pickle.BUILD),
            "change 'numpy.ndarray'",
        ),
        "huge array": (
            file(called(core, "_reconstruct", array, opcodes((2**40,)), opcodes(b"b"))),
            "call 'numpy._core.multiarray._reconstruct'",
        ),
        "huge masked array": (
            file(called("numpy.ma.core", "_mareconstruct", masked, array, huge, opcodes("b"))),
            "call 'numpy.ma.core._mareconstruct'",
        ),
        "huge bytes": (file(called("builtins", "bytes", opcodes(2**40))), "call 'builtins.bytes'"),
        "huge bytearray": (file(called("builtins", "bytearray", opcodes(2**40))), "call 'builtins.bytearray'"),
        "huge set": (
            file(called("builtins", "set", called("builtins", "range", opcodes(2**40)))),
            "call 'builtins.set'",
        ),
        "huge tree": (
            file(called("sklearn.tree._tree", "Tree", opcodes(1), empty, opcodes(2**40))),
            "call 'sklearn.tree._tree.Tree'",
        ),
    }  # fmt: skip


def calling() -> dict[str, tuple[bytes, str]]:
    """Return files that call what may only be held."""
    touching, born = name(MARKING, "Touching"), name(MARKING, "Born")
    random = "numpy.random._pickle"
    return {
        "held function called": (file(called(MARKING, "touch")), f"call '{MARKING}.touch'"),
        "held class called": (file(called(MARKING, "Touching")), f"call '{MARKING}.Touching'"),
        "class of arguments": (file(touching, opcodes((1.0,)), pickle.NEWOBJ), f"call '{MARKING}.Touching'"),
        "object called": (file(touching, EMPTY, pickle.EMPTY_TUPLE, pickle.REDUCE), f"call '{MARKING}.Touching'"),
        "class as bit generator": (
            file(called(random, "__bit_generator_ctor", touching)),
            "call 'numpy.random._pickle.__bit_generator_ctor'",
        ),
        "generator made by another": (
            file(called(random, "__generator_ctor", opcodes("MT19937"), TOUCH)),
            "call 'numpy.random._pickle.__generator_ctor'",
        ),
        "state made by another": (
            file(called(random, "__randomstate_ctor", opcodes("MT19937"), TOUCH)),
            "call 'numpy.random._pickle.__randomstate_ctor'",
        ),
        "tree of another class": (
            file(called("sklearn.neighbors._kd_tree", "newObj", born)),
            "call 'sklearn.neighbors._kd_tree.newObj'",
        ),
        "seeds of another class": (
            file(called("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", born, opcodes(0), opcodes(None))),
            "call 'numpy.random.bit_generator.__pyx_unpickle_SeedSequence'",
        ),
        "reconstructed from an array": (
            file(called("copyreg", "_reconstructor", born, name("numpy", "ndarray"), opcodes(1))),
            "call 'copyreg._reconstructor'",
        ),
        "default made by another": (
            file(called("collections", "defaultdict", TOUCH)),
            "call 'collections.defaultdict'",
        ),
        "partial of another": (file(called("functools", "partial", TOUCH)), "call 'functools.partial'"),
        "arguments that are no tuple": (
            file(name("_codecs", "encode"), opcodes(["x", "latin1"]), pickle.REDUCE),
            "call '_codecs.encode'",
        ),
        "codec": (file(called("_codecs", "encode", opcodes("x"), opcodes("idna"))), "call '_codecs.encode'"),
        "codec of bytes": (file(called("builtins", "bytes", opcodes("x"), opcodes("idna"))), "call 'builtins.bytes'"),
        "OBJ": (file(pickle.MARK, TOUCH, b"K\x01", pickle.OBJ), "use 'OBJ'"),
        "NEWOBJ_EX": (
            file(touching, opcodes((1,)), pickle.EMPTY_DICT, pickle.NEWOBJ_EX),
            f"call '{MARKING}.Touching'",
        ),
        "EXT1": (file(pickle.EXT1, b"\x01", pickle.EMPTY_TUPLE, pickle.REDUCE), "import 'copyreg.extension 1'"),
        "EXT2": (file(pickle.EXT2, b"\x01\x02", pickle.EMPTY_TUPLE, pickle.REDUCE), "import 'copyreg.extension 513'"),
        "EXT4": (file(pickle.EXT4, b"\x01\x00\x00\x00", pickle.EMPTY_TUPLE, pickle.REDUCE), "import 'copyreg.exten"),
        "persistent id": (file(opcodes(1), pickle.BINPERSID), "use 'persistent_load'"),
        "persistent id of protocol 0": (file(pickle.PERSID, b"one\n"), "use 'persistent_load'"),
    }


def changing() -> dict[str, tuple[bytes, str]]:
    """Return files that put a function where it would be called by its name."""
    model = ".".join(PLAIN)
    setstate, build = items(__setstate__=TOUCH), pickle.BUILD
    predictor = name("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor") + EMPTY
    bunch = name("sklearn.utils._bunch", "Bunch") + EMPTY
    ordered = called("collections", "OrderedDict") + items(keys=TOUCH) + build
    wrapper = name("joblib.numpy_pickle", "NumpyArrayWrapper") + EMPTY
    hidden = opcodes("astype") + TOUCH + opcodes("dtype") + opcodes(1)
    change = f"change '{model}'"
    return {
        "class changed": (file(name(*PLAIN), several(opcodes(None), items(predict=TOUCH)), build), change),
        "method of its own": (file(MODEL, setstate, build, opcodes(1), build), change),
        "method in the first half": (file(MODEL, several(setstate, opcodes({})), build, opcodes(1), build), change),
        "method in the second half": (file(MODEL, several(opcodes(None), setstate), build, opcodes(1), build), change),
        "name of Python's own": (file(MODEL, items(__module__=opcodes("sklearn.utils.validation")), build), change),
        "name of Python's own in a pair": (
            file(
                called("numpy.random._pickle", "__bit_generator_ctor", opcodes("MT19937")),
                several(items(__name__=opcodes("check_array")), opcodes(None)),
                build,
            ),
            "change 'numpy.random._mt19937.MT19937'",
        ),
        "method in the place of another": (file(MODEL, items(_score=TOUCH), build), change),
        "attribute that is called": (
            file(predictor, items(nodes=MODEL + items(astype=TOUCH, dtype=opcodes(1)) + build), build),
            change,
        ),
        "item that is called": (
            file(predictor, items(nodes=bunch + pickle.MARK + hidden + pickle.SETITEMS), build),
            "change 'sklearn.utils._bunch.Bunch'",
        ),
        "item that is called, one by one": (
            file(predictor, items(nodes=bunch + opcodes("astype") + TOUCH + pickle.SETITEM), build),
            "change 'sklearn.utils._bunch.Bunch'",
        ),
        "nodes that are no array": (
            file(predictor, items(nodes=opcodes([])), build),
            "change 'sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor'",
        ),
        "keys of its own": (file(MODEL, ordered, build), "change 'collections.OrderedDict'"),
        "state of another kind": (file(MODEL, called("collections", "OrderedDict"), build), change),
        "append of its own": (file(MODEL, items(append=TOUCH), build, b"K\x01", pickle.APPEND), change),
        "extend of its own": (file(MODEL, items(extend=TOUCH), build, pickle.MARK, b"K\x01", pickle.APPENDS), change),
        "add of its own": (file(MODEL, items(add=TOUCH), build, pickle.MARK, b"K\x01", pickle.ADDITEMS), change),
        "append to no list": (file(MODEL, b"K\x01", pickle.APPEND), change),
        "item of its own": (file(MODEL, b"K\x01K\x02", pickle.SETITEM), change),
        "items of its own": (file(MODEL, pickle.MARK, b"K\x01K\x02", pickle.SETITEMS), change),
        "class of its own": (file(MODEL, items(__class__=name(MARKING, "Touching")), build), change),
        "state given twice": (file(MODEL, items(a=opcodes(1)), build, items(b=opcodes(1)), build), change),
        "reader of its own": (
            file(wrapper, items(read=TOUCH, shape=opcodes((1,))), build),
            "change 'joblib.numpy_pickle.NumpyArrayWrapper'",
        ),
        "array without dtype": (
            file(wrapper, items(dtype=opcodes(1), shape=opcodes((1,))), build),
            "forge 'joblib.numpy_pickle.NumpyArrayWrapper'",
        ),
    }  # fmt: skip


MISUSED = {**forged(), **calling(), **changing()}
REAL = (
    "held function called", "held class called", "class of arguments", "object called", "class as bit generator",
    "generator made by another", "state made by another", "tree of another class", "method of its own",
    "method in the first half", "method in the second half", "attribute that is called", "item that is called",
    "append of its own", "extend of its own", "add of its own", "NEWOBJ_EX", "OBJ",
)  # fmt: skip
"""Those that leave their mark when Python's own unpickler opens them."""
BROKEN = {
    "GET of nothing": (file(pickle.BINGET, b"\x05"), "cannot be read as a pickle: UnpicklingError"),
    "PUT far away": (file(pickle.NONE, pickle.LONG_BINPUT, b"\xff" * 4), "holds an object of type NoneType"),
    "PUT below zero": (file(pickle.NONE, pickle.PUT, b"-1\n"), "cannot be read as a pickle: ValueError"),
    "DUP of nothing": (file(pickle.DUP), "cannot be read as a pickle: IndexError"),
    "POP of nothing": (file(pickle.POP * 4), "cannot be read as a pickle: IndexError"),
    "marks without end": (file(pickle.MARK * 3, b"t"), "holds an object of type tuple"),
    "frame without end": (file(pickle.FRAME, b"\xff" * 7, b"\x7f", pickle.NONE), "holds an object of type NoneType"),
    "number without end": (file(pickle.LONG4, b"\xff\xff\xff\x7f"), "cannot be read as a pickle"),
}
"""Files that reach where nothing is."""
