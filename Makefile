# Makes and uses a virtual environment of its own; nothing but Python and make is needed beforehand.

PYTHON ?= python3
VENV ?= .venv
SKLEARNS ?= 1.4 1.5 1.6 1.7 1.8 1.9
SPARKS ?= 3.5.7 4
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-all faults soak bench-batch bench-serve bench-spark bench-stream broker matrix spark-matrix lint samples locks check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.group-samples ## Export a sample model, score its CSV and show the first scored rows
	@rm -rf .run && mkdir .run
	$(BIN)/mlship export sample_models/penguins/model.pkl -o .run/penguins.onnx
	$(BIN)/mlship batch sample_models/penguins/input.csv -m .run/penguins.onnx -o .run/penguins.scored.csv
	@$(BIN)/python sample_models/show.py .run/penguins.scored.csv species sex prediction 'probability_*'
	@echo
	@echo "To answer over HTTP with the same model:"
	@echo "  $(BIN)/mlship serve .run/penguins.onnx"

test: $(VENV)/.group-test ## Run the tests, with a sample of each long campaign; ARGS="-k serve" and the like go to pytest
	$(BIN)/python -m pytest -n 2 --dist loadscope $(ARGS)

test-all: $(VENV)/.group-test ## Run the tests, and each of their campaigns whole, which takes much longer
	$(BIN)/python -m pytest -n 2 --dist loadscope --whole $(ARGS)

faults: $(VENV)/.group-test ## Run the whole campaign of faults on batch: calls that fail, kills, flipped bits, full disks
	$(BIN)/python -m pytest -n 2 --dist load --whole tests/faults $(ARGS)

soak: $(VENV)/.group-test ## Send a server a million requests, good and bad, and see that its memory does not grow
	$(BIN)/python -m pytest --whole -s tests/serve/campaigns/test_soak.py $(ARGS)

bench-batch: $(VENV)/.group-test ## Measure batch against pandas, Polars and onnxruntime; ARGS="--only lr --pairs 5" choose
	$(BIN)/python -m tests.benchmarks.bench_batch $(ARGS)

bench-serve: $(VENV)/.group-test ## Measure serve against FastAPI, KServe and MLServer; ARGS="--only one --pairs 5 --seconds 4" choose
	$(BIN)/python -m tests.benchmarks.bench_serve $(ARGS)

bench-stream: $(VENV)/.group-test ## Measure a scored topic of Kafka against a hand-written loop; ARGS="--pairs 5 --records 400000" choose
	$(BIN)/python -m tests.benchmarks.bench_stream $(ARGS)

broker: $(VENV)/.group-test ## Start a broker of Apache Kafka at 127.0.0.1:9092 to try streams with; Java 17 and Maven are needed
	$(BIN)/python -m tests.stream.playground .cache/broker 9092

bench-spark: $(VENV)/.group-test ## Measure batch on Spark against the local engine and plain Spark; ARGS="--only lr --rounds 5" choose
	$(BIN)/python -m tests.benchmarks.bench_spark $(ARGS)

matrix: $(BIN)/python ## Run the end-to-end tests beside each minor version of scikit-learn
	@for version in $(SKLEARNS); do \
		echo "=== scikit-learn $$version"; \
		$(PYTHON) -m venv .matrix/$$version && \
		.matrix/$$version/bin/python -m pip install --quiet --upgrade 'pip>=25.1' && \
		.matrix/$$version/bin/python -m pip install --quiet --editable . --group pytest "scikit-learn==$$version.*" && \
		.matrix/$$version/bin/python -m pytest -m lowest -W default -q --ignore tests/export/converters --ignore tests/targets || exit 1; \
	done

spark-matrix: $(BIN)/python ## Run the tests of Spark beside each of its versions; ARGS=--whole runs their campaigns
	@for version in $(SPARKS); do \
		echo "=== Spark $$version"; \
		$(PYTHON) -m venv .matrix/spark-$$version && \
		.matrix/spark-$$version/bin/python -m pip install --quiet --upgrade 'pip>=25.1' && \
		.matrix/spark-$$version/bin/python -m pip install --quiet --editable . --group pytest "pyspark==$$version.*" && \
		.matrix/spark-$$version/bin/python -m pytest tests/spark -W default -q $(ARGS) || exit 1; \
	done

lint: $(VENV)/.group-lint ## Check style, formatting, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

samples: $(VENV)/.group-samples ## Train the sample models again
	$(BIN)/python sample_models/penguins/train.py
	$(BIN)/python sample_models/diabetes/train.py
	$(BIN)/python sample_models/breast_cancer/train.py

LOCKS := $(wildcard mlship/targets/locks/*.in)

locks: ## Renew the lists of libraries that bundles install
	$(PYTHON) -m venv .cache/uv && .cache/uv/bin/python -m pip install --quiet uv
	cd mlship/targets/locks && for list in $(notdir $(basename $(LOCKS))); do \
		../../../.cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --upgrade \
			--generate-hashes --no-header --no-annotate $$list.in -o $$list.txt || exit 1; \
	done

check: lint test ## Run what has to pass before a change is handed in

clean: ## Remove everything that make made
	rm -rf $(VENV) .bench .cache .matrix .run build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find mlship sample_models tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mlship needs Python 3.11 or newer; name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# Dependency groups need pip 25.1; an older Python comes with an older pip.
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

# The stamp of an installed group. A change of the dependencies installs anew, everything else takes no time.
$(VENV)/.group-%: pyproject.toml | $(BIN)/python
	@echo "Installing mlship and its dependencies into $(VENV), which takes a minute or two ..."
	$(BIN)/python -m pip install --quiet --editable . --group $*
	@touch $@
