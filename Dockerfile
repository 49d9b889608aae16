# The server and the workers are one image; docker-compose.yml says which is which.

FROM python:3.11-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
# uv installs the lock in seconds; it comes from the lock itself, with its hashes.
RUN awk '/^[a-z]/ {found = /^uv==/} found && !/^ *#/' requirements.lock > /tmp/uv.lock \
    && pip install --no-cache-dir --require-hashes -r /tmp/uv.lock \
    && python -m venv --without-pip /opt/aurora \
    && uv pip sync --no-cache --python /opt/aurora/bin/python --require-hashes requirements.lock
COPY pyproject.toml README.md ./
COPY app app
COPY workers workers
COPY hub hub
# The tool that builds the wheel is held to the hashes of the development lock.
RUN uv build --no-cache --wheel --require-hashes --build-constraints requirements-dev.lock --out-dir /tmp/wheel \
    && uv pip install --no-cache --python /opt/aurora/bin/python --no-deps /tmp/wheel/*.whl

FROM python:3.11-slim-bookworm
# What the repositories worked on need besides Python, for example "nodejs npm".
ARG EXTRA_PACKAGES=""
# Security fixes are wanted as they come, so Debian's packages aren't pinned; EXTRA_PACKAGES is a list.
# hadolint ignore=DL3008,SC2086
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git ${EXTRA_PACKAGES} \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-log-init --home-dir /data --no-create-home aurora \
    && install --directory --owner=aurora --group=aurora --mode=0750 /data
COPY --from=build /opt/aurora /opt/aurora
ENV PATH=/opt/aurora/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    AURORA_DATA_DIR=/data \
    AURORA_HOST=0.0.0.0 \
    AURORA_PORT=8000
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['AURORA_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["aurora"]
CMD ["serve"]
