# make demo   pre-train a tiny model on two CPU cores, fine-tune it and the same from scratch, test both and draw
# make test   everything that must pass
# make docs   the documents as a site, build/docs; whatever leads nowhere is an error
# make browser   the page in a real browser, with the system's Chromium
# make check  ruff, mypy and codespell alone
# make cifar-table CIFAR=DIR   pre-train on CIFAR-10, then a table of the ways to use the encoder
# JOBS=2      how many tests run at a time
# PYTHON=...  the interpreter that .venv is made with (3.11 or later)

JOBS ?= 2
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
INSTALLED := .venv/.installed
DEMO := work_dirs/demo
DOCS := build/docs-packages
BROWSER := build/browser-packages
DEMO_PRETRAIN := configs/demo/mae-tiny_64x64_digits.py
DEMO_CONFIG := configs/demo/upernet_mae-tiny_64x64_digits.py

CIFAR ?= data/cifar10
CIFAR_WORK := work_dirs/cifar
CIFAR_PRETRAIN := configs/pretrain/mae_vit-tiny-p4_1xb64-coslr-30e_cifar10.py

.PHONY: demo test browser cifar-table check docs install

install: $(INSTALLED)

$(INSTALLED): $(wildcard requirements/*.txt) setup.py setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: the pinned stack needs Python 3.11 or later; choose one with PYTHON=...")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --disable-pip-version-check -r requirements/dev.txt -c requirements/constraints.txt
	$(PY) -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	touch $@

demo: $(INSTALLED)
	$(PY) tools/dataset_converters/digit_scenes.py data/digit_scenes
	$(PY) tools/train.py $(DEMO_PRETRAIN) --work-dir $(DEMO)/pretrain --overwrite
	$(PY) tools/train.py $(DEMO_CONFIG) --work-dir $(DEMO)/pretrained --overwrite --cfg-options \
		checkpoint=$$(cat $(DEMO)/pretrain/last_checkpoint)
	$(PY) tools/train.py $(DEMO_CONFIG) --work-dir $(DEMO)/scratch --overwrite
	for run in pretrained scratch; do \
		$(PY) tools/test.py $(DEMO_CONFIG) $$(cat $(DEMO)/$$run/last_checkpoint) --work-dir $(DEMO)/$$run \
			--show-dir $(DEMO)/$$run/pictures || exit; \
	done
	@$(PY) tools/contact_sheet.py $(DEMO)/pretrained/pictures $(DEMO)/pictures.png
	@ls -v $(DEMO)/pretrain/*/vis_data/vis_image/reconstruction_*.png | tail -n 1
	@grep -H '"mIoU"' $(DEMO)/pretrained/metrics.json $(DEMO)/scratch/metrics.json
	@echo "A page in the browser with these checkpoints: $(PY) -m pip install 'gradio>=6'; $(PY) -m mae_mm demo"

cifar-table: $(INSTALLED)
	test -e $(CIFAR_WORK)/epoch_30.pth || $(PY) tools/train.py $(CIFAR_PRETRAIN) --work-dir $(CIFAR_WORK) \
		--resume auto --cfg-options data_root=$(CIFAR) randomness.seed=0
	$(PY) tools/cifar_table.py $(CIFAR_WORK)/epoch_30.pth --data $(CIFAR)

check: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m mypy mae_mm
	$(PY) -m codespell_lib README.md CHANGELOG.md CONTRIBUTING.md metafile.yml docs mae_mm configs tools tests

# Apart from .venv, whose versions stay those that everything was tested with.
$(DOCS)/.installed: requirements/docs.txt requirements/constraints.txt $(INSTALLED)
	$(PY) -m pip install --disable-pip-version-check --quiet --upgrade --target $(DOCS) -r requirements/docs.txt \
		-c requirements/constraints.txt
	touch $@

docs: $(DOCS)/.installed
	$(PY) tools/docs/model_zoo.py
	$(PY) tools/docs/imports.py
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=$(DOCS) $(PY) -m mkdocs build --quiet --strict
	@echo "the documents: build/docs/index.html"

# Apart from .venv too: Gradio needs an older Pillow.
$(BROWSER)/.installed: requirements/browser.txt requirements/constraints.txt $(INSTALLED)
	mkdir -p build
	grep -vi '^pillow=' requirements/constraints.txt > build/browser-constraints.txt
	$(PY) -m pip install --disable-pip-version-check --quiet --upgrade --target $(BROWSER) -r requirements/browser.txt \
		-c build/browser-constraints.txt
	touch $@

browser: $(BROWSER)/.installed
	OMP_NUM_THREADS=1 PYTHONPATH=$(BROWSER) $(PY) -m pytest tests/test_browser.py tests/test_page.py

test: check
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist loadfile
