# Set-up is done on the first call and skipped after that. Needs Python 3.11 to 3.14 and nothing else.
PYTHON ?= python3
# auto, cpu, cuda or pip: see .ci/install_torch.py
TORCH_BUILD ?= auto
PORT ?= 8000
# of the test run: one process a core on a small machine
WORKERS ?= 2

BIN := .venv/bin
EMBEDDED := $(BIN)/python -m pricing_site.embedded

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/.torch-$(TORCH_BUILD) ## Run the main job on real data: import, learn, optimise, publish, serve, report
	$(EMBEDDED) exec -- sh -ec 'python manage.py migrate --noinput --verbosity 0; python manage.py set_up_roles; exec python manage.py demo'

run: .venv/.torch-$(TORCH_BUILD) ## Run the site on http://localhost:8000 with its workers and servers (PORT=8000)
	$(EMBEDDED) run --port $(PORT)

test: .venv/.dev .venv/.torch-$(TORCH_BUILD) ## Run all tests against real servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: .venv/.dev .venv/.torch-$(TORCH_BUILD) ## Check style, types, layers, migrations, API document and deployment settings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(AS_DEPLOYED) $(BIN)/mypy
	$(BIN)/lint-imports
	$(EMBEDDED) exec --ephemeral -- python manage.py makemigrations --check --dry-run
	$(AS_DEPLOYED) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@mkdir -p var
	$(AS_DEPLOYED) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml
	@diff -u docs/openapi.yaml var/openapi.yaml || { echo 'docs/openapi.yaml is not what the code says: make openapi'; exit 1; }

openapi: .venv/.dev .venv/.torch-$(TORCH_BUILD) ## Write docs/openapi.yaml from the code
	$(AS_DEPLOYED) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

lock: .venv/.created ## Renew the lock files from pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r .ci/uv.lock
	$(COMPILE) $(NOT_LOCKED) pyproject.toml -o requirements.lock
	$(COMPILE) $(NOT_LOCKED) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	grep -o '^uv==[0-9.]*' .ci/uv.lock | $(COMPILE) - -o .ci/uv.lock

clean: ## Remove the environment, the demo's data and all caches
	rm -rf .venv var static_root .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo run test check openapi lock clean

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo 'Python 3.11 to 3.14 is needed: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo 'This Python cannot make virtual environments: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.run: requirements.lock | .venv/.created
	@echo 'Installing what $< lists: a minute or two the first time.'
	$(BIN)/pip install --quiet --require-hashes -r $<
	@touch $@

.venv/.dev: requirements-dev.lock | .venv/.created
	@echo 'Installing what $< lists: a minute or two the first time.'
	$(BIN)/pip install --quiet --require-hashes -r $<
	@touch $@

# After the locks, which hold what PyTorch needs in the versions we tested.
.venv/.torch-$(TORCH_BUILD): .ci/install_torch.py | .venv/.run
	$(BIN)/python $< $(TORCH_BUILD)
	@touch $@

# What a deployment's environment looks like; nothing here is connected to.
AS_DEPLOYED = DEBUG=0 ALLOWED_HOSTS=shop.example CSRF_TRUSTED_ORIGINS=https://shop.example \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
	DATABASE_URL=postgres://user:password@db.example/pricing REDIS_URL=redis://cache.example/0 \
	CELERY_BROKER_URL=redis://queue.example/0 KAFKA_BOOTSTRAP_SERVERS=kafka.example:9092

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"
# PyTorch and its CUDA libraries: a hash would pin one build of them.
NOT_LOCKED = $(addprefix --no-emit-package ,torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas \
	nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
	nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 \
	nvidia-nvtx)
