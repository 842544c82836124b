# `make demo` and `make test` work on any machine with Python 3.11 or 3.12: the first command makes the
# environment .venv, the later ones use it and need no network.
#
#   make test PYTHON=/usr/bin/python3.11    another Python
#   make demo TORCH_INDEX_URL=...           PyTorch from another package index
#   make test ARGS="-k worker -x"           further arguments of pytest

PYTHON ?=
TORCH_INDEX_URL ?=
ARGS ?=
DEMO_FOLDER ?= demo-output
DEMO_BUDGET ?= 60
export TORCH_INDEX_URL

RUN := .venv/bin/python

.PHONY: help demo test test-slow pictures lint format cmake-lists clean environment libraries

help: ## says what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | \
		awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: environment libraries ## learns 6 structures of a brain MRI from 5 slices in a minute, into demo-output/
	$(RUN) -m contrastive_seg.cli demo --budget $(DEMO_BUDGET) --output $(DEMO_FOLDER) $(ARGS)

test: environment libraries ## the tests, without those that are slow or need a GPU
	$(RUN) -m pytest -m "not slow and not gpu" $(ARGS)

test-slow: environment libraries ## all tests that do not need a GPU
	$(RUN) -m pytest -m "not gpu" $(ARGS)

pictures: environment libraries ## the pictures of README and Docs, anew
	PYTHONPATH=ContrastiveSeg:Testing/Python QT_QPA_PLATFORM=offscreen $(RUN) Testing/Tools/render_pictures.py $(ARGS)

lint: environment ## style, types, and the file lists of CMake
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) Testing/Tools/cmake_lists.py --check

format: environment ## puts the code into the common format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

cmake-lists: environment ## writes the file lists of ContrastiveSeg/CMakeLists.txt
	$(RUN) Testing/Tools/cmake_lists.py

clean: ## removes the environment and everything that was made
	rm -rf .venv demo-output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf ContrastiveSeg/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@if [ -z "$(PYTHON)" ] && [ -x .venv/bin/python ] && [ -f .venv/environment.json ]; then \
		python=.venv/bin/python; \
	else \
		python=$$(sh Testing/Tools/find_python.sh "$(PYTHON)") || exit 1; \
	fi; \
	"$$python" Testing/Tools/make_environment.py

libraries: environment
	@$(RUN) Testing/Tools/check_system_libraries.py
