"""One conversion: estimators are asked for their methods as scikit-learn asks them, and each writes its part.

A wrapper calls the methods of the estimators within it, so that whatever can be converted alone can be converted
inside of any pipeline, search, ensemble or chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from mlship.errors import NotConvertible
from mlship.export.graph.builder import Graph
from mlship.export.graph.expr import Expr, Kind, constant
from mlship.export.graph.methods import Method
from mlship.export.graph.table import Table
from mlship.export.precision import Precision
from mlship.export.registry import methods_of, nearest


@dataclass
class Anchor:
    """What the model knows of one input column.

    Attributes:
        values: Typical values, such as a mean and what lies around it.
        thresholds: Values at which an answer jumps.
        texts: Typical texts.
    """

    values: list[float] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class Context:
    """A conversion under way.

    Args:
        graph: The graph being written.
        precision: What the user asked for; `auto` and `float32` write each model in its own arithmetic, and a whole
            graph is narrowed to float32 afterwards; with `float64` also a model of float32 is summed in float64.
        root: What paths begin with, unless it is a pipeline that they begin with: the name of the outermost class.

    Attributes:
        anchors: What the estimators said of the input columns, by their place in the schema.
        limits: The magnitudes of input columns beyond which answers hang on rounding, by their place in the schema.
        failed: Path of the innermost step whose conversion raised, or an empty text.
        arithmetic: What the model computes in: `float32` once an estimator says that it does.
    """

    def __init__(self, graph: Graph, precision: Precision = "auto", root: str = "") -> None:
        self.graph = graph
        self.root = root
        self.precision: Precision = precision
        self.anchors: dict[int, Anchor] = {}
        self.limits: dict[int, float] = {}
        self.failed: str = ""  # the innermost step that an exception left
        self.arithmetic: Literal["float32", "float64"] = "float64"
        self._path: list[str] = []
        self._done: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def transform(self, model: Any, table: Table, step: str | None = None) -> Table:
        """Write `transform` of an estimator.

        Args:
            model: The fitted estimator.
            table: What it is given.
            step: Where it stands in the one that asks, such as `scale` or `estimators_[3]`; for messages.

        Raises:
            NotConvertible: It, or something within it, cannot be converted.
        """
        with self.at(step):
            found: Table = self._written(model, "transform", table)
            return found

    def answer(self, model: Any, method: Method, table: Table, step: str | None = None) -> Expr:
        """Write another method of an estimator; see `methods.Answer` for what comes out, and `transform`."""
        with self.at(step):
            found: Expr = self._written(model, method, table)
            return found

    def _written(self, model: Any, method: str, table: Table) -> Any:
        """The result of a method, which is written once for one table."""
        key = (id(model), method, table.sparse, *((cell.value.name, cell.place, cell.lane) for cell in table.cells))
        if key not in self._done:
            self._done[key] = (self._write(model, method, table), model)  # holding the model keeps its id its own
        return self._done[key][0]

    def _write(self, model: Any, method: str, table: Table) -> Any:
        methods = methods_of(type(model))
        if methods is None:
            raise self.refusal(f"{type(model).__name__} is not supported", hint=nearest(type(model)))
        write = getattr(methods, method)
        if write is None:
            raise self.refusal(f"{method} of {type(model).__name__} is not supported")
        try:
            return write(self, model, table)
        except NotConvertible as error:
            if error.facts.get("step") is None:
                raise self._placed(error, model) from error
            raise
        except Exception:
            self.failed = self.failed or self.path
            raise

    @contextmanager
    def at(self, step: str | None) -> Iterator[None]:
        """Go into a step for as long as the block runs, so that messages name it."""
        if step is not None:
            self._path.append(step)
        try:
            yield
        finally:
            if step is not None:
                self._path.pop()

    @property
    def path(self) -> str:
        """Where the conversion is, such as `pipeline.prep.num[2]`; empty for a model that is one estimator."""
        joined = self.root if self._path and self._path[0] != "pipeline" else ""
        for step in self._path:
            joined += step if step.startswith("[") or not joined else f".{step}"
        return joined

    def refusal(self, what: str, hint: str | None = None) -> NotConvertible:
        """Return the error for something that cannot be converted, to be raised.

        Args:
            what: What it is, as the rest of `PATH: ... .`.
            hint: The nearest thing that can be converted.
        """
        where = f"{self.path}: " if self.path else ""
        error = NotConvertible(f"{where}{what}.", hint=hint, code="not_supported")
        error.facts["step"] = self.path
        return error

    def _placed(self, error: NotConvertible, model: Any) -> NotConvertible:
        what, name = error.message.rstrip("."), type(model).__name__
        placed = self.refusal(what if what.startswith(name) else f"{name}: {what}", hint=error.hint)
        placed.code = error.code
        return placed

    def constant(self, values: Any, kind: Kind = "float64") -> Expr:
        """Return a constant tensor; see `expr.constant`."""
        return constant(self.graph, values, kind)

    def typical(self, table: Table, column: int, values: Iterable[float]) -> None:
        """Note typical values that an estimator knows of a column of its table, as it sees them."""
        lane = table.lanes[column]
        if lane is not None:
            self._anchor(lane.column).values += [lane.back(float(value)) for value in values]

    def blurs(self, table: Table, column: int, beyond: float) -> None:
        """Note that an answer hangs on rounding where a column is larger than this in magnitude.

        Such are ties of distances that differ by less than float64 tells. The signature refuses what is larger.
        """
        lane = table.lanes[column]
        if lane is not None and lane.times:
            bound = max(abs(lane.back(beyond)), abs(lane.back(-beyond)))
            self.limits[lane.column] = min(bound, self.limits.get(lane.column, bound))

    def texts(self, table: Table, column: int, values: Iterable[str]) -> None:
        """Note typical texts that an estimator knows of a column of its table."""
        lane = table.lanes[column]
        if lane is not None:
            self._anchor(lane.column).texts += values

    def jumps(self, table: Table, column: int, values: Iterable[float]) -> None:
        """Note values of a column of a table at which an answer jumps, such as thresholds, as the estimator sees them.

        The proof tries each of them and its neighbours by one unit in the last place.
        """
        lane = table.lanes[column]
        if lane is not None:
            self._anchor(lane.column).thresholds += [lane.back(float(value)) for value in values]

    def _anchor(self, column: int) -> Anchor:
        return self.anchors.setdefault(column, Anchor())
