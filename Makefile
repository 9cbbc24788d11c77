# Two commands do it all: `make lesson` trains the first model, `make test` runs every test.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
N ?= 01
# Which PyTorch: auto (CPU where no NVIDIA GPU is found), cpu, cu130, ...; TORCH= (empty) takes the plain one.
TORCH ?= auto
BIN := .venv/bin
UV = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
# PyTorch's threads wait by spinning, which is slow beside other programs; this lets them sleep.
export OMP_WAIT_POLICY ?= PASSIVE
# `make lesson 02` would run lesson 01, for minutes, and then look for a target 02.
ifneq ($(filter 0% 1% P%,$(MAKECMDGOALS)),)
$(error For that lesson, type: make lesson N=$(firstword $(filter 0% 1% P%,$(MAKECMDGOALS))))
endif
.PHONY: lesson check test lab site lite help bench real backbone samples save readme constraints clean

lesson: .venv/ready   # runs a lesson (make lesson N=02: another) and shows you the result
	@$(BIN)/fastlessons run $(N) --show

check: .venv/ready   # what can be told in two minutes: the code's form, notebooks, export, the library's quick tests
	@$(BIN)/python -m pytest tests -rs -n 2 -m "not slow and not real"

test: .venv/ready   # everything, in two processes, a core for each
	@$(BIN)/python -m pytest tests -rs -n 2 -m "not real"

lab: .venv/ready   # opens JupyterLab on copies of the lessons in work/ (ARGS='--no-browser --port=9000' goes to it)
	@$(BIN)/fastlessons lab $(ARGS)

site: .venv/ready   # builds the course as a web site in build/site, out of the saved notebooks
	@$(BIN)/python site/build.py

lite: .venv/ready   # builds the lessons that run in the browser, in build/lite; PYODIDE=folder: with the Pyodide in it
	@$(BIN)/python site/lite.py $(PYODIDE)

help:   # this list
	@grep -hE '^[a-z]+:.*   # ' Makefile | sed -E 's/^([a-z]+):.*   # (.*)/make \1\t\2/' | expand -t 16
	@echo 'The command is .venv/bin/fastlessons (see: .venv/bin/fastlessons help). To have it in this shell: source .venv/bin/activate'

bench: .venv/ready   # measures again what RESULTS.md holds
	@$(BIN)/python benchmarks/run.py $(if $(DATA),--data $(DATA))

# The environment. CONSTRAINTS= (empty) takes the newest versions. PyTorch's CPU wheels are on PyTorch's own index,
# which not every network reaches: it is asked first, and without an answer the plain wheels are taken.
.venv/ready: settings.ini setup.py pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "fastlessons needs Python 3.10 or newer, this is " + sys.version.split()[0] + ". Try: make lesson PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || (rm -rf .venv; echo "Could not make .venv. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1)
	@echo "Installing into .venv (once; it takes some minutes, more on a slow network) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@backend=; size='about 400 MB, 3 GB with the libraries for an NVIDIA GPU'; if [ -n "$(TORCH)" ]; then \
	  if UV_HTTP_TIMEOUT=15 UV_HTTP_RETRIES=1 $(UV) --dry-run --no-deps --torch-backend=$(TORCH) torch 2>.venv/torch.log; then backend=--torch-backend=$(TORCH); \
	  else size='on Linux 3 GB, elsewhere about 400 MB'; \
	    echo "PyTorch's own index cannot be reached: taking the plain wheels, which are larger (.venv/torch.log says why)."; fi; fi; \
	echo "1 of 2: downloading PyTorch and fastai ($$size) ..."; \
	$(UV) $$backend fastai && \
	echo "2 of 2: downloading JupyterLab, Gradio and what else lessons and tests use (about 350 MB) ..." && \
	$(UV) $$backend -e '.[dev]'
	@touch $@
	@echo 'Done. To have the command fastlessons in your shell: source .venv/bin/activate'

# For those who work on the lessons: see CONTRIBUTING.md.
real: .venv/ready   # the lessons on the real data sets in ../shared/data
	@$(BIN)/python -m pytest tests -rs -n 2 -m real

save: .venv/ready   # runs and saves a notebook (N=02, N=vision/cnn); DATA=folder: first measures it on real data
	@$(if $(DATA),$(BIN)/python tools/maintain.py real $(N) $(DATA))
	@$(BIN)/python tools/maintain.py save $(N)

readme: .venv/ready
	@$(BIN)/python tools/maintain.py readme

samples: .venv/ready
	@$(BIN)/python -c "from fastlessons.samples.pack import write_samples; write_samples()"

backbone: .venv/ready
	@$(BIN)/python -c "from fastlessons.vision.backbone import save_backbone, train_backbone; print(save_backbone(*train_backbone()))"

constraints: .venv/ready
	@$(BIN)/uv pip compile --quiet --refresh-package fastlessons --universal --upgrade --python-version 3.10 --all-extras --no-header --no-annotate setup.py -o constraints.txt

clean:
	rm -rf .venv runs build dist *.egg-info
