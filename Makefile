# make demo   train, test and look at a tiny model on two CPU cores
# make test   everything that must pass
# make check  ruff, mypy and codespell alone
# PYTHON=...  the interpreter that .venv is made with (3.11 or later)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
INSTALLED := .venv/.installed
DEMO := work_dirs/demo
DEMO_CONFIG := configs/demo/upernet_mae-tiny_64x64_digits.py

.PHONY: demo test check install

install: $(INSTALLED)

$(INSTALLED): $(wildcard requirements/*.txt) setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: the pinned stack needs Python 3.11 or later; choose one with PYTHON=...")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --disable-pip-version-check -r requirements/dev.txt -c requirements/constraints.txt
	$(PY) -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	touch $@

demo: $(INSTALLED)
	$(PY) tools/dataset_converters/digit_scenes.py data/digit_scenes
	$(PY) tools/train.py $(DEMO_CONFIG) --work-dir $(DEMO)
	$(PY) tools/test.py $(DEMO_CONFIG) $$(cat $(DEMO)/last_checkpoint) --work-dir $(DEMO) --eval mIoU --show-dir $(DEMO)/pictures
	$(PY) tools/contact_sheet.py $(DEMO)/pictures $(DEMO)/pictures.png

check: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m mypy mae_mm
	$(PY) -m codespell_lib README.md CHANGELOG.md CONTRIBUTING.md metafile.yml docs mae_mm configs tools tests

test: check
	$(PY) -m pytest
