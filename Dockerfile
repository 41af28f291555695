# syntax=docker/dockerfile:1
# One image for the web, the workers, beat and the consumers; docker-compose.yml tells them apart by their commands.
#   docker build .                                   for CPUs
#   docker build --build-arg TORCH_BUILD=cuda .      for NVIDIA GPUs, several gigabytes larger

FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /build
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock
COPY .ci/install_torch.py .ci/uv.lock ./
ARG TORCH_BUILD=cpu
RUN /opt/venv/bin/python install_torch.py "$TORCH_BUILD" && /opt/venv/bin/pip uninstall --yes uv

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pricing \
    # where beat keeps its schedule; a volume mounted here takes over the owner
    && install -d -o pricing -g pricing /var/lib/pricing
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
# Owned by root: what runs cannot change itself.
COPY . .
RUN SECRET_KEY=only-for-this-step python manage.py collectstatic --noinput
USER pricing
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
