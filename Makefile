# Two commands do it all: `make lesson` trains the first model, `make test` runs every test.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
N ?= 01
BIN := .venv/bin
.PHONY: lesson test lab bench backbone samples save readme constraints clean

lesson: .venv/ready
	@$(BIN)/fastlessons run $(N)

test: .venv/ready   # in two processes, a core for each
	@$(BIN)/python -m pytest tests -rs -n 2

lab: .venv/ready
	@$(BIN)/jupyter lab --notebook-dir=nbs

bench: .venv/ready
	@$(BIN)/python benchmarks/run.py $(if $(DATA),--data $(DATA))

# The environment. CONSTRAINTS= (empty) takes the newest versions.
.venv/ready: settings.ini setup.py pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "fastlessons needs Python 3.10 or newer, this is " + sys.version.split()[0] + ". Try: make lesson PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || (rm -rf .venv; echo "Could not make .venv. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1)
	@echo "Installing into .venv (once; PyTorch is large, so this can take some minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[dev]'
	@touch $@

# For those who work on the lessons: see CONTRIBUTING.md.
save: .venv/ready
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
